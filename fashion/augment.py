"""Augmentations: each changes a whole dataset at once, on its device, for one epoch.

Every function takes a `Dataset` of images, shape (N, 1, 28, 28), a CPU generator, and the parameters that a recipe
gives it; it returns a new `Dataset` of the same size and leaves the old one as it is. A parameter has no default: the
record of a run has its value. What is random is drawn from the generator, on the CPU, and so the same on every device.
An augmentation may draw nothing, and may mix labels: float32 shares, shape (N, 10).
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from fashion.data import CLASSES, Dataset
from fashion.experiments import Choice, chosen

Augmentation = Callable[..., Dataset]

BACKGROUND = -1.0


def flip(dataset: Dataset, generator: torch.Generator) -> Dataset:
    """Mirror each image, left to right, with probability one half."""
    mirrored = torch.rand(len(dataset.labels), generator=generator) < 0.5
    mirrored = mirrored.to(dataset.images.device)[:, None, None, None]
    return Dataset(torch.where(mirrored, dataset.images.flip(3), dataset.images), dataset.labels)


def translate(dataset: Dataset, generator: torch.Generator, pixels: int) -> Dataset:
    """Move every image by up to so many pixels in each direction, at random; what comes in is background."""
    images, labels = dataset
    number, size = len(labels), images.shape[-1]
    padded = functional.pad(images, (pixels,) * 4, value=BACKGROUND).squeeze(1)
    corners = torch.randint(2 * pixels + 1, (2, number, 1), generator=generator).to(images.device)
    rows, columns = corners + torch.arange(size, device=images.device)  # shape (N, size) each
    which = torch.arange(number, device=images.device)[:, None, None]
    return Dataset(padded[which, rows[:, :, None], columns[:, None, :]].unsqueeze(1), labels)


def cutout(dataset: Dataset, generator: torch.Generator, size: int) -> Dataset:
    """Blank a square of every image, around a pixel drawn at random; it may reach over the edge.

    DeVries and Taylor, 2017, https://arxiv.org/abs/1708.04552.
    """
    images, labels = dataset
    rows, columns = _squares(images, torch.full((len(labels),), size), generator)
    return Dataset(images.masked_fill(_inside(rows, columns), BACKGROUND), labels)


def cutmix(dataset: Dataset, generator: torch.Generator, share: float) -> Dataset:
    """Put a square of another image into a share of the images; their labels are mixed by area, shape (N, 10).

    Yun et al., 2019, https://arxiv.org/abs/1905.04899. Their areas are uniform, but for what reaches over an edge.
    """
    images, labels = dataset
    number, size = len(labels), images.shape[-1]
    other = torch.randperm(number, generator=generator).to(images.device)
    side = (size * torch.rand(number, generator=generator).sqrt()).round().long()
    side[torch.rand(number, generator=generator) >= share] = 0
    inside = _inside(*_squares(images, side, generator))
    kept = 1 - inside.float().mean(dim=(1, 2, 3))[:, None]
    targets = functional.one_hot(labels, len(CLASSES)).float()
    return Dataset(torch.where(inside, images[other], images), kept * targets + (1 - kept) * targets[other])


AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": flip,
    "translate": translate,
    "cutout": cutout,
    "cutmix": cutmix,
}


def compose(choices: Sequence[Choice]) -> Callable[[Dataset, torch.Generator], Dataset] | None:
    """Return one augmentation that applies some of `AUGMENTATIONS`, with their parameters, in order; None for none.

    Raises:
        FashionError: there is no such augmentation, or its parameters are others.
    """
    found = [chosen(choice, AUGMENTATIONS, "augmentation", "fashion/augment.py", given=2) for choice in choices]
    return partial(_in_turn, found) if found else None


def _in_turn(found: Sequence[tuple[Augmentation, list]], dataset: Dataset, generator: torch.Generator) -> Dataset:
    for augmentation, parameters in found:
        dataset = augmentation(dataset, generator, *parameters)
    return dataset


def _squares(images: Tensor, side: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a square for each image, and say which of its rows and columns it covers, shape (N, size) each."""
    size = images.shape[-1]
    centres = torch.randint(size, (2, len(side), 1), generator=generator)
    offset = torch.arange(size) - centres + side[:, None] // 2
    rows, columns = ((offset >= 0) & (offset < side[:, None])).to(images.device)
    return rows, columns


def _inside(rows: Tensor, columns: Tensor) -> Tensor:
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
