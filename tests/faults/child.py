"""A process that gives `fashion run` a few images, and is killed at a moment that is chosen for it."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import torch

from fashion import EXPERIMENTS, Dataset, cli, data

# Loaded once, for all children
TRAIN, TEST = data.load_data()
IMAGES = Dataset(TRAIN.images[:128], TRAIN.labels[:128]), Dataset(TEST.images[:64], TEST.labels[:64])

RECIPES = {
    "v1_fixed": replace(EXPERIMENTS["v1_fixed"], published=None),
    "everything": replace(
        EXPERIMENTS["fast"],
        name="everything",
        epochs=4,
        batch_size=50,
        optimiser=("muon", 0.05),
        augment=("flip", "alternate", ("affine", 10.0, 0.1, 0.1), ("translate", 2), ("cutout", 8), ("erase", 0.5),
                 ("cutmix", 0.5)),
        averaging=0.9,
    ),
    "resnet18_scratch": replace(EXPERIMENTS["resnet18_scratch"], epochs=3),
}  # fmt: skip


def train(name: str, logs: str, moment: tuple[str, float] | None) -> None:
    """Train a recipe of `RECIPES` by the command line, and die at a moment, if any.

    That is ("seconds", t) after the start; or ("operation", k), at the k-th time that a file is written, flushed or
    renamed: before it is, for an even k, and when it is half written, or renamed, for an odd one.
    """
    torch.set_num_threads(1)
    EXPERIMENTS.update(RECIPES)
    data.load_data = lambda *_: IMAGES
    if moment and moment[0] == "seconds":
        threading.Thread(target=lambda: (time.sleep(moment[1]), die()), daemon=True).start()
    elif moment:
        _watch(int(moment[1]))
    raise SystemExit(cli.run_command_line(["run", name, "--logs", logs, "--precision", "fp32"]))


def die() -> None:
    """End at once, as a process does that is killed from outside."""
    os.kill(os.getpid(), signal.SIGKILL)


def _watch(last: int) -> None:
    left = last

    def watched(operation, half):
        def wrapper(*arguments, **options):
            nonlocal left
            left -= 1
            if left <= 0 and last % 2 == 0:
                die()
            if left <= 0:
                half(*arguments)
                die()
            return operation(*arguments, **options)

        return wrapper

    renamed, replaced, flushed, written = Path.rename, Path.replace, os.fsync, Path.write_bytes
    Path.write_bytes = watched(written, lambda path, content: written(path, content[: len(content) // 2]))
    Path.rename = watched(renamed, renamed)
    Path.replace = watched(replaced, replaced)
    os.fsync = watched(flushed, flushed)
