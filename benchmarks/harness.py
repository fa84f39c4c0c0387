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
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import torch

from fashion.models import MODELS, build, multiply_adds, resnet18
from fashion.provenance import provenance
from fashion.settings import ROOT, FashionError

FOLDER = ROOT / "benchmarks"
RESULTS = FOLDER / "results"
IMAGES = 60_000
BATCH_SIZE = 64
EPOCH = -(-IMAGES // BATCH_SIZE)  # steps

SPEED = ("ours", "plain", "lightning", "fastai", "limit")
SPEED_CUDA = ("ours", "ours:compiled", *SPEED[1:])  # on a CPU compilation is nowhere a tenth faster
PROFILE = ("profile:plain", "profile:ours")
CHOICES = {
    "cpu": (
        "choice:eager",
        "choice:fused",
        "choice:fused+kept",
        "choice:fused+kept+short",
        "choice:fused+kept+stacked",
        "choice:fused+kept+channels-last",
        "choice:fused+kept+stacked+channels-last",
        "choice:fused+kept+bf16",
        "choice:fused+kept+short+bf16",
        "choice:fused+kept+channels-last+bf16",
        "choice:fused+kept+channels-last+bf16+flatten",
        "choice:fused+kept+channels-last+compile",
        "choice:fused+kept+channels-last+bf16+compile",
    ),
    "cuda": (
        "choice:eager",
        "choice:fused",
        "choice:fused+replayed",
        "choice:fused+replayed+channels-last",
        "choice:fused+replayed+bf16",
        "choice:fused+replayed+channels-last+bf16",
        "choice:fused+replayed+channels-last+bf16+flatten",
        "choice:fused+replayed+channels-last+bf16+unfolded",
        "choice:fused+replayed+channels-last+bf16+unfolded+compile",
    ),
}
SUITES = ("speed", "choices", "profile")

# What is timed of each network on a CPU, where a whole epoch of the larger ones takes minutes.
CPU_STEPS = {
    "NeuralNetwork_v1": EPOCH,
    "NeuralNetwork_v1_5_5_BN": 12,
    "resnet18": 40,
    "FastNetwork_32": 60,
    "WideResNet_28_10": 1,
}
_LINEAR = ((94, 1), (EPOCH, 1), (94, 20))  # steps and epochs: 6,000 images, 60,000, and twenty times 6,000


def bench(
    model: str,
    device: torch.device,
    contenders: Iterable[str] = SPEED,
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
        FashionError: this is no clone of the repository, there is no such model, or a contender failed.
    """
    if model not in MODELS:
        raise FashionError(f"there is no model {model!r}: fashion/models.py has {', '.join(MODELS)}")
    contenders = tuple(contenders)
    for name in ("lightning", "fastai"):
        if name in contenders and not find_spec(name):
            raise FashionError(f'{name} is not installed: pip install -e ".[bench]", or leave it out with --contenders')
    if not (FOLDER / "worker.py").exists():
        raise FashionError(f"{FOLDER} has no worker.py: run this in a clone of the repository")
    steps = steps or (CPU_STEPS.get(model, EPOCH) if device.type == "cpu" else EPOCH)
    facts = {
        **provenance(device),
        "steps": steps,
        "multiply_adds": multiply_adds(_network(model), BATCH_SIZE),
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


def contenders_of(suite: str, device: torch.device) -> tuple[str, ...]:
    """Return the contenders of a suite, one of `SUITES`, on a device."""
    speed = SPEED_CUDA if device.type == "cuda" else SPEED
    return {"speed": speed, "choices": CHOICES.get(device.type, CHOICES["cpu"]), "profile": PROFILE}[suite]


def write(results: dict[str, dict], path: Path) -> None:
    """Put the results of networks into a file, beside those of others that it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    older = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(older | results, indent=1) + "\n")


def path_for(result: dict, suite: str = "speed", folder: Path = RESULTS) -> Path:
    """Return the file for a network's result: it is called after the hardware it was measured on."""
    hardware = re.sub("[^a-z0-9]+", "-", result["hardware"].lower()).strip("-")
    return folder / suite / f"{hardware}.json"


def read(suite: str = "speed", folder: Path = RESULTS) -> dict[Path, dict[str, dict]]:
    """Return what each file of a suite has, for each network."""
    return {path: json.loads(path.read_text()) for path in sorted((folder / suite).glob("*.json"))}


def epoch_seconds(result: dict, contender: str) -> list[float]:
    """Return what each turn of a contender makes for an epoch: seconds for 60,000 images."""
    return [seconds * IMAGES / images(result["steps"]) for seconds in result["contenders"][contender]["seconds"]]


def epoch_medians(result: dict) -> dict[str, float]:
    """Return the seconds for 60,000 images: of each contender the median of its turns, and those of the limit."""
    return {
        name: limit_seconds(result) if name == "limit" else median(epoch_seconds(result, name))
        for name in result["contenders"]
    }


def images(steps: int) -> int:
    """Return how many images so many minibatches of one epoch hold: the last of an epoch is a short one."""
    return min(steps * BATCH_SIZE, IMAGES)


def limit_seconds(result: dict) -> float:
    """Return what an epoch takes at the machine's limit.

    That is the time its multiply-adds need, forward and twice as many backward, at the rate of a large matrix product
    in the precision of `ours`, and the time the optimiser's bytes need at the rate of a large copy.
    """
    rates = result["contenders"]["limit"]
    flop = 2 * 3 * result["multiply_adds"] * IMAGES / BATCH_SIZE
    moved = result["optimiser_bytes"] * EPOCH
    return flop / median(rates["flop_per_second"]) + moved / median(rates["bytes_per_second"])


def optimiser_bytes(model: str) -> int:
    """Return what a step of SGD reads and writes: weight and gradient read, weight written; so too the momentum."""
    accesses = 5 if model == "resnet18" else 3
    return 4 * accesses * sum(parameter.numel() for parameter in _network(model).parameters())


def _network(model: str) -> torch.nn.Module:
    return resnet18(pretrained=False) if model == "resnet18" else build(model)


def _columns(rows: list[dict]) -> dict:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return columns | {"peak_mb": max(columns["peak_mb"])}


class _Worker:
    """A contender's process; `info` is what it said of itself."""

    def __init__(self, contender: str, model: str, device: torch.device):
        self.contender = contender
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the worker)
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "worker.py", contender, model, str(device)],
            cwd=FOLDER,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
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
