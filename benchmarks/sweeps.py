"""How a grid of runs scales: measured on this machine, `python -m benchmarks.sweeps`, and simulated for a cluster."""

import heapq
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

from benchmarks import measurements
from fashion.experiments import EXPERIMENTS
from fashion.runs.record import recorded
from fashion.settings import MODEL_LOGS
from fashion.study.tables import markdown

SWEEPS = Path("results", "sweeps.json")  # in the folder of the benchmarks

EXPERIMENT, RUNS, WORKERS = "v1", 8, (1, 2)
MACHINES, SEEDS, NODES = ("Xeon", "Xeon AMX"), 5, (1, 2, 4, 8, 16, 32, 64)


def measure(workers: int) -> float:
    """Return the seconds that `fashion sweep` takes for the grid with so many workers, in an empty folder."""
    with tempfile.TemporaryDirectory() as logs:
        command = [sys.executable, "-m", "fashion", "sweep", EXPERIMENT, "--seeds", f"0-{RUNS - 1}", "--logs", logs]
        start = time.perf_counter()
        subprocess.run([*command, "--workers", str(workers)], check=True)  # noqa: S603 - words of this module
        return time.perf_counter() - start


def durations() -> dict[str, float]:
    """Return the seconds of each experiment of the test set that the machine has run: the median over its seeds."""
    found = {}
    for name, experiment in EXPERIMENTS.items():
        runs = [run for run in recorded(experiment, MODEL_LOGS) if run.record.machine in MACHINES]
        if runs:
            found[name] = median(sum(epoch.seconds for epoch in run.history) for run in runs)
    return found


def makespan(seconds: Iterable[float], nodes: int) -> float:
    """Return when the last of the runs ends, if each starts on the node that is free first, in the order given.

    That is list scheduling: Graham, 1966, https://doi.org/10.1002/j.1538-7305.1966.tb01709.x.
    """
    free = [0.0] * nodes
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def measured(folder: Path = measurements.FOLDER) -> str:
    """Tabulate the seconds of the measured grid, a row for each number of workers, and say where."""
    found = json.loads((folder / SWEEPS).read_text())
    rows, alone = [], median(found["seconds"]["1"])
    for workers, seconds in found["seconds"].items():
        rows.append(
            {
                "workers": workers,
                "seconds": f"{median(seconds):.0f}",
                "least to most": f"{min(seconds):.0f} to {max(seconds):.0f}",
                "times one worker": f"{alone / median(seconds):.2f}",
            }
        )
    what = f"{found['runs']} runs of `{found['experiment']}`, {len(found['seconds']['1'])} times"
    return f"{markdown(rows)}\n\n{what}, on {found['hardware']}."


def simulated(seconds: Mapping[str, float] | None = None) -> str:
    """Tabulate how long the study takes on some nodes, in the order of `EXPERIMENTS` and with the longest runs first.

    Args:
        seconds: of a run of each experiment. Default: as recorded.
    """
    seconds = durations() if seconds is None else seconds
    grid = [each for each in seconds.values() for _ in range(SEEDS)]
    total, (longest, name) = sum(grid), max((each, name) for name, each in seconds.items())
    rows = []
    for nodes in NODES:
        straight, sorted_ = (makespan(each, nodes) for each in (grid, sorted(grid, reverse=True)))
        rows.append(
            {
                "nodes": nodes,
                "hours": f"{straight / 3600:.2f}",
                "times one node": f"{total / straight:.1f}",
                "longest first, hours": f"{sorted_ / 3600:.2f}",
                "times one node, so": f"{total / sorted_:.1f}",
            }
        )
    limit = (
        f"{len(grid)} runs, {total / 3600:.1f} hours on one node. No grid ends before its longest run does: "
        f"`{name}` takes {longest / 3600:.2f} hours, so that more than {math.ceil(total / longest)} nodes gain nothing."
    )
    return f"{markdown(rows)}\n\n{limit}"


def main(rounds: int = 3) -> None:
    """Measure the grid with every number of workers, in turns, and write the seconds down."""
    import torch

    from fashion.runs.provenance import provenance

    found: dict[str, list[float]] = {str(workers): [] for workers in WORKERS}
    for workers in WORKERS * rounds:
        found[str(workers)].append(round(measure(workers), 2))
        print(f"{workers} workers: {found[str(workers)]}", flush=True)
    here = provenance(torch.device("cpu"))
    result = {"experiment": EXPERIMENT, "runs": RUNS, "hardware": here.hardware, "versions": here.versions}
    result |= {"git_commit": here.git_commit, "seconds": found}
    (measurements.FOLDER / SWEEPS).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
