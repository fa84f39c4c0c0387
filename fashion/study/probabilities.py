"""What a network's outputs are worth as probabilities: averaged over mirror images and runs, and calibrated."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax

from fashion.estimates import temperature
from fashion.runs.record import Run


def mirrored(run: Run) -> np.ndarray:
    """Average the probabilities of each evaluated image and of its mirror image: shape (N, 10).

    Raises:
        ValueError: the run keeps no outputs.
    """
    if run.outputs is None:
        raise ValueError(f"{run.record.experiment.name} seed {run.seed} keeps no outputs")
    return softmax(run.outputs.astype(np.float64), axis=2).mean(axis=0)


def ensemble(runs: Sequence[Run]) -> np.ndarray:
    """Average the probabilities of runs, mirror images included: shape (N, 10)."""
    return np.mean([mirrored(run) for run in runs], axis=0)


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return how many images get the right class, in percent: probabilities of shape (N, 10), classes of shape (N,)."""
    return 100 * float(np.mean(probabilities.argmax(axis=1) == labels))


def image_losses(run: Run, labels: np.ndarray) -> np.ndarray:
    """Return the cross entropy of a run's outputs for each image as it is, at the temperature that is best for the run.

    `labels` are the actual classes of the images, shape (N,), as that of what is returned.
    """
    outputs = run.outputs[0].astype(np.float64)
    outputs /= temperature(outputs, labels)
    return -log_softmax(outputs, axis=1)[np.arange(len(labels)), labels]


def calibrated_loss(run: Run, labels: np.ndarray) -> float:
    """Return the mean of `image_losses`."""
    return float(image_losses(run, labels).mean())


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Set how sure a network is of its class against how often it is right, in bins of equal width.

    Args:
        probabilities: shape (N, 10).
        labels: the actual classes: integers, shape (N,).
        bins: of the probability of the class that is given, between 0 and 1.

    Returns:
        For each bin that is not empty: `images`, how many; `confidence`, the mean probability of the class that they
        are given, and `accuracy`, both in percent.
    """
    sure = probabilities.max(axis=1)
    table = pd.DataFrame({"confidence": 100 * sure, "accuracy": 100.0 * (probabilities.argmax(axis=1) == labels)})
    groups = table.groupby(np.minimum((sure * bins).astype(int), bins - 1))
    return groups.mean().assign(images=groups.size())[["images", "confidence", "accuracy"]].reset_index(drop=True)


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Return the gap between confidence and accuracy in `reliability`, in points, averaged over all images.

    The expected calibration error of Naeini et al., 2015, https://doi.org/10.1609/aaai.v29i1.9602.
    """
    table = reliability(probabilities, labels, bins)
    return float(np.average((table.confidence - table.accuracy).abs(), weights=table.images))
