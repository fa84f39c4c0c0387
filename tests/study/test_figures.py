import numpy as np
import pytest
from made_up import H200, a_run, a_study, runs_of
from matplotlib.colors import to_hex

from fashion import CLASSES
from fashion.study import figures
from fashion.study.loading import test_labels as load_labels


@pytest.fixture(scope="module")
def labels():
    return load_labels().astype(np.uint8)


@pytest.fixture(scope="module")
def made(labels):
    """Experiments of which one learns nothing, one not with every seed, and the others miss the first ankle boot."""
    missing = labels.copy()
    missing[0] = 7
    fast = {"predictions": missing, "train_seconds": 10.0}
    return a_study(
        {
            "v1": runs_of([10.0] * 10, predictions=np.zeros_like(labels)),
            "v1_fixed": runs_of([83.0] * 10, predictions=missing),
            "v1_5_5_noBN_lrx2": [
                a_run(*[30.0] * 10, predictions=np.full_like(labels, 9)),
                a_run(*[90.0] * 10, seed=1, predictions=labels),
            ],
            "v1_5_5_lrx2": runs_of([91.0] * 10, [92.0] * 10, predictions=missing),
            "fast": runs_of([94.0], **fast),
        },
        on_gpu={"fast": runs_of([94.1], [94.3], hardware=H200, **fast)},
    )


def test_the_first_missed_image_comes_with_the_class_that_most_runs_give(made):
    titles = [axes.get_title() for axes in figures.draw_missed(made).axes]
    assert titles[0] == f"predicted Sneaker\nactual {CLASSES[9]}" and not any(titles[1:])


def test_the_confusion_is_that_of_the_best_published_network_or_of_a_named_one(made):
    assert figures.draw_confusion(made).axes[0].get_xlabel() == "class given by v1_5_5_lrx2"
    named = figures.draw_confusion(made, "v1").axes[0]
    assert named.get_xlabel() == "class given by v1"
    assert [text.get_text() for text in named.texts][::10] == ["100.0"] * 10  # it calls everything a T-shirt


def test_the_accuracies_by_class_are_of_networks_that_learn(made):
    classes = figures.draw_classes(made).axes[0]
    assert [text.get_text() for text in classes.get_yticklabels()] == ["v1_5_5_lrx2", "v1_fixed", "fast"]
    assert [text.get_text() for text in classes.texts][8:10] == ["100.0", "99.9"]  # one ankle boot of a thousand


def test_times_are_drawn_of_cpus_and_gpus_in_one_colour(made):
    axes = figures.draw_times(made).axes[0]
    assert [line.get_label() for line in axes.lines[1::2]] == ["fast, a machine, n=1", *["fast, H200, n=2"] * 2]
    assert len({to_hex(line.get_color()) for line in axes.lines}) == 1


def test_every_figure_is_drawn_from_the_runs_it_names(made):
    shown = {name: len(drawn(made)) for name, (_, drawn) in figures.FIGURES.items()}
    assert shown == {
        "results": 3, "learning_rates": 4, "confusion": 3, "classes": 4, "missed": 4, "times": 3, "fast_confusion": 1,
    }  # fmt: skip
    for draw, _ in figures.FIGURES.values():
        assert draw(made).axes


def test_augmentations_are_shown_one_by_one_and_in_turn():
    axes = figures.draw_augmented(["flip", ("cutout", 8)], number=2).axes
    assert [each.get_ylabel() for each in axes[::2]] == ["as they are", "flip", "cutout 8", "all"]
