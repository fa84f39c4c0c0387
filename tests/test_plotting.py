from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import H200, a_run, ending_at, runs_of

from fashion import EXPERIMENTS, plotting
from fashion.estimates import mean_interval, prediction_interval


def made_up(seeds, epochs=5):
    """Runs that learn: of each seed a little different."""
    generator = np.random.default_rng(0)
    runs = runs_of(*([79 + epoch + generator.random() for epoch in range(1, epochs + 1)] for _ in range(seeds)))
    return [
        replace(
            run,
            history=[
                e._replace(train_loss=2 - 0.1 * e.epoch, train_accuracy=80 + e.epoch, test_loss=2.1 - 0.1 * e.epoch)
                for e in run.history
            ],
        )
        for run in runs
    ]


def texts(artists):
    return [each.get_text() for each in artists]


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_curves_say_what_they_show(seeds):
    axes = plotting.curves(EXPERIMENTS["v1_5_5"], made_up(seeds), "accuracy").axes[0]
    legend = texts(axes.get_legend().get_texts())
    assert legend[:2] == ["train", "test"] and "published 72.8%" in legend
    assert ("95% interval of the mean" in legend) == (seeds >= 3)
    assert axes.get_xlabel() == "epoch" and axes.get_ylabel() == "accuracy"
    assert axes.get_title() == f"v1_5_5, {'1 seed' if seeds == 1 else f'mean of {seeds} seeds'}"
    thin = [line for line in axes.lines if line.get_linewidth() < 1]
    assert len(thin) == (0 if seeds == 1 else 2 * seeds)
    ticks = [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    assert all(float(tick).is_integer() for tick in ticks) and 1 in ticks
    assert axes.yaxis.get_major_formatter()(80) == "80%"
    assert axes.get_ylim()[1] <= 100
    long = plotting.curves(EXPERIMENTS["v1_5_5"], made_up(seeds, epochs=12), "accuracy").axes[0]
    assert all(float(tick).is_integer() for tick in long.get_yticks())  # or "82%" would stand at 82.5


def test_the_published_accuracy_is_drawn_beside_a_test_only():
    for evaluated_on in ("test", "validation"):
        figure = plotting.curves(EXPERIMENTS["v1"], [a_run(10.0, evaluated_on=evaluated_on)], "accuracy")
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert labels == ["train", evaluated_on] + ["published 10.0%"] * (evaluated_on == "test")


def test_the_mean_is_the_mean_and_the_band_its_interval():
    runs = made_up(3)
    axes = plotting.curves(EXPERIMENTS["v1"], runs, "accuracy").axes[0]
    values = np.array([[epoch.test_accuracy for epoch in run.history] for run in runs])
    mean = next(line for line in axes.lines if line.get_label() == "test")
    assert np.allclose(mean.get_ydata(), values.mean(axis=0))
    band = next(each for each in axes.collections if each.get_label() == "95% interval of the mean")
    ends = [np.add(*mean_interval(values[:, 0]) * np.array([1, sign])) for sign in (-1, 1)]
    first = [y for x, y in band.get_paths()[0].vertices if x == 1]
    assert (min(first), max(first)) == pytest.approx(ends)


def test_a_loss_has_no_published_value():
    axes = plotting.curves(EXPERIMENTS["v1"], made_up(3), "loss").axes[0]
    assert next(line for line in axes.lines if line.get_label() == "test").get_ydata()[0] == 2.0
    assert "published" not in " ".join(texts(axes.get_legend().get_texts()))


def test_a_spike_does_not_flatten_the_rest():
    runs = made_up(5, epochs=12)
    plain = plotting.curves(EXPERIMENTS["v1"], runs, "loss").axes[0]
    assert not plain.texts and plain.get_ylim()[1] > 2.0
    history = list(runs[0].history)
    history[2] = history[2]._replace(test_loss=15.02)
    spiked = plotting.curves(EXPERIMENTS["v1"], [replace(runs[0], history=history), *runs[1:]], "loss").axes[0]
    assert texts(spiked.texts) == ["1 value above, up to 15.0"]
    assert spiked.get_ylim()[1] == pytest.approx(1.1 * 2.0)  # of the highest of the others


def test_a_flat_curve_looks_flat():
    flat = a_run(10.01, 10.01, train_accuracy=10.0)
    low, high = plotting.curves(EXPERIMENTS["v1"], [flat], "accuracy").axes[0].get_ylim()
    assert high - low >= 5


def test_no_runs_no_figure():
    with pytest.raises(ValueError, match="no runs of v1"):
        plotting.curves(EXPERIMENTS["v1"], [], "loss")


def test_final_accuracies_are_dots_and_their_mean():
    groups = {"first": ending_at(10.0, 30.0, evaluated_on="validation"), "second": ending_at(50.0)}
    axes = plotting.final_accuracies(groups).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines] == [[10, 30], [20], [50], [50]]
    assert texts(axes.get_yticklabels()) == ["first", "second"]
    assert axes.get_xlabel() == "validation accuracy after the last epoch"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top
    assert texts(axes.get_legend().get_texts()) == ["one seed", "mean"]


