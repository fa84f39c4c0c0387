"""A trained network at work: what it makes of a picture, and its export.

The package ships one, `fast.safetensors`: the weights of a recorded run, whose record is the file's metadata.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fashion import data, images
from fashion.data import CLASSES
from fashion.models import build
from fashion.settings import FashionError

SHIPPED = Path(__file__).parent / "fast.safetensors"


class Prediction(NamedTuple):
    """What a network makes of a picture: the class, and the probability of every class, most likely first."""

    label: str
    probabilities: dict[str, float]


class Classifier(nn.Module):
    """A trained network and the temperature that calibrates it.

    Attributes:
        network: returns logits.
        temperature: what they are divided by.
        info: the record of the run that trained it, as `run.json` holds it.
    """

    def __init__(self, network: nn.Module, temperature: float, info: dict):
        super().__init__()
        self.network = network.eval()
        self.temperature = temperature
        self.info = info

    def forward(self, images: Tensor) -> Tensor:
        """Map images as `fashion.data` has them, shape (B, 1, 28, 28), to probabilities, shape (B, 10)."""
        return torch.softmax(self.network(images) / self.temperature, dim=1)


def load(path: Path | str = SHIPPED) -> Classifier:
    """Load a network from the file of its weights, such as a run keeps.

    Raises:
        FashionError: the file is missing or is not one of ours.
    """
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise FashionError(f"{path} is a folder: name the file in it, such as weights.safetensors")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        info = json.loads(metadata["run"])
        network = build(info["recipe"]["model"], info["recipe"]["changes"])
        network.load_state_dict(weights)
    except FileNotFoundError as error:
        raise FashionError(f"{path} does not exist: a run keeps weights if its experiment says `keep=True`") from error
    except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise FashionError(f"{path} does not hold a network that a run kept: {str(error).splitlines()[0]}") from error
    return Classifier(network, float(metadata.get("temperature", 1)), info)


def predict(image: Path | str | Image.Image | np.ndarray, classifier: Classifier | None = None) -> Prediction:
    """Say what a picture shows.

    Args:
        image: a file, or a picture as Pillow or numpy has it: of any size, light or dark, grey or in colour, shape
            (H, W), (H, W, 3) or (H, W, 4), uint8.
        classifier: which network to ask. Default: the one that is shipped.

    Raises:
        FashionError: the file cannot be read as an image, or the image is empty.
    """
    file = image if isinstance(image, str | Path) else None
    if file is not None:
        image = images.read(file)
    elif not isinstance(image, Image.Image):
        image = _from_array(np.asarray(image))
    try:
        prepared = images.prepare(image)
    except FashionError as error:
        raise FashionError(f"{file}: {error}" if file is not None else str(error)) from error
    with torch.no_grad():
        probabilities = (classifier or _shipped())(images.to_tensor(prepared))[0]
    order = probabilities.argsort(descending=True).tolist()
    return Prediction(CLASSES[order[0]], {CLASSES[label]: float(probabilities[label]) for label in order})


@cache
def _shipped() -> Classifier:
    return load()


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
    """Write the weights that a run kept to `path`, with the temperature that calibrates them."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(weights, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        save_file(tensors, path, {**file.metadata(), "temperature": repr(temperature)})
    return Path(path)


class _FromPixels(nn.Module):
    """A classifier of pixels as the dataset has them, before normalisation."""

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier((pixels.float() / 255 - 0.5) / 0.5)


def export_onnx(path: Path | str, classifier: Classifier | None = None) -> float:
    """Write a network to an ONNX file, and check it against PyTorch on the first 1,000 test images.

    The file's network maps `pixels`, uint8, shape (B, 1, 28, 28), 0 to 255 and light on dark as in the dataset, to
    `probabilities`, float32, shape (B, 10), in the order of `CLASSES`. Needs the extra "export".

    Args:
        path: where to write it.
        classifier: which network. Default: the one that is shipped.

    Returns:
        The largest absolute difference between two probabilities.

    Raises:
        FashionError: the extra is not installed, or the file cannot be written.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch needs it
    except ImportError as error:
        raise FashionError(f'{error.name} is not installed: pip install -e ".[export]"') from error

    network = _FromPixels(classifier or load()).eval()
    pixels = ((data.load()[1].images[:1000] * 0.5 + 0.5) * 255).round().to(torch.uint8)
    program = torch.onnx.export(
        network,
        (pixels,),
        input_names=["pixels"],
        output_names=["probabilities"],
        dynamic_shapes={"pixels": {0: torch.export.Dim("images")}},
        dynamo=True,
        verbose=False,
    )
    try:
        program.save(str(path))
    except OSError as error:
        raise FashionError(f"cannot write {path}: {error.strerror}") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"pixels": pixels.numpy()})
    with torch.no_grad():
        return float((torch.from_numpy(theirs) - network(pixels)).abs().max())
