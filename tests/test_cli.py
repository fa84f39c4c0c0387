import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from made_up import a_run

from fashion import EXPERIMENTS, Experiment
from fashion.__main__ import main
from fashion.cli import run_command_line
from fashion.runs import running
from fashion.runs.record import experiment_folder, read_runs, write_run
from fashion.settings import ROOT
from fashion.study.loading import test_labels as load_labels
from fashion.study.loading import validation_labels

INTERRUPTED = "fashion: interrupted; the same command continues from the last checkpoint, where there is one\n"


def call(capsys, *arguments):
    with pytest.raises((SystemExit, KeyboardInterrupt)) as stop:  # or pytest would take an interrupt for itself
        main(list(arguments))
    output = capsys.readouterr()
    return stop.value.code, output.out, output.err


def record(logs, experiment, accuracy, seed=0, validation=False, **options):
    run = a_run(*[accuracy] * experiment.epochs, seed=seed, experiment=experiment, **options)
    folder = experiment_folder(experiment, logs, validation) / f"seed_{seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_run(run, folder, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "v1_5_5_bn"], "there is no experiment 'v1_5_5_bn': did you mean v1_5_5_BN?"),
        (["run", "resnet"], "there is no experiment 'resnet': did you mean resnet18?"),
        (["run", "qqq"], "there is no experiment 'qqq': `fashion list` names them all"),
        (["run", "v1", "--seeds", "-1"], "--seeds takes numbers from 0 to 999999, such as 0-4 or 0,2: not '-1'"),
        (["run", "v1", "--seeds", "4-0"], "--seeds takes numbers from 0 to 999999, such as 0-4 or 0,2: not '4-0'"),
        (["run", "v1", "--seeds", "one"], "--seeds takes numbers from 0 to 999999, such as 0-4 or 0,2: not 'one'"),
        (["run", "v1", "--seeds", "9" * 20], "--seeds takes numbers from 0 to 999999"),
        (["run", "v1", "--epochs", "-2"], "--epochs must be at least 1, not -2: leave it out for the recipe's own"),
        (["run", "v1", "--epochs", "0"], "--epochs must be at least 1, not 0: leave it out for the recipe's own"),
        (["run", "v1", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["run", "v1", "--device", "tpu"], "there is no device 'tpu' here, only cpu"),
        (["run", "v1", "--data", "{file}"], "could not be"),
        (["run", "v1", "--data", "{file}.d"], "does not exist"),
        (["list", "--logs", "{file}.d"], "there is no folder"),
        (["run", "v1", "--logs", "{file}"], "choose another with --logs"),
        (
            ["run", "v1", "--epochs", "2", "--logs", str(ROOT / "model_logs"), "--seeds", "0"],
            "v1 has epochs 5, not 2",
        ),
        (["run"], "Missing argument"),
        (["run", "v1", "--sedes", "1"], "--seeds"),
        (["compare", "v1", "v2", "--logs", str(ROOT / "model_logs")], "there is no experiment 'v2'"),
        (["compare", "v1", "v1_fixed", "--logs", "{file}.d"], "v1 has no runs here that were"),
        (["export", "--weights", "{file}.d"], "does not exist"),
        (["rnu", "v1"], "No such command 'rnu'"),
        ([""], "nothing follows fashion: is a variable not set?"),
        (["run", "v1", "--logs", ""], "nothing follows --logs: is a variable not set?"),
        (["run", "v1", "--logs="], "nothing follows --logs=: is a variable not set?"),
        (["predict", ""], "nothing follows predict: is a variable not set?"),
    ],
)
def test_what_the_user_can_put_right_is_one_line_and_code_2(capsys, tmp_path, arguments, message):
    file = tmp_path / "file"
    file.write_text("")
    code, out, err = call(capsys, *(argument.format(file=file) for argument in arguments))
    assert code == 2 and out == ""
    assert err.startswith("fashion: ") and err.count("\n") == 1 and message.format(file=file) in err


