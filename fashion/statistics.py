"""What a handful of seeds can say."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the mean of independent measurements, and the half width of its t-interval.

    Args:
        values: n measurements, one a seed.
        confidence: of the two-sided interval.

    Returns:
        The mean, and t(n - 1) x sample standard deviation / sqrt(n): NaN for a single value, which has no spread.

    Raises:
        ValueError: there are no values.
    """
    if len(values) == 0:
        raise ValueError("a mean needs at least one value")
    if len(values) == 1:
        return float(values[0]), float("nan")
    quantile = stats.t.ppf((1 + confidence) / 2, df=len(values) - 1)
    return float(np.mean(values)), float(quantile * stats.sem(values))


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float], confidence: float = 0.95
) -> tuple[float, float]:
    """Return the mean of second - first over the seeds that both have, and the half width of its t-interval.

    Args:
        first: measurements by seed.
        second: others.
        confidence: of the two-sided interval.

    Raises:
        ValueError: they have no seed in common.
    """
    return mean_interval([second[seed] - first[seed] for seed in sorted(first.keys() & second.keys())], confidence)


def epochs_to(accuracies: Sequence[float], threshold: float) -> int | None:
    """Return the first epoch, counted from 1, whose accuracy is at least a threshold; None if none is.

    Args:
        accuracies: one an epoch, in percent.
        threshold: in percent.
    """
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
    p = stats.binomtest(first_only, either).pvalue if either else 1.0
    return McNemar(first_only, second_only, float(p))
