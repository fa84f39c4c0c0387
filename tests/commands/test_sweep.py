import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

import pytest
from helpers import outcome
from test_cli import call

from fashion import EXPERIMENTS, FashionError, run
from fashion.cli import run_command_line
from fashion.commands.jobs import Code, Job
from fashion.commands.sweep import _run_all
from fashion.runs.files import held
from fashion.runs.record import experiment_folder, recorded
from fashion.settings import ROOT

FIXED = replace(EXPERIMENTS["v1_fixed"], epochs=2, published=None)


@pytest.fixture(autouse=True)
def rehearsal(monkeypatch, no_rehearsal):
    """Runs see 256 images, in the processes of a sweep as well."""
    monkeypatch.setenv("FASHION_QUICK", "1")


def sweep(capsys, logs, *arguments, names=("v1_fixed",)):
    pytest.importorskip("submitit")
    return call(capsys, "sweep", *names, "--logs", str(logs), *arguments)


def logged(out):
    """The logs that are named in lines of a sweep."""
    return [line.rpartition("log: ")[2].partition("  (")[0] for line in out.splitlines() if "log: " in line]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_grid_leaves_the_records_of_single_runs_and_then_has_nothing_to_do(capsys, tmp_path, workers):
    arguments = ("--seeds", "0-1", "--epochs", "2", "--workers", str(workers))
    names = ("v1_fixed", "v1") if workers == 2 else ("v1_fixed",)
    code, out, _ = sweep(capsys, tmp_path, *arguments, names=names)
    assert code == 0 and f"{2 * len(names)} runs to train, {workers} at a time" in out
    for name in names:
        experiment = replace(EXPERIMENTS[name], epochs=2, published=None)
        found = recorded(experiment, tmp_path)
        straight = [run(experiment, seed, logs=tmp_path / "straight") for seed in (0, 1)]
        assert list(map(outcome, found)) == list(map(outcome, straight))
        for each in straight:
            assert f"{name} seed {each.seed}  {each.accuracy:.2f}%  (" in out
        assert len([line for line in out.splitlines() if line.split()[:3] == [name, "2", "0,1"]]) == 1

    code, out, _ = sweep(capsys, tmp_path, *arguments, names=names)
    assert code == 0 and out.count("recorded already") == 2 * len(names) and "to train" not in out
    assert len(list((tmp_path / "sweep").iterdir())) == 1


def test_a_run_that_fails_is_tried_once_more_while_the_others_end(capsys, tmp_path):
    folder = experiment_folder(FIXED, tmp_path) / "seed_1"
    folder.parent.mkdir(parents=True)
    with held(folder):
        code, out, _ = sweep(capsys, tmp_path, "--seeds", "0-2", "--epochs", "2", "--workers", "2")
    assert code == 1
    why = f"{folder} is being trained by process {os.getpid()}"
    (again,) = [line for line in out.splitlines() if "is tried once more" in line]
    (failed,) = [line for line in out.splitlines() if "  failed: " in line]
    assert again.startswith(f"v1_fixed seed 1  failed, and is tried once more: {why}")
    assert failed.startswith(f"v1_fixed seed 1  failed: {why}")
    first, second, last = logged(out)
    assert first != second == last and why in Path(last).read_text()
    assert next(line.split() for line in out.splitlines() if line.startswith("v1_fixed  ")) == [
        "v1_fixed", "2", "0,2", f"{mean(each.accuracy for each in recorded(FIXED, tmp_path)):.2f}", "1"
    ]  # fmt: skip


def test_another_run_in_the_place_of_one_is_said_before_any_is_trained(capsys, tmp_path):
    run(replace(FIXED, epochs=3), 1, logs=tmp_path)
    for command in (["sweep"], ["run"]):
        code, out, err = call(capsys, *command, "v1_fixed", "--seeds", "0-1", "--epochs", "2", "--logs", str(tmp_path))
        assert code == 2 and out == "" and err.count("\n") == 1
        assert "seed_1 holds another run (epochs 3, not 2): replace it with `fashion run --retrain`, or" in err
    assert [path.name for path in tmp_path.glob("*_logs/seed_*")] == ["seed_1"]


class Made:
    """A process as submitit tells of it, that takes some looks to end, and then has failed, or not."""

    def __init__(self, log, why):
        self.looks, self.why, self.state = 2, why, "CANCELLED"
        self.paths = SimpleNamespace(stdout=log, folder=log.parent)

    def done(self):
        self.looks -= 1
        return self.looks < 0

    def exception(self):
        return RuntimeError(self.why) if self.why else None


