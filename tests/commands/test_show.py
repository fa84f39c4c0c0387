from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from test_cli import call, cells, record

from fashion import EXPERIMENTS, Experiment
from fashion.commands import terminal

V1, FIXED = EXPERIMENTS["v1"], EXPERIMENTS["v1_fixed"]


@pytest.fixture
def logs(tmp_path):
    """A folder of three runs of one experiment, one of another, and one of each on the validation split."""
    for seed, accuracy in enumerate((10.0, 11.0, 12.0)):
        record(tmp_path, V1, accuracy, seed, hardware="NVIDIA H200", seconds=3.0 + seed)
    record(tmp_path, FIXED, 80.0, seed=4)
    record(tmp_path, V1, 20.0, validation=True, evaluated_on="validation")
    record(tmp_path, FIXED, 81.0, validation=True, evaluated_on="validation")
    return tmp_path


def shown(capsys, logs, *names, options=()):
    output = logs / "new" / "curves.png"
    code, out, err = call(capsys, "show", *names, "--logs", str(logs), "--output", str(output), *options)
    return code, out, err, output


def test_experiments_are_drawn_and_tabulated_beside_each_other(capsys, logs):
    code, out, _, output = shown(capsys, logs, "v1", "v1_fixed")
    assert code == 0 and out.splitlines()[1].split("  ")[0] == "experiment" and "test, %" in out
    assert cells(out, "v1") == [["v1", "3", "5", "11.00 ± 2.48", "4.0 H200"]]
    assert cells(out, "v1_fixed") == [["v1_fixed", "1", "5", "80.00", "2.0 a machine"]]
    assert out.splitlines()[-1] == f"Plot: {output}"
    with Image.open(output) as image:
        pixels = np.asarray(image.convert("L"))
    assert min(pixels.shape) > 200 and pixels.std() > 10


def test_a_figure_that_is_drawn_again_is_the_same_to_the_byte(capsys, logs):
    pictures = [
        shown(capsys, logs, *names)[3].read_bytes() for names in (("v1", "v1_fixed"),) * 2 + (("v1_fixed", "v1"),)
    ]
    assert pictures[0] == pictures[1] != pictures[2]


def test_runs_on_the_validation_split_are_others(capsys, logs):
    code, out, _, _ = shown(capsys, logs, "v1", "v1_fixed", options=("--validation",))
    assert code == 0 and "validation, %" in out and cells(out, "v1") == [["v1", "1", "5", "20.00", "2.0 a machine"]]


def test_a_folder_of_runs_is_called_by_its_path(capsys, logs):
    longer = replace(V1, epochs=8, published=None)
    record(logs / "longer", longer, 30.0)
    folder = str(logs / "longer" / "model_v1_logs")
    code, out, _, _ = shown(capsys, logs, "v1", folder)
    assert code == 0 and cells(out, folder)[0][1:4] == ["1", "8", "30.00"] and cells(out, "v1")[0][1] == "3"


def test_what_is_not_among_the_users_runs_is_the_studys(capsys, tmp_path, monkeypatch):
    record(tmp_path, V1, 10.0, predictions=np.zeros(10_000, np.uint8))
    monkeypatch.setattr(terminal, "RUNS", tmp_path)
    said = f"{tmp_path.name}/ has no runs of v1_logits, resnet18: shown are the study's, in model_logs/"
    names = ("v1", "v1_logits", "resnet18")
    code, out, _ = call(capsys, "show", *names, "--output", str(tmp_path / "curves.png"))
    assert code == 0 and out.splitlines()[0] == said
    assert [cells(out, name)[0][1] for name in names] == ["1", "5", "5"]
    code, out, _ = call(capsys, "compare", "v1_logits", "resnet18")
    assert code == 0 and out.splitlines()[0] == said and out.splitlines()[1].startswith("v1_logits: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["v1", "v2"], "there is no experiment 'v2'"),
        (["runs/nix"], "there is no folder runs/nix\n"),
        (["v1_5_5"], "v1_5_5 has no runs here\n"),
        (["fast"], "model_fast_logs has fast with epochs 1, not 16, momentum 0.5, not 0.9: name that folder instead\n"),
        (["v1_logits", "--validation"], "v1_logits has no runs here on the validation split\n"),
        (["v1", "--output", "curves.pdf"], "--output takes a PNG file, not curves.pdf"),
        (["v1", "--output", "{logs}/file/curves.png"], "file"),
        (["v1", "{logs}/validation/model_v1_logs"], "were not all evaluated on the same images"),
        (["v1", "{logs}/other/model_v1_logs"], "were not all evaluated on the same images"),
        (["{logs}/mixed/model_mine_logs"], "has runs of more than one recipe"),
        ([], "Missing argument"),
    ],
)
def test_what_the_user_can_put_right_is_one_line_and_code_2(capsys, logs, arguments, message):
    (logs / "file").touch()
    record(logs / "other", V1, 10.0, predictions=np.zeros(7, np.uint8))
    record(logs, replace(EXPERIMENTS["fast"], epochs=1, momentum=0.5), 10.0)
    for seed, epochs in enumerate((2, 3)):
        record(logs / "mixed", Experiment("mine", "NeuralNetwork_v1", epochs=epochs), 10.0, seed=seed)
    code, out, err = call(capsys, "show", "--logs", str(logs), *(each.format(logs=logs) for each in arguments))
    assert code == 2 and out == "" and err.startswith("fashion: ") and err.count("\n") == 1 and message in err
