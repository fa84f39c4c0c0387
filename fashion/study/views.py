"""Figures of what networks respond to, drawn from their `Inside`. A function returns a closed figure."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fashion.data import CLASSES, Dataset
from fashion.plotting import _COLOURS, plainly, subplots
from fashion.study.gallery import show_image
from fashion.study.inside import Inside
from fashion.study.neighbours import Pair
from fashion.study.perturbations import LEVELS, PERTURBATIONS

_BY_CLASS = "tab10"


@plainly
def filters(networks: Mapping[str, Inside], most: int = 16) -> Figure:
    """Show the first filters of each network, a row each, at most so many: red above zero, blue below."""
    figure, grid = subplots(most * 0.5 + 1.6, len(networks) * 0.62, len(networks), most)
    for row, (name, inside) in zip(np.atleast_2d(grid), networks.items(), strict=True):
        for axes, kernel in zip(row, inside.filters, strict=False):
            _signed(axes, kernel, np.abs(inside.filters[:most]).max())
        for axes in row[len(inside.filters) :]:
            axes.axis("off")
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


@plainly
def stages(inside: Inside, images: Dataset, each: int = 3) -> Figure:
    """Show images, a row each, and beside them what each stage of a network makes of them: its most varied maps."""
    each = min(each, *(maps.shape[1] for maps in inside.stages.values()))
    rows, columns = len(images.labels), 1 + each * len(inside.stages)
    figure, grid = subplots(1.1 * columns, 1.25 * rows, rows, columns)
    for number, row in enumerate(grid):
        show_image(row[0], images.images[number])
        row[0].set_ylabel(CLASSES[images.labels[number]], fontsize=9)
        places = iter(row[1:])
        for shape, maps in inside.stages.items():
            for channel in range(each):
                axes = next(places)
                drawn = maps[number, channel].astype(float)
                axes.imshow(drawn, cmap="gray_r", vmin=min(0, drawn.min()), vmax=max(drawn.max(), 1e-6))
                _bare(axes)
                if number == 0 and channel == 0:
                    axes.set_title(shape, fontsize=8, loc="left")
    return figure


@plainly
def attributions(networks: Mapping[str, Inside], images: Dataset) -> Figure:
    """Show images, a row each, and for each network what covering a pixel does, beside the gradient of the score.

    Covered red pixels lower the probability of the image's own class, blue ones raise it. The title has the network's
    answer, and where the scale ends: the largest fall or rise, in points. The gradient has a scale of its own.
    """
    columns = 1 + 2 * len(networks)
    figure, grid = subplots(1.35 * columns, 1.5 * len(images.labels) + 0.4, len(images.labels), columns)
    for number, row in enumerate(grid):
        show_image(row[0], images.images[number])
        row[0].set_ylabel(CLASSES[images.labels[number]], fontsize=9)
        for (name, inside), covered, gradient in zip(networks.items(), row[1::2], row[2::2], strict=True):
            most = max(float(np.abs(inside.occluded[number]).max()), 0.01)  # less than a point is shown as little
            _signed(covered, inside.occluded[number], most)
            _signed(gradient, inside.gradients[number], max(float(np.abs(inside.gradients[number]).max()), 1e-6))
            probabilities = inside.given[number].astype(float)
            answer = f"{CLASSES[probabilities.argmax()]} {probabilities.max():.0%}, scale {100 * most:.0f}"
            covered.set_title(f"{name}, covered\n{answer}" if number == 0 else answer, fontsize=7)
            gradient.set_title("gradient\n" if number == 0 else "", fontsize=7)
    return figure


@plainly
def landscape(inside: Inside, labels: np.ndarray) -> Figure:
    """Lay the test images out as a network sees them, coloured by class: principal components, and t-SNE."""
    figure, panels = subplots(10, 5.2, 1, 2)
    layouts = {"principal components": inside.principal, "t-SNE": inside.map}
    for axes, (title, points) in zip(panels, layouts.items(), strict=True):
        axes.scatter(*points.astype(float).T, c=labels, cmap=_BY_CLASS, vmin=-0.5, vmax=9.5, s=2, linewidths=0)
        axes.set_title(f"{inside.record.experiment.name}, {title}")
        _bare(axes)
    marks = [panels[0].scatter([], [], color=f"C{label}", s=25, label=name) for label, name in enumerate(CLASSES)]
    figure.legend(handles=marks, loc="outside lower center", ncols=5, frameon=False)
    return figure


@plainly
def pairs(test: Dataset, train: Dataset, shown: Sequence[Pair], given: np.ndarray | None = None) -> Figure:
    """Show test images above the training images nearest to them, with their labels.

    Args:
        test: all test images.
        train: all training images.
        shown: which.
        given: where the test images are mistaken, the class that each of all of them is given, shape (N,).
    """
    figure, grid = subplots(1.15 * len(shown), 3.1 if given is None else 3.5, 2, len(shown))
    for (above, below), pair in zip(grid.T, shown, strict=True):
        label = CLASSES[test.labels[pair.test]]
        show_image(above, test.images[pair.test])
        above.set_title(label if given is None else f"{label},\ntaken for\n{CLASSES[given[pair.test]]}", fontsize=8)
        show_image(below, train.images[pair.train])
        below.set_title(CLASSES[train.labels[pair.train]], fontsize=8)
    grid[0, 0].set_ylabel("test", fontsize=9)
    grid[1, 0].set_ylabel("training", fontsize=9)
    return figure


@plainly
def robustness(networks: Mapping[str, Inside]) -> Figure:
    """Draw test accuracy against how much is done to the test images, a panel for each of `PERTURBATIONS`."""
    figure, grid = subplots(10, 6.4, 2, 3)
    for axes, (what, (unit, levels, _)) in zip(grid.flat, PERTURBATIONS.items(), strict=True):
        places = [LEVELS.index((what, level)) for level in levels]
        looks = zip(cycle(_COLOURS), cycle(("-", "--", "-.", ":")), strict=False)
        for (name, inside), (colour, line) in zip(networks.items(), looks, strict=False):
            style = {"color": colour, "linestyle": line, "marker": "o", "markersize": 3}
            axes.plot(levels, inside.perturbed[places], label=name, **style)
        axes.set(title=what, ylim=(0, 100))
        axes.set_xlabel(unit, fontsize=9)
        axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        axes.grid(axis="y", alpha=0.3)
    grid[0, 0].set_ylabel("test accuracy")
    grid[1, 0].set_ylabel("test accuracy")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _signed(axes: Axes, values: np.ndarray, most: float) -> None:
    axes.imshow(values.astype(float), cmap="RdBu_r", vmin=-most, vmax=most)
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
