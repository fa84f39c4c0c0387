"""The training loop: a step, an epoch of steps, a test, and the two in turn."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

from fashion.data import Loader
from fashion.history import Epoch, Metrics

LossFunction = Callable[[Tensor, Tensor], Tensor]
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Phase(NamedTuple):
    """Training, or testing: a network, the minibatches that it sees, and the step that is taken with each of them.

    Attributes:
        network: on the loader's device.
        loader: minibatches of images, shape (B, 1, 28, 28), and labels, shape (B,), or (B, 10) where they are mixed.
        step: the network's `training_step` or `evaluation_step`, or a function that does the same faster.
    """

    network: nn.Module
    loader: Loader
    step: Step


def training_step(network: Callable[[Tensor], Tensor], loss_fn: LossFunction, optimiser: Optimizer) -> Step:
    """Return the function that trains a network, in place, on one minibatch.

    Args:
        network: maps images, shape (B, 1, 28, 28), to outputs, shape (B, 10).
        loss_fn: maps outputs, shape (B, 10), and labels, shape (B,) or (B, 10), to their mean loss, a scalar.
        optimiser: of the network's parameters.

    Returns:
        A function of images and labels on the network's device. It returns the mean loss before the step and how many
        images were classified correctly, as scalars on that device.
    """

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs = network(images)
        loss = loss_fn(outputs, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach(), _correct(outputs, labels)

    return step


def evaluation_step(network: Callable[[Tensor], Tensor], loss_fn: LossFunction) -> Step:
    """Return the function that measures a network on one minibatch: as `training_step`, without the training."""

    @torch.no_grad()
    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs = network(images)
        return loss_fn(outputs, labels), _correct(outputs, labels)

    return step


def train_epoch(
    network: nn.Module, loader: Loader, step: Step, after_step: Callable[[], object] = lambda: None
) -> Metrics:
    """Train a network for one epoch, in place, and in training mode; call `after_step` after each step.

    Returns:
        Mean loss and accuracy: each image counts as it was in its own step, before the weights moved.

    Raises:
        FloatingPointError: the loss of a step, which the message names, was not finite; it is found after the epoch.
    """
    network.train()
    steps = []
    for images, labels in loader:
        loss, correct = step(images, labels)
        steps.append((loss, correct, len(labels)))
        after_step()
    return _metrics(steps)


def evaluate(network: nn.Module, loader: Loader, step: Step) -> Metrics:
    """Measure a network, in evaluation mode, on all images of a loader.

    Raises:
        FloatingPointError: the loss of a minibatch, which the message numbers, is not finite.
    """
    network.eval()
    return _metrics([(*step(images, labels), len(labels)) for images, labels in loader])


def fit(
    train: Phase,
    test: Phase,
    epochs: int,
    *,
    history: Sequence[Epoch] = (),
    after_step: Callable[[], object] = lambda: None,
    after_epoch: Callable[[list[Epoch]], object] = lambda history: None,
    title: str = "",
) -> list[Epoch]:
    """Train a network, in place, and test it after each epoch; a progress bar counts the steps.

    Args:
        train: what is trained, on what, and how.
        test: what is tested: the same network, or an average of its weights.
        epochs: of the whole run, those in `history` included.
        history: the epochs already trained, where a run continues.
        after_step: called after each training step.
        after_epoch: called with the history so far after each epoch, to print or to save.
        title: what the progress bar calls the run.

    Returns:
        The history: one `Epoch` for each epoch from 1 to `epochs`.

    Raises:
        FloatingPointError: a loss is not finite; the message names epoch and step.
    """
    history = list(history)
    steps = len(train.loader)
    bar = tqdm(total=epochs * steps, initial=len(history) * steps, desc=title, unit="step", leave=False, disable=None)

    def stepped() -> None:
        after_step()
        bar.update()

    with bar:
        for epoch in range(len(history) + 1, epochs + 1):
            bar.set_postfix_str(f"epoch {epoch} of {epochs}")
            start = time.perf_counter()
            try:
                trained = train_epoch(train.network, train.loader, train.step, stepped)
                train_seconds = time.perf_counter() - start
                tested = evaluate(test.network, test.loader, test.step)
            except FloatingPointError as error:
                raise FloatingPointError(f"epoch {epoch}, {error}") from None
            history.append(Epoch(epoch, *trained, *tested, time.perf_counter() - start, train_seconds))
            after_epoch(history)
    return history


@torch.no_grad()
def infer(network: nn.Module, loader: Loader, mirrored: bool = False) -> Tensor:
    """Return what a network, in evaluation mode, gives for each image or its mirror image: (N, 10), on the CPU."""
    network.eval()
    return torch.cat([network(images.flip(3) if mirrored else images) for images, _ in loader]).cpu()


def _correct(outputs: Tensor, labels: Tensor) -> Tensor:
    classes = labels.argmax(dim=1) if labels.ndim > 1 else labels  # of a mixture, the class with the largest share
    return (outputs.argmax(dim=1) == classes).sum()


def _metrics(steps: list[tuple[Tensor, Tensor, int]]) -> Metrics:
    """Average what steps returned, over images. It is read here only: to read a value is to wait for the device."""
    losses = torch.stack([loss for loss, _, _ in steps]).cpu().double()
    sizes = torch.tensor([size for _, _, size in steps])
    finite = losses.isfinite()
    if not finite.all():
        step = int(finite.logical_not().nonzero()[0])
        raise FloatingPointError(f"step {step + 1}: the loss is {losses[step]:.0f}")
    correct = int(torch.stack([correct for _, correct, _ in steps]).sum())
    images = int(sizes.sum())
    return Metrics(float(losses @ sizes.double()) / images, 100 * correct / images)
