"""What every contender has in common: the network, its recipe, and the dataset as torchvision serves it."""

from collections.abc import Callable
from typing import NamedTuple

import torch  # before fashion, whose import sets how threads wait: that is for `ours` alone
from torch import nn
from torch.utils.data import Subset
from torchvision.datasets import FashionMNIST
from torchvision.transforms import Compose, Normalize, ToTensor

from fashion.experiments import EXPERIMENTS
from fashion.models import build
from fashion.settings import data_directory

BATCH_SIZE = 64
LR = 1e-3


class Prepared(NamedTuple):
    """A contender, ready to train.

    Attributes:
        train: trains on so many minibatches; it may return what it measured itself.
        versions: of the libraries it uses.
        notes: how it computes, where there is a choice.
    """

    train: Callable[[int], dict | None]
    versions: dict[str, str]
    notes: dict[str, str] | None = None


def network(model: str) -> nn.Module:
    """Build a network of `MODELS` with random weights of seed 0."""
    torch.manual_seed(0)
    return build(model)


def momentum(model: str) -> float:
    """Return the momentum of a network's published recipe; 0 for networks that were not published."""
    published = (each for each in EXPERIMENTS.values() if each.group == "published" and each.model == model)
    return next((each.momentum for each in published), 0.0)


def torchvision_dataset() -> FashionMNIST:
    """Return the training images as most programs read them: decoded and normalised one by one."""
    as_tensors = Compose([ToTensor(), Normalize((0.5,), (0.5,))])
    # To "download" is to unpack, where the published files are there.
    return FashionMNIST(data_directory(), train=True, download=True, transform=as_tensors)


def wait_for(device: torch.device | str) -> None:
    """Wait until a device has done what it was asked for; a CPU has."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(torch.device(device))


def first(dataset: FashionMNIST, steps: int) -> Subset:
    """Return what `steps` minibatches of a dataset hold."""
    return Subset(dataset, range(min(steps * BATCH_SIZE, len(dataset))))
