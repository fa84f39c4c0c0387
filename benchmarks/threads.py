"""How fast a network trains on a CPU that is idle, and on one that is not: `python -m benchmarks.threads`.

Each setting of threads and waiting is tried alone, twice at once, and beside a program that does nothing but count. A
trial is a process of its own, which trains for some seconds; all trials take turns.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import fashion  # before torch, which reads how threads wait when it is imported

RESULTS = Path(__file__).parent / "results" / "threads.json"

# Recipes that need nothing but minibatches, and the settings of OpenMP's environment.
EXPERIMENTS = ("v1", "fast", "v1_5_5_BN")
SETTINGS = {
    "PyTorch's own": {"GOMP_SPINCOUNT": "300000", "OMP_NUM_THREADS": str(os.cpu_count())},
    "passive waiting": {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(os.cpu_count())},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "as a run has it": {},
}
SCENARIOS = {"alone": (1, False), "two at once": (2, False), "beside a busy loop": (1, True)}


def train(name: str, seconds: float) -> None:
    """Train an experiment's network for some seconds once a line is read, and print the seconds of an epoch."""
    import torch
    from torch import nn

    from fashion.hardware.placement import choose_precision, is_wide, place
    from fashion.hardware.threads import threads_for
    from fashion.optimisation import build_optimiser

    recipe, cpu = fashion.EXPERIMENTS[name], torch.device("cpu")
    loader = fashion.Loader(fashion.load_data()[0], recipe.batch_size, seed=0)
    torch.manual_seed(0)
    network = fashion.build(recipe.model)
    with threads_for(cpu, is_wide(network)):
        precision = choose_precision("auto", network, cpu)
        network = place(network, cpu, precision).train()
        step = fashion.training_step(network, nn.CrossEntropyLoss(), build_optimiser(recipe, network))
        batches = (batch for _ in range(1000) for batch in loader)
        step(*next(batches))
        print("ready", flush=True)
        sys.stdin.readline()
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            step(*next(batches))
            steps += 1
        print((time.perf_counter() - start) / steps * len(loader), flush=True)


def trial(name: str, setting: dict[str, str], scenario: str, seconds: float) -> list[float]:
    """Return the seconds of an epoch in each of the processes that train at the same time."""
    number, busy = SCENARIOS[scenario]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))} | setting
    command = [sys.executable, "-m", "benchmarks.threads", name, str(seconds)]
    with ExitStack() as stack:
        if busy:
            stack.callback(subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]).kill)
        workers = [
            stack.enter_context(
                subprocess.Popen(  # noqa: S603 - this file, with names of its own
                    command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(number)
        ]
        for worker in workers:
            worker.stdout.readline()
        for worker in workers:
            worker.stdin.write("\n")
            worker.stdin.flush()
        return [float(worker.stdout.readline()) for worker in workers]


def main(rounds: int = 3, seconds: float = 6) -> None:
    """Try every setting of every network in every scenario, in turns, and write the seconds down."""
    found: dict[tuple[str, str, str], list[float]] = {}
    turns = [(name, setting, scenario) for name in EXPERIMENTS for scenario in SCENARIOS for setting in SETTINGS]
    for turn in turns * rounds:
        name, setting, scenario = turn
        found.setdefault(turn, []).extend(trial(name, SETTINGS[setting], scenario, seconds))
        print(f"{name}, {scenario}, {setting}: {', '.join(f'{each:.1f}' for each in found[turn])}", flush=True)
    keys = ("network", "setting", "scenario")
    rows = [dict(zip(keys, turn, strict=True)) | {"seconds": values} for turn, values in found.items()]
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train(sys.argv[1], float(sys.argv[2]))
    else:
        main()
