import json
from pathlib import Path

import pytest
from made_up import XEON, a_run

from benchmarks import sweeps
from fashion import EXPERIMENTS


def cells(text, row):
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return dict(zip(lines[0], lines[2 + row], strict=True))


@pytest.mark.parametrize(
    ("seconds", "nodes", "end"),
    [([], 2, 0), ([3, 1, 2], 1, 6), ([3, 1, 2], 2, 3), ([1, 1, 4], 2, 5), ([4, 1, 1], 2, 4), ([5, 1], 64, 5)],
)
def test_a_run_starts_on_the_node_that_is_free_first(seconds, nodes, end):
    assert sweeps.makespan(seconds, nodes) == end


def test_the_simulation_names_what_limits_it():
    text = sweeps.simulated({"short": 360.0, "long": 3600.0})
    assert cells(text, 0) == {
        "nodes": "1", "hours": "5.50", "times one node": "1.0",
        "longest first, hours": "5.50", "times one node, so": "1.0",
    }  # fmt: skip
    assert cells(text, 1)["hours"] == "3.20" and cells(text, 1)["longest first, hours"] == "3.00"
    assert cells(text, 3)["times one node"] == "5.0" and cells(text, 6)["times one node"] == "5.5"
    assert "10 runs, 5.5 hours on one node" in text
    assert "`long` takes 1.00 hours, so that more than 6 nodes gain nothing" in text


def test_a_run_of_the_simulation_takes_as_long_as_the_median_of_those_the_machine_made(monkeypatch):
    made = [a_run(1, 2, seconds=each, hardware=XEON) for each in (1.0, 2.0, 9.0)]
    made += [a_run(1, 2, seconds=50.0, hardware="NVIDIA H200")]
    monkeypatch.setattr(sweeps, "recorded", lambda experiment, logs: made if experiment.name == "v1" else [])
    assert sweeps.durations() == {"v1": 4.0}


def test_the_measured_grid_is_tabulated(tmp_path):
    (tmp_path / "results").mkdir()
    found = {"experiment": "v1", "runs": 8, "hardware": "A CPU, 2 threads", "seconds": {"1": [10, 30, 20], "2": [8, 9]}}
    (tmp_path / sweeps.SWEEPS).write_text(json.dumps(found))
    text = sweeps.measured(tmp_path)
    assert cells(text, 0) == {
        "workers": "1", "seconds": "20", "least to most": "10 to 30", "times one worker": "1.00"
    }  # fmt: skip
    assert cells(text, 1)["times one worker"] == "2.35"
    assert text.endswith("8 runs of `v1`, 3 times, on A CPU, 2 threads.")


def test_a_measurement_takes_turns_and_is_written_down(tmp_path, monkeypatch, capsys):
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(sweeps.measurements, "FOLDER", tmp_path)
    turns = []
    monkeypatch.setattr(sweeps, "measure", lambda workers: turns.append(workers) or 10 / workers)
    sweeps.main(rounds=2)
    assert turns == [1, 2, 1, 2]
    found = json.loads((tmp_path / sweeps.SWEEPS).read_text())
    assert found["seconds"] == {"1": [10, 10], "2": [5, 5]} and "thread" in found["hardware"]
    assert found["experiment"] in EXPERIMENTS and "8 runs of `v1`, 2 times" in sweeps.measured(tmp_path)


def test_a_grid_is_one_command_in_an_empty_folder(monkeypatch):
    calls = []

    def call(command, check):
        calls.append(command)
        assert check and list(Path(command[command.index("--logs") + 1]).iterdir()) == []

    monkeypatch.setattr(sweeps.subprocess, "run", call)
    assert sweeps.measure(2) >= 0
    assert calls[0][1:6] == ["-m", "fashion", "sweep", "v1", "--seeds"] and calls[0][6] == "0-7"
    assert calls[0][-2:] == ["--workers", "2"]
