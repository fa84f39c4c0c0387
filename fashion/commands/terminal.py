"""What commands of the command line share: their options, experiments and seeds by name, and how runs are shown."""

import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashion.experiments import EXPERIMENTS, Experiment
from fashion.settings import MODEL_LOGS, RUNS, FashionError, quick

if TYPE_CHECKING:
    from fashion.history import Epoch
    from fashion.runs.record import Run

RUNS_FOLDER = "Folder of the runs"

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Experiments; `fashion list` names them.")]
Seeds = Annotated[str, typer.Option(help="Such as 0-4 or 0,2.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training images. Default: the recipe's.")]
Data = Annotated[
    Path | None, typer.Option(exists=True, help="Folder of the dataset. Default: $FASHION_DATA, else data.")
]
Logs = Annotated[Path, typer.Option(help=f"{RUNS_FOLDER}; model_logs is the study's.", show_default="runs")]
Recorded = Annotated[
    Path | None, typer.Option(help=f"{RUNS_FOLDER}.", show_default="runs, and model_logs for what it lacks")
]
Validation = Annotated[
    bool, typer.Option("--validation", help="Hold 6,000 training images out to evaluate on, not the test set.")
]
Precision = Annotated[str, typer.Option(help="fp32, bf16, or auto: as begun, else the faster one.")]


def require_words(arguments: list[str]) -> None:
    """Refuse empty arguments, which as paths would mean the working directory.

    Raises:
        FashionError: one is empty.
    """
    for before, each in pairwise(["fashion", *arguments]):
        if not each or re.fullmatch("--[^=]+=", each):
            raise FashionError(f"nothing follows {each or before}: is a variable not set?")


def named(name: str, epochs: int | None) -> Experiment:
    """Return the experiment of a name, with another number of epochs where one is given.

    Raises:
        FashionError: there is none, or no such number.
    """
    if name not in EXPERIMENTS:
        names = {each.lower(): each for each in EXPERIMENTS}
        close = get_close_matches(name.lower(), names, n=1)
        hint = f"did you mean {names[close[0]]}?" if close else "`fashion list` names them all"
        raise FashionError(f"there is no experiment {name!r}: {hint}")
    experiment = EXPERIMENTS[name]
    if epochs in (None, experiment.epochs):
        return experiment
    if epochs < 1:
        raise FashionError(f"--epochs must be at least 1, not {epochs}: leave it out for the recipe's own")
    return replace(experiment, epochs=epochs, published=None)


def recorded_as(names: Iterable[str], logs: Path | None, validation: bool = False) -> "dict[str, list[Run]]":
    """Read the runs of experiments, or of folders such as runs/model_v1_logs, by what they are called here.

    Args:
        names: of the experiments, or the folders.
        logs: where the experiments' runs lie; None for a user's own and, where there are none of one, the study's.
        validation: whether the experiments' runs on the validation split are meant.

    Raises:
        FashionError: there is no such experiment or folder, a folder has runs of more than one recipe, or an experiment
            has runs of another recipe alone.
    """
    from fashion.runs.record import read_runs, recorded

    found, lacking = {}, []
    for name in names:
        if Path(name).is_dir():
            found[name] = read_runs(Path(name))
            if len({run.record.experiment for run in found[name]}) > 1:
                raise FashionError(f"{name} has runs of more than one recipe")
            continue
        if "/" in name:
            raise FashionError(f"there is no folder {name}")
        found[name] = recorded(named(name, None), logs or RUNS, validation)
        if not found[name] and logs is None:
            found[name] = recorded(named(name, None), MODEL_LOGS, validation)
            lacking += [name] * bool(found[name])
        if not found[name]:
            _require_recipe(named(name, None), logs or RUNS, validation)
    if lacking:
        typer.echo(f"{RUNS.name}/ has no runs of {', '.join(lacking)}: shown are the study's, in {MODEL_LOGS.name}/")
    return found


def _require_recipe(experiment: Experiment, logs: Path, validation: bool) -> None:
    from fashion.runs.record import experiment_folder, read_runs

    folder = experiment_folder(experiment, logs, validation)
    for run in read_runs(folder):
        if differences := experiment.differences(run.record.experiment):
            raise FashionError(
                f"{from_here(folder)} has {experiment.name} with {', '.join(differences)}: name that folder instead"
            )


def numbers(seeds: str) -> list[int]:
    """Return the seeds that a text such as 0-4 or 0,2 stands for, in order.

    Raises:
        FashionError: it stands for none.
    """
    found: set[int] = set()
    for part in seeds.split(","):
        first, _, last = part.partition("-") if "-" in part else (part, "", part)
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < 1_000_000):
            raise FashionError(f"--seeds takes numbers from 0 to 999999, such as 0-4 or 0,2: not {seeds!r}")
        found.update(range(int(first), int(last) + 1))
    return sorted(found)


def epoch_line(title: str, epochs: int, evaluated_on: str, epoch: "Epoch") -> str:
    """Write what a run has reached after an epoch, one of so many."""
    return (
        f"{title}  epoch {epoch.epoch}/{epochs}  train {epoch.train_loss:.4f} {epoch.train_accuracy:.2f}%  "
        f"{evaluated_on} {epoch.test_loss:.4f} {epoch.test_accuracy:.2f}%  {epoch.seconds:.1f} s"
    )


def from_here(path: Path) -> Path:
    """Return a path as it is called from the working directory, where it lies below that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def tell_of_rehearsal() -> None:
    """Print that a rehearsal is one."""
    if quick():
        typer.echo("\nA rehearsal on 256 images (FASHION_QUICK is set), of which the project keeps nothing.")


def print_table(rows: Iterable[dict]) -> None:
    """Print a table."""
    from tabulate import tabulate

    rows = [{name: str(value) for name, value in row.items()} for row in rows]
    typer.echo("\n" + tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))
