"""Fashion-MNIST as tensors on the training device, and shuffled minibatches of them."""

import contextlib
import gzip
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.datasets import FashionMNIST

from fashion.settings import FashionError, data_directory

CLASSES = tuple(FashionMNIST.classes)  # in the order of the labels 0 to 9

# Of each published file: unpacked, and packed.
_MD5 = {
    "train-images-idx3-ubyte": ("f4a8712d7a061bf5bd6d2ca38dc4d50a", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    "train-labels-idx1-ubyte": ("9018921c3c673c538a1fc5bad174d6f9", "25c81989df183df01b3e8a0aad5dffbe"),
    "t10k-images-idx3-ubyte": ("8181f5470baa50b63fa0f6fddb340f0a", "bef4ecab320f06d8554ea6380940ec79"),
    "t10k-labels-idx1-ubyte": ("15d484375f8d13e6eb1aabb0c3f46965", "bb300cfdad3c16e7a12a480ee83cd310"),
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
        directory: holds `FashionMNIST/raw/` with the four published files, packed or not, which are verified (and
            downloaded first where they are missing). Default: `FASHION_DATA`, else the repository's `data/`.
        device: where the tensors are put: 188 MB and 31 MB.

    Raises:
        FashionError: a file is missing, truncated or altered and could not be downloaded, or cannot be read.
    """
    root = Path(directory or data_directory()).expanduser()
    raw = root / "FashionMNIST" / "raw"
    contents = _contents(raw)
    if None in contents.values():
        _download(root, raw)
        contents = _contents(raw)
    if lost := [name for name, content in contents.items() if content is None]:
        raise FashionError(_what_is_wrong(raw, lost))
    return _as_tensors("train", contents, device), _as_tensors("t10k", contents, device)


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


def _as_tensors(part: str, contents: dict[str, bytes], device: torch.device | str) -> Dataset:
    pixels, labels = (
        torch.frombuffer(bytearray(contents[f"{part}-{kind}-ubyte"]), dtype=torch.uint8, offset=header).to(device)
        for kind, header in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return Dataset(pixels.view(-1, 1, 28, 28).float().div_(255).sub_(0.5).div_(0.5), labels.long())


def _contents(raw: Path) -> dict[str, bytes | None]:
    return {name: _content(raw, name) for name in _MD5}


def _content(raw: Path, name: str) -> bytes | None:
    """Return what a published file holds, unpacked or not; None if neither form of it is there and whole."""
    for path, unpack in ((raw / name, bytes), (raw / f"{name}.gz", gzip.decompress)):
        if path.is_file() and _is_whole(path):
            return unpack(path.read_bytes())
    return None


def _is_whole(path: Path) -> bool:
    try:
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError as error:
        raise FashionError(f"{path} cannot be read: {error.strerror}") from error
    return digest in _MD5[path.stem if path.suffix == ".gz" else path.name]


def _download(root: Path, raw: Path) -> None:
    """Let torchvision download what is missing; where it cannot, nothing is left behind."""
    made = [each for each in (raw, *raw.parents) if not each.exists()]
    try:
        FashionMNIST(root, download=True)
    except (RuntimeError, OSError):
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _what_is_wrong(raw: Path, lost: list[str]) -> str:
    for path in (raw / f"{name}{ending}" for name in lost for ending in (".gz", "")):
        if path.is_file():
            damaged = "is damaged (its MD5 is not the published one)"
            return f"{path} {damaged}: delete it and run again where there is a network"
    return (
        f"{raw / lost[0]}.gz is missing and could not be downloaded: "
        "put the published file there, or name the folder that has FashionMNIST/raw with --data or FASHION_DATA"
    )
