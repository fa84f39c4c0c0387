"""What a trained network responds to, in numbers, and the record of it: `python -m fashion.study.inside WEIGHTS...`.

A network's numbers need its weights, which are too large to keep for most: the record keeps what its pictures need.
"""

import json
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from fashion.data import CLASSES, Dataset, load_data
from fashion.experiments import EXPERIMENTS
from fashion.hardware.placement import choose_precision, place
from fashion.inference.attribution import occlusion, smoothgrad
from fashion.inference.classifier import Classifier, load_classifier
from fashion.runs.record import Record, Run
from fashion.settings import MODEL_LOGS, FashionError, writable
from fashion.study.diagnostics import features, stages
from fashion.study.loading import runs_of, test_labels, trained_again
from fashion.study.neighbours import in_two_dimensions, nearest
from fashion.study.perturbations import LEVELS, perturbed

INSIDE = MODEL_LOGS / "inside"  # a file for each network, and one for the images alone
GARMENTS = ("Shirt", "Bag", "Ankle boot")  # whose feature maps are shown
NETWORKS = ("v1_fixed", "v1_5_5_lrx8", "resnet18", "fast_unaugmented", "fast", "fast_95_gpu", "final_small")
COMPARED = 100  # images on which the two maps of where a network looks are compared
_KEPT = 8  # maps of a stage, those that differ most from pixel to pixel


@dataclass(frozen=True)
class Inside:
    """What a network responds to.

    Attributes:
        record: of its run.
        filters: of its first convolution, shape (C, H, W).
        stages: of `GARMENTS`, what each stage makes of them, shape (3, up to 8 channels, H, W), by their shape.
        occluded, gradients: of `looked_at`, `occlusion` and `smoothgrad` of their own class, shape (N, 28, 28).
        given: the probabilities of `looked_at`, shape (N, 10).
        agreement: Spearman's correlation of both maps' sizes, over the pixels of each of the first test images.
        principal, map: the test images in two dimensions, by their principal components and by t-SNE, shape (10000, 2).
        nearest: of each test image, the training image that the network has nearest to it, shape (10000,).
        predictions: the class of each test image, shape (10000,).
        perturbed: accuracies in percent, a row for each of `LEVELS`.
    """

    record: Record
    filters: np.ndarray
    stages: dict[str, np.ndarray]
    occluded: np.ndarray
    gradients: np.ndarray
    given: np.ndarray
    agreement: np.ndarray
    principal: np.ndarray
    map: np.ndarray
    nearest: np.ndarray
    predictions: np.ndarray
    perturbed: np.ndarray


def looked_at(labels: np.ndarray, runs: Sequence[Run]) -> np.ndarray:
    """Return the test images whose maps are shown: the first of each of `GARMENTS`, and shirts taken for T-shirts.

    These are the first three shirts that each of some runs takes for one.
    """
    shirt, top = CLASSES.index("Shirt"), CLASSES.index("T-shirt/top")
    first = [np.flatnonzero(labels == CLASSES.index(each))[0] for each in GARMENTS]
    taken = np.all([run.predictions == top for run in runs], axis=0) & (labels == shirt)
    return np.array([*first, *np.flatnonzero(taken)[:3]])


def look(classifier: Classifier, data: tuple[Dataset, Dataset], chosen: np.ndarray) -> Inside:
    """Look into a network: its maps in float32, its answers and what it has of images as a run on a CPU computes them.

    Args:
        classifier: the network, with the record of its run.
        data: training and test set.
        chosen: the test images whose maps are shown, as `looked_at` has them.
    """
    (train, _), (images, labels) = data
    network, cpu = classifier.network, torch.device("cpu")
    placed = place(deepcopy(network), cpu, choose_precision("auto", network, cpu))  # whose trial needs gradients
    network.requires_grad_(False)
    placed.requires_grad_(False)
    points, outputs = features(placed, images)
    shown, own = images[chosen], labels[chosen]
    torch.manual_seed(0)  # of the noise
    principal, laid_out = in_two_dimensions(points.numpy())
    return Inside(
        record=classifier.record,
        filters=next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d)).weight[:, 0].numpy(),
        stages={name: _most_varied(maps) for name, maps in stages(network, shown[: len(GARMENTS)]).items()},
        occluded=occlusion(classifier, shown, own).numpy(),
        gradients=smoothgrad(network, shown, own).numpy(),
        given=classifier(shown).numpy(),
        agreement=_agreement(classifier, images[:COMPARED], labels[:COMPARED]),
        principal=principal,
        map=laid_out,
        nearest=nearest(points.numpy(), features(placed, train)[0].numpy())[0],
        predictions=outputs.argmax(dim=1).numpy().astype(np.uint8),
        perturbed=_accuracies(placed, images, labels),
    )


