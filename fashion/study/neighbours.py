"""Which images are near each other: as pixels, or as a network sees them."""

from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    """A test image and the training image nearest to it, by their numbers."""

    test: int
    train: int


def nearest(queries: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of `base`, shape (M, D), that is nearest to each of `queries`, shape (N, D), and how far it is."""
    from sklearn.neighbors import NearestNeighbors

    distances, rows = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(base).kneighbors(queries)
    return rows[:, 0], distances[:, 0]


def in_two_dimensions(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay points, shape (N, D), out by their first two principal components, and so that neighbours stay neighbours.

    The latter is t-SNE of the first 50 components: van der Maaten and Hinton, 2008,
    https://jmlr.org/papers/v9/vandermaaten08a.html. Both have the shape (N, 2).
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    reduced = PCA(min(50, *points.shape), random_state=0).fit_transform(points)
    return reduced[:, :2], TSNE(init="pca", random_state=0, perplexity=min(30, len(points) // 4)).fit_transform(reduced)


def alike(labels: np.ndarray, train_labels: np.ndarray, rows: np.ndarray, distances: np.ndarray) -> list[Pair]:
    """List test images whose nearest training image has another label, the nearest first.

    Args:
        labels: of the test images, shape (N,).
        train_labels: of the training images, shape (M,).
        rows: the training image that is nearest to each, as `nearest` returns it, shape (N,).
        distances: how far it is, shape (N,).
    """
    differ = np.flatnonzero(labels != train_labels[rows])
    order = differ[np.argsort(distances[differ], kind="stable")]
    return [Pair(int(each), int(rows[each])) for each in order]


def sides(labels: np.ndarray, predictions: np.ndarray, neighbours: np.ndarray) -> dict[str, int]:
    """Say whose side the neighbours of mistaken images take: that of the network, of the label, or of neither.

    Args:
        labels: of the test images, shape (N,).
        predictions: the classes that the network gives them, shape (N,).
        neighbours: the labels of the training images nearest to them, shape (N,).

    Returns:
        By "network", "label" and "neither", how many of the mistaken images.
    """
    wrong = predictions != labels
    network, label = (int((neighbours == each)[wrong].sum()) for each in (predictions, labels))
    return {"network": network, "label": label, "neither": int(wrong.sum()) - network - label}
