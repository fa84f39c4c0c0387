import pytest

from benchmarks import figures


def test_speed_sets_each_machine_and_network_beside_plain_and_the_limit(result):
    # An epoch of plain takes 750 s, 800 / 160 = 4.6875 times the limit.
    both = result(ours=[1.0, 2.0, 4.0], ours_compiled=[1.0], plain=[8.0], fastai=[16.0])
    fewer = result(ours=[4.0], plain=[8.0])
    figure = figures.speed({"Xeon": {"resnet18": fewer, "NeuralNetwork_v1": both}, "H200": {"NeuralNetwork_v1": both}})
    xeon, h200 = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["Xeon", "H200"]
    assert [label.get_text() for label in xeon.get_yticklabels()] == ["resnet18", "v1"]
    assert xeon.get_ylim() == h200.get_ylim() and xeon.get_xlim() == h200.get_xlim()
    assert [(text.get_text(), text.xy) for text in h200.texts] == [("not timed", (0.5, 0))] and not xeon.texts

    drawn = {bars.get_label(): bars for bars in h200.containers}
    times = {label: bars.lines[0].get_xdata()[0] for label, bars in drawn.items()}
    assert times == {"ours": 4.0, "ours, compiled": 8.0, "fastai": 0.5}
    least, most = drawn["ours"].lines[2][0].get_segments()[0][:, 0]
    assert (least, most) == pytest.approx((2.0, 8.0))
    colours = {label: bars.lines[0].get_color() for label, bars in drawn.items()}
    assert colours["ours"] == colours["ours, compiled"] != colours["fastai"]
    assert all(bars.lines[0].get_ydata()[0] == pytest.approx(1, abs=0.4) for bars in drawn.values())

    (limit,) = [line for line in h200.lines if line.get_marker() == "|"]
    assert limit.get_xdata()[0] == pytest.approx(750 / 160) and limit.get_ydata()[0] == 1
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(legend) == ["fastai", "ours", "ours, compiled", "plain", "the machine's limit"]


def test_an_arrow_points_to_a_limit_that_lies_outside(result):
    far = result(ours=[1.0], plain=[8.0]) | {"multiply_adds": 64, "optimiser_bytes": 0}
    (axes,) = figures.speed({"Xeon": {"v1": far}}).axes
    (arrow,) = [line for line in axes.lines if line.get_marker() == ">"]
    assert arrow.get_xdata()[0] == axes.get_xlim()[1]
