import importlib
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from made_up import H200, a_run, runs_of
from PIL import Image

from fashion import EXPERIMENTS, plotting
from fashion.runs.record import Run
from fashion.settings import ROOT
from fashion.study import gallery
from fashion.study.figure_files import curve_paths, fingerprint, save, save_curves, source_of

MODULE = """
from fashion import plotting
from fashion.plotting import curves

WIDTH = 1
_NAMES = ("a", "b")


def draw(runs):
    return helper(runs)[:WIDTH] + _NAMES


def helper(runs):
    return plotting.heatmap(runs, again), 1


def again():
    return draw, 2


def unused():
    return 3
"""


@pytest.fixture
def drawing(tmp_path, monkeypatch):
    """Imports a module of drawing functions, of which a text is exchanged for another, and fingerprints `draw`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def fingerprint_of(old="", new=""):
        (tmp_path / "fashion_drawing.py").write_text(MODULE.replace(old, new))
        sys.modules.pop("fashion_drawing", None)
        importlib.invalidate_caches()
        return fingerprint(importlib.import_module("fashion_drawing").draw, [])

    yield fingerprint_of
    sys.modules.pop("fashion_drawing", None)


def test_the_curves_of_an_experiment_lie_beside_its_seeds(tmp_path):
    assert {metric: path.relative_to(tmp_path).as_posix()
            for metric, path in curve_paths(EXPERIMENTS["resnet18"], tmp_path).items()} == {
        "accuracy": "resnet18_test_logs/resnet18_test_accuracy.png",
        "loss": "resnet18_test_logs/resnet18_test_loss.png",
    }  # fmt: skip


def test_curves_are_written_and_know_what_they_show(tmp_path):
    experiment, runs = EXPERIMENTS["v1_5_5"], runs_of([50.0, 60.0], [70.0, 80.0])
    paths = save_curves(experiment, runs, tmp_path)
    assert paths == list(curve_paths(experiment, tmp_path).values())
    assert {source_of(path) for path in paths} == {fingerprint(plotting.curves, runs, experiment)}


RUNS = runs_of(*[[50.0, 60.0]] * 3)
DRAWN = {
    "curves": lambda _: plotting.curves(EXPERIMENTS["v1"], RUNS, "accuracy"),
    "samples": lambda images: gallery.samples(images, each=3),
    "predictions": lambda images: gallery.predictions(images, np.zeros(10, np.uint8)),
    "accuracies": lambda _: plotting.final_accuracies({"v1": RUNS[:2], "v1_fixed": RUNS}),
    "published": lambda _: plotting.published_and_ours({EXPERIMENTS["v1"]: RUNS, EXPERIMENTS["v1_5_5"]: []}),
    "rates": lambda _: plotting.side_by_side({"with": {"0.1": RUNS, "0.2": []}, "without": {}}, 4),
    "heatmap": lambda _: plotting.heatmap(np.array([[99.9, 0.04], [50, 50]]), ["a", "b"], ["c", "d"]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_are_not_blank(tmp_path, small, name):
    with Image.open(save(DRAWN[name](small[1]), tmp_path / "figure.png")) as image:
        pixels = np.asarray(image.convert("L"))
    assert min(pixels.shape) > 200 and pixels.std() > 10


def test_a_file_keeps_what_it_was_drawn_from(tmp_path):
    figure, _ = plotting.subplots(1, 1)
    path = save(figure, tmp_path / "new" / "figure.png", "its source")
    assert path == tmp_path / "new" / "figure.png" and source_of(path) == "its source"
    assert source_of(tmp_path / "none.png") is None


def test_a_rehearsal_writes_no_figure_into_the_project(monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    figure, _ = plotting.subplots(1, 1)
    path = save(figure, ROOT / "rehearsal.png")
    assert path.exists() and not path.is_relative_to(ROOT) and not (ROOT / "rehearsal.png").exists()


def test_other_runs_have_another_fingerprint():
    run = a_run(50.0, 60.0, predictions=np.zeros(3, np.uint8))
    same = a_run(50.0, 60.0, predictions=np.zeros(3, np.uint8))
    others = (
        a_run(50.0, 60.0, predictions=np.zeros(3, np.uint8), hardware=H200),
        a_run(50.0, 60.0, predictions=np.zeros(3, np.uint8), seed=1),
        a_run(50.0, 60.0, predictions=np.ones(3, np.uint8)),
        a_run(50.0, 60.1, predictions=np.zeros(3, np.uint8)),
        replace(run, history=[epoch._replace(train_seconds=2.0) for epoch in run.history]),
        Run(replace(run.record, precision="bf16"), run.history, run.predictions),
    )
    prints = [fingerprint(plotting.curves, [each]) for each in (run, *others)]
    assert fingerprint(plotting.curves, [same]) == prints[0] and len(set(prints)) == len(prints)
    assert fingerprint(plotting.curves, [run, run]) != prints[0] != fingerprint(plotting.curves, [run], "another")
    assert fingerprint(plotting.heatmap, [run]) != prints[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return helper(runs)", "return 1 * helper(runs)"),
        ("again), 1", "again), 5"),  # what it calls
        ("draw, 2", "draw, 5"),  # what that calls
        ("WIDTH = 1", "WIDTH = 2"),
        ('_NAMES = ("a", "b")', '_NAMES = ("a", "c")'),
    ],
)
def test_another_drawing_code_has_another_fingerprint(drawing, old, new):
    assert drawing(old, new) != drawing() == drawing()


def test_what_a_drawing_does_not_use_leaves_its_fingerprint(drawing):
    assert drawing("return 3", "return 4") == drawing("import curves", "import heatmap") == drawing()


def test_the_line_ends_of_a_drawing_leave_its_fingerprint(drawing, monkeypatch):
    before = drawing()
    monkeypatch.setattr(Path, "write_text", lambda path, text: path.write_bytes(text.replace("\n", "\r\n").encode()))
    assert drawing() == before and drawing("return 1", "return 2") == before != drawing("draw, 2", "draw, 5")


BROKEN = """
text.usetex: True
font.family: No Such Font
font.size: 40
savefig.dpi: 10
savefig.bbox: tight
savefig.transparent: True
axes.prop_cycle: cycler("color", ["white"])
axes.labelcolor: white
lines.linewidth: 0
figure.facecolor: black
axes.formatter.use_locale: True
axes.unicode_minus: False
"""


@pytest.mark.parametrize("name", DRAWN)
def test_a_matplotlibrc_changes_no_figure(tmp_path, small, name):
    (tmp_path / "matplotlibrc").write_text(BROKEN)

    def shown_and_saved():  # as a notebook does both
        figure = DRAWN[name](small[1])
        figure.canvas.draw()
        return save(figure, tmp_path / "figure.png").read_bytes()

    plain = shown_and_saved()
    with matplotlib.rc_context(fname=tmp_path / "matplotlibrc"):
        assert shown_and_saved() == plain


def test_a_figure_is_shown_as_it_is_saved(tmp_path):
    plain = np.asarray(shown_by_a_notebook(DRAWN["heatmap"](None)))
    (tmp_path / "matplotlibrc").write_text(BROKEN.replace("savefig", "# savefig"))
    with matplotlib.rc_context(fname=tmp_path / "matplotlibrc"):
        assert np.array_equal(np.asarray(shown_by_a_notebook(DRAWN["heatmap"](None))), plain)


def shown_by_a_notebook(figure):
    content = io.BytesIO()
    figure.canvas.print_figure(content, format="png", facecolor=figure.get_facecolor(), dpi=figure.dpi)
    return Image.open(content)


def test_what_a_drawing_uses_of_another_module_counts(drawing, monkeypatch):
    before = drawing()
    monkeypatch.setattr(plotting, "heatmap", plotting.reliability)
    assert drawing() != before


def test_constants_of_one_name_in_two_modules_both_count(drawing, monkeypatch):
    text = MODULE.replace("_NAMES", "_COLOURS").replace("plotting.heatmap", "plotting.reliability")
    before = drawing(MODULE, text)
    assert drawing(MODULE, text.replace('"b"', '"c"')) != before
    monkeypatch.setattr(plotting, "_COLOURS", ("black",))
    assert drawing(MODULE, text) != before


def test_a_fingerprint_is_the_same_in_another_process():
    draws = ("curves", "published_and_ours", "side_by_side", "accuracy_against_time", "heatmap")
    program = "from fashion import plotting\nfrom fashion.study.figure_files import fingerprint\n"
    program += f"print(*[fingerprint(getattr(plotting, name), []) for name in {draws}])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert found == [fingerprint(getattr(plotting, name), []) for name in draws] and len(set(found)) == len(draws)