def _most_varied(maps: Tensor) -> np.ndarray:
    order = maps.std(dim=(2, 3)).mean(dim=0).argsort(descending=True, stable=True)
    return maps[:, order[:_KEPT]].numpy()


def _agreement(classifier: Classifier, images: Tensor, labels: Tensor) -> np.ndarray:
    pairs = zip(occlusion(classifier, images, labels), smoothgrad(classifier.network, images, labels), strict=True)
    return np.array([spearmanr(*(each.abs().flatten() for each in pair)).statistic for pair in pairs])


def _accuracies(network: nn.Module, images: Tensor, labels: Tensor) -> np.ndarray:
    """Return the accuracy in percent at each of `LEVELS`, of which those of zero leave the images as they are."""

    def accuracy(changed: Tensor) -> float:
        return float((features(network, changed)[1].argmax(dim=1) == labels).float().mean() * 100)

    clean = accuracy(images)
    return np.array([accuracy(perturbed(images, *each)) if each[1] else clean for each in LEVELS])


def write(inside: Inside, folder: Path = INSIDE) -> Path:
    """Write what there is of a network to a file of its own, in half precision where it is drawn, and return it."""
    folder = writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values = dict(vars(inside))
    arrays = {f"stages/{name}": array for name, array in values.pop("stages").items()}
    arrays |= {"record": np.array(json.dumps(values.pop("record").to_json())), **values}
    path = folder / f"{inside.record.experiment.name}.npz"
    halved = {name: each.astype(np.float16) if each.ndim > 1 else each for name, each in arrays.items()}
    np.savez_compressed(path, **halved)
    return path


def read(path: Path) -> Inside:
    """Read what `write` wrote.

    Raises:
        FashionError: the file holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        values = {each.name: arrays[each.name] for each in fields(Inside) if each.name != "stages"}
        values["record"] = Record.from_json(json.loads(str(values["record"])))
        return Inside(stages={name[7:]: each for name, each in arrays.items() if name.startswith("stages/")}, **values)
    except Exception as error:  # damage shows in many ways
        raise FashionError(f"{path} is not what `python -m fashion.study.inside` wrote: {error}") from error


def read_all(folder: Path = INSIDE) -> dict[str, Inside]:
    """Read what is recorded of each network, by the name of the experiment: of `NETWORKS` first."""
    names = dict.fromkeys((*NETWORKS, *EXPERIMENTS))
    return {name: read(path) for name in names if (path := folder / f"{name}.npz").exists()}


def pixel_neighbours(folder: Path = INSIDE) -> tuple[np.ndarray, np.ndarray]:
    """Return the training image whose pixels are nearest to those of each test image, and how far it is, (10000,)."""
    with np.load(folder / "pixels.npz", allow_pickle=False) as file:
        return file["rows"], file["distances"]


def main(weights: Sequence[Path | str]) -> None:
    """Look into networks whose weights runs kept, and at the images alone, and write what there is."""
    data = load_data()
    if not (INSIDE / "pixels.npz").exists():
        INSIDE.mkdir(exist_ok=True)
        rows, distances = nearest(*(each.images.flatten(1).numpy() for each in reversed(data)))
        np.savez_compressed(INSIDE / "pixels.npz", rows=rows.astype(np.uint16), distances=distances.astype(np.float32))
    chosen = looked_at(test_labels(), runs_of("fast"))
    for path in weights:
        print(write(look(load_classifier(path), data, chosen)), flush=True)


def look_again(names: Sequence[str] = NETWORKS) -> None:
    """Train seed 0 of experiments again, and look into the networks."""
    main([trained_again(name) for name in names])


if __name__ == "__main__":
    main(sys.argv[1:])
