"""What a handful of seeds can say, and how sure a network should be."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import bdtr, log_softmax, stdtrit


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the mean of n measurements, one a seed, and the half width of its two-sided t-interval.

    That is t(n - 1) x sample standard deviation / sqrt(n): NaN for a single value, which has no spread.

    Raises:
        ValueError: there are no values.
    """
    if len(values) == 0:
        raise ValueError("a mean needs at least one value")
    if len(values) == 1:
        return float(values[0]), float("nan")
    quantile = stdtrit(len(values) - 1, (1 + confidence) / 2)
    return float(np.mean(values)), float(quantile * np.std(values, ddof=1) / len(values) ** 0.5)


def prediction_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return where one more measurement would fall: mean ± t(n - 1) x sample standard deviation x sqrt(1 + 1/n).

    Raises:
        ValueError: there are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("a prediction needs at least two values")
    mean, half = mean_interval(values, confidence)
    return mean - half * (len(values) + 1) ** 0.5, mean + half * (len(values) + 1) ** 0.5


def epochs_to(accuracies: Sequence[float], threshold: float) -> int | None:
    """Return the first epoch, from 1, whose accuracy in percent is at least a threshold; None if none is."""
    return next((epoch for epoch, accuracy in enumerate(accuracies, start=1) if accuracy >= threshold), None)


class McNemar(NamedTuple):
    """Two classifiers on the same images: how many only the first has right, only the second, and the p-value."""

    first_only: int
    second_only: int
    p: float


def mcnemar(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> McNemar:
    """Test whether two classifiers are right on equally many of the images that just one of them has right.

    The exact, two-sided form of McNemar's test (1947, https://doi.org/10.1007/BF02295996): were the two equally good,
    each such image would fall to either of them with probability one half.

    Args:
        labels: the actual classes, shape (N,).
        first: the classes that one gives, shape (N,).
        second: the classes that the other gives, shape (N,).

    Raises:
        ValueError: the shapes differ.
    """
    if not labels.shape == first.shape == second.shape:
        raise ValueError(f"{labels.shape} labels, {first.shape} and {second.shape} predictions")
    first_only = int(np.sum((first == labels) & (second != labels)))
    second_only = int(np.sum((first != labels) & (second == labels)))
    either = first_only + second_only
    return McNemar(first_only, second_only, min(1.0, float(2 * bdtr(min(first_only, second_only), either, 0.5))))


def temperature(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Return the number to divide outputs by with which their softmax is most likely to give the labels.

    Guo et al., 2017, https://arxiv.org/abs/1706.04599.

    Args:
        outputs: logits of images that the network was not trained on, shape (N, 10).
        labels: their classes: integers, shape (N,).
    """
    outputs = np.asarray(outputs, dtype=np.float64)

    def loss(logarithm: float) -> float:
        return -log_softmax(outputs / np.exp(logarithm), axis=1)[np.arange(len(labels)), labels].mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x))
