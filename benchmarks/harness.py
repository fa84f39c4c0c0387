"""Speed, on disk: this package beside what a user would otherwise write, and beside the machine's limit.

Each contender of benchmarks/contenders/ is a process of its own. They take turns, round after round, on the same
machine; a first round, which warms them up, is not counted.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec

import torch

from benchmarks.contenders.common import BATCH_SIZE, momentum, network
from benchmarks.measurements import EPOCH, FOLDER
from fashion.hardware.threads import SPINS
from fashion.models import MODELS
from fashion.runs.provenance import provenance
from fashion.settings import ROOT, FashionError

CONTENDERS = {
    "cpu": ("ours", "plain", "lightning", "fastai", "limit"),  # on a CPU compilation is nowhere a tenth faster
    "cuda": ("ours", "ours:compiled", "plain", "lightning", "fastai", "limit"),
}

# What is timed of each network on a CPU, where a whole epoch of the larger ones takes minutes.
CPU_STEPS = {
    "NeuralNetwork_v1": EPOCH,
    "NeuralNetwork_v1_5_5_BN": 12,
    "resnet18": 40,
    "FastNetwork_32": 60,
    "WideResNet_28_10": 1,
}
_LINEAR = ((94, 1), (EPOCH, 1), (94, 20))  # steps and epochs: 6,000 images, 60,000, and twenty times 6,000


def measure(
    model: str,
    device: torch.device,
    contenders: Iterable[str] = CONTENDERS["cpu"],
    *,
    rounds: int = 5,
    steps: int | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> dict:
    """Time contenders on a network, in turns.

    Args:
        model: a key of `MODELS`.
        device: where.
        contenders: modules of benchmarks/contenders/, each perhaps with an option after a colon.
        rounds: how often each is timed.
        steps: minibatches of 64 in each turn. Default: an epoch, and fewer where that takes minutes.
        tell: called with a line for each measurement.

    Returns:
        What `<hardware>.json` has for the network: where it ran, `steps`, and for each contender the seconds to its
        first step (imports, data and compilation included), its peak memory in MB, and the seconds of each turn.

    Raises:
        FashionError: there is no such model, a library is not installed, or a contender failed.
    """
    if model not in MODELS:
        raise FashionError(f"there is no model {model!r}: fashion/models.py has {', '.join(MODELS)}")
    contenders = tuple(contenders)
    for name in ("lightning", "fastai"):
        if name in contenders and not find_spec(name):
            raise FashionError(f'{name} is not installed: pip install -e ".[bench]", or leave it out with --contenders')
    steps = steps or (CPU_STEPS.get(model, EPOCH) if device.type == "cpu" else EPOCH)
    facts = {
        **asdict(provenance(device)),
        "steps": steps,
        "multiply_adds": multiply_adds(network(model), BATCH_SIZE),
        "optimiser_bytes": optimiser_bytes(model),
    }
    workers = {}
    try:
        for name in contenders:
            workers[name] = _Worker(name, model, device)
            tell(f"{model}: {name} has made its first step after {workers[name].info['first_step_s']:.1f} s")
        sizes = _LINEAR if steps == EPOCH and "ours" in workers else ()
        turns = dict.fromkeys([(name, steps, 1) for name in workers] + [("ours", *size) for size in sizes])
        measured = {turn: [] for turn in turns}
        for number in range(rounds + 1):
            for turn in turns:
                measured[turn].append(workers[turn[0]].train(*turn[1:]))
            tell(f"{model}: round {number} of {rounds}" + ("" if number else ", the warm-up"))
    finally:
        for worker in workers.values():
            worker.close()
    seconds = {turn: _columns(rows[1:]) for turn, rows in measured.items()}
    return {
        **facts,
        "contenders": {name: workers[name].info | seconds[name, steps, 1] for name in workers},
        "linear": [{"steps": size[0], "epochs": size[1], **seconds[("ours", *size)]} for size in sizes],
    }


def contenders_for(device: torch.device) -> tuple[str, ...]:
    """Return what is timed on a device."""
    return CONTENDERS.get(device.type, CONTENDERS["cpu"])


def multiply_adds(network: torch.nn.Module, batch_size: int) -> int:
    """Return torchinfo's count of a network's multiply-adds, forward, for one minibatch."""
    from torchinfo import summary

    return summary(network, input_size=(batch_size, 1, 28, 28), device="cpu", verbose=0).total_mult_adds


def optimiser_bytes(model: str) -> int:
    """Return the bytes that a step of SGD reads and writes.

    It reads each weight and its gradient and writes the weight; where there is momentum, it reads and writes that, too.
    """
    accesses = 5 if momentum(model) else 3
    return 4 * accesses * sum(parameter.numel() for parameter in network(model).parameters())


def _columns(rows: list[dict]) -> dict:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return columns | {"peak_mb": max(columns["peak_mb"])}


def _environment(contender: str) -> dict[str, str]:
    """Return the environment of a contender's process: the packages seen here and, but for `ours`, threads left alone.

    `import fashion` has set how long threads spin, which only `ours` is to inherit: in place before it loads torch.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    if contender.partition(":")[0] != "ours" and environment.get("GOMP_SPINCOUNT") == SPINS:
        del environment["GOMP_SPINCOUNT"]
    return environment


class _Worker:
    """A contender's process; `info` is what it said of itself."""

    def __init__(self, contender: str, model: str, device: torch.device):
        self.contender = contender
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the worker)
        start = time.perf_counter()
        self.process = subprocess.Popen(  # noqa: S603 - a file of this folder, with names of its own
            [sys.executable, "worker.py", contender, model, str(device)],
            cwd=FOLDER,
            env=_environment(contender),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        info = self._answer()
        self.info = {**info, "first_step_s": time.perf_counter() - start}

    def train(self, steps: int, epochs: int) -> dict:
        with suppress(BrokenPipeError):  # where it has ended, `_answer` says why
            self.process.stdin.write(f"{steps} {epochs}\n")
            self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self.process.communicate()
        self.errors.close()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().strip().splitlines() or ["it said nothing"]
        raised = [line for line in said if re.match(r"[\w.]+(Error|Exception): ", line)]  # perhaps more follow
        self.close()
        raise FashionError(f"the contender {self.contender} failed: {(raised or said)[-1]} (see benchmarks/README.md)")
