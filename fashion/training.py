"""The training loop: a step, an epoch of them, an evaluation, and the two in turn."""

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from fashion.data import Loader
from fashion.devices import compiled, replayed

LossFunction = Callable[[Tensor, Tensor], Tensor]
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Metrics(NamedTuple):
    """Averages over images: the loss, and the accuracy in percent."""

    loss: float
    accuracy: float


class Epoch(NamedTuple):
    """One line of a history: the epoch, from 1; losses; accuracies in percent; seconds to train and test, and to train.

    Histories from before the last of these was kept have NaN there.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    train_seconds: float = math.nan

    @property
    def metrics(self) -> dict[str, float]:
        """The losses and accuracies by name: what the same seed gives again."""
        return {name: getattr(self, name) for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")}


def training_step(model: Callable[[Tensor], Tensor], loss_fn: LossFunction, optimiser: Optimizer) -> Step:
    """Return the function that trains a model, in place, on one minibatch.

    Args:
        model: what maps images, shape (B, 1, 28, 28), to outputs, shape (B, 10): a network, in training mode when the
            function is called, or what computes the same for it.
        loss_fn: maps outputs, shape (B, 10), and labels, shape (B,) or (B, 10), to their mean loss, a scalar.
        optimiser: of the model's own parameters.

    Returns:
        A function of images, shape (B, 1, 28, 28), and labels, shape (B,), or (B, 10) where images are mixtures, on the
        model's device. It returns the mean loss and the number of images that were classified correctly, before the
        step, as scalars on that device.
    """

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(images)
        loss = loss_fn(outputs, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach(), _correct(outputs, labels)

    return step


def train_epoch(
    model: nn.Module, loader: Loader, step: Step, after_step: Callable[[], object] = lambda: None
) -> Metrics:
    """Train a model for one epoch, in place.

    Args:
        model: on the loader's device.
        loader: minibatches of images, shape (B, 1, 28, 28), and labels, shape (B,).
        step: the model's `training_step`.
        after_step: called after each step, for a progress bar.

    Returns:
        Loss and accuracy of each image as it was trained on, in training mode and before the step it led to.

    Raises:
        FloatingPointError: the loss of a step, which the message names, is not finite.
    """
    model.train()
    totals = _Totals()
    for images, labels in loader:
        loss, correct = step(images, labels)
        totals.add(loss, correct, len(labels))
        after_step()
    return totals.metrics()


def evaluate(model: nn.Module, loader: Loader, loss_fn: LossFunction) -> Metrics:
    """Measure a model, in evaluation mode, on all images of a loader.

    Args:
        model: on the loader's device.
        loader: minibatches of images, shape (B, 1, 28, 28), and labels, shape (B,).
        loss_fn: as for `training_step`.

    Raises:
        FloatingPointError: the loss of a minibatch, which the message numbers, is not finite.
    """
    return _measure(model, loader, _evaluation_step(model, loss_fn))


@torch.no_grad()
def infer(model: nn.Module, loader: Loader, mirrored: bool = False) -> Tensor:
    """Return what a model, in evaluation mode, gives for each image, or its mirror image: shape (N, 10), on the CPU."""
    model.eval()
    return torch.cat([model(images.flip(3) if mirrored else images) for images, _ in loader]).cpu()


def fit(
    model: nn.Module,
    train: Loader,
    test: Loader,
    loss_fn: LossFunction,
    optimiser: Optimizer,
    epochs: int,
    *,
    test_loss_fn: LossFunction | None = None,
    scheduler: LRScheduler | None = None,
    averaged: AveragedModel | None = None,
    compile_model: bool = False,
    history: Sequence[Epoch] = (),
    after_epoch: Callable[[list[Epoch]], object] = lambda history: None,
    title: str = "",
) -> list[Epoch]:
    """Train a model, in place, and test it after each epoch; a progress bar counts the steps.

    Args:
        model: on the loaders' device.
        train: minibatches to train on.
        test: minibatches to measure.
        loss_fn: as for `training_step`.
        optimiser: of the model's own parameters.
        epochs: of the whole run, those in `history` included.
        test_loss_fn: to test with, where that is not `loss_fn`. A CUDA device replays both: what they do must depend on
            nothing but tensors.
        scheduler: of the optimiser's learning rate; it advances with each step.
        averaged: the average of the model's weights, updated after each step; it is what is tested.
        compile_model: train by kernels that are compiled for the model: `fashion.devices.compiled`.
        history: the epochs already trained, where a run continues.
        after_epoch: called with the history so far after each epoch, to print or to save.
        title: what the progress bar calls the run.

    Returns:
        The history: one `Epoch` for each epoch from 1 to `epochs`.

    Raises:
        FloatingPointError: a loss is not finite; the message names epoch and step.
        FashionError: there is no C++ compiler here to compile the model with.
    """
    history = list(history)
    steps = len(train)
    tested = averaged or model
    device = train.dataset.labels.device
    forward = compiled(model, train.batch_size) if compile_model else model
    step = replayed(training_step(forward, loss_fn, optimiser), device)
    test_step = replayed(_evaluation_step(tested, test_loss_fn or loss_fn), device)
    with tqdm(
        total=epochs * steps, initial=len(history) * steps, desc=title, unit="step", leave=False, disable=None
    ) as bar:

        def after_step() -> None:
            if scheduler:
                scheduler.step()
            if averaged:
                averaged.update_parameters(model)
            bar.update()

        for epoch in range(len(history) + 1, epochs + 1):
            bar.set_postfix_str(f"epoch {epoch} of {epochs}")
            start = time.perf_counter()
            try:
                train_metrics = train_epoch(model, train, step, after_step)
                train_seconds = time.perf_counter() - start
                test_metrics = _measure(tested, test, test_step)
            except FloatingPointError as error:
                raise FloatingPointError(f"epoch {epoch}, {error}") from None
            history.append(Epoch(epoch, *train_metrics, *test_metrics, time.perf_counter() - start, train_seconds))
            after_epoch(history)
    return history


def _evaluation_step(model: nn.Module, loss_fn: LossFunction) -> Step:
    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(images)
        return loss_fn(outputs, labels), _correct(outputs, labels)

    return step


@torch.no_grad()
def _measure(model: nn.Module, loader: Loader, step: Step) -> Metrics:
    model.eval()
    totals = _Totals()
    for images, labels in loader:
        totals.add(*step(images, labels), len(labels))
    return totals.metrics()


def _correct(outputs: Tensor, labels: Tensor) -> Tensor:
    classes = labels.argmax(dim=1) if labels.ndim > 1 else labels
    return (outputs.argmax(dim=1) == classes).sum()


class _Totals:
    """What an epoch adds up. It stays on the device until the end: to read a value is to wait for the device."""

    def __init__(self):
        self.losses: list[Tensor] = []
        self.correct: list[Tensor] = []
        self.sizes: list[int] = []

    def add(self, loss: Tensor, correct: Tensor, size: int) -> None:
        self.losses.append(loss)
        self.correct.append(correct)
        self.sizes.append(size)

    def metrics(self) -> Metrics:
        losses = torch.stack(self.losses).cpu().double()
        sizes = torch.tensor(self.sizes)
        finite = losses.isfinite()
        if not finite.all():
            step = int(finite.logical_not().nonzero()[0])
            raise FloatingPointError(f"step {step + 1}: the loss is {losses[step]:.0f}")
        correct = int(torch.stack(self.correct).sum())
        images = int(sizes.sum())
        return Metrics(float(losses @ sizes.double()) / images, 100 * correct / images)
