"""The files of measurements, and what follows from one: seconds for an epoch, and those at the machine's limit."""

import json
import re
from pathlib import Path
from statistics import median

from benchmarks.contenders.common import BATCH_SIZE
from fashion.runs.record import short_name
from fashion.settings import ROOT

FOLDER = ROOT / "benchmarks"
RESULTS = FOLDER / "results"
IMAGES = 60_000
EPOCH = -(-IMAGES // BATCH_SIZE)  # steps


def write(results: dict[str, dict], path: Path) -> None:
    """Put the results of networks into a file, beside those of others that it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    older = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(older | results, indent=1) + "\n")


def path_for(result: dict, folder: Path = RESULTS) -> Path:
    """Return the file for a network's result: it is called after the hardware it was measured on."""
    hardware = re.sub("[^a-z0-9]+", "-", result["hardware"].lower()).strip("-")
    return folder / "speed" / f"{hardware}.json"


def read(folder: Path = RESULTS / "speed") -> dict[str, dict[str, dict]]:
    """Return the results that the files of a folder have, by machine and by network.

    A machine has a short name, or, where two would have the same, its hardware's in full.
    """
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    hardware = [next(iter(results.values()))["hardware"] for results in found]
    short = [short_name(each) for each in hardware]
    names = [name if short.count(name) == 1 else each for name, each in zip(short, hardware, strict=True)]
    return dict(zip(names, found, strict=True))


def read_compared(folder: Path = RESULTS / "speed") -> dict[str, dict[str, dict]]:
    """Return those of the networks that were timed with `ours`, `plain` and the limit."""
    needed = {"ours", "plain", "limit"}
    compared = {
        machine: {model: result for model, result in results.items() if needed <= result["contenders"].keys()}
        for machine, results in read(folder).items()
    }
    return {machine: results for machine, results in compared.items() if results}


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
    """Return the number of images in `steps` minibatches, at most one epoch."""
    return min(steps * BATCH_SIZE, IMAGES)


def limit_seconds(result: dict) -> float:
    """Return the seconds that an epoch takes at the machine's limit.

    That is the time its multiply-adds need, forward and twice as many backward, at the rate of a large matrix product
    in the precision of `ours`, and the time the optimiser's bytes need at the rate of a large copy.
    """
    rates = result["contenders"]["limit"]
    flop = 2 * 3 * result["multiply_adds"] * IMAGES / BATCH_SIZE
    moved = result["optimiser_bytes"] * EPOCH
    return flop / median(rates["flop_per_second"]) + moved / median(rates["bytes_per_second"])
