"""A small, honest, reproducible deep-learning study of Fashion-MNIST."""

from importlib import import_module

from fashion.experiments import EXPERIMENTS, Experiment
from fashion.hardware.threads import wait_briefly
from fashion.history import Epoch, Metrics
from fashion.settings import FashionError

wait_briefly()  # here, since torch reads it when it is imported

# What else a notebook uses, by the module that has it: imported when it is first asked for, as torch takes seconds.
_ELSEWHERE = {
    "data": ("CLASSES", "Dataset", "Loader", "load_data", "split"),
    "hardware.placement": ("choose_device",),
    "inference.classifier": ("Prediction", "predict"),
    "models": ("build",),
    "runs.record": ("Run", "recorded"),
    "runs.running": ("run",),
    "study.diagnostics": ("summary",),
    "training": ("Phase", "evaluate", "fit", "evaluation_step", "train_epoch", "training_step"),
}

__all__ = [
    "EXPERIMENTS",
    "Epoch",
    "Experiment",
    "FashionError",
    "Metrics",
    *(name for names in _ELSEWHERE.values() for name in names),
]


def __getattr__(name: str) -> object:
    for module, names in _ELSEWHERE.items():
        if name in names:
            return getattr(import_module(f"fashion.{module}"), name)
    raise AttributeError(f"module 'fashion' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
