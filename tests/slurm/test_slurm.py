"""A sweep on a real Slurm of two nodes on this machine, in some minutes: `FASHION_SLURM=1 pytest tests/slurm`."""

import math
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fashion import EXPERIMENTS, run
from fashion.runs.files import held
from fashion.runs.record import experiment_folder, recorded

SCRIPT = Path(__file__).with_name("cluster.sh")


def longer_than(seconds, experiment, logs):
    """How many epochs a run takes so long for, with more threads than a node has."""
    epochs = run(replace(experiment, epochs=3), 0, logs=logs).history
    return math.ceil(seconds / epochs[-1].seconds)


def script(*arguments):
    done = subprocess.run([SCRIPT, *map(str, arguments)], stdout=-3, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        pytest.skip(done.stderr.strip().splitlines()[-1])


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The folder of a Slurm that runs while a test does."""
    pytest.importorskip("submitit")
    if not os.environ.get("FASHION_SLURM"):
        pytest.skip("FASHION_SLURM=1 runs it, as root on Debian, and installs Slurm where there is none")
    if not shutil.which("slurmctld"):
        script("install")
    folder = tmp_path / "slurm"
    folder.mkdir()
    script("start", folder)
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    yield folder
    subprocess.run(["scancel", "--me", "--full"], check=False)
    subprocess.run([SCRIPT, "stop", folder], check=True)


def epochs_of(log, title):
    return [int(each) for each in re.findall(rf"^{title}  epoch (\d+)/", log.read_text(), re.MULTILINE)]


def logs_of(logs, title):
    """The logs of a run's jobs, in the order in which they began."""
    found = [path for path in logs.glob("sweep/*/*_log.out") if epochs_of(path, title)]
    return sorted(found, key=lambda path: int(path.name.partition("_")[0]))


def wait_for(process, condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.5)


def test_a_grid_of_which_one_run_fails_one_is_killed_and_one_is_stopped_by_the_time_limit(slurm, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    logs = tmp_path / "logs"
    # submitit stops a job 90 seconds before its limit of 180
    epochs = longer_than(110, EXPERIMENTS["resnet18_scratch"], tmp_path / "short")
    short, long = (replace(EXPERIMENTS[name], epochs=epochs) for name in ("v1_fixed", "resnet18_scratch"))
    failing = experiment_folder(short, logs) / "seed_1"
    failing.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "fashion", "sweep", short.name, long.name, "--seeds", "0-1", "--epochs"]
    command += [str(epochs), "--executor", "slurm", "--minutes", "3", "--logs", str(logs)]
    with held(failing), ExitStack() as ended:
        process = subprocess.Popen(command, stdout=-1, stderr=-1, text=True)
        ended.callback(process.kill)
        killed, stopped = f"{long.name} seed 0", f"{long.name} seed 1"
        wait_for(process, lambda: any(3 in epochs_of(each, killed) for each in logs_of(logs, killed)), 180)
        (first,) = logs_of(logs, killed)
        subprocess.run(["scancel", first.name.removesuffix("_0_log.out")], check=True)
        out, err = process.communicate(timeout=900)

    assert process.returncode == 1, err
    assert (
        out.count(f"{short.name} seed 1  failed") == 2 and f"{failing} is being trained by process {os.getpid()}" in out
    )
    assert f"{killed}  failed, and is tried once more: it ended without a result (CANCELLED" in out
    assert f"{stopped}  failed" not in out and f"{short.name} seed 0  failed" not in out

    before, after = (epochs_of(each, killed) for each in logs_of(logs, killed))
    assert before[0] == 1 and 1 < after[0] <= before[-1] + 1 and after[-1] == epochs
    (log,) = logs_of(logs, stopped)
    found = epochs_of(log, stopped)
    assert "Requeued job" in log.read_text()
    assert found[0] == 1 and found[-1] == epochs and found == sorted(set(found))  # never from the start
    assert [each.seed for each in recorded(long, logs)] == [0, 1]
    assert [each.seed for each in recorded(short, logs)] == [0]