def made(tmp_path, monkeypatch, reasons, at_a_time, gpus=()):
    """Run four jobs of made-up processes; return the failures, the jobs as they began, and the most at a time."""
    pytest.importorskip("submitit")
    log = tmp_path / "log"
    log.touch()
    begun, most, left = [], [], deque(reasons)
    alive = []

    def submit(jobs):
        begun.extend(jobs)
        alive.extend(Made(log, left.popleft() if left else "") for _ in jobs)
        most.append(sum(each.looks >= 0 for each in alive))
        return alive[-len(jobs) :]

    monkeypatch.setattr(Job, "recorded", lambda job: SimpleNamespace(accuracy=50.0))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    failed = _run_all([Job(FIXED, seed, tmp_path) for seed in range(4)], submit, at_a_time, list(gpus))
    return failed, begun, max(most)


def test_one_that_fails_once_only_has_not_failed(capsys, tmp_path, monkeypatch):
    failed, begun, most = made(tmp_path, monkeypatch, ["", "killed"], at_a_time=2)
    assert failed == {} and [job.seed for job in begun] == [0, 1, 2, 3, 1] and most == 2
    out = capsys.readouterr().out
    assert "seed 1  failed, and is tried once more: it ended without a result (CANCELLED)" in out
    assert "v1_fixed seed 1  50.00%  (4 of 4)" in out


def test_experiments_whose_recipes_are_equal_with_other_epochs_are_two_runs(tmp_path):
    first, second = (replace(EXPERIMENTS[name], epochs=1) for name in ("fast_93", "fast_unaugmented"))
    assert first == second and Job(first, 0, tmp_path) != Job(second, 0, tmp_path)
    assert replace(Job(first, 0, tmp_path), gpu="1") == Job(first, 0, tmp_path)


def test_each_worker_has_a_gpu(tmp_path, monkeypatch):
    _, begun, _ = made(tmp_path, monkeypatch, [], at_a_time=2, gpus=["2", "5"])
    assert [job.gpu for job in begun] == ["2", "5", "2", "5"]


def test_a_process_that_leaves_no_log_or_no_record_points_at_the_folder(capsys, tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    job, folder = Job(FIXED, 0, tmp_path), tmp_path / "sweep"
    for log, why, words in (
        (folder / "none", "lost", f"it left no log: the nodes have to share {folder}"),
        (tmp_path, "", f"it left no record: the nodes have to share {tmp_path}"),
    ):
        process = Made(log, why)
        process.paths.folder = folder
        _run_all([job], lambda jobs, process=process: [process], 1, [])
        assert words in capsys.readouterr().out


def test_print_writes_commands_that_make_the_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    run(FIXED, 0, logs=tmp_path / "a b")
    arguments = ("sweep", "v1_fixed", "--seeds", "0-1", "--epochs", "2", "--logs", str(tmp_path / "a b"))
    code, out, _ = call(capsys, *arguments, "--print", "--precision", "fp32", "--data", str(ROOT / "data"))
    assert code == 0 and out == (
        f"fashion run v1_fixed --seeds 1 --logs '{tmp_path}/a b' --epochs 2 --data {ROOT / 'data'} --precision fp32\n"
    )
    done = subprocess.run(["sh", "-c", f"{sys.executable} -m {out}"], capture_output=True)
    assert done.returncode == 0 and [each.seed for each in recorded(FIXED, tmp_path / "a b")] == [0, 1]
    code, out, err = call(capsys, *arguments, "--print")
    assert (code, out, err) == (0, "", "fashion: 2 runs, all recorded\n")
    code, out, _ = call(capsys, *arguments, "--print", "--validation")
    assert out.splitlines()[0].endswith("--epochs 2 --validation") and len(out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["v2"], "there is no experiment 'v2'"),
        (["v1", "--seeds", "one"], "--seeds takes numbers"),
        (["v1", "--workers", "0"], "--workers"),
        (["v1", "--executor", "pbs"], "--executor"),
        (["v1", "--logs", "{tmp}/file"], "cannot write to"),
        (["v1", "--logs", "{tmp}"], 'submitit is not installed: pip install -e ".[sweep]"; --print does without'),
    ],
)
def test_what_the_user_can_put_right_is_one_line_and_code_2(capsys, tmp_path, monkeypatch, arguments, message):
    (tmp_path / "file").touch()
    if "not installed" in message:
        monkeypatch.setitem(sys.modules, "submitit", None)
    else:
        pytest.importorskip("submitit")
    code, out, err = call(capsys, "sweep", *(each.format(tmp=tmp_path) for each in arguments))
    assert code == 2 and out == "" and err.startswith("fashion: ") and err.count("\n") == 1 and message in err


