import numpy as np
import pytest
from made_up import a_run

from fashion.study import probabilities as p


def sure(labels, share, classes=10):
    """Probabilities of which the named class has a share, and the others the rest in equal parts."""
    values = np.full((len(labels), classes), (1 - share) / (classes - 1))
    values[np.arange(len(labels)), labels] = share
    return values


def test_mirror_images_are_averaged_as_probabilities():
    outputs = np.zeros((2, 1, 10), dtype=np.float16)
    outputs[0, 0, 3], outputs[1, 0, 4] = 2, 4
    average = p.mirrored(a_run(outputs=outputs))
    three = (np.exp(2) / (np.exp(2) + 9) + 1 / (np.exp(4) + 9)) / 2
    assert average.shape == (1, 10) and average.sum() == pytest.approx(1)
    assert average[0, 3] == pytest.approx(three) and average[0].argmax() == 4


def test_an_ensemble_averages_runs():
    first, second = (np.zeros((2, 1, 10), dtype=np.float16) for _ in range(2))
    first[:, 0, 1], second[:, 0, 2] = 1, 3
    runs = [a_run(outputs=first), a_run(outputs=second, seed=1)]
    average = p.ensemble(runs)
    assert average[0].argmax() == 2
    assert average == pytest.approx((p.mirrored(runs[0]) + p.mirrored(runs[1])) / 2)


def test_a_run_without_outputs_has_no_probabilities():
    with pytest.raises(ValueError, match="v1 seed 3 keeps no outputs"):
        p.mirrored(a_run(seed=3))


def test_the_calibrated_loss_is_that_at_the_best_temperature():
    outputs = np.zeros((2, 4, 10), dtype=np.float16)
    outputs[0, :, 2:] = -100
    outputs[0, :, 0] = 8  # much too sure of what is right three times of four
    labels = np.array([0, 0, 0, 1])
    loss = p.calibrated_loss(a_run(outputs=outputs), labels)
    assert loss == pytest.approx(-(3 * np.log(3 / 4) + np.log(1 / 4)) / 4, abs=1e-3)
    outputs[1] = 5  # what it says of mirror images does not count
    assert p.calibrated_loss(a_run(outputs=outputs), labels) == loss


def test_accuracy_counts_the_most_likely_class():
    assert p.accuracy(sure([0, 1, 2, 3], 0.6), np.array([0, 1, 2, 4])) == 75


def test_reliability_against_a_hand_worked_example():
    probabilities = np.concatenate([sure([0] * 4, 0.95), sure([0] * 6, 0.55)])
    labels = np.array([0, 0, 0, 1, 0, 0, 0, 1, 1, 1])
    table = p.reliability(probabilities, labels)
    assert table.images.tolist() == [6, 4]
    assert table.confidence.tolist() == pytest.approx([55, 95])
    assert table.accuracy.tolist() == pytest.approx([50, 75])
    assert p.calibration_error(probabilities, labels) == pytest.approx(0.6 * 5 + 0.4 * 20)


def test_full_confidence_falls_into_the_last_bin():
    table = p.reliability(np.concatenate([sure([0], 1.0), sure([0], 0.96)]), np.array([0, 1]))
    assert table.to_numpy().tolist() == [[2, 98, 50]]
