"""Augmentations: each changes a whole dataset at once, on its device, for one epoch.

Every function takes a `Dataset` of images, shape (N, 1, 28, 28), a CPU generator, and the parameters that a recipe
gives it; it returns a new `Dataset` of the same size and leaves the old one as it is. A parameter has no default: the
record of a run has its value. What is random is drawn from the generator, on the CPU, and so the same on every device.
An augmentation may draw nothing, may ask for the number of the epoch, from 1, by a keyword `epoch`, and may mix labels:
float32 shares, shape (N, 10).
"""

from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from math import log

import torch
from torch import Tensor
from torch.nn import functional

from fashion.data import CLASSES, Dataset
from fashion.recipes import Choice, chosen, number, whole
from fashion.settings import FashionError

Augmentation = Callable[..., Dataset]

BACKGROUND = -1.0


def flip(dataset: Dataset, generator: torch.Generator) -> Dataset:
    """Mirror each image, left to right, with probability one half."""
    mirrored = torch.rand(len(dataset.labels), generator=generator) < 0.5
    mirrored = mirrored.to(dataset.images.device)[:, None, None, None]
    return Dataset(torch.where(mirrored, dataset.images.flip(3), dataset.images), dataset.labels)


def alternate(dataset: Dataset, generator: torch.Generator, *, epoch: int) -> Dataset:
    """Mirror every second image, left to right, and in the next epoch the others: nothing is left to chance.

    Jordan, 2024, https://arxiv.org/abs/2404.00498.
    """
    images, labels = dataset
    images = images.clone()
    images[epoch % 2 :: 2] = images[epoch % 2 :: 2].flip(3)
    return Dataset(images, labels)


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
    inside = _squares(images, torch.full((len(labels),), size), generator)
    return Dataset(images.masked_fill(inside, BACKGROUND), labels)


def erase(dataset: Dataset, generator: torch.Generator, share: float) -> Dataset:
    """Blank a rectangle in a share of the images: 2 to 40% of the area, up to 3.3 times as long as wide.

    Zhong et al., 2017, https://arxiv.org/abs/1708.04896; they fill it with noise.
    """
    images, labels = dataset
    number, size = len(labels), images.shape[-1]
    happens, area, aspect, down, right = torch.rand((5, number), generator=generator).to(images.device)
    area = (0.02 + 0.38 * area) * (happens < share) * size**2
    aspect = torch.exp((2 * aspect - 1) * log(1 / 0.3))
    sides = [(area * aspect).sqrt().round().clamp(max=size), (area / aspect).sqrt().round().clamp(max=size)]
    first = [(each * (size - side + 1)).floor() for each, side in zip((down, right), sides, strict=True)]
    pixels = torch.arange(size, device=images.device)
    rows, columns = (
        (pixels >= start[:, None]) & (pixels < (start + side)[:, None])
        for start, side in zip(first, sides, strict=True)
    )
    return Dataset(images.masked_fill(_inside(rows, columns), BACKGROUND), labels)


def affine(dataset: Dataset, generator: torch.Generator, degrees: float, scale: float, shear: float) -> Dataset:
    """Turn, scale and shear every image around its middle, at random; what comes in is background.

    By up to so many degrees, by a factor of 1 - `scale` to 1 + `scale` in each direction, and by up to `shear` pixels
    to the side for each pixel up or down.
    """
    images, labels = dataset
    drawn = 2 * torch.rand((4, len(labels)), generator=generator) - 1
    angle, (wide, high), slant = torch.deg2rad(degrees * drawn[0]), 1 + scale * drawn[1:3], shear * drawn[3]
    cosine, sine, none = angle.cos(), angle.sin(), torch.zeros(len(labels))
    first = torch.stack([cosine / wide, (slant * cosine - sine) / high, none], dim=1)
    second = torch.stack([sine / wide, (slant * sine + cosine) / high, none], dim=1)
    maps = torch.stack([first, second], dim=1).to(images.device)  # from where a pixel is to where it comes from
    moved = [
        functional.grid_sample(
            part - BACKGROUND, functional.affine_grid(to, list(part.shape), align_corners=False), align_corners=False
        )
        for part, to in zip(images.split(10_000), maps.split(10_000), strict=True)  # a grid is twice its images
    ]
    return Dataset(torch.cat(moved) + BACKGROUND, labels)


