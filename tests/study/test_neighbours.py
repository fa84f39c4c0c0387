import numpy as np
import pytest

from fashion.study.neighbours import Pair, alike, in_two_dimensions, nearest, sides


def test_the_nearest_row_and_how_far_it_is():
    pytest.importorskip("sklearn")
    rows, distances = nearest(np.array([[0.0, 0.0], [9.0, 4.0]]), np.array([[8.0, 4.0], [3.0, 4.0], [50.0, 0.0]]))
    assert rows.tolist() == [1, 0] and distances.tolist() == [5, 1]


def test_pairs_of_other_labels_are_listed_the_nearest_first():
    labels, train_labels = np.array([0, 1, 2, 3]), np.array([0, 5, 2])
    rows, distances = np.array([0, 1, 2, 1]), np.array([0.1, 3.0, 0.2, 2.0])
    assert alike(labels, train_labels, rows, distances) == [Pair(3, 1), Pair(1, 1)]


def test_neighbours_of_mistaken_images_take_sides():
    labels, predictions = np.array([0, 0, 0, 0, 7]), np.array([1, 1, 1, 1, 7])
    neighbours = np.array([1, 1, 0, 3, 2])
    assert sides(labels, predictions, neighbours) == {"network": 2, "label": 1, "neither": 1}


def test_points_are_laid_out_so_that_groups_stay_apart():
    pytest.importorskip("sklearn")
    generator = np.random.default_rng(0)
    points = generator.normal(size=(60, 5)) + 50 * (np.arange(60) % 2)[:, None]
    for layout in in_two_dimensions(points):
        assert layout.shape == (60, 2)
        even, odd = layout[::2], layout[1::2]
        between = np.linalg.norm(even.mean(axis=0) - odd.mean(axis=0))
        assert between > max(np.linalg.norm(group - group.mean(axis=0), axis=1).max() for group in (even, odd))
    again = in_two_dimensions(points)[1]
    assert np.array_equal(again, layout)
