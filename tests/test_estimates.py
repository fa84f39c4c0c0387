import math

import numpy as np
import pytest

from fashion.estimates import epochs_to, mcnemar, mean_interval, prediction_interval, temperature


def test_a_mean_with_its_t_interval_by_hand():
    # 1, 2, 3: mean 2, sample standard deviation 1, standard error 1 / sqrt(3); t(2) at 97.5% is 4.302653.
    assert mean_interval([1, 2, 3]) == pytest.approx((2, 4.302653 / math.sqrt(3)))
    # 90, 92: mean 91, sample standard deviation sqrt(2), standard error 1; t(1) at 95% is 6.313752.
    assert mean_interval([90, 92], confidence=0.9) == pytest.approx((91, 6.313752))
    assert mean_interval([10.0] * 5) == (10.0, 0.0)


def test_one_value_has_no_interval_and_none_no_mean():
    mean, half = mean_interval([92.1])
    assert mean == 92.1 and math.isnan(half)
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


def test_where_one_more_value_would_fall_by_hand():
    # 1, 2, 3: mean 2, sample standard deviation 1; with its own spread sqrt(1 + 1/3) = 1.154701; t(2) is 4.302653.
    assert prediction_interval([1, 2, 3]) == pytest.approx((2 - 4.968276, 2 + 4.968276))
    # 90, 92: mean 91, sample standard deviation sqrt(2), times sqrt(1 + 1/2) is sqrt(3); t(1) at 95% is 6.313752.
    assert prediction_interval([90, 92], confidence=0.9) == pytest.approx((91 - 10.935739, 91 + 10.935739))
    assert prediction_interval([10.0] * 5) == (10.0, 10.0)


@pytest.mark.parametrize("values", [[], [92.1]])
def test_one_value_says_nothing_about_the_next(values):
    with pytest.raises(ValueError, match="at least two"):
        prediction_interval(values)


def test_the_first_epoch_at_a_threshold_or_none():
    accuracies = [70.0, 84.99, 85.0, 84.0, 90.1]
    assert [epochs_to(accuracies, threshold) for threshold in (60, 85, 90, 95)] == [1, 3, 5, None]
    assert epochs_to([], 10) is None


def test_mcnemar_by_hand():
    # The first alone is right on 1 image, the second alone on 5, both on 2, neither on 2. Were each of the six a coin,
    # 1 or fewer heads would have probability (1 + 6) / 64, and as far off on either side twice that.
    labels = np.zeros(10, dtype=np.uint8)
    first = np.array([0, 1, 1, 1, 1, 1, 0, 0, 1, 1], dtype=np.uint8)
    second = np.array([1, 0, 0, 0, 0, 0, 0, 0, 1, 2], dtype=np.uint8)
    assert mcnemar(labels, first, second) == pytest.approx((1, 5, 14 / 64))
    assert mcnemar(labels, second, first) == pytest.approx((5, 1, 14 / 64))
    assert mcnemar(labels, first, first) == (0, 0, 1.0)
    with pytest.raises(ValueError, match=r"\(10,\) labels, \(10,\) and \(1,\) predictions"):
        mcnemar(labels, first, second[:1])


def test_the_temperature_undoes_overconfidence():
    # Right three times of four: the best is to be 75% sure, whatever the outputs say before.
    given, labels = np.zeros(400, dtype=int), np.repeat([0, 0, 0, 1], 100)
    outputs = np.zeros((400, 10))
    outputs[np.arange(400), given] = 8.0
    outputs[np.arange(400), 1] = 8.0 - 3 * np.log(3)  # odds of three to one at a temperature of 3
    outputs[:, 2:] = -100
    assert temperature(outputs, labels) == pytest.approx(3, rel=1e-3)
    assert temperature(outputs / 3, labels) == pytest.approx(1, rel=1e-3)
