"""A recipe that learns quickly on few images, and how the tests look at its runs."""

from pathlib import Path

from fashion import Dataset, Experiment
from fashion.runs.record import Run

LEARNER = Experiment("learner", "NeuralNetwork_v1", epochs=4, lr=0.05, momentum=0.9, changes=("logits", "identity"))


def outcome(run: Run):
    """All of a run but its timings."""
    return [epoch.metrics for epoch in run.history], run.predictions.tolist()


def seed_folder(logs: Path, seed: int = 0) -> Path:
    return logs / "model_learner_logs" / f"seed_{seed}"


def first(images: int, data: tuple[Dataset, Dataset]) -> tuple[Dataset, Dataset]:
    """So many of the images to train on and to evaluate on."""
    train, test = (Dataset(*(tensor[:images] for tensor in part)) for part in data)
    return train, test
