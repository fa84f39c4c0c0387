"""What others report on Fashion-MNIST, one line of `leaderboard.csv` each, and ours among them."""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean

import pandas as pd

from fashion import models
from fashion.experiments import Experiment
from fashion.recipes import require
from fashion.runs.record import Run
from fashion.settings import FashionError
from fashion.study.writing import percent

FILE = Path(__file__).with_name("leaderboard.csv")

# Which of our experiments stand in the table: those of some groups, and some by name.
_GROUPS, _NAMES = ("fast", "final"), ("v1_5_5_BN", "resnet18")


@dataclass(frozen=True)
class Reported:
    """What one source reports; an accuracy where it gives an error.

    Attributes:
        kind: "result", or "claim" where the source leaves open how it was measured.
        accuracy: on the test images, in percent, as the source writes it: "96.41 ± 0.01".
        network: and what sets it apart.
        millions: of parameters; None where the source leaves them open, and so below.
        epochs: of training.
        runs: over which it is the mean or the median.
        data: "before" or "after" the images were replaced on 31 August 2017, or "unknown".
        epoch: the one whose accuracy it is: "last", "best" on the test images, or "unknown".
        by: who reports it.
        source: a link to the report.
        remark: a fault of the number that sources show; of a claim, what its source shows.

    Raises:
        ValueError: a value cannot be what it is for.
    """

    kind: str
    accuracy: str
    network: str
    millions: float | None
    epochs: int | None
    runs: int | None
    data: str
    epoch: str
    by: str
    source: str
    remark: str

    def __post_init__(self):
        require(vars(self), _VALUES)
        if self.kind == "claim" and not self.remark:
            raise ValueError("remark must say what the source of a claim shows")

    @property
    def percent(self) -> float:
        """The accuracy as a number, in percent."""
        return float(self.accuracy.split()[0])


def _accuracy(value: str) -> bool:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?: ± \d+\.\d+)?", value)
    return found is not None and 80 <= float(found[1]) <= 100


def _one_of(*names: str) -> tuple[Callable[[str], bool], str]:
    return names.__contains__, " or ".join(map(repr, names))


def _positive(value: float | None) -> bool:
    return value is None or value > 0


# What the fields can be, and in words.
_VALUES = (
    (("kind",), *_one_of("result", "claim")),
    (("accuracy",), _accuracy, "percent from 80 to 100, such as '96.41 ± 0.01'"),
    (("network",), bool, "named"),
    (("millions",), _positive, "a positive number"),
    (("epochs",), _positive, "a positive number"),
    (("runs",), _positive, "a positive number"),
    (("data",), *_one_of("before", "after", "unknown")),
    (("epoch",), *_one_of("last", "best", "unknown")),
    (("by",), bool, "a name"),
    (("source",), re.compile(r"https://[\w.-]+/\S+").fullmatch, "a link"),
)

_COLUMNS = [each.name for each in fields(Reported)]


def reported(path: Path = FILE) -> list[Reported]:
    """Read what others report, in the order of the file.

    Raises:
        FashionError: a line of the file is broken; the message has its number.
    """
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        if next(lines, None) != _COLUMNS:
            raise FashionError(f"{path.name}, line 1: the columns must be {', '.join(_COLUMNS)}")
        return [_parsed(cells, f"{path.name}, line {lines.line_num}") for cells in lines]


def best_mean() -> Reported:
    """Return the highest mean over several runs that is reported of the images of today."""
    rows = [each for each in reported() if each.kind == "result" and each.data == "after" and (each.runs or 1) > 1]
    return max(rows, key=lambda each: each.percent)


def leaderboard(groups: Mapping[Experiment, list[Run]]) -> pd.DataFrame:
    """Tabulate what others report and, in bold, where our fast and final recipes and two published ones end.

    The most accurate comes first. Accuracies are in percent; ours are means over the runs after the last epoch, with
    95% intervals from three runs on. A cell is empty where the source leaves it open.
    """
    rows = [(each.percent, _row(each)) for each in reported() if each.kind == "result"]
    rows += [
        (fmean(run.accuracy for run in runs), _our_row(experiment, runs))
        for experiment, runs in groups.items()
        if runs and (experiment.group in _GROUPS or experiment.name in _NAMES)
    ]
    return pd.DataFrame([row for _, row in sorted(rows, key=lambda each: each[0], reverse=True)])


def claims() -> pd.DataFrame:
    """Tabulate the accuracies whose sources leave open how they were measured, the highest first, in percent."""
    found = sorted((each for each in reported() if each.kind == "claim"), key=lambda each: each.percent, reverse=True)
    return pd.DataFrame(
        {
            "claim": each.accuracy,
            "network": each.network,
            "source": _link(each),
            "what the source shows": each.remark,
        }
        for each in found
    )


def _parsed(cells: list[str], place: str) -> Reported:
    if len(cells) != len(_COLUMNS):
        raise FashionError(f"{place}: there are {len(cells)} cells for {len(_COLUMNS)} columns")
    values: dict[str, object] = dict(zip(_COLUMNS, cells, strict=True))
    try:
        return Reported(**values | {name: _number(name, values[name]) for name in ("millions", "epochs", "runs")})
    except ValueError as error:
        raise FashionError(f"{place}: {error}") from error


def _number(name: str, text: str) -> float | None:
    """Read a number of a column, a whole one but for `millions`; None where the cell is empty."""
    try:
        return None if not text else float(text) if name == "millions" else int(text)
    except ValueError:
        raise ValueError(f"{name} must be a {'whole ' * (name != 'millions')}number, not {text!r}") from None


def _row(each: Reported) -> dict[str, object]:
    return {
        "accuracy": each.accuracy,
        "network": each.network,
        "M parameters": "" if each.millions is None else f"{each.millions:.3g}",
        "epochs": each.epochs or "",
        "runs": each.runs or "",
        "data": _known(each.data),
        "epoch": _known(each.epoch),
        "source": _link(each),
        "remark": each.remark,
    }


def _our_row(experiment: Experiment, runs: list[Run]) -> dict[str, object]:
    network = models.build(experiment.model, experiment.changes)
    name = f"**{experiment.name}**"
    return {
        "accuracy": f"**{percent(runs)}**",
        "network": name if experiment.name in experiment.model else f"{name}, {experiment.model}",
        "M parameters": f"{sum(each.numel() for each in network.parameters()) / 1e6:.3g}",
        "epochs": experiment.epochs,
        "runs": len(runs),
        "data": "after",
        "epoch": "last",
        "source": "ours",
        "remark": "",
    }


def _link(each: Reported) -> str:
    return f"[{each.by}]({each.source})"


def _known(value: str) -> str:
    return "" if value == "unknown" else value
