"""Every figure. Functions return a closed matplotlib figure: a notebook shows it once, as the value of its cell."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from fashion import bench
from fashion.data import CLASSES, Dataset
from fashion.experiments import Experiment
from fashion.runs import Run
from fashion.settings import writable
from fashion.statistics import mean_interval

# Two of the colours of Okabe and Ito, which colour-blind readers tell apart; the line styles differ as well.
_STYLES = {"train": ("#0072B2", "--"), "test": ("#D55E00", "-")}


def curves(experiment: Experiment, runs: Sequence[Run], metric: str) -> Figure:
    """Draw a metric over the epochs, in training and in test: seeds thin, their mean thick, its interval as a band.

    Args:
        experiment: what was run; its published accuracy is drawn as a dotted line.
        runs: one a seed, all of the same number of epochs; the band is drawn from three on.
        metric: "accuracy" or "loss".

    Raises:
        ValueError: there are no runs.
    """
    if not runs:
        raise ValueError(f"there are no runs of {experiment.name} to draw")
    figure, axes = _subplots(5, 4.25)
    epochs = [epoch.epoch for epoch in runs[0].history]
    labels = {"train": "train", "test": runs[0].info["evaluated_on"]}
    for part, (colour, line) in _STYLES.items():
        values = np.array([[getattr(epoch, f"{part}_{metric}") for epoch in run.history] for run in runs])
        marker = "o" if len(epochs) == 1 else None
        if len(runs) > 1:
            axes.plot(epochs, values.T, colour, linewidth=0.7, alpha=0.5, linestyle=line)
        axes.plot(epochs, values.mean(axis=0), colour, linewidth=2.5, linestyle=line, marker=marker, label=labels[part])
        if len(runs) >= 3:
            half = np.array([mean_interval(column)[1] for column in values.T])
            label = "95% interval of the mean" if part == "test" else None
            axes.fill_between(
                epochs, values.mean(axis=0) - half, values.mean(axis=0) + half, color=colour, alpha=0.15, label=label
            )
    if metric == "accuracy" and experiment.published is not None:
        axes.axhline(experiment.published, color="black", linestyle=":", label=f"published {experiment.published}%")
    seeds = "1 seed" if len(runs) == 1 else f"mean of {len(runs)} seeds"
    axes.set(title=f"{experiment.name}, {seeds}", xlabel="epoch", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _widen(axes, 5 if metric == "accuracy" else 0.05)
    if metric == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        axes.set_ylim(top=min(axes.get_ylim()[1], 100))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False)  # below: it hides no curve
    return figure


def save_curves(experiment: Experiment, runs: Sequence[Run], logs: Path | str) -> list[Path]:
    """Write the accuracy and the loss curves of an experiment to `curve_paths`, and return where they went."""
    return [
        save(curves(experiment, runs, metric), path, source=digest(runs))
        for metric, path in zip(("accuracy", "loss"), curve_paths(experiment, logs), strict=True)
    ]


def curve_paths(experiment: Experiment, logs: Path | str) -> tuple[Path, Path]:
    """Return where the accuracy and the loss curves of an experiment belong."""
    folder = Path(logs) / f"{experiment.stem}_logs"
    return folder / f"{experiment.stem}_accuracy.png", folder / f"{experiment.stem}_loss.png"


def digest(runs: Sequence[Run]) -> str:
    """Return a fingerprint of the histories that a figure is drawn from, by which a stale figure is found."""
    return hashlib.sha256(repr([(run.seed, run.history) for run in runs]).encode()).hexdigest()


def save(figure: Figure, path: Path | str, source: str = "") -> Path:
    """Write a figure as a PNG file that keeps `source` in its metadata, and return where it went."""
    path = writable(Path(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None, "Source": source})
    return path


def samples(dataset: Dataset, each: int = 10) -> Figure:
    """Show the first images of every class, one class a row."""
    figure, grid = _subplots(each * 0.6 + 1.2, len(CLASSES) * 0.6, len(CLASSES), each)
    for label, row in enumerate(grid):
        for axes, image in zip(row, dataset.images[dataset.labels == label][:each], strict=True):
            _show(axes, image)
        row[0].set_ylabel(CLASSES[label], rotation=0, ha="right", va="center")
    return figure


def predictions(dataset: Dataset, predicted: Tensor) -> Figure:
    """Show images with the class they are given, and the actual one where that is another; five a row.

    Args:
        dataset: the images and labels to show, on any device.
        predicted: the class given to each: integers, shape (N,).
    """
    rows = -(-len(predicted) // 5)
    figure, grid = _subplots(8, rows * 2, rows, 5)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, label, guess in zip(grid.flat, dataset.images, dataset.labels, predicted, strict=False):
        right = bool(label == guess)
        _show(axes, image)
        text = f"predicted {CLASSES[guess]}\nactual {CLASSES[label]}"
        axes.set_title(text, color="black" if right else "#D55E00", fontsize=9)
    return figure


def feature_maps(rows: dict[str, Tensor]) -> Figure:
    """Show what layers make of an image, a row for each name, on one grey scale: 0 is white, 1 and above black.

    Args:
        rows: feature maps by name, each of shape (N, H, W); the columns are numbered as seeds.
    """
    columns = len(next(iter(rows.values())))
    figure, grid = _subplots(columns * 1.5 + 1.5, len(rows) * 1.6, len(rows), columns)
    for row, (name, maps) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(row, maps, strict=True):
            _show(axes, image, vmin=0)
            axes.spines[:].set_visible(True)  # an empty map is still a map
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for seed, axes in enumerate(grid[0]):
        axes.set_title(f"seed {seed}")
    return figure


def final_accuracies(groups: dict[str, Sequence[Run]]) -> Figure:
    """Set the last-epoch accuracies of groups of runs below each other: one dot a seed, the mean as a bar."""
    figure, axes = _subplots(7, 0.42 * len(groups) + 1)
    for row, runs in enumerate(groups.values()):
        values = [run.accuracy for run in runs]
        axes.plot(values, [row] * len(values), "o", color=_STYLES["train"][0], alpha=0.6, label="one seed")
        axes.plot(np.mean(values), row, "|", color=_STYLES["test"][0], markersize=14, markeredgewidth=3, label="mean")
    evaluated_on = next(iter(groups.values()))[0].info["evaluated_on"]
    axes.set(
        xlabel=f"{evaluated_on} accuracy after the last epoch",
        xlim=(0, 100),
        ylim=(-0.6, len(groups) - 0.4),
        yticks=range(len(groups)),
        yticklabels=list(groups),
    )
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(decimals=0))
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[:2], labels[:2])
    return figure


def speed(results: dict[str, dict]) -> Figure:
    """Draw the seconds that each contender takes for an epoch, a panel for each network; the limit is a line.

    Args:
        results: by network, as `fashion.bench.bench` returns them; bars are medians, whiskers the least and the most.
    """
    figure, panels = _subplots(9, 3.4, 1, len(results))
    for axes, (model, result) in zip(np.atleast_1d(panels), results.items(), strict=True):
        names = [name for name in result["contenders"] if name != "limit"]
        for row, name in enumerate(names):
            seconds = bench.epoch_seconds(result, name)
            middle = np.median(seconds)
            whisker = [[middle - min(seconds)], [max(seconds) - middle]]
            axes.barh(row, middle, xerr=whisker, color=_STYLES["test" if name == "ours" else "train"][0])
        axes.axvline(bench.limit_seconds(result), color="black", linestyle=":", label="the machine's limit")
        axes.set(title=model.removeprefix("NeuralNetwork_"), xlabel="seconds per epoch", xlim=(0, None))
        axes.set_yticks(range(len(names)), names if axes is np.atleast_1d(panels)[0] else [])
        axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", frameon=False)
    return figure


def _subplots(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Axes | np.ndarray]:
    with plt.rc_context({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), dpi=150, layout="constrained")
    plt.close(figure)  # pyplot would keep it, and show it a second time
    return figure, axes


def _show(axes: Axes, image: Tensor, vmin: float = -1) -> None:
    axes.imshow(image.squeeze(0).cpu().numpy(), cmap="gray_r", vmin=vmin, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _widen(axes: Axes, least: float) -> None:
    """Let a flat curve look flat: the y axis spans at least `least`."""
    low, high = axes.get_ylim()
    if high - low < least:
        axes.set_ylim((low + high - least) / 2, (low + high + least) / 2)
