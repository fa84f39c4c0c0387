"""What training leaves behind: one line an epoch."""

import math
from typing import NamedTuple


class Metrics(NamedTuple):
    """Averages over images: the loss, and the accuracy in percent."""

    loss: float
    accuracy: float


class Epoch(NamedTuple):
    """One line of a history.

    Attributes:
        epoch: its number, from 1.
        train_loss: the mean over the training images, each before the step it led to.
        train_accuracy: likewise, in percent.
        test_loss: the mean over the test images, or those of the validation split, after the epoch.
        test_accuracy: likewise, in percent.
        seconds: to train and to test.
        train_seconds: to train; NaN in histories older than this column.
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
