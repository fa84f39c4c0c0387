from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fashion import EXPERIMENTS, Dataset, Run, bench, plotting
from fashion.statistics import mean_interval
from fashion.training import Epoch


def made_up(seeds, epochs=5):
    generator = np.random.default_rng(0)
    return [
        Run(
            {"seed": seed, "evaluated_on": "test"},
            [
                Epoch(e, 2 - 0.1 * e, 80 + e, 2.1 - 0.1 * e, 79 + e + generator.random(), 1)
                for e in range(1, epochs + 1)
            ],
            np.zeros(0, np.uint8),
        )
        for seed in range(seeds)
    ]


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_curves_say_what_they_show(seeds):
    axes = plotting.curves(EXPERIMENTS["v1_5_5"], made_up(seeds), "accuracy").axes[0]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
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
    (run,) = made_up(1)
    for evaluated_on in ("test", "validation"):
        figure = plotting.curves(
            EXPERIMENTS["v1"], [replace(run, info=run.info | {"evaluated_on": evaluated_on})], "accuracy"
        )
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert any(label.startswith("published") for label in labels) == (evaluated_on == "test")


def test_the_mean_is_the_mean():
    runs = made_up(3)
    axes = plotting.curves(EXPERIMENTS["v1"], runs, "loss").axes[0]
    test_mean = next(line for line in axes.lines if line.get_label() == "test")
    expected = np.mean([[epoch.test_loss for epoch in run.history] for run in runs], axis=0)
    assert np.allclose(test_mean.get_ydata(), expected)
    assert "published" not in " ".join(text.get_text() for text in axes.get_legend().get_texts())


def test_a_flat_curve_looks_flat():
    flat = [Run({"seed": 0, "evaluated_on": "test"}, [Epoch(e, 2.3, 10.0, 2.3, 10.01, 1) for e in (1, 2)], None)]
    low, high = plotting.curves(EXPERIMENTS["v1"], flat, "accuracy").axes[0].get_ylim()
    assert high - low >= 5


def test_no_runs_no_figure():
    with pytest.raises(ValueError, match="no runs of v1"):
        plotting.curves(EXPERIMENTS["v1"], [], "loss")


def test_figures_are_written_and_not_blank(tmp_path, small):
    paths = plotting.save_curves(EXPERIMENTS["resnet18"], made_up(3), tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "resnet18_test_logs/resnet18_test_accuracy.png",
        "resnet18_test_logs/resnet18_test_loss.png",
    ]
    others = {
        "samples": plotting.samples(small[1], each=3),
        "predictions": plotting.predictions(small[1], torch.zeros(100, dtype=torch.uint8)),
        "accuracies": plotting.final_accuracies({"v1": made_up(2), "v1_fixed": made_up(3)}),
        "published": plotting.published_and_ours({EXPERIMENTS["v1"]: made_up(3), EXPERIMENTS["v1_5_5"]: []}),
        "rates": plotting.side_by_side({"with": {"0.1": made_up(3), "0.2": []}, "without": {}}, 4),
        "heatmap": plotting.heatmap(np.array([[99.9, 0.04], [50, 50]]), ["a", "b"], ["c", "d"]),
    }
    paths += [plotting.save(figure, tmp_path / f"{name}.png") for name, figure in others.items()]
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
        assert min(pixels.shape) > 200 and pixels.std() > 10, path


def test_predictions_name_both_classes(small):
    images = type(small[1])(*(tensor[:2] for tensor in small[1]))  # an ankle boot and a pullover
    right, wrong = plotting.predictions(images, torch.tensor([9, 0])).axes[:2]
    assert right.get_title() == "predicted Ankle boot\nactual Ankle boot"
    assert wrong.get_title() == "predicted T-shirt/top\nactual Pullover"
    assert right.title.get_color() != wrong.title.get_color()


def test_a_digest_tells_histories_apart():
    assert plotting.digest(made_up(3)) == plotting.digest(made_up(3))
    assert plotting.digest(made_up(3)) != plotting.digest(made_up(2))
    (run,) = made_up(1)
    for other in (
        replace(run, info=run.info | {"hardware": "another"}),
        replace(run, history=[epoch._replace(train_seconds=2.0) for epoch in run.history]),
        replace(run, predictions=np.ones(1, np.uint8)),
    ):
        assert plotting.digest([other]) != plotting.digest([run])


