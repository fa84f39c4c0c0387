"""A small, honest, reproducible deep-learning study of Fashion-MNIST."""

from fashion.data import CLASSES, Dataset, Loader, load, split
from fashion.devices import choose_device
from fashion.experiments import EXPERIMENTS, Experiment
from fashion.inference import Prediction, predict
from fashion.models import build, resnet18, summary
from fashion.runs import Run, recorded, run
from fashion.settings import FashionError
from fashion.training import Epoch, Metrics, evaluate, fit, train_epoch, training_step

__all__ = [
    "CLASSES",
    "EXPERIMENTS",
    "Dataset",
    "Epoch",
    "Experiment",
    "FashionError",
    "Loader",
    "Metrics",
    "Prediction",
    "Run",
    "build",
    "choose_device",
    "evaluate",
    "fit",
    "load",
    "predict",
    "recorded",
    "resnet18",
    "run",
    "split",
    "summary",
    "train_epoch",
    "training_step",
]
