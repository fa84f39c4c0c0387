"""What the study shows: its recorded runs in the groups that belong together, and the figures drawn from them."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from fashion import plotting, probabilities, tables
from fashion.augment import compose
from fashion.data import CLASSES, Dataset, load, split
from fashion.errors import confusion, missed, votes
from fashion.experiments import (
    ABLATIONS,
    EXPERIMENTS,
    LEARNING_RATE_EPOCHS,
    LEARNING_RATES,
    Experiment,
    ablation,
)
from fashion.runs import Run, recorded, run
from fashion.settings import MODEL_LOGS

# What others report, test accuracy in percent. None of them says how long it took.
PUBLISHED = {
    "Shake-Shake + SAM, n=5": 96.41,  # https://arxiv.org/abs/2010.01412, table 5; WRN-28-10 in the same place
    "WRN-28-10, n=5": 96.14,
    "ResNet-20 + cutout, n=3": 95.5,  # https://github.com/hysts/pytorch_image_classification; ResNet-20 as well
    "ResNet-20, n=3": 95.0,
    "small ResNet, 20 epochs, n=1": 94.3,  # https://github.com/fastai/course22p2; 5 epochs as well
    "small ResNet, 5 epochs, n=1": 93.4,
}

Records = dict[Experiment, list[Run]]


def seeds(name: str, retrain: bool = False) -> list[Run]:
    """Load the recorded runs of an experiment, in the order of their seeds.

    Args:
        name: a key of `EXPERIMENTS`.
        retrain: train seeds 0 to 4 again first, and replace what is recorded of them.
    """
    if retrain:
        for seed in range(5):
            run(EXPERIMENTS[name], seed, retrain=True)
    return recorded(EXPERIMENTS[name])


def published(logs: Path | str = MODEL_LOGS) -> Records:
    """Load the recorded runs of the published study's experiments, those without any included."""
    return {each: recorded(each, logs) for each in EXPERIMENTS.values() if each.published is not None}


def learners(logs: Path | str = MODEL_LOGS) -> Records:
    """Load the recorded runs of each experiment that ends above 50% accuracy with every seed."""
    records = {each: runs for each in EXPERIMENTS.values() if (runs := recorded(each, logs))}
    return {each: runs for each, runs in records.items() if min(run.accuracy for run in runs) > 50}


def learner_runs(logs: Path | str = MODEL_LOGS) -> list[Run]:
    """Load the same runs in one list."""
    return [run for runs in learners(logs).values() for run in runs]


def fast() -> list[Experiment]:
    """Return the experiments that go for the shortest time to an accuracy, the shortest first."""
    return [EXPERIMENTS[name] for name in ("fast_93", "fast", "fast_95", "fast_95_muon")]


def fast_runs(logs: Path | str = MODEL_LOGS) -> dict[str, list[Run]]:
    """Load the recorded runs of the fast recipes by name: those of CPUs, and then those of a GPU."""
    return {each.name: [run for folder in _fast_folders(logs) for run in recorded(each, folder)] for each in fast()}


def fast_times(logs: Path | str = MODEL_LOGS) -> pd.DataFrame:
    """Tabulate how long they train and how accurate they are then, as `tables.times` does: on CPUs, then on a GPU."""
    labels = test_images().labels.numpy()
    return pd.concat([tables.times(fast(), labels, folder) for folder in _fast_folders(logs)], ignore_index=True)


def ablated() -> dict[str, Experiment]:
    """Return the experiments that change one thing about `fast`, by what they change."""
    return {title: EXPERIMENTS[ablation(title)] for title in ABLATIONS}


def temperature(logs: Path | str = MODEL_LOGS) -> float:
    """Return the temperature that calibrates `fast`: fitted to its runs on the validation split, all seeds together."""
    found = recorded(EXPERIMENTS["fast"], logs, validation=True)
    labels = np.tile(validation_labels(), len(found))
    return probabilities.temperature(np.concatenate([run.outputs[0] for run in found]), labels)


def best(logs: Path | str = MODEL_LOGS) -> Experiment:
    """Return the experiment of the published study with the highest mean accuracy in our record."""
    records = published(logs)
    return max(records, key=lambda each: np.mean([run.accuracy for run in records[each]] or [0]))