@pytest.mark.parametrize(
    ("commands", "message"),
    [({}, "there is no Slurm here"), ({"srun": "true", "sacct": "false"}, "this Slurm keeps no accounts")],
)
def test_a_slurm_that_is_not_there_or_keeps_no_accounts_is_one_line(capsys, tmp_path, monkeypatch, commands, message):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, does in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    code, out, err = sweep(capsys, tmp_path, "--executor", "slurm")
    assert code == 2 and out == "" and err.startswith(f"fashion: {message}") and err.count("\n") == 1


def test_a_job_starts_with_the_code_it_was_submitted_with_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_CORES", "1")  # which a job sets for its process
    here = Code.here()
    others = {"commit abc, now": here._replace(commit="abc"), "files differ": here._replace(digest="abc")}
    for words, code in others.items():
        with pytest.raises(FashionError, match=f"edited after the run was submitted .{words}"):
            Job(FIXED, 0, tmp_path, code=code)()
    Job(FIXED, 0, tmp_path, code=here, cores=1)()
    assert len(recorded(FIXED, tmp_path)) == 1


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


def text_of(folder):
    return "".join(path.read_text() for path in folder.glob("sweep/*/*_log.out"))


def test_code_that_is_edited_during_a_sweep_makes_no_run(tmp_path):
    pytest.importorskip("submitit")
    logs, copy = tmp_path / "logs", tmp_path / "copy"
    shutil.copytree(ROOT / "fashion", copy / "fashion", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    surroundings = os.environ | {"PYTHONPATH": str(copy), "FASHION_DATA": str(ROOT / "data")}
    command = [sys.executable, "-m", "fashion", "sweep", "v1_fixed", "--seeds", "0-1", "--workers", "1"]
    process = subprocess.Popen([*command, "--logs", str(logs)], stdout=-1, text=True, env=surroundings, cwd=copy)
    wait_for(lambda: "epoch 1/5" in text_of(logs))
    with (copy / "fashion" / "augment.py").open("a") as file:
        file.write("# edited\n")
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1 and out.count("v1_fixed seed 1  failed") == 2 and "(files differ): submit it" in out
    assert "v1_fixed seed 0  failed" not in out and not list(logs.glob("*_logs/seed_1"))


def test_a_run_that_is_preempted_goes_on_from_its_last_checkpoint_each_time(capsys, tmp_path):
    experiment = replace(FIXED, epochs=60)
    folder = experiment_folder(experiment, tmp_path)
    stopped = []

    def preempt():
        for _ in range(2):  # the second time, it goes on from a later one
            wait_for(lambda: len(re.findall(r"epoch \d+/60", text_of(tmp_path))) >= 5 + 10 * len(stopped))
            process = json.loads((folder / ".seed_0.holder").read_text())["process"]
            stopped.append(process)
            os.kill(process, signal.SIGUSR2)
            wait_for(lambda: text_of(tmp_path).count("Requeued job") == len(stopped))

    thread = threading.Thread(target=preempt)
    thread.start()
    code, out, _ = sweep(capsys, tmp_path, "--seeds", "0", "--epochs", "60")
    thread.join()
    assert code == 0 and "seed 0  failed" not in out and len(set(stopped)) == 2
    epochs = [int(each) for each in re.findall(r"epoch (\d+)/60", text_of(tmp_path))]
    assert epochs[0] == 1 and epochs == sorted(set(epochs)) and epochs[-1] == 60
    (found,) = recorded(experiment, tmp_path)
    assert outcome(found) == outcome(run(experiment, 0, logs=tmp_path / "straight"))


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
def test_an_interrupted_sweep_stops_its_runs(tmp_path, background):
    pytest.importorskip("submitit")
    command = [sys.executable, "-m", "fashion", "sweep", "v1_fixed", "--seeds", "0", "--epochs", "5000", "--logs"]
    # As a script does with what it starts in the background; the process inherits it
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if background else signal.default_int_handler)
    process = subprocess.Popen([*command, str(tmp_path)], stdout=-1, stderr=-1, text=True)
    signal.signal(signal.SIGINT, before)
    wait_for(lambda: "epoch 3/5000" in text_of(tmp_path))
    holder = experiment_folder(FIXED, tmp_path) / ".seed_0.holder"
    assert holder.exists()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    wait_for(lambda: not holder.exists(), 20)


def test_the_exit_code_is_that_of_the_sweep(tmp_path):
    assert run_command_line(["sweep", "v1_fixed", "--logs", str(tmp_path), "--print"]) == 0