def test_run_trains_compares_and_says_where_the_plots_are(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    arguments = ("run", "v1", "v1_logits", "--seeds", "0,2-3", "--logs", str(tmp_path))
    code, out, _ = call(capsys, *arguments)
    assert code == 0 and "A rehearsal on 256 images" in out
    assert [line for line in out.splitlines() if line.startswith("v1 seed 2  epoch")][4].startswith(
        "v1 seed 2  epoch 5/5  train "
    )
    header = next(line for line in out.splitlines() if "published" in line)
    assert [title.strip() for title in header.split("  ") if title.strip()] == [
        "experiment", "epochs", "your seeds", "yours, %", "recorded, %", "n", "published, %",
    ]  # fmt: skip
    row = next(line for line in out.splitlines() if line.startswith("v1 ") and " 0,2,3 " in line)
    assert row.rstrip().endswith("10.0")
    for name in ("v1", "v1_logits"):
        for metric in ("accuracy", "loss"):
            path = tmp_path / f"model_{name}_logs" / f"model_{name}_{metric}.png"
            assert path.exists() and str(path) in out

    code, out, _ = call(capsys, *arguments)
    assert code == 0 and "epoch 1/5" not in out and "v1 seed 0  recorded already" in out
    code, out, _ = call(capsys, *arguments, "--retrain")
    assert code == 0 and "v1 seed 0  epoch 1/5" in out


def test_a_run_on_the_validation_split_says_so(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    code, out, _ = call(capsys, "run", "v1", "--validation", "--logs", str(tmp_path))
    assert code == 0 and "yours, % of validation" in out and "recorded, % of validation" in out
    assert next(line for line in out.splitlines() if line.startswith("v1 ") and "epoch" not in line).split()[-1] == "5"
    assert all("%  validation " in line for line in out.splitlines() if line.startswith("v1 seed 0  epoch"))


def test_to_compile_has_to_be_asked_for(capsys, tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setenv("FASHION_QUICK", "1")
    monkeypatch.setattr("torch.compile", lambda model, **_: compiled.append(model) or model)
    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", lambda: "g++")
    for arguments, expected in (((), 0), (("--compile",), 2)):
        code, _, _ = call(capsys, "run", "v1", "--seeds", "0-1", "--logs", str(tmp_path / str(expected)), *arguments)
        assert code == 0 and len(compiled) == expected


def test_seeds_are_trained_together(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    arguments = ("run", "v1", "--seeds", "0-2", "--epochs", "2", "--logs", str(tmp_path), "--together", "2")
    code, out, _ = call(capsys, *arguments)
    assert code == 0 and [f"v1 seed {seed}  epoch 2/2" in out for seed in range(3)] == [True] * 3
    assert [each.record.together for each in read_runs(tmp_path / "model_v1_logs")] == [2, 2, 1]
    code, out, _ = call(capsys, *arguments)
    assert code == 0 and out.count("recorded already") == 3
    code, out, _ = call(capsys, *arguments, "--retrain", "--max-minutes", "0")
    assert code == 0 and "v1 seed 1  epoch 1/2" in out and "v1 seed 2" not in out
    assert call(capsys, "run", "v1", "--together", "11")[0] == 2


def test_a_run_that_diverges_is_one_line_and_code_1(capsys, tmp_path, monkeypatch):
    def diverge(*_, **__):
        raise FloatingPointError("epoch 2, step 7: the loss is nan")

    monkeypatch.setattr(running, "fit", diverge)
    code, _, err = call(capsys, "run", "v1", "--logs", str(tmp_path))
    assert code == 1 and err == "fashion: training failed at epoch 2, step 7: the loss is nan\n"


def test_interrupted_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "fit", interrupt)
    code, _, err = call(capsys, "run", "v1", "--logs", str(tmp_path))
    assert code == 130
    assert err == INTERRUPTED


@pytest.mark.parametrize(("module", "arguments"), [("fashion.cli", ["list"]), ("fashion.data", ["run", "v1"])])
def test_interrupted_while_importing_is_one_line_too(capsys, monkeypatch, module, arguments):
    class Interrupting:
        def find_spec(self, name, *_):
            if name == module:
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    code, out, err = call(capsys, *arguments)
    assert (code, out, err) == (130, "", INTERRUPTED)


def test_the_exit_code_is_returned_to_who_calls_from_python(capsys):
    assert run_command_line(["list"]) == 0
    assert run_command_line(["run", "v2"]) == 2


def test_python_runs_the_package_as_the_command_does():
    done = subprocess.run([sys.executable, "-m", "fashion", "run", "v2"], capture_output=True, text=True)
    assert (
        done.returncode == 2 and done.stderr == "fashion: there is no experiment 'v2': `fashion list` names them all\n"
    )


def test_another_number_of_epochs_is_not_set_beside_the_record(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    code, out, _ = call(capsys, "run", "v1", "--epochs", "2", "--logs", str(tmp_path))
    row = next(line for line in out.splitlines() if line.startswith("v1 ") and "epoch" not in line)
    assert code == 0 and row.split()[1:3] == ["2", "0"] and row.split()[4:] == ["0"]


def test_a_run_whose_time_is_up_ends_well_and_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    arguments = ("run", "v1", "--logs", str(tmp_path), "--epochs", "2")
    code, out, err = call(capsys, *arguments, "--max-minutes", "0")
    assert code == 0 and err == ""
    assert out.splitlines()[-1] == "v1 seed 0 stopped after epoch 1 of 2; the same command continues it"
    code, out, _ = call(capsys, *arguments, "--max-minutes", "5", "--checkpoint-every", "3")
    assert code == 0 and "v1 seed 0  epoch 2/2" in out and "epoch 1/2" not in out
    assert call(capsys, *arguments, "--checkpoint-every", "0")[0] == 2


def test_no_other_seed_is_begun_when_the_time_is_up(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    arguments = ("run", "v1", "--logs", str(tmp_path), "--epochs", "1", "--seeds", "0-1", "--max-minutes", "0")
    code, out, _ = call(capsys, *arguments)
    assert code == 0 and "v1 seed 1" not in out
    assert out.splitlines()[-1] == (
        "v1 seed 0 is trained, and the time is up before the next; the same command continues it"
    )
    code, out, _ = call(capsys, *arguments)
    assert code == 0 and "v1 seed 1  epoch 1/1" in out and "Plots:" in out


def test_plain_fashion_shows_its_help(capsys):
    code, out, err = call(capsys)
    assert code == 2 and "Usage: " in out and err == ""


def cells(out, name):
    """The cells of a table's rows that begin with a name."""
    rows = ([cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines())
    return [row for row in rows if row and row[0] == name]


def test_compare_sets_two_recipes_side_by_side_on_the_same_seeds_and_images(capsys, tmp_path):
    labels = load_labels().astype(np.uint8)
    worse = labels.copy()
    worse[:6] = (worse[:6] + 1) % 10
    mine = Experiment("mine", "NeuralNetwork_v1", epochs=3)
    for seed in (0, 1):
        record(tmp_path, EXPERIMENTS["v1"], 99.94, seed, predictions=worse)
    record(tmp_path, mine, 100.0, seed=1, predictions=labels)
    code, out, _ = call(capsys, "compare", "v1", str(tmp_path / "model_mine_logs"), "--logs", str(tmp_path))
    assert code == 0
    first, second = out.splitlines()[:2]
    assert first == "v1: 99.94% after 5 epochs, n = 2"
    assert second == f"{tmp_path / 'model_mine_logs'}: 100.00% after 3 epochs, n = 1"
    assert out.splitlines()[-1].split()[-5:] == ["1", "+0.06", "0", "6", "0.031"]


def test_compare_takes_no_runs_on_part_of_the_images(capsys, tmp_path):
    for name in ("v1", "v1_fixed"):
        record(tmp_path, EXPERIMENTS[name], 10.0, predictions=np.zeros(100, np.uint8))
    code, out, err = call(capsys, "compare", "v1", "v1_fixed", "--logs", str(tmp_path))
    assert code == 2 and out == "" and "has no runs here" in err and "evaluated on all test images" in err


def test_runs_on_the_validation_split_are_compared_by_its_images(capsys, tmp_path):
    labels = validation_labels().astype(np.uint8)
    worse = labels.copy()
    worse[:6] = (worse[:6] + 1) % 10
    for name, given in (("v1", worse), ("v1_fixed", labels)):
        options = {"evaluated_on": "validation", "predictions": given}
        record(tmp_path, EXPERIMENTS[name], 99.9, validation=True, **options)
    code, out, _ = call(capsys, "compare", "v1", "v1_fixed", "--validation", "--logs", str(tmp_path))
    assert code == 0 and out.splitlines()[-1].split()[-3:] == ["0", "6", "0.031"]
    code, _, err = call(capsys, "compare", "v1", "v1_fixed", "--logs", str(tmp_path))
    assert code == 2 and "v1 has no runs here that were evaluated on all test images" in err


def test_compare_needs_a_seed_that_both_have(capsys, tmp_path):
    labels = load_labels().astype(np.uint8)
    record(tmp_path, EXPERIMENTS["v1"], 100.0, seed=0, predictions=labels)
    record(tmp_path, EXPERIMENTS["v1_fixed"], 100.0, seed=1, predictions=labels)
    code, _, err = call(capsys, "compare", "v1", "v1_fixed", "--logs", str(tmp_path))
    assert code == 2 and err == "fashion: v1 and v1_fixed have no seed in common\n"


def test_compare_takes_no_mean_over_two_recipes(capsys, tmp_path):
    labels = np.zeros(10_000, np.uint8)
    for seed, epochs in enumerate((2, 3)):
        experiment = Experiment("mine", "NeuralNetwork_v1", epochs=epochs)
        record(tmp_path, experiment, 10.0, seed=seed, predictions=labels)
    code, out, err = call(capsys, "compare", str(tmp_path / "model_mine_logs"), "v1", "--logs", str(tmp_path))
    assert code == 2 and out == "" and "has runs of more than one recipe" in err


def test_report_check_says_that_all_is_well_and_report_names_its_files(capsys, monkeypatch):
    monkeypatch.setattr("fashion.study.report.check", lambda: None)
    monkeypatch.setattr("fashion.study.report.write", lambda: [ROOT / "model_logs" / "a.png", ROOT / "README.md"])
    assert call(capsys, "report", "--check")[:2] == (0, "The README and all figures are as the records have them.\n")
    assert call(capsys, "report")[:2] == (0, "model_logs/a.png\nREADME.md\n")


def test_the_command_line_draws_files_whatever_a_notebook_has_set(tmp_path):
    surroundings = os.environ | {"MPLBACKEND": "module://of_another_environment", "FASHION_QUICK": "1"}
    command = [sys.executable, "-m", "fashion", "run", "v1_fixed", "--epochs", "1", "--logs", str(tmp_path)]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model_v1_fixed_logs" / "model_v1_fixed_accuracy.png").exists()


@pytest.fixture
def read_only(tmp_path):
    """A copy of the package and its dataset in a place that nobody can write to, not even root."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "fashion", clone / "fashion", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data", clone / "data", ignore=shutil.ignore_patterns("*-ubyte"))
    shutil.copy(ROOT / "pyproject.toml", clone)
    mounts = [["mount", "--bind", clone, clone], ["mount", "-o", "remount,bind,ro", clone]]
    if not shutil.which("mount") or any(subprocess.run(each, capture_output=True).returncode for each in mounts):
        pytest.skip("nothing can be mounted read-only here")
    yield clone
    subprocess.run(["umount", str(clone)], check=True)


def test_a_clone_that_cannot_be_written_trains_into_another_folder(read_only, tmp_path, no_rehearsal):
    surroundings = {name: value for name, value in os.environ.items() if name != "FASHION_DATA"}
    surroundings |= {"PYTHONPATH": str(read_only), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "fashion", "run", "v1_fixed", "--epochs", "1"]
    done = subprocess.run(command, env=surroundings, cwd=read_only, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "choose another with --logs" in done.stderr
    logs = tmp_path / "logs"
    done = subprocess.run([*command, "--logs", logs], env=surroundings, cwd=read_only, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in logs.glob("model_v1_fixed_logs/seed_*")] == ["seed_0"]
