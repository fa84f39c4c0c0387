"""Every figure of runs. A function returns a closed matplotlib figure, which a notebook shows as its cell's value."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter

from fashion.estimates import mean_interval, prediction_interval
from fashion.experiments import Experiment
from fashion.runs.record import Run

# Colours of Okabe and Ito, which colour-blind readers tell apart, and three others; line styles differ as well.
_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#999999",
    "#000000",
    "#882255",
    "#7F3C00",
    "#332288",
)
_STYLES = {"train": (_COLOURS[0], "--"), "test": (_COLOURS[1], "-")}


# Lets a function draw as matplotlib does by itself, whatever the machine's `matplotlibrc` says; `subplots` adds ours.
plainly = plt.style.context("default")


class _PlainFigure(Figure):
    """A figure that is drawn plainly wherever it is shown or saved."""

    @plainly
    def draw(self, renderer: RendererBase) -> None:
        super().draw(renderer)


@plainly
def subplots(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Axes | np.ndarray]:
    """Make a figure of so many inches with axes in rows and columns."""
    with plt.rc_context({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False}):
        options = {"figsize": (width, height), "dpi": 150, "layout": "constrained", "FigureClass": _PlainFigure}
        figure, axes = plt.subplots(rows, columns, **options)
    plt.close(figure)  # pyplot would keep it, and show it a second time
    return figure, axes


@plainly
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
    figure, axes = subplots(5, 4.25)
    epochs = [epoch.epoch for epoch in runs[0].history]
    labels = {"train": "train", "test": runs[0].record.evaluated_on}
    drawn = []
    for part, (colour, line) in _STYLES.items():
        values = np.array([[getattr(epoch, f"{part}_{metric}") for epoch in run.history] for run in runs])
        band = "95% interval of the mean" if part == "test" else None
        _mean_and_seeds(axes, epochs, values, colour, line, labels[part], band)
        drawn.append(values)
    if metric == "accuracy" and labels["test"] == "test" and experiment.published is not None:
        axes.axhline(experiment.published, color="black", linestyle=":", label=f"published {experiment.published}%")
    seeds = "1 seed" if len(runs) == 1 else f"mean of {len(runs)} seeds"
    axes.set(title=f"{experiment.name}, {seeds}", xlabel="epoch", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _widen(axes, 5 if metric == "accuracy" else 0.05)
    if metric == "accuracy":
        _in_percent(axes.yaxis)
        _within_possible(axes)
    else:
        _cut_spikes(axes, np.concatenate(drawn))
    _legend_below(axes)
    return figure


@plainly
def final_accuracies(groups: Mapping[str, Sequence[Run]]) -> Figure:
    """Set the last-epoch accuracies of groups of runs below each other: one dot a seed, the mean as a bar."""
    figure, axes = subplots(7, 0.42 * len(groups) + 1)
    for row, runs in enumerate(groups.values()):
        values = [run.accuracy for run in runs]
        axes.plot(values, [row] * len(values), "o", color=_STYLES["train"][0], alpha=0.6, label="one seed")
        axes.plot(np.mean(values), row, "|", color=_STYLES["test"][0], markersize=14, markeredgewidth=3, label="mean")
    evaluated_on = next(iter(groups.values()))[0].record.evaluated_on
    axes.set(xlabel=f"{evaluated_on} accuracy after the last epoch", xlim=(0, 100), ylim=(len(groups) - 0.4, -0.6))
    axes.set_yticks(range(len(groups)), list(groups))
    _in_percent(axes.xaxis)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[:2], labels[:2])
    return figure


@plainly
def published_and_ours(groups: Mapping[Experiment, Sequence[Run]]) -> Figure:
    """Set published test accuracies beside ours, a row for each experiment: all of them, and those above 88%.

    Each seed is a dot; from three seeds on there is their mean, and where 95% of further runs would end, in the panels
    that have the mean.
    """
    figure, panels = subplots(9, 0.45 * len(groups) + 1.6, 1, 2)
    figure.get_layout_engine().set(wspace=0.1)  # or the tick labels of the two panels meet
    for axes, limits in zip(panels, ((0, 100), (88, 95)), strict=True):
        for row, (experiment, runs) in enumerate(groups.items()):
            values = [run.accuracy for run in runs]
            axes.plot(values, [row] * len(values), "o", color=_STYLES["train"][0], alpha=0.6, label="ours, one seed")
            if len(values) >= 3 and limits[0] <= np.mean(values) <= limits[1]:
                mean, (low, high) = np.mean(values), prediction_interval(values)
                style = {"fmt": "|", "color": _STYLES["test"][0], "markersize": 14, "markeredgewidth": 3, "capsize": 4}
                label = "ours, mean and 95% of further runs"
                axes.errorbar(mean, row, xerr=[[mean - low], [high - mean]], label=label, **style)
            if experiment.published is not None:
                axes.plot(experiment.published, row, "D", color="black", fillstyle="none", label="published, one run")
        axes.set(xlim=limits, ylim=(len(groups) - 0.5, -0.5), xlabel="test accuracy after the last epoch")
        _in_percent(axes.xaxis)
        axes.grid(axis="y", alpha=0.3)
        axes.tick_params(axis="y", length=0)
        names = [f"{experiment.name} (n={len(runs)})" for experiment, runs in groups.items()]
        axes.set_yticks(range(len(groups)), names if axes is panels[0] else [""] * len(groups))
    return _legend_outside(figure, panels[0], ncols=3)


@plainly
def side_by_side(panels: dict[str, dict[str, Sequence[Run]]], epochs: int, legend: str = "") -> Figure:
    """Draw test accuracy over the first epochs, in a panel for each set of recipes and a colour for each recipe.

    Seeds are thin lines, their mean is a thick one, from three seeds on its 95% interval is a band. `panels` has, by
    title, runs by what the legend, which has a title of its own, calls them.
    """
    figure, axes_by_panel = subplots(9, 5.2, 1, len(panels))
    for axes, (title, arms) in zip(np.atleast_1d(axes_by_panel), panels.items(), strict=True):
        styles = zip(cycle(_COLOURS), cycle(("-", "--", "-.", ":")), strict=False)
        for (name, runs), (colour, line) in zip(arms.items(), styles, strict=False):
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


@plainly
def accuracy_against_time(groups: Mapping[str, Sequence[Run]], published: dict[str, float]) -> Figure:
    """Draw test accuracy against seconds of training, and beside it what others report, in percent, without times.

    Each seed is a line that ends in a marker; a colour stands for an experiment, a shape for what it ran on.
    """
    figure, (axes, side) = subplots(9, 6, 1, 2)
    axes.get_gridspec().set_width_ratios([2, 1])
    machines = dict.fromkeys(run.record.machine for runs in groups.values() for run in runs)
    shapes = dict(zip(machines, cycle("os^vPX"), strict=False))
    for (name, runs), colour in zip(groups.items(), cycle(_COLOURS), strict=False):
        for run in runs:
            machine = run.record.machine
            number = sum(other.record.machine == machine for other in runs)
            seconds = np.cumsum([epoch.train_seconds for epoch in run.history])
            accuracies = [epoch.test_accuracy for epoch in run.history]
            axes.plot(seconds, accuracies, colour, linewidth=0.6, alpha=0.25)
            label = f"{name}, {machine}, n={number}"
            axes.plot(seconds[-1], accuracies[-1], shapes[machine], color=colour, label=label)
    for name, value in published.items():
        side.plot(0, value, "D", color="black", fillstyle="none")
        side.annotate(f"{value:.1f}  {name}", (0, value), (8, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set(xscale="log", xlabel="seconds of training", ylabel="test accuracy", ylim=(92.5, 96.8))
    axes.set_xlim(left=min(line.get_xdata()[-1] for line in axes.lines) / 2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter("{x:g}")
    _in_percent(axes.yaxis)
    axes.grid(alpha=0.3)
    side.set(title="published, time unknown", ylim=axes.get_ylim(), xlim=(-0.1, 1), xticks=[], yticks=[])
    side.spines[:].set_visible(False)
    return _legend_outside(figure, axes, ncols=2, fontsize=8)


@plainly
def reliability(panels: dict[str, pd.DataFrame]) -> Figure:
    """Draw how often a network is right against how sure it is, a panel for each table of `probabilities.reliability`.

    Each dot is a bin, and its number counts the images; on the diagonal confidence and accuracy agree.
    """
    figure, grid = subplots(9, 4.4, 1, len(panels))
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


@plainly
def heatmap(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], xlabel: str = "", ylabel: str = ""
) -> Figure:
    """Draw a table of percentages, shape (rows, columns), with a shade for each: the darker, the more."""
    figure, axes = subplots(9, 0.5 * len(rows) + 2)
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


def _legend_below(axes: Axes, **options: object) -> None:
    """Put the legend where it hides no curve."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False, **options)


