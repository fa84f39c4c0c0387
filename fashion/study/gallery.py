"""Images of the dataset, in rows and columns. A function returns a closed figure, as those of `fashion.plotting` do."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from fashion.data import CLASSES, Dataset
from fashion.plotting import plainly, subplots


@plainly
def samples(dataset: Dataset, each: int = 10) -> Figure:
    """Show the first images of every class, one class a row."""
    figure, grid = subplots(each * 0.6 + 1.2, len(CLASSES) * 0.6, len(CLASSES), each)
    for label, row in enumerate(grid):
        for axes, image in zip(row, dataset.images[dataset.labels == label][:each], strict=True):
            show_image(axes, image)
        row[0].set_ylabel(CLASSES[label], rotation=0, ha="right", va="center")
    return figure


@plainly
def predictions(dataset: Dataset, predicted: Tensor) -> Figure:
    """Show images with the class they are given, shape (N,), and the actual one where that is another; five a row."""
    rows = -(-len(predicted) // 5)
    figure, grid = subplots(8, rows * 2, rows, 5)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, label, guess in zip(grid.flat, dataset.images, dataset.labels, predicted, strict=False):
        right = bool(label == guess)
        show_image(axes, image)
        text = f"predicted {CLASSES[guess]}\nactual {CLASSES[label]}"
        axes.set_title(text, color="black" if right else "#D55E00", fontsize=9)
    return figure


@plainly
def augmented(rows: dict[str, Dataset]) -> Figure:
    """Show datasets of few images below each other, each image with its label or, where it is a mixture, its labels."""
    columns = len(next(iter(rows.values())).labels)
    figure, grid = subplots(columns * 1.5 + 1.2, len(rows) * 1.9, len(rows), columns)
    for row, (name, dataset) in zip(grid, rows.items(), strict=True):
        for axes, image, label in zip(row, *dataset, strict=True):
            show_image(axes, image)
            shares = label if label.ndim else torch.eye(len(CLASSES))[label]
            shown = [f"{CLASSES[each]} {shares[each]:.0%}" for each in shares.nonzero().flatten()]
            axes.set_title("\n".join(shown).replace(" 100%", ""), fontsize=8)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


@plainly
def prepared(pictures: Sequence[Image.Image], after: Sequence[Image.Image]) -> Figure:
    """Show pictures above what a network is given of them: grey images of 28 x 28 pixels."""
    figure, grid = subplots(len(pictures) * 2, 4.4, 2, len(pictures))
    for column, picture, grey in zip(grid.T, pictures, after, strict=True):
        column[0].imshow(picture.convert("RGB"))
        column[1].imshow(grey, cmap="gray", vmin=0, vmax=255)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)  # a white picture ends somewhere
    return figure


@plainly
def feature_maps(rows: dict[str, Tensor]) -> Figure:
    """Show what layers make of an image, a row of maps, shape (N, H, W), for each name and a column for each seed.

    All have one grey scale: 0 is white, 1 and above black.
    """
    columns = len(next(iter(rows.values())))
    figure, grid = subplots(columns * 1.5 + 1.5, len(rows) * 1.6, len(rows), columns)
    for row, (name, maps) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(row, maps, strict=True):
            show_image(axes, image, vmin=0)
            axes.spines[:].set_visible(True)  # an empty map is still a map
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for seed, axes in enumerate(grid[0]):
        axes.set_title(f"seed {seed}")
    return figure


def show_image(axes: Axes, image: Tensor, vmin: float = -1) -> None:
    """Draw one image, shape (1, 28, 28), black on white; values from `vmin` to 1 are from white to black."""
    axes.imshow(image.squeeze(0).cpu().numpy(), cmap="gray_r", vmin=vmin, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
