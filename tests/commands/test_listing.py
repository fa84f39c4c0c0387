from dataclasses import replace

import pytest
from made_up import a_run
from test_cli import call, cells, record

from fashion import EXPERIMENTS, Experiment
from fashion.commands import listing
from fashion.runs.record import write_failure
from fashion.settings import ROOT

V1 = EXPERIMENTS["v1"]


@pytest.fixture(autouse=True)
def no_runs(tmp_path, monkeypatch):
    """Nobody has runs of their own, such as the README's first command leaves."""
    monkeypatch.setattr(listing, "RUNS", tmp_path / "runs")


def table(out):
    """The rows of a table as lists of cells, empty ones included, by their first."""
    lines = out.splitlines()[1:]
    starts = [0] + [at for at in range(1, len(lines[1])) if lines[1][at - 1 : at + 1] == " -"]
    rows = ([line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for line in lines)
    return {first: others for first, *others in rows}


def test_every_experiment_is_listed_in_lines_that_fit_a_terminal(capsys):
    code, out, _ = call(capsys, "list")
    assert code == 0 and max(map(len, out.splitlines())) <= 84
    for name, experiment in EXPERIMENTS.items():
        assert [row[1] for row in cells(out, name)] == [str(experiment.epochs)]


def test_recipes_come_with_runs_of_ones_own_or_else_the_studys(capsys, tmp_path):
    assert table(call(capsys, "list", "v1")[1])["seeds"] == ["0-4"]
    record(tmp_path / "runs", replace(V1, epochs=2, published=None), 30.0, seed=7)
    rows = table(call(capsys, "list", "v1", "v1_fixed")[1])
    assert rows[""] == ["v1: epochs 2, not 5", "v1_fixed"] and rows["seeds"] == ["7", "0-4"]


def test_what_else_a_folder_holds_is_listed_and_how_it_differs(capsys, tmp_path):
    for seed in (0, 1, 2):
        record(tmp_path, V1, 10.0 + seed, seed)
    record(tmp_path, V1, 20.0, seed=1, validation=True)
    record(tmp_path, replace(V1, epochs=2, momentum=0.9, published=None), 30.0, seed=4)
    record(tmp_path, Experiment("mine", "NeuralNetwork_v1", epochs=3, momentum=0.5), 40.0, seed=7)
    _, out, _ = call(capsys, "list", "--logs", str(tmp_path))
    assert cells(out, "v1") == [
        ["v1", "5", "0-2", "11.00 ± 2.48", "20.00"],
        ["v1", "2", "4", "30.00", "epochs 2, not 5; momentum 0.9, not 0.0"],
    ]
    assert cells(out, "mine") == [["mine", "3", "7", "40.00"]]
    assert not cells(out, "resnet18")
    (tmp_path / "empty").mkdir()
    assert call(capsys, "list", "--logs", str(tmp_path / "empty"))[:2] == (0, f"no run in {tmp_path / 'empty'}\n")


def test_experiments_whose_recipes_are_equal_with_other_epochs_stay_apart(capsys, tmp_path):
    record(tmp_path, replace(EXPERIMENTS["fast_93"], epochs=16), 94.0)  # the recipe of `fast_unaugmented`
    _, out, _ = call(capsys, "list", "--logs", str(tmp_path))
    assert cells(out, "fast_93") == [["fast_93", "16", "0", "94.00", "epochs 16, not 5"]]
    assert not cells(out, "fast_unaugmented")


def test_the_studys_record_is_listed_alike_by_whatever_path(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert call(capsys, "list", "--logs", "model_logs") == call(capsys, "list")


def test_a_run_that_failed_is_listed(capsys, tmp_path):
    folder = tmp_path / "model_v1_logs" / "seed_0"
    folder.parent.mkdir()
    run = a_run(10.0)
    write_failure(run.record, run.history, "epoch 2, step 7: the loss is nan", folder)
    _, out, _ = call(capsys, "list", "--logs", str(tmp_path))
    assert out.splitlines()[-1].startswith("failed: ") and out.strip().endswith("epoch 2, step 7: the loss is nan")


def test_recipes_are_set_beside_each_other_in_what_one_of_them_sets(capsys):
    _, out, _ = call(capsys, "list", "v1_fixed", "fast_94_muon", "v1")
    rows = table(out)
    assert rows[""] == ["v1_fixed", "fast_94_muon", "v1"]
    assert rows["model"] == ["NeuralNetwork_v1", "FastNetwork_32", "NeuralNetwork_v1"]
    assert rows["changes"] == ["logits, identity", "none", "none"]
    assert rows["optimiser"] == ["sgd", "muon 0.1", "sgd"] and rows["augment"] == ["none", "alternate", "none"]
    assert rows["momentum"] == ["0.9", "0.9", "0.0"] and rows["seeds"][2] == "0-4"
    assert not {"teacher", "averaging", "pretrained", "keep", "group", "name"} & set(rows)


def test_parameters_of_a_choice_are_told_from_choices(capsys):
    _, out, _ = call(capsys, "list", "final", "fast_94")
    rows = table(out)
    assert rows["augment"] == ["alternate, translate 2, erase 0.5, cutmix 0.5", "alternate, cutout 8"]
    assert rows["teacher"] == ["final_teacher 3 0.5", "none"]


def test_recipes_are_those_that_ran(capsys, tmp_path):
    record(tmp_path, replace(V1, epochs=2, published=None), 30.0, seed=4)
    record(tmp_path, V1, 10.0, validation=True)
    record(tmp_path, Experiment("mine", "NeuralNetwork_v1", epochs=3), 40.0, seed=7)
    _, out, _ = call(capsys, "list", "v1", "mine", "--logs", str(tmp_path))
    rows = table(out)
    assert rows[""] == ["v1", "v1: epochs 2, not 5", "mine"] and rows["epochs"] == ["5", "2", "3"]
    assert rows["seeds"] == ["0", "4", "7"]
    assert rows["test"] == ["", "30.00", "40.00"] and rows["validation"] == ["10.00", "", ""]
    code, out, err = call(capsys, "list", "v3", "--logs", str(tmp_path))
    assert code == 2 and out == "" and "there is no experiment 'v3'" in err
