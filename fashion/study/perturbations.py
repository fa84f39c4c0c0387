"""Test images moved, turned, and made worse, by so much."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional


def _shift(images: Tensor, pixels: float, _: torch.Generator) -> Tensor:
    """Move each image in one of four directions, by its number; black comes in."""
    moved = images.clone()
    for number, (x, y) in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1))):
        by = [round(x * pixels), round(y * pixels)]
        moved[number::4] = functional.affine(images[number::4], 0, by, scale=1.0, shear=[0.0, 0.0], fill=-1.0)
    return moved


def _rotate(images: Tensor, degrees: float, _: torch.Generator) -> Tensor:
    """Turn every other image one way, and the rest the other way."""
    bilinear = functional.InterpolationMode.BILINEAR
    turned = images.clone()
    for number, sign in enumerate((1, -1)):
        turned[number::2] = functional.rotate(images[number::2], sign * degrees, bilinear, fill=-1.0)
    return turned


def _noise(images: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    return (images + 2 * deviation * torch.randn(images.shape, generator=generator)).clamp(-1, 1)


def _blur(images: Tensor, deviation: float, _: torch.Generator) -> Tensor:
    return functional.gaussian_blur(images, [13, 13], [deviation, deviation]) if deviation else images


def _contrast(images: Tensor, lost: float, _: torch.Generator) -> Tensor:
    return (images + 1) * (1 - lost) - 1


def _invert(images: Tensor, share: float, _: torch.Generator) -> Tensor:
    return images * (1 - 2 * share)


# What is done to test images, by name: its unit, how much of it, and the function of images in [-1, 1], that amount and
# a generator.
PERTURBATIONS: dict[str, tuple[str, tuple[float, ...], Callable[[Tensor, float, torch.Generator], Tensor]]] = {
    "shift": ("pixels", (0, 1, 2, 3, 4, 5, 6), _shift),
    "rotation": ("degrees", (0, 5, 10, 15, 20, 30, 45), _rotate),
    "noise": ("standard deviation, share of the range", (0, 0.05, 0.1, 0.15, 0.2, 0.3), _noise),
    "blur": ("standard deviation, pixels", (0, 0.5, 1, 1.5, 2, 3), _blur),
    "contrast": ("share that is lost", (0, 0.2, 0.4, 0.6, 0.8, 0.9), _contrast),
    "inversion": ("share of the way to the negative", (0, 0.2, 0.4, 0.6, 0.8, 1), _invert),
}
LEVELS = [(name, level) for name, (_, levels, _) in PERTURBATIONS.items() for level in levels]


def perturbed(images: Tensor, name: str, level: float) -> Tensor:
    """Return images, shape (N, 1, 28, 28), after so much of one of `PERTURBATIONS`; noise is the same in each call."""
    return PERTURBATIONS[name][2](images, level, torch.Generator().manual_seed(0))