def test_published_and_ours_show_seeds_mean_and_the_published_run():
    groups = {EXPERIMENTS["v1_5_5_BN"]: made_up(5), EXPERIMENTS["v1_5_5"]: made_up(1), EXPERIMENTS["v1"]: []}
    figure = plotting.published_and_ours(groups)
    left, right = figure.axes
    assert texts(left.get_yticklabels()) == ["v1_5_5_BN (n=5)", "v1_5_5 (n=1)", "v1 (n=0)"]
    assert [line.get_xdata()[0] for line in left.lines if line.get_marker() == "D"] == [92.1, 72.8, 10.0]
    assert [len(line.get_xdata()) for line in left.lines if line.get_marker() == "o"] == [5, 1, 0]
    (bars,) = left.containers  # one seed has no interval
    ends = prediction_interval([run.accuracy for run in made_up(5)])
    assert bars.lines[2][0].get_segments()[0][:, 0] == pytest.approx(ends)
    assert bars.lines[0].get_xdata() == pytest.approx(np.mean(ends))
    assert left.get_xlim() == (0, 100) and right.get_xlim()[0] == 88
    assert right.containers == []
    (legend,) = figure.legends
    assert texts(legend.get_texts()) == ["ours, one seed", "published, one run", "ours, mean and 95% of further runs"]


def test_an_interval_is_drawn_in_the_panels_that_have_its_mean():
    far, near = runs_of([20.0], [50.0], [80.0]), runs_of([90.0], [91.0], [92.0])
    left, right = plotting.published_and_ours({EXPERIMENTS["v1_5_5"]: far, EXPERIMENTS["v1_5_5_BN"]: near}).axes
    assert len(left.containers) == 2
    (bars,) = right.containers
    assert bars.lines[0].get_xdata() == pytest.approx(91.0)


def test_curves_side_by_side_share_the_first_epochs():
    figure = plotting.side_by_side({"with": {"0.1": made_up(3), "0.2": made_up(1), "0.4": []}, "without": {}}, 4, "lr")
    axes, empty = figure.axes
    thick = [line for line in axes.lines if line.get_linewidth() > 2]
    assert [line.get_label() for line in thick] == ["0.1, n=3", "0.2, n=1"]
    assert [list(line.get_xdata()) for line in thick] == [[1, 2, 3, 4]] * 2
    expected = np.mean([[epoch.test_accuracy for epoch in run.history[:4]] for run in made_up(3)], axis=0)
    assert np.allclose(thick[0].get_ydata(), expected)
    assert len(axes.collections) == 1  # the band of the three seeds
    assert axes.get_legend().get_title().get_text() == "lr"
    assert empty.get_title() == "without" and empty.get_legend() is None


def test_an_interval_does_not_take_the_axis_beyond_possible_accuracies():
    apart = runs_of(*([accuracy] * 5 for accuracy in (10, 50, 90)))
    curves = plotting.curves(EXPERIMENTS["v1"], apart, "accuracy")
    for figure in (curves, plotting.side_by_side({"all": {"0.1": apart}}, 4)):
        assert figure.axes[0].get_ylim() == (0, 100)


def test_a_heatmap_writes_its_numbers():
    axes = plotting.heatmap(np.array([[99.94, 0.04], [50.0, 10.0]]), ["a", "b"], ["c", "d"], "given", "actual").axes[0]
    assert texts(axes.texts) == ["99.9", "·", "50.0", "10.0"]
    assert [text.get_color() for text in axes.texts] == ["white", "black", "black", "black"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("given", "actual")
    assert texts(axes.get_yticklabels()) == ["a", "b"] and texts(axes.get_xticklabels()) == ["c", "d"]


def test_accuracy_against_time_adds_seconds_up():
    runs = [
        a_run(93.0, 94.0, 95.0 + seed, seed=seed, hardware=hardware, train_seconds=10.0)
        for seed, hardware in enumerate(("AMD EPYC (AVX2), 2 threads", "AMD EPYC, 4 threads", H200))
    ]
    figure = plotting.accuracy_against_time({"fast": runs, "slow": runs[2:]}, {"someone": 96.4})
    axes, side = figure.axes
    line, dot = axes.lines[:2]
    assert line.get_xdata().tolist() == [10, 20, 30] and list(line.get_ydata()) == [93, 94, 95]
    assert dot.get_xdata() == [30] and dot.get_ydata() == [95]
    (legend,) = figure.legends  # below the axes: it hides nothing
    assert texts(legend.get_texts()) == ["fast, EPYC, n=2", "fast, H200, n=1", "slow, H200, n=1"]
    assert [line.get_marker() for line in axes.lines[1::2]] == ["o", "o", "s", "s"]  # a shape is a machine
    assert len({line.get_color() for line in axes.lines[:6:2]}) == 1  # a colour is an experiment
    assert axes.lines[6].get_color() != line.get_color()
    assert side.lines[0].get_ydata() == [96.4] and side.texts[0].get_text() == "96.4  someone"
    assert side.get_ylim() == axes.get_ylim() and axes.get_xlim()[0] <= 15


def test_no_group_is_left_out_for_want_of_a_colour():
    many = {str(number): runs_of([93.0, 94.0], hardware=f"NVIDIA H{number % 6}") for number in range(30)}
    (legend,) = plotting.accuracy_against_time(many, {}).legends
    assert len(legend.get_texts()) == 30
    assert len({line.get_marker() for line in legend.get_lines()}) == 6  # as many machines
    (axes,) = plotting.side_by_side({"all": many}, 2).axes
    assert len([line for line in axes.lines if line.get_label().endswith("n=1")]) == 30


def test_reliability_draws_accuracy_over_confidence():
    table = pd.DataFrame({"images": [1200, 3], "confidence": [55.0, 95.0], "accuracy": [50.0, 75.0]})
    (axes,) = plotting.reliability({"raw": table}).axes
    assert axes.lines[1].get_xydata().tolist() == [[55, 50], [95, 75]]
    assert texts(axes.texts) == ["1,200", "3"]
