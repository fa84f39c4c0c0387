"""`fashion list`: every experiment and how its runs ended, or the recipes of some beside each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from fashion.commands.terminal import RUNS_FOLDER, named, print_table
from fashion.experiments import EXPERIMENTS, Experiment
from fashion.settings import MODEL_LOGS, RUNS, FashionError

if TYPE_CHECKING:
    from fashion.runs.record import Run


def list_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Show the recipes of these beside each other.")
    ] = None,
    logs: Annotated[
        Path | None, typer.Option(help=f"{RUNS_FOLDER}.", show_default="model_logs; with names, runs first")
    ] = None,
) -> None:
    """List every experiment, or those that ran in a folder: epochs, seeds, and mean accuracy in percent.

    With names, show what their recipes are, and how their runs ended: yours, or else the study's.
    """
    from fashion.runs.record import failures

    own, logs = _groups(RUNS) if names and not logs else [], logs or MODEL_LOGS
    if not logs.is_dir():
        raise FashionError(f"there is no folder {logs}; the study's record, model_logs, comes with its repository")
    groups = _groups(logs)
    if names:
        return print_table(_recipes([each for name in dict.fromkeys(names) for each in _called(name, own, groups)]))
    rows = [
        {"experiment": each.experiment.name, "epochs": each.experiment.epochs, **each.ends(), **each.changes()}
        for each in groups
        if each.ran or logs.resolve() == MODEL_LOGS.resolve()
    ]
    print_table(rows) if rows else typer.echo(f"no run in {logs}")
    for line in failures(logs):
        typer.echo(f"failed: {line}")


class Group(NamedTuple):
    """An experiment and its runs in a folder: on the test images, and on the validation split."""

    experiment: Experiment
    tested: "list[Run]"
    validated: "list[Run]"

    @property
    def ran(self) -> bool:
        """Whether there are any."""
        return bool(self.tested or self.validated)

    def ends(self) -> dict[str, str]:
        """Write how they ended, by the title of a column."""
        from fashion.study.writing import percent, seed_list

        seeds = seed_list(self.tested or self.validated)
        return {"seeds": seeds, "test": percent(self.tested), "validation": percent(self.validated)}

    def changes(self) -> dict[str, str]:
        """Say how the recipe differs from the one that `EXPERIMENTS` has by its name, where it does."""
        differences = EXPERIMENTS.get(self.experiment.name, self.experiment).differences(self.experiment)
        return {"recipe": "; ".join(differences)} if differences else {}


def _groups(logs: Path) -> list[Group]:
    """Read the runs in a folder, by experiment: those of `EXPERIMENTS` first, whether they ran or not."""
    from fashion.runs.record import read_runs

    # By the name as well, since experiments are equal if their recipes are
    found = {(each.name, each): Group(each, [], []) for each in EXPERIMENTS.values()}
    for part, folder in (("tested", logs), ("validated", logs / "validation")):
        for run in (run for each in sorted(folder.glob("*_logs")) for run in read_runs(each)):
            each = run.record.experiment
            getattr(found.setdefault((each.name, each), Group(each, [], [])), part).append(run)
    return list(found.values())


def _called(name: str, *folders: list[Group]) -> list[Group]:
    """Return the groups of a name that ran, from the first folder with any, or what `EXPERIMENTS` has by that name."""
    ran = ([each for each in groups if each.experiment.name == name and each.ran] for groups in folders)
    return next(filter(None, ran), None) or [Group(named(name, None), [], [])]


def _recipes(groups: list[Group]) -> list[dict[str, str]]:
    """Return the rows of a table with a column for each experiment: its settings, and how its runs ended."""
    from fashion.study.tables import recipes

    columns = ["", *(": ".join((each.experiment.name, *each.changes().values())) for each in groups)]
    ends = [each.ends() for each in groups]
    settings = recipes(each.experiment for each in groups).to_numpy()
    rows = [*settings, *([name, *(end[name] for end in ends)] for name in ends[0])]
    return [dict(zip(columns, row, strict=True)) for row in rows]
