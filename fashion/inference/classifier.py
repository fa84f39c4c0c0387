"""A trained network, and what it makes of a picture.

The package ships two, `*.safetensors`: the weights of recorded runs, whose records are the files' metadata.
"""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fashion.data import CLASSES
from fashion.inference.pictures import picture_files, prepare, read_picture, shown, to_tensor
from fashion.models import build
from fashion.runs.record import Record
from fashion.settings import SHIPPED, FashionError


class Prediction(NamedTuple):
    """What a network makes of a picture: the class, and the probability of every class, most likely first."""

    label: str
    probabilities: dict[str, float]


class Classifier(nn.Module):
    """A trained network and the temperature that calibrates it.

    Attributes:
        network: returns logits, or, where a softmax is its last layer, probabilities.
        temperature: what they are divided by.
        record: which run trained it.
        accuracy: that of the run after its last epoch, in percent.
    """

    def __init__(self, network: nn.Module, temperature: float, record: Record, accuracy: float):
        super().__init__()
        self.network = network.eval()
        self.temperature = temperature
        self.record = record
        self.accuracy = accuracy

    def forward(self, images: Tensor) -> Tensor:
        """Map images as `fashion.data` has them, shape (B, 1, 28, 28), to probabilities, shape (B, 10)."""
        outputs = self.network(images)
        *_, last = self.network.modules()
        return outputs if isinstance(last, nn.Softmax) else torch.softmax(outputs / self.temperature, dim=1)


def load_classifier(path: Path | str = SHIPPED) -> Classifier:
    """Load a network from the file of its weights, such as a run keeps; otherwise raise a `FashionError`."""
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise FashionError(f"{path} is a folder: name the file in it, such as weights.safetensors")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        run = json.loads(metadata["run"])
        record, accuracy = Record.from_json(run), float(run["metrics"]["test_accuracy"])
        network = build(record.experiment.model, record.experiment.changes)
        network.load_state_dict(weights)
    except FileNotFoundError as error:
        raise FashionError(f"{path} does not exist: a run keeps weights if its experiment says `keep=True`") from error
    except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise FashionError(f"{path} does not hold a network that a run kept: {str(error).splitlines()[0]}") from error
    return Classifier(network, float(metadata.get("temperature", 1)), record, accuracy)


def predict(image: Path | str | Image.Image | np.ndarray, classifier: Classifier | None = None) -> Prediction:
    """Say what a picture shows.

    Args:
        image: a file, or a picture as Pillow or numpy has it: of any size, light or dark, grey or in colour, shape
            (H, W), (H, W, 3) or (H, W, 4), uint8.
        classifier: which network to ask. Default: `SHIPPED`.

    Raises:
        FashionError: the file cannot be read as an image, or the image is empty.
    """
    return ask(classifier or _shipped(), open_and_prepare(image)[1])


def open_and_prepare(image: Path | str | Image.Image | np.ndarray) -> tuple[Image.Image, Image.Image]:
    """Return what `predict` takes as a picture, and in the form of the dataset; raise what it raises."""
    file = image if isinstance(image, str | Path) else None
    if file is not None:
        image = read_picture(file)
    elif not isinstance(image, Image.Image):
        image = _from_array(np.asarray(image))
    try:
        return image, prepare(image)
    except FashionError as error:
        raise FashionError(f"{shown(file)}: {error}" if file is not None else str(error)) from error


def ask(classifier: Classifier, prepared: Image.Image) -> Prediction:
    """Say what a network makes of a grey image of 28 x 28 pixels."""
    with torch.no_grad():
        probabilities = classifier(to_tensor(prepared))[0]
    order = probabilities.argsort(descending=True).tolist()
    return Prediction(CLASSES[order[0]], {CLASSES[label]: float(probabilities[label]) for label in order})


def predict_files(
    paths: Iterable[Path], classifier: Classifier | None = None
) -> Iterator[tuple[Path, Prediction | FashionError]]:
    """Yield each file, or each picture in a folder, with what it shows, or with the error that says why not."""
    for path in paths:
        try:
            files = picture_files(path)
            if not files:
                raise FashionError(f"there is no picture in {shown(path)}")
        except FashionError as error:
            yield path, error
            continue
        for file in files:
            try:
                answer = predict(file, classifier)
            except FashionError as error:
                answer = error
            yield file, answer


@cache
def _shipped() -> Classifier:
    return load_classifier()


def _from_array(pixels: np.ndarray) -> Image.Image:
    try:
        if pixels.dtype != np.uint8:
            raise TypeError("not uint8")
        return Image.fromarray(pixels)
    except (TypeError, ValueError) as error:
        raise FashionError(
            f"{pixels.dtype} of shape {pixels.shape} is no picture ({error}): it takes uint8, of shape (H, W), "
            "(H, W, 3) or (H, W, 4)"
        ) from error


def pack(weights: Path | str, temperature: float, path: Path | str = SHIPPED) -> Path:
    """Write the weights that a run kept to `path`, in half precision, with the temperature that calibrates them."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(weights, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        halved = {name: each.half() if each.is_floating_point() else each for name, each in tensors.items()}
        save_file(halved, path, {**file.metadata(), "temperature": repr(temperature)})
    return Path(path)
