"""What a handful of seeds can say."""

from collections.abc import Mapping, Sequence

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
