from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import a_run

from fashion import CLASSES, EXPERIMENTS, FashionError, load_data
from fashion.data import Dataset
from fashion.inference.classifier import load_classifier
from fashion.settings import RUNS, SHIPPED
from fashion.study import inside, views
from fashion.study.neighbours import Pair
from fashion.study.perturbations import LEVELS, PERTURBATIONS

pytest.importorskip("sklearn")
pytest.importorskip("captum")


@pytest.fixture(scope="module", autouse=True)
def few_compared():
    """Both maps of where a network looks are compared on 10 images: they take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch.setattr(inside, "COMPARED", 10)


@pytest.fixture(scope="module")
def few():
    """The first 300 training and 120 test images."""
    return tuple(Dataset(each.images[:n], each.labels[:n]) for each, n in zip(load_data(), (300, 120), strict=True))


@pytest.fixture(scope="module")
def looked(few):
    """What is inside a network that is shipped, as those images tell."""
    return inside.look(load_classifier(SHIPPED.with_name("fast.safetensors")), few, np.arange(6))


def test_what_is_shown_are_the_first_of_three_garments_and_shirts_that_every_run_takes_for_t_shirts():
    shirt, bag, boot, top = (CLASSES.index(each) for each in (*inside.GARMENTS, "T-shirt/top"))
    labels = np.array([bag, top, boot, shirt, bag, *[shirt] * 5])
    one = a_run(50, predictions=np.array([top, top, top, top, bag, top, top, shirt, top, top], np.uint8))
    other = a_run(50, predictions=np.array([top, top, top, shirt, bag, top, top, top, top, top], np.uint8))
    assert inside.looked_at(labels, [one, other]).tolist() == [3, 0, 2, 5, 6, 8]


def test_a_look_has_what_its_pictures_need(looked, few):
    assert looked.record.experiment == EXPERIMENTS["fast"]
    assert looked.filters.shape == (16, 3, 3)
    shapes = {name: maps.shape for name, maps in looked.stages.items()}
    assert list(shapes) == ["16 x 26 x 26", "32 x 13 x 13", "64 x 6 x 6", "128 x 3 x 3"] and shapes["64 x 6 x 6"] == (
        3,
        8,
        6,
        6,
    )
    assert looked.occluded.shape == looked.gradients.shape == (6, 28, 28)
    assert looked.map.shape == looked.principal.shape == (120, 2) and looked.agreement.shape == (10,)
    assert np.allclose(looked.given.sum(axis=1), 1, atol=1e-5)
    assert (looked.predictions == few[1].labels.numpy()).mean() > 0.9
    assert looked.perturbed.shape == (len(LEVELS),)
    accuracy = 100 * (looked.predictions == few[1].labels.numpy()).mean()
    assert looked.perturbed[LEVELS.index(("shift", 0))] == pytest.approx(accuracy)
    assert looked.perturbed[LEVELS.index(("shift", 6))] < accuracy


def test_answers_are_computed_as_in_a_run_and_maps_in_float32(looked, few, monkeypatch):
    asked = []

    def place(network, device, precision):
        asked.append((device.type, precision, all(each.requires_grad for each in network.parameters())))
        with torch.no_grad():
            network.classifier.weight.zero_()
            network.classifier.bias.copy_(torch.eye(10)[3])
        return network

    monkeypatch.setattr(inside, "place", place)
    monkeypatch.setattr(inside, "choose_precision", lambda *_: "bf16")
    again = inside.look(load_classifier(SHIPPED.with_name("fast.safetensors")), few, np.arange(6))
    assert asked == [("cpu", "bf16", True)] and set(again.predictions) == {3}
    assert np.allclose(again.perturbed, 100 * float((few[1].labels == 3).float().mean()))
    assert np.array_equal(again.given, looked.given) and np.array_equal(again.occluded, looked.occluded)


def test_the_network_has_images_of_one_class_near_each_other(looked, few):
    (train, test) = few
    assert (train.labels[looked.nearest] == test.labels).float().mean() > 0.8


def test_what_is_written_is_read_again_and_small(looked, tmp_path):
    path = inside.write(looked, tmp_path)
    assert path == tmp_path / "fast.npz" and path.stat().st_size < 150_000
    again = inside.read(path)
    assert again.record == looked.record and again.stages.keys() == looked.stages.keys()
    assert np.array_equal(again.predictions, looked.predictions)
    assert {each.dtype for each in (again.occluded, again.map, again.filters)} == {np.dtype(np.float16)}
    assert np.allclose(again.occluded, looked.occluded, atol=1e-3) and np.allclose(again.perturbed, looked.perturbed)
    inside.write(replace(looked, record=replace(looked.record, experiment=EXPERIMENTS["v1_fixed"])), tmp_path)
    assert list(inside.read_all(tmp_path)) == ["v1_fixed", "fast"]


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_another_file_is_told(tmp_path, content):
    (tmp_path / "fast.npz").write_bytes(content)
    with pytest.raises(FashionError, match=r"fast.npz is not what `python -m fashion.study.inside` wrote"):
        inside.read(tmp_path / "fast.npz")


def test_the_weights_stay_as_they_are(few):
    classifier = load_classifier(SHIPPED.with_name("fast.safetensors"))
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    inside.look(classifier, few, np.arange(6))
    assert all(torch.equal(value, before[name]) for name, value in classifier.network.state_dict().items())


@pytest.mark.parametrize("draw", [
    lambda looked, data: views.filters({"fast": looked, "other": looked}),
    lambda looked, data: views.stages(looked, Dataset(*(each[:3] for each in data[1]))),
    lambda looked, data: views.attributions({"fast": looked}, Dataset(*(each[:6] for each in data[1]))),
    lambda looked, data: views.landscape(looked, data[1].labels.numpy()),
    lambda looked, data: views.pairs(data[1], data[0], [Pair(0, 1), Pair(2, 3)], looked.predictions),
    lambda looked, data: views.robustness({"fast": looked, "other": looked}),
])  # fmt: skip
def test_a_look_is_drawn(looked, few, draw):
    figure = draw(looked, few)
    figure.canvas.draw()
    assert any(axes.images or axes.lines or axes.collections for axes in figure.axes)


def test_colours_end_where_what_is_drawn_ends_and_at_a_point_at_least(looked, few):
    large = replace(
        looked, filters=np.concatenate([looked.filters[:2], 100 * looked.filters]), occluded=looked.occluded / 1e6
    )
    drawn = views.filters({"fast": large}, most=2).axes
    assert drawn[0].images[0].get_clim()[1] == pytest.approx(np.abs(looked.filters[:2]).max())
    covered = views.attributions({"fast": large}, Dataset(*(each[:6] for each in few[1]))).axes[1]
    assert covered.get_title().endswith("scale 1") and covered.images[0].get_clim() == (-0.01, 0.01)


def test_a_pair_names_both_labels_and_the_class_given(few):
    test, train = few
    given = np.full(120, 8)
    figure = views.pairs(test, train, [Pair(0, 1), Pair(1, 0)], given)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == f"{CLASSES[test.labels[0]]},\ntaken for\nBag" and titles[2] == CLASSES[train.labels[1]]


def test_accuracies_are_drawn_against_how_much_is_done(looked):
    figure = views.robustness({"fast": looked})
    for axes, (name, (unit, levels, _)) in zip(figure.axes, PERTURBATIONS.items(), strict=True):
        (line,) = axes.lines
        assert (axes.get_title(), axes.get_xlabel(), tuple(line.get_xdata())) == (name, unit, levels)
        assert line.get_ydata().tolist() == [looked.perturbed[LEVELS.index((name, level))] for level in levels]
    many = views.robustness({str(number): looked for number in range(20)})
    assert all(len(axes.lines) == 20 for axes in many.axes)


def test_to_look_again_trains_and_keeps_nothing_of_it_on_a_rehearsal(few, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    monkeypatch.setattr(inside, "load_data", lambda: few)
    monkeypatch.setattr(inside, "looked_at", lambda labels, runs: np.arange(6))
    written = []
    monkeypatch.setattr(inside, "write", lambda look: written.append(look.record) or "a file")
    inside.look_again(["v1_fixed"])
    assert [(each.experiment.name, each.train_images) for each in written] == [("v1_fixed", 256)]
    assert not (RUNS / "inside").exists()
