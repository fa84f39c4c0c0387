"""`fashion list`: every experiment and how its runs ended, or the recipes of some beside each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashion.commands.terminal import RUNS_FOLDER, named, show
from fashion.experiments import EXPERIMENTS, Experiment
from fashion.settings import MODEL_LOGS, FashionError

if TYPE_CHECKING:
    from fashion.runs.record import Run


def list_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Show the recipes of these beside each other.")
    ] = None,
    logs: Annotated[Path, typer.Option(help=f"{RUNS_FOLDER}.", show_default="model_logs")] = MODEL_LOGS,
) -> None:
    """List every experiment, or those that ran in a folder: epochs, seeds, and mean accuracy in percent.

    With names, show what their recipes are, and how their runs ended.
    """
    from fashion.runs.record import failures

    if not logs.is_dir():
        raise FashionError(f"there is no folder {logs}; the study's record, model_logs, comes with its repository")
    found = _runs(logs)
    if names:
        return show(_recipes([each for name in dict.fromkeys(names) for each in _called(name, found)], found))
    rows = [
        {"experiment": each.name, "epochs": each.epochs, **_ends(*runs), **_changed(each)}
        for each, runs in found.items()
        if any(runs) or logs == MODEL_LOGS
    ]
    show(rows) if rows else typer.echo(f"no run in {logs}")
    for line in failures(logs):
        typer.echo(f"failed: {line}")


def _runs(logs: Path) -> "dict[Experiment, tuple[list[Run], list[Run]]]":
    """Read the runs in a folder by experiment: those on the test images, and those on the validation split."""
    from fashion.runs.record import read_runs

    found = {each: ([], []) for each in EXPERIMENTS.values()}
    for part, folder in enumerate((logs, logs / "validation")):
        for run in (run for each in sorted(folder.glob("*_logs")) for run in read_runs(each)):
            found.setdefault(run.record.experiment, ([], []))[part].append(run)
    return found


def _ends(tested: "list[Run]", validated: "list[Run]") -> dict[str, str]:
    from fashion.study.writing import percent, seed_list

    return {"seeds": seed_list(tested or validated), "test": percent(tested), "validation": percent(validated)}


def _changed(experiment: Experiment) -> dict[str, str]:
    """Say how a recipe differs from the one that `EXPERIMENTS` has by its name, where it does."""
    differences = EXPERIMENTS.get(experiment.name, experiment).differences(experiment)
    return {"recipe": "; ".join(differences)} if differences else {}


def _called(name: str, found: "dict[Experiment, tuple[list[Run], list[Run]]]") -> list[Experiment]:
    """Return what an experiment was when it ran, in whatever recipes, or what `EXPERIMENTS` has by its name."""
    same = [each for each, runs in found.items() if each.name == name and any(runs)]
    return same or [named(name, None)]


def _recipes(
    experiments: list[Experiment], found: "dict[Experiment, tuple[list[Run], list[Run]]]"
) -> list[dict[str, str]]:
    """Return the rows of a table with a column for each experiment: its settings, and how its runs ended."""
    from fashion.study.tables import recipes

    columns = ["", *(": ".join((each.name, *_changed(each).values())) for each in experiments)]
    ends = [_ends(*found[each]) for each in experiments]
    rows = [*recipes(experiments).to_numpy(), *([name, *(end[name] for end in ends)] for name in ends[0])]
    return [dict(zip(columns, row, strict=True)) for row in rows]
