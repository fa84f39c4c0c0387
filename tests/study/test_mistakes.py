import numpy as np
import pytest
from made_up import a_run

from fashion.study.mistakes import confusion, missed, most_confused, votes

LABELS = np.arange(10).repeat(2)  # two images of each class


def predicting(**changes):
    predictions = LABELS.astype(np.uint8)
    for index, label in changes.items():
        predictions[int(index[1:])] = label
    return a_run(predictions=predictions)


def test_confusion_is_averaged_over_runs():
    matrix = confusion(LABELS, [predicting(), predicting(i0=6), predicting(i0=6, i1=3), predicting(i19=5)])
    assert matrix.sum(axis=1) == pytest.approx(100)
    assert matrix[0, [0, 3, 6]] == pytest.approx([62.5, 12.5, 25])  # 5, 1 and 2 of the 8 times
    assert matrix[9, [5, 9]] == pytest.approx([12.5, 87.5])
    assert np.count_nonzero(matrix - np.diag(matrix.diagonal())) == 3


def test_the_most_frequent_errors_come_first():
    matrix = confusion(LABELS, [predicting(i0=6, i1=6, i19=5), predicting(i0=6, i4=3)])
    first, *others = most_confused(matrix, 3).to_dict("records")
    assert first == {"actual": "T-shirt/top", "given": "Shirt", "percent": 75.0}
    assert sorted((each["actual"], each["given"], each["percent"]) for each in others) == [
        ("Ankle boot", "Sandal", 25.0),
        ("Pullover", "Dress", 25.0),
    ]


def test_what_every_run_misses_comes_with_the_most_agreement_first():
    runs = [predicting(i2=0, i5=7, i8=1), predicting(i2=3, i5=7, i8=1), predicting(i2=3, i5=7)]
    assert missed(LABELS, runs).tolist() == [5, 2]  # image 8 is right in one run
    assert votes(runs)[[2, 5, 8]].argmax(axis=1).tolist() == [3, 7, 1]
    assert votes(runs).sum(axis=1).tolist() == [3] * 20