def learning_rates(logs: Path | str = MODEL_LOGS) -> dict[str, dict[str, list[Run]]]:
    """Load the recorded runs of `LEARNING_RATES`, by learning rate, with batch normalisation and without."""
    return {
        title: {f"{EXPERIMENTS[name].lr:g}": recorded(EXPERIMENTS[name], logs) for name in names}
        for title, names in LEARNING_RATES.items()
    }


@cache
def test_images() -> Dataset:
    """Load the test set, once."""
    return load()[1]


@cache
def validation_labels() -> np.ndarray:
    """Return the classes of the images of the validation split: integers, shape (6000,)."""
    return split(load()[0])[1].labels.numpy()


def draw_results(logs: Path | str = MODEL_LOGS) -> Figure:
    """Draw the published accuracies beside ours."""
    return plotting.published_and_ours(published(logs))


def draw_learning_rates(logs: Path | str = MODEL_LOGS) -> Figure:
    """Draw test accuracy over the epochs that all learning rates have."""
    return plotting.side_by_side(learning_rates(logs), LEARNING_RATE_EPOCHS, "learning rate")


def draw_augmented(names: Sequence[str], number: int = 6) -> Figure:
    """Show the first training images as they are, after each of some augmentations, and after all of them in turn."""
    images, labels = load()[0]
    first = Dataset(images[:number], labels[:number])
    rows = {"as they are": first}
    for title, chosen in {**{name: [name] for name in names}, "all": names}.items():
        rows[title] = compose(chosen)(first, torch.Generator().manual_seed(0))
    return plotting.augmented(rows)


def draw_times(logs: Path | str = MODEL_LOGS) -> Figure:
    """Draw the accuracy of the fast recipes against their training time, beside what others report."""
    return plotting.accuracy_against_time(fast_runs(logs), PUBLISHED)


def draw_fast_confusion(logs: Path | str = MODEL_LOGS) -> Figure:
    """Draw the confusion matrix of `fast`, averaged over its seeds."""
    matrix = confusion(test_images().labels.numpy(), recorded(EXPERIMENTS["fast"], logs))
    return plotting.heatmap(matrix, CLASSES, CLASSES, "class given by fast", "actual class")


def draw_confusion(logs: Path | str = MODEL_LOGS) -> Figure:
    """Draw the confusion matrix of the best experiment, averaged over its seeds."""
    experiment = best(logs)
    matrix = confusion(test_images().labels.numpy(), recorded(experiment, logs))
    return plotting.heatmap(matrix, CLASSES, CLASSES, f"class given by {experiment.name}", "actual class")


def draw_classes(logs: Path | str = MODEL_LOGS) -> Figure:
    """Draw the accuracy per class of each network that learns, averaged over its seeds."""
    labels = test_images().labels.numpy()
    accuracies = {each.name: confusion(labels, runs).diagonal() for each, runs in learners(logs).items()}
    return plotting.heatmap(np.stack(list(accuracies.values())), list(accuracies), CLASSES)


def draw_missed(logs: Path | str = MODEL_LOGS, number: int = 20) -> Figure:
    """Show test images that every run of every network that learns gets wrong, with the class that most give."""
    runs = learner_runs(logs)
    images, labels = test_images()
    shown = missed(labels.numpy(), runs)[:number]
    return plotting.predictions(Dataset(images[shown], labels[shown]), votes(runs)[shown].argmax(axis=1))


def _fast_folders(logs: Path | str) -> tuple[Path, Path]:
    return Path(logs), Path(logs) / "gpu"


def _learning_rate_runs(logs: Path | str) -> list[Run]:
    return [run for arms in learning_rates(logs).values() for runs in arms.values() for run in runs]


def _published_runs(logs: Path | str) -> list[Run]:
    return [run for runs in published(logs).values() for run in runs]


def _fast_runs(logs: Path | str) -> list[Run]:
    return recorded(EXPERIMENTS["fast"], logs)


def _timed_runs(logs: Path | str) -> list[Run]:
    return [run for runs in fast_runs(logs).values() for run in runs]


# Each figure's name, the runs it is drawn from, and the function that draws it.
FIGURES: dict[str, tuple[Callable[[Path | str], list[Run]], Callable[[Path | str], Figure]]] = {
    "results": (_published_runs, draw_results),
    "learning_rates": (_learning_rate_runs, draw_learning_rates),
    "confusion": (_published_runs, draw_confusion),
    "classes": (learner_runs, draw_classes),
    "missed": (learner_runs, draw_missed),
    "times": (_timed_runs, draw_times),
    "fast_confusion": (_fast_runs, draw_fast_confusion),
}