def cutmix(dataset: Dataset, generator: torch.Generator, share: float) -> Dataset:
    """Put a square of another image into a share of the images; their labels are mixed by area, shape (N, 10).

    Yun et al., 2019, https://arxiv.org/abs/1905.04899. Their areas are uniform, but for what reaches over an edge.
    """
    images, labels = dataset
    number, size = len(labels), images.shape[-1]
    other = torch.randperm(number, generator=generator).to(images.device)
    side = (size * torch.rand(number, generator=generator).sqrt()).round().long()
    side[torch.rand(number, generator=generator) >= share] = 0
    inside = _squares(images, side, generator)
    kept = 1 - inside.float().mean(dim=(1, 2, 3))[:, None]
    targets = labels if labels.ndim > 1 else functional.one_hot(labels, len(CLASSES)).float()
    return Dataset(torch.where(inside, images[other], images), kept * targets + (1 - kept) * targets[other])


AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": flip,
    "alternate": alternate,
    "translate": translate,
    "affine": affine,
    "cutout": cutout,
    "erase": erase,
    "cutmix": cutmix,
}


# What their parameters can be, and in words.
_LIMITS: dict[str, tuple[Callable[..., bool], str]] = {
    "translate": (lambda pixels: whole(pixels) and 0 < pixels < 28, "pixels, from 1 to 27"),
    "affine": (
        lambda *each: all(map(number, each)) and min(each) >= 0 and each[1] < 1,
        "numbers from 0, scale below 1",
    ),
    "cutout": (lambda size: whole(size) and 0 < size <= 28, "pixels, from 1 to 28"),
    "erase": (lambda share: number(share) and 0 <= share <= 1, "a share, from 0 to 1"),
    "cutmix": (lambda share: number(share) and 0 <= share <= 1, "a share, from 0 to 1"),
}


def compose(choices: Sequence[Choice]) -> Callable[..., Dataset] | None:
    """Return one augmentation that applies some of `AUGMENTATIONS`, with their parameters, in order; None for none.

    It takes a dataset, a generator, and the number of the epoch, from 1.

    Raises:
        FashionError: there is no such augmentation, or its parameters are others.
    """
    found = [chosen(choice, AUGMENTATIONS, "augmentation", "fashion/augment.py", given=2) for choice in choices]
    for choice, (_, parameters) in zip(choices, found, strict=True):
        name = choice if isinstance(choice, str) else choice[0]
        allows, what = _LIMITS.get(name, (lambda *_: True, ""))
        if not allows(*parameters):
            raise FashionError(f"the augmentation {name!r} takes {what}: not {', '.join(map(repr, parameters))}")
    return partial(_in_turn, found) if found else None


def _in_turn(
    found: Sequence[tuple[Augmentation, list]], dataset: Dataset, generator: torch.Generator, epoch: int = 1
) -> Dataset:
    for augmentation, parameters in found:
        asked = {"epoch": epoch} if "epoch" in signature(augmentation).parameters else {}
        dataset = augmentation(dataset, generator, *parameters, **asked)
    return dataset


def _squares(images: Tensor, side: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a square for each image, and say which of its pixels it covers, shape (N, 1, size, size)."""
    size = images.shape[-1]
    centres = torch.randint(size, (2, len(side), 1), generator=generator).to(images.device)
    side = side[:, None].to(images.device)
    offset = torch.arange(size, device=images.device) - centres + side // 2
    return _inside(*((offset >= 0) & (offset < side)))


def _inside(rows: Tensor, columns: Tensor) -> Tensor:
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
