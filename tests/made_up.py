"""Runs that no network made, whose every number is known to the test that asks for them."""

from collections.abc import Mapping

import numpy as np

from fashion import EXPERIMENTS, Epoch, Experiment, Run
from fashion.runs.record import Provenance, Record
from fashion.study.loading import Study

XEON = "Intel(R) Xeon(R) Processor (AMX), 2 threads"
H200 = "NVIDIA H200"


def a_run(
    *accuracies: float,
    seed: int = 0,
    experiment: Experiment = EXPERIMENTS["v1"],
    predictions: np.ndarray = np.zeros(0, np.uint8),  # noqa: B008 - nobody changes it
    outputs: np.ndarray | None = None,
    evaluated_on: str = "test",
    hardware: str = "a machine",
    **epoch: float,
) -> Run:
    """A run that ended its epochs with these test accuracies; `epoch` has what else all its epochs share."""
    shared = {"train_loss": 1.0, "train_accuracy": 0.0, "test_loss": 1.0, "seconds": 2.0, "train_seconds": 1.0} | epoch
    device = "cuda" if hardware.startswith("NVIDIA") else "cpu"
    provenance = Provenance(device, hardware, {"python": "3", "torch": "2", "torchvision": "0"}, None)
    record = Record(experiment, seed, evaluated_on, 60_000, len(predictions), "fp32", False, provenance)
    history = [Epoch(number, test_accuracy=each, **shared) for number, each in enumerate(accuracies, start=1)]
    return Run(record, history, predictions, outputs)


def runs_of(*histories: list[float], **options: object) -> list[Run]:
    """Runs of seeds 0, 1, ..., with the test accuracies of each."""
    return [a_run(*accuracies, seed=seed, **options) for seed, accuracies in enumerate(histories)]


def ending_at(*accuracies: float, **options: object) -> list[Run]:
    """Runs of seeds 0, 1, ..., of one epoch each."""
    return runs_of(*([each] for each in accuracies), **options)


def a_study(
    tested: Mapping[str, list[Run]], validated: Mapping[str, list[Run]] = {}, on_gpu: Mapping[str, list[Run]] = {}
) -> Study:
    """A study that has these runs by the names of their experiments, and no others."""
    parts = ({each: runs.get(name, []) for name, each in EXPERIMENTS.items()} for runs in (tested, validated, on_gpu))
    return Study(*parts)
