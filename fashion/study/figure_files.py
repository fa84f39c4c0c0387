"""Figures as PNG files that know what they were drawn from."""

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from matplotlib.figure import Figure
from PIL import Image

from fashion.experiments import Experiment
from fashion.plotting import curves, plainly
from fashion.runs.record import Run
from fashion.settings import writable


def curve_paths(experiment: Experiment, logs: Path | str) -> dict[str, Path]:
    """Return where the curves of an experiment belong, by metric: "accuracy" and "loss"."""
    folder = Path(logs) / f"{experiment.stem}_logs"
    return {metric: folder / f"{experiment.stem}_{metric}.png" for metric in ("accuracy", "loss")}


def save_curves(experiment: Experiment, runs: Sequence[Run], logs: Path | str) -> list[Path]:
    """Write the accuracy and the loss curves of an experiment to `curve_paths`, and return where they went."""
    source = fingerprint(curves, runs, experiment)
    return [
        save(curves(experiment, runs, metric), path, source) for metric, path in curve_paths(experiment, logs).items()
    ]


@plainly
def save(figure: Figure, path: Path | str, source: str = "") -> Path:
    """Write a figure as a PNG file that keeps `source` in its metadata, and return where it went."""
    path = writable(Path(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None, "Source": source})
    return path


def source_of(path: Path) -> str | None:
    """Return the `source` that a PNG file was saved with; None if there is no file."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.info.get("Source")


def fingerprint(draw: Callable, runs: Sequence[Run], *others: object) -> str:
    """Return what is another text when the runs of a figure, or the code that draws it, are others."""
    parts = [(run.record, run.history, run.predictions.tobytes()) for run in runs]
    return sha256(repr([*parts, *others, _code(draw, {})]).encode()).hexdigest()


def _code(function: Callable, found: dict[str, str]) -> dict[str, str]:
    """Return the source of a function, and of the functions and constants of this project that it uses, by name."""
    found[f"{function.__module__}.{function.__qualname__}"] = source = inspect.getsource(function)
    scope = vars(sys.modules[function.__module__])
    for first, second in re.findall(r"(\w+)\.?(\w*)", source):
        value = scope.get(first)
        if isinstance(value, ModuleType):
            value = getattr(value, second, None)
        if inspect.isfunction(value) and value.__module__.startswith(("fashion", "benchmarks")):
            if f"{value.__module__}.{value.__qualname__}" not in found:
                _code(value, found)
        elif first.strip("_").isupper() and " at 0x" not in repr(value):  # an address is another in each process
            found[f"{function.__module__}.{first}"] = repr(value)
    return found