def _legend_outside(figure: Figure, axes: Axes, **options: object) -> Figure:
    """Put what axes show, each label once, below all panels."""
    labels = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", frameon=False, **options)
    return figure


def _in_percent(axis: Axis) -> None:
    """Label an axis in percent, at whole numbers only, so that no label is rounded."""
    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    axis.set_major_formatter(PercentFormatter(decimals=0))


def _within_possible(axes: Axes) -> None:
    """Let the y axis end where accuracies do, at 0 and 100%, though a band may go on."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 100))


def _cut_spikes(axes: Axes, values: np.ndarray) -> None:
    """Let the y axis end below values three times as high as nearly all others, and say how many they are."""
    ordinary = values[values <= 3 * np.quantile(values, 0.98)]
    above = values.size - ordinary.size
    if above:
        low = axes.get_ylim()[0]
        axes.set_ylim(max(low, 0), 1.1 * ordinary.max())
        text = f"{above} value{'s' * (above > 1)} above, up to {values.max():.1f}"
        axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=9)


def _widen(axes: Axes, least: float) -> None:
    """Let a flat curve look flat: the y axis spans at least `least`."""
    low, high = axes.get_ylim()
    if high - low < least:
        axes.set_ylim((low + high - least) / 2, (low + high + least) / 2)
