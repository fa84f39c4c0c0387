"""A trained network as a file that other programs run."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fashion.data import load_data
from fashion.inference.classifier import Classifier, load_classifier
from fashion.settings import FashionError

if TYPE_CHECKING:
    from google.protobuf.message import Message


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
    `probabilities`, float32, shape (B, 10), in the order of `CLASSES`.

    Returns:
        The largest absolute difference between two probabilities.

    Raises:
        FashionError: the extra "export" is not installed, or the file cannot be written.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch needs it
    except ImportError as error:
        raise FashionError(f'{error.name} is not installed: pip install -e ".[export]"') from error

    network = _FromPixels(classifier or load_classifier()).eval()
    pixels = ((load_data()[1].images[:1000] * 0.5 + 0.5) * 255).round().to(torch.uint8)
    program = torch.onnx.export(
        network,
        (pixels,),
        input_names=["pixels"],
        output_names=["probabilities"],
        dynamic_shapes={"pixels": {0: torch.export.Dim("images")}},
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    _strip(model)
    try:
        Path(path).write_bytes(model.SerializeToString())
    except OSError as error:
        raise FashionError(f"cannot write {path}: {error.strerror}") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"pixels": pixels.numpy()})
    with torch.no_grad():
        return float((torch.from_numpy(theirs) - network(pixels)).abs().max())


def _strip(message: "Message") -> None:
    """Clear the remarks of an ONNX model and of all its parts: the exporter notes which file each came from."""
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE:
            for part in [value] if hasattr(value, "ListFields") else value:
                _strip(part)
