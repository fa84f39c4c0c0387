"""One contender in a process of its own: `python worker.py CONTENDER MODEL DEVICE`, as benchmarks.harness starts it.

It prints a line of JSON after its first step. Then each line it reads, "<steps> <epochs>", makes it train that often on
that many minibatches of 64, and print how long it took. Before that it makes one step that is not counted: while the
others had their turns, it lost the caches. It ends with its input.
"""

import importlib
import json
import os
import re
import resource
import sys
import time
from pathlib import Path

# Answers have the standard output to themselves; what a library prints goes to the standard error.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def main(contender: str, model: str, device: str) -> None:
    """Prepare a contender, and time it as often as a line comes in."""
    name, _, options = contender.partition(":")
    prepared = importlib.import_module(f"contenders.{name}").prepare(model, device, *filter(None, [options]))
    from contenders.common import wait_for  # not at the top: what it imports may print

    prepared.train(1)
    wait_for(device)
    _answer({"versions": prepared.versions, **(prepared.notes or {})})
    for line in sys.stdin:
        steps, epochs = map(int, line.split())
        prepared.train(1)
        wait_for(device)
        start = time.perf_counter()
        measured = [prepared.train(steps) for _ in range(epochs)][-1] or {}
        wait_for(device)
        _answer({"seconds": time.perf_counter() - start, "peak_mb": _peak_mb(device), **measured})


def _answer(values: dict) -> None:
    print(json.dumps(values), file=_answers, flush=True)


def _peak_mb(device: str) -> float:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / 1e6
    status = Path("/proc/self/status")  # the whole process, libraries included
    if status.exists():  # where getrusage would begin with what the process that started this one had
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
