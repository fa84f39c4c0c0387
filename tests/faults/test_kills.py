"""Runs that are killed again and again end as one that was never interrupted.

`FASHION_KILLS=100 pytest tests/faults` kills a hundred times; without it, twenty.
"""

import csv
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from faults import child

KILLS = int(os.environ.get("FASHION_KILLS", "20"))
CONTEXT = multiprocessing.get_context("forkserver")
# Imported once, for all children; what only the tests have on their path is not found there
CONTEXT.set_forkserver_preload(
    ["fashion.cli", "fashion.runs.together", "fashion.study.figure_files", "fashion.study.writing"]
)


def start(name, logs, moment=None):
    """Run a process to its end; return its exit code, and how long it took."""
    begun = time.monotonic()
    process = CONTEXT.Process(target=child.train, args=(name, str(logs), moment))
    process.start()
    process.join(300)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode, time.monotonic() - begun


def outcome(name, logs):
    """Everything that a run leaves, but for its seconds, and where and when it ran."""
    (folder,) = logs.glob(f"*{name}_logs/seed_0")
    with (folder / "history.csv").open() as file:
        history = [{key: row[key] for key in row if "seconds" not in key} for row in csv.DictReader(file)]
    record = json.loads((folder / "run.json").read_text())
    others = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".bin", ".npy")}
    weights = folder / "weights.safetensors"
    if weights.exists():
        from safetensors.numpy import load_file

        others["weights"] = {key: value.tolist() for key, value in load_file(weights).items()}
    return history, record["recipe"], record["metrics"], others


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Of each recipe the outcome of a run that nothing interrupts, and its seconds."""
    logs = tmp_path_factory.mktemp("straight")
    ends = {name: start(name, logs) for name in child.RECIPES}
    assert [code for code, _ in ends.values()] == [0] * len(ends)
    return {name: (outcome(name, logs), seconds) for name, (_, seconds) in ends.items()}


@pytest.mark.parametrize("name", child.RECIPES)
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_was(straight, tmp_path, name):
    expected, seconds = straight[name]
    moments = random.Random(name)
    killed = finished = 0
    while killed < -(-KILLS // len(child.RECIPES)):
        if moments.random() < 0.3:
            moment = ("seconds", moments.uniform(0, 1.2 * seconds))
        else:
            moment = ("operation", moments.randint(1, 18))
        code, _ = start(name, tmp_path, moment)
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        if code == 0:  # it got to its end: a fresh one is next
            assert outcome(name, tmp_path) == expected
            finished += 1
            tmp_path = tmp_path.parent / f"{tmp_path.name}_{finished}"
    assert start(name, tmp_path)[0] == 0
    assert outcome(name, tmp_path) == expected
    (folder,) = tmp_path.glob("*_logs")
    assert [path.name for path in folder.glob("*seed*")] == ["seed_0"]  # nothing is left beside the record


def test_a_run_that_is_terminated_ends_soon_and_goes_on(tmp_path):
    def command(folder):
        words = ["-m", "fashion", "run", "v1_fixed", "--epochs", "3", "--precision", "fp32", "--logs"]
        return [sys.executable, *words, str(tmp_path / folder)]

    subprocess.run(command("straight"), check=True, capture_output=True)
    surroundings = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command("terminated"), stdout=subprocess.PIPE, text=True, env=surroundings)
    for line in process.stdout:
        if "epoch 1/3" in line:
            process.send_signal(signal.SIGTERM)
            break
    left, _ = process.communicate(timeout=60)
    assert process.returncode == 143 and "epoch 3/3" not in left
    again = subprocess.run(command("terminated"), check=True, capture_output=True, text=True)
    assert "epoch 1/3" not in again.stdout and "epoch 3/3" in again.stdout
    assert outcome("v1_fixed", tmp_path / "terminated") == outcome("v1_fixed", tmp_path / "straight")