def test_speed_sets_contenders_beside_the_limit():
    result = {
        "steps": bench.EPOCH,
        "multiply_adds": 64_000,
        "optimiser_bytes": 100,
        "contenders": {
            "ours": {"seconds": [1.0, 2.0, 4.0]},
            "ours:compiled": {"seconds": [1.0]},
            "plain": {"seconds": [8.0]},
            "fastai": {"seconds": [9.0]},
            "limit": {"flop_per_second": [3.6e8], "bytes_per_second": [938e2]},
        },
    }
    fewer = result | {"contenders": {name: result["contenders"][name] for name in ("ours", "plain", "limit")}}
    figure = plotting.speed({"resnet18": fewer, "NeuralNetwork_v1": result})
    assert [axes.get_title() for axes in figure.axes] == ["resnet18", "v1"]
    axes = figure.axes[1]
    assert [bar.get_width() for bar in axes.patches] == [2.0, 1.0, 8.0, 9.0]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours[0] == colours[1] != colours[2]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "ours",
        "ours, compiled",
        "plain",
        "fastai",
    ]
    assert [bar.get_y() for bar in figure.axes[0].patches] == [axes.patches[i].get_y() for i in (0, 2)]
    assert figure.axes[0].get_ylim() == axes.get_ylim()
    assert [(text.get_text(), text.xy) for text in figure.axes[0].texts] == [
        ("not timed", (0, 1)),
        ("not timed", (0, 3)),
    ]
    (limit,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert limit.get_xdata()[0] == pytest.approx(2.0)  # 1 s of multiply-adds and 1 s of copying


def test_published_and_ours_show_seeds_mean_and_the_published_run():
    groups = {EXPERIMENTS["v1_5_5_BN"]: made_up(5), EXPERIMENTS["v1_5_5"]: made_up(1), EXPERIMENTS["v1"]: []}
    figure = plotting.published_and_ours(groups)
    left, right = figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["v1_5_5_BN (n=5)", "v1_5_5 (n=1)", "v1 (n=0)"]
    assert [line.get_xdata()[0] for line in left.lines if line.get_marker() == "D"] == [92.1, 72.8, 10.0]
    assert [len(line.get_xdata()) for line in left.lines if line.get_marker() == "o"] == [5, 1, 0]
    (bars,) = left.containers  # one seed has no interval
    mean, half = mean_interval([run.accuracy for run in made_up(5)])
    assert bars.lines[2][0].get_segments()[0][:, 0] == pytest.approx([mean - half, mean + half])
    assert right.get_xlim() == (88, 94)


def test_curves_side_by_side_share_the_first_epochs():
    figure = plotting.side_by_side({"with": {"0.1": made_up(3), "0.2": made_up(1), "0.4": []}, "without": {}}, 4)
    axes, empty = figure.axes
    thick = [line for line in axes.lines if line.get_linewidth() > 2]
    assert [line.get_label() for line in thick] == ["0.1, n=3", "0.2, n=1"]
    assert [list(line.get_xdata()) for line in thick] == [[1, 2, 3, 4]] * 2
    expected = np.mean([[epoch.test_accuracy for epoch in run.history[:4]] for run in made_up(3)], axis=0)
    assert np.allclose(thick[0].get_ydata(), expected)
    assert len(axes.collections) == 1  # the band of the three seeds
    assert empty.get_title() == "without" and empty.get_legend() is None


def test_an_interval_does_not_take_the_axis_beyond_possible_accuracies():
    apart = [
        Run(run.info, [epoch._replace(test_accuracy=accuracy) for epoch in run.history], run.predictions)
        for run, accuracy in zip(made_up(3), (10, 50, 90), strict=True)
    ]
    curves = plotting.curves(EXPERIMENTS["v1"], apart, "accuracy")
    for figure in (curves, plotting.side_by_side({"all": {"0.1": apart}}, 4)):
        assert figure.axes[0].get_ylim() == (0, 100)


def test_a_heatmap_writes_its_numbers():
    axes = plotting.heatmap(np.array([[99.94, 0.04], [50.0, 10.0]]), ["a", "b"], ["c", "d"], "given", "actual").axes[0]
    assert [text.get_text() for text in axes.texts] == ["99.9", "·", "50.0", "10.0"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("given", "actual")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]


def test_accuracy_against_time_adds_seconds_up():
    runs = [
        Run(
            run.info | {"hardware": machine, "precision": "fp32"},
            [epoch._replace(train_seconds=10.0) for epoch in run.history],
            run.predictions,
        )
        for run, machine in zip(made_up(3, epochs=3), ("A", "A", "B"), strict=True)
    ]
    figure = plotting.accuracy_against_time({"fast": runs, "slow": runs[2:]}, {"someone": 96.4})
    axes, side = figure.axes
    line, dot = axes.lines[:2]
    assert line.get_xdata().tolist() == [10, 20, 30]
    assert dot.get_xdata() == [30] and dot.get_ydata() == [runs[0].accuracy]
    (legend,) = figure.legends  # below the axes: it hides nothing
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["fast, n=2: A, fp32", "fast, n=1: B, fp32", "slow, n=1: B, fp32"]
    assert [line.get_marker() for line in axes.lines[1::2]] == ["o", "o", "s", "s"]  # a shape is a machine
    assert side.lines[0].get_ydata() == [96.4] and side.texts[0].get_text() == "96.4  someone"
    assert side.get_ylim() == axes.get_ylim()


def test_reliability_draws_accuracy_over_confidence():
    table = pd.DataFrame({"images": [1200, 3], "confidence": [55.0, 95.0], "accuracy": [50.0, 75.0]})
    (axes,) = plotting.reliability({"raw": table}).axes
    assert axes.lines[1].get_xydata().tolist() == [[55, 50], [95, 75]]
    assert [text.get_text() for text in axes.texts] == ["1,200", "3"]


def test_mixed_images_are_shown_with_the_shares_of_their_labels(small):
    images = small[0].images[:2]
    shares = torch.zeros(2, 10)
    shares[0, 4], shares[0, 8], shares[1, 0] = 0.75, 0.25, 1
    rows = {"plain": Dataset(images, torch.tensor([9, 0])), "mixed": Dataset(images, shares)}
    titles = [axes.get_title() for axes in plotting.augmented(rows).axes]
    assert titles == ["Ankle boot", "T-shirt/top", "Coat 75%\nBag 25%", "T-shirt/top"]


def test_pictures_are_shown_above_what_is_made_of_them():
    picture = Image.new("RGB", (60, 80), "white")
    picture.paste("black", (20, 20, 40, 60))
    above, below = plotting.prepared([picture, picture]).axes[::2]
    assert above.images[0].get_array().shape == (80, 60, 3)
    assert below.images[0].get_array().shape == (28, 28)
