import numpy as np
import pytest
from made_up import a_run, runs_of

from fashion.study.overlay import overlay


def two(first=(50.0, 60.0, 70.0), second=(90.0, 92.0)):
    three = runs_of(first, first, first, test_loss=0.5)
    return {"mine": three, "yours": [a_run(*second, test_loss=1.5)]}


def test_accuracy_and_loss_of_each_group_have_its_colour():
    accuracy, loss = overlay(two()).axes
    for axes, values in ((accuracy, ([50, 60, 70], [90, 92])), (loss, ([0.5] * 3, [1.5] * 2))):
        thick = [line for line in axes.lines if line.get_linewidth() > 2]
        assert [line.get_label() for line in thick] == ["mine, n=3", "yours, n=1"]
        assert [list(line.get_ydata()) for line in thick] == list(map(list, values))
        assert [list(line.get_xdata()) for line in thick] == [[1, 2, 3], [1, 2]]
        assert len([line for line in axes.lines if line.get_linewidth() < 1]) == 3 and len(axes.collections) == 1
    colours = [[line.get_color() for line in axes.lines if line.get_linewidth() > 2] for axes in (accuracy, loss)]
    assert colours[0] == colours[1] and len(set(colours[0])) == 2
    assert accuracy.get_ylabel() == "test accuracy, log scale of the error" and loss.get_ylabel().startswith(
        "test loss"
    )


def test_what_was_evaluated_on_the_validation_split_says_so():
    axes = overlay({"mine": [a_run(50.0, evaluated_on="validation")]}).axes
    assert [each.get_ylabel().split(",")[0] for each in axes] == ["validation accuracy", "validation loss"]


def test_one_legend_below_names_every_group_once():
    (legend,) = overlay(two()).legends
    assert [text.get_text() for text in legend.get_texts()] == ["mine, n=3", "yours, n=1"]


def test_twenty_experiments_have_twenty_styles():
    lines = overlay({str(number): [a_run(50.0, 60.0)] for number in range(20)}).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(lines) == 20


def test_half_the_error_is_as_far_up_everywhere():
    axes = overlay(two(first=(10.0, 20.0, 60.0), second=(80.0, 95.0))).axes[0]
    height = axes.transData.transform([(1, each) for each in (20, 60, 80, 90)])[:, 1]
    assert np.diff(height) == pytest.approx([height[1] - height[0]] * 3) and height[1] > height[0]


@pytest.mark.parametrize("accuracies", [(10.0, 95.0), (92.1, 93.4), (100.0, 100.0), (0.0, 0.0), (0.0, 100.0)])
def test_all_accuracies_are_within_the_axis_and_have_ticks_in_percent(accuracies):
    figure = overlay({"mine": [a_run(*accuracies)]})
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    assert low < high and low <= min(accuracies) and high >= min(max(accuracies), 99.9)
    within = [label.get_text() for label, tick in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
              if low <= tick <= high]  # fmt: skip
    assert all(label.endswith("%") for label in within) and (within or min(accuracies) == 100)


def test_a_spike_of_the_loss_does_not_flatten_the_rest():
    runs = [a_run(*[50.0] * 60)]
    runs[0].history[3] = runs[0].history[3]._replace(test_loss=400.0)
    loss = overlay({"mine": runs}).axes[1]
    assert loss.get_ylim()[1] < 2 and [text.get_text() for text in loss.texts] == ["1 value above, up to 400.0"]
