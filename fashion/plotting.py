"""Every figure. Functions return a closed matplotlib figure: a notebook shows it once, as the value of its cell."""

import hashlib
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter
from PIL import Image
from torch import Tensor

from fashion import bench
from fashion.data import CLASSES, Dataset
from fashion.experiments import Experiment
from fashion.images import prepare
from fashion.runs import Run, by_hardware
from fashion.settings import writable
from fashion.statistics import mean_interval

# Colours of Okabe and Ito, which colour-blind readers tell apart; the line styles differ as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_STYLES = {"train": (_COLOURS[0], "--"), "test": (_COLOURS[1], "-")}


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
        band = "95% interval of the mean" if part == "test" else None
        _mean_and_seeds(axes, epochs, values, colour, line, labels[part], band)
    if metric == "accuracy" and labels["test"] == "test" and experiment.published is not None:
        axes.axhline(experiment.published, color="black", linestyle=":", label=f"published {experiment.published}%")
    seeds = "1 seed" if len(runs) == 1 else f"mean of {len(runs)} seeds"
    axes.set(title=f"{experiment.name}, {seeds}", xlabel="epoch", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _widen(axes, 5 if metric == "accuracy" else 0.05)
    if metric == "accuracy":
        _in_percent(axes.yaxis)
        _within_possible(axes)
    _legend_below(axes)
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
    """Return a fingerprint of the runs that a figure is drawn from, by which a stale figure is found."""
    parts = [(run.info, run.history, run.predictions.tobytes()) for run in runs]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


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


def augmented(rows: dict[str, Dataset]) -> Figure:
    """Show datasets of few images below each other, each image with its label or, where it is a mixture, its labels."""
    columns = len(next(iter(rows.values())).labels)
    figure, grid = _subplots(columns * 1.5 + 1.2, len(rows) * 1.9, len(rows), columns)
    for row, (name, dataset) in zip(grid, rows.items(), strict=True):
        for axes, image, label in zip(row, *dataset, strict=True):
            _show(axes, image)
            shares = label if label.ndim else torch.eye(len(CLASSES))[label]
            shown = [f"{CLASSES[each]} {shares[each]:.0%}" for each in shares.nonzero().flatten()]
            axes.set_title("\n".join(shown).replace(" 100%", ""), fontsize=8)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def prepared(pictures: Sequence[Image.Image]) -> Figure:
    """Show pictures above what `fashion.images.prepare` makes of them."""
    figure, grid = _subplots(len(pictures) * 2, 4.4, 2, len(pictures))
    for column, picture in zip(grid.T, pictures, strict=True):
        column[0].imshow(picture.convert("RGB"))
        column[1].imshow(prepare(picture), cmap="gray", vmin=0, vmax=255)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)  # a white picture ends somewhere
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
    _in_percent(axes.xaxis)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[:2], labels[:2])
    return figure


