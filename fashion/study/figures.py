"""The figures of the study, each drawn from its recorded runs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from fashion import plotting
from fashion.augment import compose
from fashion.data import CLASSES, Dataset, load_data
from fashion.experiments import LEARNING_RATE_EPOCHS
from fashion.recipes import Choice, Experiment
from fashion.runs.record import Run
from fashion.study import gallery
from fashion.study.leaderboard import reported
from fashion.study.loading import Study, test_images, test_labels
from fashion.study.mistakes import confusion, missed, votes
from fashion.study.writing import choice_in_words

# Networks and epochs of the leaderboard, by what the figure of times calls them. None of them says how long it took.
_BESIDE = {
    "Shake-Shake + SAM": ("Shake-Shake 26 2x96d, cutout, SAM", None),
    "WRN-28-10 + cutout": ("WRN-28-10, cutout", None),
    "ResNet-preact-20 + cutout": ("ResNet-preact-20, cutout 16", 200),
    "ResNet-preact-20": ("ResNet-preact-20", 200),
    "small ResNet, 20 epochs": ("small ResNet", 20),
    "small ResNet, 5 epochs": ("small ResNet, no augmentation", 5),
}


def _beside_ours() -> dict[str, float]:
    """Return what others report, test accuracy in percent, by network and number of runs."""
    rows = {(each.network, each.epochs): each for each in reported()}
    return {f"{title}, n={rows[key].runs}": rows[key].percent for title, key in _BESIDE.items()}


PUBLISHED = _beside_ours()


def draw_results(study: Study) -> Figure:
    """Draw the published accuracies beside ours."""
    return plotting.published_and_ours(study.group("published"))


def draw_learning_rates(study: Study) -> Figure:
    """Draw test accuracy over the epochs that all learning rates have."""
    return plotting.side_by_side(study.learning_rates, LEARNING_RATE_EPOCHS, "learning rate")


def draw_confusion(study: Study, name: str = "") -> Figure:
    """Draw the confusion matrix of an experiment, averaged over its seeds; by default of the best published one."""
    name = name or study.best.name
    matrix = confusion(test_labels(), study[name])
    return plotting.heatmap(matrix, CLASSES, CLASSES, f"class given by {name}", "actual class")


def draw_classes(study: Study) -> Figure:
    """Draw the accuracy per class of each network that learns, averaged over its seeds."""
    accuracies = {each.name: confusion(test_labels(), runs).diagonal() for each, runs in study.learners.items()}
    return plotting.heatmap(np.stack(list(accuracies.values())), list(accuracies), CLASSES)


def draw_missed(study: Study, number: int = 20) -> Figure:
    """Show test images that every run of every network that learns gets wrong, with the class that most give."""
    images, labels = test_images()
    shown = missed(test_labels(), study.learner_runs)[:number]
    given = votes(study.learner_runs)[shown].argmax(axis=1)
    return gallery.predictions(Dataset(images[shown], labels[shown]), given)


def draw_times(study: Study) -> Figure:
    """Draw the accuracy of the fast and final recipes against their training time, beside what others report."""
    groups: dict[str, list[Run]] = {}
    for experiment, runs in _timed(study):
        groups.setdefault(experiment.name, []).extend(runs)
    return plotting.accuracy_against_time(groups, PUBLISHED)


def draw_augmented(names: Sequence[Choice], number: int = 6) -> Figure:
    """Show the first training images as they are, after each of some augmentations, and after all of them in turn."""
    images, labels = load_data()[0]
    first = Dataset(images[:number], labels[:number])
    rows = {"as they are": first}
    for title, chosen in {**{choice_in_words(name): [name] for name in names}, "all": names}.items():
        rows[title] = compose(chosen)(first, torch.Generator().manual_seed(0))
    return gallery.augmented(rows)


def _timed(study: Study) -> list[tuple[Experiment, list[Run]]]:
    return [*study.fast, *((each, runs) for each, runs in study.group("final").items() if runs)]


def _all(groups: Mapping[object, list[Run]]) -> list[Run]:
    return [run for runs in groups.values() for run in runs]


# What `fashion report` draws into model_logs/figures/: by the name of the file, the function that draws it, and the
# runs that it shows, without which it is not drawn.
FIGURES: dict[str, tuple[Callable[[Study], Figure], Callable[[Study], list[Run]]]] = {
    "results": (draw_results, lambda study: _all(study.group("published"))),
    "learning_rates": (
        draw_learning_rates,
        lambda study: [each for arm in study.learning_rates.values() for each in _all(arm)],
    ),
    "confusion": (draw_confusion, lambda study: _all(study.group("published"))),
    "classes": (draw_classes, lambda study: study.learner_runs),
    "missed": (draw_missed, lambda study: study.learner_runs),
    "times": (draw_times, lambda study: [run for _, runs in _timed(study) for run in runs]),
    "fast_confusion": (partial(draw_confusion, name="fast"), lambda study: study["fast"]),
}
