"""What the files of a run may say: each value is of its kind, and they fit each other."""

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from fashion.recipes import require, whole

if TYPE_CHECKING:
    from fashion.history import Epoch
    from fashion.runs.record import Record

# The values of a record, and in words.
_VALUES = (
    (("seed", "train_images", "test_images"), lambda value: whole(value) and value >= 0, "a whole number from 0 on"),
    (("together",), lambda value: whole(value) and value > 0, "a positive whole number"),
    (("evaluated_on",), lambda value: value in ("test", "validation"), "test or validation"),
    (("precision",), lambda value: value in ("fp32", "bf16"), "fp32 or bf16"),
    (("compiled",), lambda value: isinstance(value, bool), "true or false"),
    (("device", "hardware"), lambda value: isinstance(value, str), "a text"),
    (("git_commit",), lambda value: isinstance(value, str | None), "a text or null"),
    (("versions",), lambda value: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
     "texts by name"),
)  # fmt: skip


def require_consistent(
    record: "Record", history: "list[Epoch]", predictions: np.ndarray, outputs: np.ndarray | None
) -> None:
    """Refuse what no run could have written.

    Raises:
        ValueError: something is of another kind, or does not fit the rest.
    """
    require(vars(record) | vars(record.provenance), _VALUES)
    if len(history) != record.experiment.epochs or len(predictions) != record.test_images:
        raise ValueError(f"{len(history)} epochs, {len(predictions)} predictions")
    if [epoch.epoch for epoch in history] != list(range(1, len(history) + 1)):
        raise ValueError("its epochs are not 1, 2, 3, ...")
    for epoch in history:  # whose losses may be infinite
        if not (0 <= epoch.train_accuracy <= 100 and 0 <= epoch.test_accuracy <= 100):
            raise ValueError(f"epoch {epoch.epoch} has an accuracy that is none")
        if not 0 <= epoch.seconds < inf or epoch.train_seconds < 0 or epoch.train_seconds == inf:  # older runs: nan
            raise ValueError(f"epoch {epoch.epoch} has a duration that is none")
    if predictions.max(initial=0) > 9:
        raise ValueError(f"a prediction of class {predictions.max()}")
    if outputs is not None and outputs.shape != (2, record.test_images, 10):
        shape = outputs.shape
        raise ValueError(f"outputs for {shape[1]} images" if len(shape) == 3 else f"outputs of shape {shape}")
    if outputs is not None and outputs.dtype != np.float16:
        raise ValueError(f"outputs of kind {outputs.dtype}")