def published_and_ours(groups: dict[Experiment, Sequence[Run]]) -> Figure:
    """Set published test accuracies beside ours: on the left all of them, on the right the range above 88%.

    Each seed is a dot; from three seeds on there is their mean with its 95% interval.

    Args:
        groups: runs by experiment, one row each; where there are none yet, only the published accuracy is drawn.
    """
    figure, panels = _subplots(9, 0.45 * len(groups) + 1.6, 1, 2)
    figure.get_layout_engine().set(wspace=0.1)  # or the tick labels of the two panels meet
    for axes, limits in zip(panels, ((0, 100), (88, 94)), strict=True):
        for row, (experiment, runs) in enumerate(groups.items()):
            values = [run.accuracy for run in runs]
            axes.plot(values, [row] * len(values), "o", color=_STYLES["train"][0], alpha=0.6, label="ours, one seed")
            if len(values) >= 3:
                mean, half = mean_interval(values)
                style = {"fmt": "|", "color": _STYLES["test"][0], "markersize": 14, "markeredgewidth": 3, "capsize": 4}
                axes.errorbar(mean, row, xerr=half, label="ours, mean and 95% interval", **style)
            if experiment.published is not None:
                axes.plot(experiment.published, row, "D", color="black", fillstyle="none", label="published, one run")
        axes.set(xlim=limits, ylim=(len(groups) - 0.5, -0.5), xlabel="test accuracy after the last epoch")
        _in_percent(axes.xaxis)
        axes.grid(axis="y", alpha=0.3)
        axes.tick_params(axis="y", length=0)
        names = [f"{experiment.name} (n={len(runs)})" for experiment, runs in groups.items()]
        axes.set_yticks(range(len(groups)), names if axes is panels[0] else [""] * len(groups))
    labels = {label: handle for handle, label in zip(*panels[0].get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def side_by_side(panels: dict[str, dict[str, Sequence[Run]]], epochs: int, legend: str = "") -> Figure:
    """Draw test accuracy over the first epochs, in a panel for each set of recipes and a colour for each recipe.

    Seeds are thin lines, their mean is a thick one, and from three seeds on its 95% interval is a band. Each panel has
    a scale of its own.

    Args:
        panels: by title, runs by what the legend calls them; a recipe without runs is left out.
        epochs: the number of them to draw.
        legend: its title.
    """
    figure, axes_by_panel = _subplots(9, 5.2, 1, len(panels))
    for axes, (title, arms) in zip(np.atleast_1d(axes_by_panel), panels.items(), strict=True):
        for (name, runs), colour, line in zip(arms.items(), _COLOURS, ("-", "--", "-.", ":"), strict=False):
            if runs:
                values = np.array([[epoch.test_accuracy for epoch in run.history[:epochs]] for run in runs])
                _mean_and_seeds(axes, np.arange(1, values.shape[1] + 1), values, colour, line, f"{name}, n={len(runs)}")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _in_percent(axes.yaxis)
        if axes.lines:
            _legend_below(axes, title=legend, handlelength=4)  # a line long enough to tell its dashes
        for level in (85, 90):
            axes.axhline(level, color="black", linewidth=0.5, linestyle=(0, (1, 4)))
        _within_possible(axes)
    np.atleast_1d(axes_by_panel)[0].set_ylabel("test accuracy")
    return figure


def accuracy_against_time(groups: dict[str, Sequence[Run]], published: dict[str, float]) -> Figure:
    """Draw test accuracy against seconds of training, and beside it what others report, who give no time.

    Each seed is a line that ends in a marker; a colour stands for an experiment, a shape for what it ran on.

    Args:
        groups: runs by name, with their training seconds.
        published: test accuracies in percent, by whose they are.
    """
    figure, (axes, side) = _subplots(9, 6, 1, 2)
    axes.get_gridspec().set_width_ratios([2, 1])
    shapes = dict(zip(by_hardware(run for runs in groups.values() for run in runs), cycle("os^v"), strict=False))
    for (name, runs), colour in zip(groups.items(), _COLOURS, strict=False):
        for hardware, alike in by_hardware(runs).items():
            label = f"{name}, n={len(alike)}: {hardware}"
            for run in alike:
                seconds = np.cumsum([epoch.train_seconds for epoch in run.history])
                accuracies = [epoch.test_accuracy for epoch in run.history]
                axes.plot(seconds, accuracies, colour, linewidth=0.7, alpha=0.5)
                axes.plot(seconds[-1], accuracies[-1], shapes[hardware], color=colour, label=label)
    for name, value in published.items():
        side.plot(0, value, "D", color="black", fillstyle="none")
        side.annotate(f"{value:.1f}  {name}", (0, value), (8, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set(xscale="log", xlabel="seconds of training", ylabel="test accuracy", ylim=(88, 98))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter("{x:g}")
    _in_percent(axes.yaxis)
    axes.grid(alpha=0.3)
    side.set(title="published, time unknown", ylim=axes.get_ylim(), xlim=(-0.1, 1), xticks=[], yticks=[])
    side.spines[:].set_visible(False)
    labels = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def reliability(panels: dict[str, pd.DataFrame]) -> Figure:
    """Draw how often a network is right against how sure it is, a panel for each table of `probabilities.reliability`.

    Each dot is a bin, and its number counts the images; on the diagonal confidence and accuracy agree.
    """
    figure, grid = _subplots(9, 4.4, 1, len(panels))
    for axes, (title, table) in zip(np.atleast_1d(grid), panels.items(), strict=True):
        axes.plot([0, 100], [0, 100], "k:")
        axes.plot(table.confidence, table.accuracy, "o-", color=_COLOURS[0])
        for row in table.itertuples():
            place = {"xytext": (6, -10), "textcoords": "offset points", "fontsize": 8}
            axes.annotate(f"{row.images:,}", (row.confidence, row.accuracy), **place)
        axes.set(title=title, xlabel="confidence", xlim=(0, 115), ylim=(0, 105))
        _in_percent(axes.xaxis)
        _in_percent(axes.yaxis)
    np.atleast_1d(grid)[0].set_ylabel("accuracy")
    return figure


def heatmap(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], xlabel: str = "", ylabel: str = ""
) -> Figure:
    """Draw a table of percentages with a shade for each: the darker, the more.

    Args:
        values: in percent, shape (len(rows), len(columns)).
        rows: their names.
        columns: their names.
        xlabel: what the columns are.
        ylabel: what the rows are.
    """
    figure, axes = _subplots(9, 0.5 * len(rows) + 2)
    axes.imshow(values, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.1f}" if value >= 0.05 else "·"
        axes.text(column, row, text, ha="center", va="center", fontsize=10, color="white" if value > 60 else "black")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def speed(results: dict[str, dict]) -> Figure:
    """Draw the seconds that each contender takes for an epoch, three networks a row; the limit is a line.

    Where a contender was not timed with a network, that is said instead of a bar.

    Args:
        results: by network, as `fashion.bench.bench` returns them; bars are medians, whiskers the least and the most.
    """
    columns = min(3, len(results))
    rows = -(-len(results) // columns)
    figure, grid = _subplots(9, 2.8 * rows + 0.6, rows, columns)
    panels = np.atleast_1d(grid).flatten()
    for axes in panels[len(results) :]:
        axes.axis("off")
    names = dict.fromkeys(name for each in results.values() for name in each["contenders"] if name != "limit")
    names = sorted(names, key=lambda name: not name.startswith("ours"))  # ours first, compiled or not
    for number, (axes, (model, result)) in enumerate(zip(panels, results.items(), strict=False)):
        for row, name in enumerate(names):
            if name not in result["contenders"]:
                axes.annotate("not timed", (0, row), (6, 0), textcoords="offset points", va="center")
                continue
            seconds = bench.epoch_seconds(result, name)
            middle = np.median(seconds)
            whisker = [[middle - min(seconds)], [max(seconds) - middle]]
            axes.barh(row, middle, xerr=whisker, color=_STYLES["test" if name.startswith("ours") else "train"][0])
        axes.axvline(bench.limit_seconds(result), color="black", linestyle=":", label="the machine's limit")
        axes.set(title=model.removeprefix("NeuralNetwork_"), xlabel="seconds per epoch", xlim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_yticks(range(len(names)), [name.replace(":", ", ") for name in names] if number % columns == 0 else [])
        axes.set_ylim(len(names) - 0.5, -0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", frameon=False)
    return figure


def _subplots(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Axes | np.ndarray]:
    with plt.rc_context({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), dpi=150, layout="constrained")
    plt.close(figure)  # pyplot would keep it, and show it a second time
    return figure, axes


def _mean_and_seeds(
    axes: Axes, epochs: Sequence[int], values: np.ndarray, colour: str, line: str, label: str, band: str | None = None
) -> None:
    """Draw values, shape (seeds, epochs): each seed thin, their mean thick, from three seeds on its 95% interval."""
    mean = values.mean(axis=0)
    marker = "o" if len(epochs) == 1 else None
    if len(values) > 1:
        axes.plot(epochs, values.T, colour, linewidth=0.7, alpha=0.5, linestyle=line)
    axes.plot(epochs, mean, colour, linewidth=2.5, linestyle=line, marker=marker, label=label)
    if len(values) >= 3:
        half = np.array([mean_interval(column)[1] for column in values.T])
        axes.fill_between(epochs, mean - half, mean + half, color=colour, alpha=0.15, label=band)


def _show(axes: Axes, image: Tensor, vmin: float = -1) -> None:
    axes.imshow(image.squeeze(0).cpu().numpy(), cmap="gray_r", vmin=vmin, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _legend_below(axes: Axes, **options: object) -> None:
    """Put the legend where it hides no curve."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False, **options)


def _in_percent(axis: Axis) -> None:
    """Label an axis in percent, at whole numbers only, so that no label is rounded."""
    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    axis.set_major_formatter(PercentFormatter(decimals=0))


def _within_possible(axes: Axes) -> None:
    """Let the y axis end where accuracies do, at 0 and 100%, though a band may go on."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 100))


def _widen(axes: Axes, least: float) -> None:
    """Let a flat curve look flat: the y axis spans at least `least`."""
    low, high = axes.get_ylim()
    if high - low < least:
        axes.set_ylim((low + high - least) / 2, (low + high + least) / 2)
