"""Which images are given the wrong class, by which runs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fashion.data import CLASSES
from fashion.runs.record import Run


def confusion(labels: np.ndarray, runs: Sequence[Run]) -> np.ndarray:
    """Return how often each class is given to images of each class, in percent, averaged over at least one run.

    Args:
        labels: the actual classes of the images that the runs were evaluated on: integers, shape (N,).
        runs: at least one.

    Returns:
        Shape (10, 10): rows are actual classes and sum to 100; the diagonal is the accuracy per class.
    """
    counts = np.zeros((len(CLASSES), len(CLASSES)))
    for run in runs:
        np.add.at(counts, (labels, run.predictions), 1)
    return 100 * counts / counts.sum(axis=1, keepdims=True)


def most_confused(matrix: np.ndarray, number: int = 6) -> pd.DataFrame:
    """Tabulate the most frequent errors of a `confusion`: `actual`, `given`, and `percent` of the actual class."""
    table = pd.DataFrame(matrix, CLASSES, CLASSES).rename_axis("actual").reset_index()
    pairs = table.melt("actual", var_name="given", value_name="percent").query("actual != given")
    return pairs.nlargest(number, "percent").round(1).reset_index(drop=True)


def missed(labels: np.ndarray, runs: Sequence[Run]) -> np.ndarray:
    """Return the indices of the images that every run gives a wrong class: those first that most runs agree on."""
    wrong = np.all([run.predictions != labels for run in runs], axis=0).nonzero()[0]
    agreement = votes(runs).max(axis=1)[wrong]
    return wrong[np.argsort(-agreement, kind="stable")]


def votes(runs: Sequence[Run]) -> np.ndarray:
    """Count how many runs give each class to each image: shape (N, 10)."""
    given = np.stack([run.predictions for run in runs])
    return np.stack([(given == label).sum(axis=0) for label in range(len(CLASSES))], axis=1)
