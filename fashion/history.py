"""What training leaves behind: one line an epoch."""

import math
from typing import NamedTuple


class Metrics(NamedTuple):
    """Averages over images: the loss, and the accuracy in percent."""

    loss: float
    accuracy: float


class Epoch(NamedTuple):
    """One line of a history: an epoch, from 1; mean losses, and accuracies in percent; seconds.

    Training images count before the step they led to, test images, or those of the validation split, after the epoch.
    `seconds` are to train and to test, `train_seconds` to train: NaN in histories older than this column.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    train_seconds: float = math.nan

    @property
    def metrics(self) -> dict[str, float]:
        """The losses and accuracies by name: what the same seed gives again."""
        return {name: getattr(self, name) for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")}
