"""Fashion-MNIST as tensors on the training device, and shuffled minibatches of them."""

import contextlib
import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.datasets import FashionMNIST

from fashion.settings import FashionError, data_directory

CLASSES = tuple(FashionMNIST.classes)  # in the order of the labels 0 to 9

_UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


class Dataset(NamedTuple):
    """Images and their labels, on one device.

    Attributes:
        images: float32, shape (N, 1, 28, 28), in [-1, 1].
        labels: int64, shape (N,), 0 to 9 in the order of `CLASSES`; or, where images are mixtures, the share of each
            class, float32, shape (N, 10).
    """

    images: Tensor
    labels: Tensor


def load_data(directory: Path | str | None = None, device: torch.device | str = "cpu") -> tuple[Dataset, Dataset]:
    """Load all 60,000 training and 10,000 test images, normalised with mean 0.5 and standard deviation 0.5.

    Args:
        directory: holds `FashionMNIST/raw/` with the four published files, which are verified and unpacked there (and
            downloaded first where they are missing). Default: `FASHION_DATA`, else the repository's `data/`.
        device: where the tensors are put: 188 MB and 31 MB.

    Raises:
        FashionError: a file is missing, truncated or altered and could not be downloaded.
    """
    root = Path(directory or data_directory()).expanduser()
    raw = root / "FashionMNIST" / "raw"
    _unpack(raw)
    made = [each for each in (raw, *raw.parents) if not each.exists()]
    try:
        train, test = (FashionMNIST(root, train=train, download=True) for train in (True, False))
    except (RuntimeError, OSError) as error:
        for folder in made:  # by torchvision, for what it could not download
            with contextlib.suppress(OSError):
                folder.rmdir()
        _check(raw, dict(FashionMNIST.resources), "delete it and run again where there is a network")
        missing = [name for name, _ in FashionMNIST.resources if not (raw / name).is_file()]
        if missing:
            raise FashionError(
                f"{raw / missing[0]} is missing and could not be downloaded: "
                "put the published file there, or name the folder that has FashionMNIST/raw with --data or FASHION_DATA"
            ) from error
        raise FashionError(f"{raw} could not be unpacked: {str(error).splitlines()[0]}") from error
    return _as_tensors(train, device), _as_tensors(test, device)


def split(train: Dataset) -> tuple[Dataset, Dataset]:
    """Split the training set into 54,000 images to train on and 6,000 to choose between recipes on.

    Every tenth image of each class, in file order, is held out: the same images on every machine, 600 a class.
    """
    return parted(train, first=9, every=10)


def parted(dataset: Dataset, first: int, every: int) -> tuple[Dataset, Dataset]:
    """Part a dataset in two: the second has the images of each class, in file order, from `first` on in steps."""
    chosen = torch.zeros_like(dataset.labels, dtype=torch.bool)
    for label in range(len(CLASSES)):
        chosen[(dataset.labels == label).nonzero().squeeze(1)[first::every]] = True
    return Dataset(*(tensor[~chosen] for tensor in dataset)), Dataset(*(tensor[chosen] for tensor in dataset))


class Loader:
    """Minibatches of a `Dataset`: each image exactly once an epoch, the last batch as short as it comes.

    Iterating yields pairs of images, shape (B, 1, 28, 28), and labels, shape (B,) or, where images are mixtures,
    (B, 10), on the dataset's device. With a seed, the order is shuffled anew in each epoch by a generator of the
    loader's own, the same on every device, and `augment` changes the whole dataset first, by the same generator and the
    number of the epoch, from 1; without one, the dataset's order stays and nothing is augmented.

    Attributes:
        epoch: how many epochs were begun.

    Raises:
        ValueError: `batch_size`, B, is below 1.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 64,
        seed: int | None = None,
        augment: Callable[[Dataset, torch.Generator, int], Dataset] | None = None,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.augment = augment
        self.epoch = 0
        # On the CPU whatever the device, since generators of different devices draw different numbers.
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self.dataset.labels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = self.dataset
        if self.generator is None:
            yield from zip(images.split(self.batch_size), labels.split(self.batch_size), strict=True)
            return
        self.epoch += 1
        order = torch.randperm(len(labels), generator=self.generator).to(labels.device)
        if self.augment:
            images, labels = self.augment(self.dataset, self.generator, self.epoch)
        for batch in order.split(self.batch_size):
            yield images[batch], labels[batch]


def _as_tensors(source: FashionMNIST, device: torch.device | str) -> Dataset:
    pixels = source.data.to(device).unsqueeze(1)
    return Dataset(pixels.float().div_(255).sub_(0.5).div_(0.5), source.targets.to(device))


def _unpack(raw: Path) -> None:
    """Unpack the published files that are not unpacked yet, or not whole: beside, and then in one step to their place.

    Raises:
        FashionError: a file is damaged, or the folder cannot be written.
    """
    for name, md5 in _UNPACKED_MD5.items():
        packed, path = raw / f"{name}.gz", raw / name
        if not packed.is_file():
            _check(raw, {name: md5}, "delete it and run again where there is a network")
        elif not path.is_file() or _md5(path) != md5:
            beside = raw / f".{name}.{os.getpid()}"
            try:
                with gzip.open(packed) as source, beside.open("wb") as target:
                    shutil.copyfileobj(source, target)
                if _md5(beside) != md5:
                    raise EOFError("it holds other images than the published ones")
                beside.replace(path)
            except (OSError, EOFError, zlib.error) as error:
                _check(raw, dict(FashionMNIST.resources), "delete it and run again where there is a network")
                raise FashionError(f"{packed} could not be unpacked: {error}") from error
            finally:
                with contextlib.suppress(OSError):
                    beside.unlink(missing_ok=True)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _check(folder: Path, checksums: dict[str, str], remedy: str) -> None:
    for name, md5 in checksums.items():
        path = folder / name
        if path.is_file() and _md5(path) != md5:
            raise FashionError(f"{path} is damaged (its MD5 is not the published one): {remedy}")
