"""Running: an experiment with a seed is loaded if it is recorded, continued if it was begun, or else trained."""

import math
import time
from collections.abc import Callable
from functools import partial
from operator import index
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fashion.augment import compose
from fashion.data import Dataset, Loader, load_data, split
from fashion.experiments import Experiment
from fashion.hardware.compilation import compiled, warm_up
from fashion.hardware.graphs import alone, replayed
from fashion.hardware.placement import bare, choose_device, choose_precision, is_wide, place, require_precision
from fashion.hardware.threads import threads_for
from fashion.history import Epoch
from fashion.models import build
from fashion.optimisation import build_average, build_optimiser, build_scheduler
from fashion.runs import refusals
from fashion.runs.checkpoints import Checkpoint, Saved, checkpoint_path, read_checkpoint, remove_checkpoints
from fashion.runs.files import held, say
from fashion.runs.provenance import IMPORTED_COMMIT, IMPORTED_DIGEST, continued, provenance
from fashion.runs.record import Record, Run, experiment_folder, read_run, weights, write_failure, write_run
from fashion.runs.teaching import taught
from fashion.settings import RUNS, FashionError, Paused, quick, writable
from fashion.training import Phase, Step, evaluation_step, fit, infer, training_step


class Pace(NamedTuple):
    """How often a run is saved, in epochs, and the value of `time.monotonic()` at which it should have stopped."""

    checkpoint_every: int = 1
    until: float = math.inf

    def stops_after(self, epoch: Epoch) -> bool:
        """Say whether another epoch as long as this one would end too late."""
        return time.monotonic() + epoch.seconds > self.until


class Start(NamedTuple):
    """Where a run is recorded, what it goes on from, and the code that began it if it replaces what was there."""

    folder: Path
    saved: Saved | None
    retrained_by: str


class Company(NamedTuple):
    """How many runs the process trains at the same time, this one included, and whether they were interrupted."""

    size: int = 1
    interrupted: Callable[[], bool] = lambda: False


def run(
    experiment: Experiment,
    seed: int,
    *,
    logs: Path | str = RUNS,
    data: tuple[Dataset, Dataset] | None = None,
    validation: bool = False,
    precision: str = "auto",
    compile_model: bool = False,
    retrain: bool = False,
    pace: Pace = Pace(),  # noqa: B008 - it is immutable
    after_epoch: Callable[[list[Epoch]], object] = lambda history: None,
    company: Company = Company(),  # noqa: B008 - it is immutable
) -> Run:
    """Train one experiment with one seed and record it; if it is recorded already, load it instead.

    A run that was interrupted continues from its last checkpoint, on another machine too if that is copied: it lies
    beside the folder of its record.

    Args:
        experiment: the recipe.
        seed: of the weights and of the order of the images.
        logs: the folder to record it in. `model_logs/`, the study's record, takes complete runs of `EXPERIMENTS` only.
        data: what to train and to evaluate on, on the device to train on. Default: all images, on an accelerator if
            there is one.
        validation: evaluate on images held out of the training images; by default `fashion.data.split` does that.
        precision: "fp32", "bf16", or "auto": whichever is recorded or begun, else whichever is faster.
        compile_model: train by kernels that are compiled for the network. A run that began so goes on so.
        retrain: train from the start, even if the run is recorded or begun, and replace the record; or go on with that,
            where it was interrupted and the code has stayed the same.
        pace: how often to save it, and when to stop: after the epoch that is the last to end before `pace.until`, as
            far as the epoch before it tells; one epoch is trained at least.
        after_epoch: called with the history so far after each epoch.
        company: the other runs of the process, where `run_together` trains several.

    Raises:
        FashionError: `fashion.runs.refusals` says why, a file cannot be written, another process trains the same run,
            or there is no compiler.
        TypeError, ValueError: what is no experiment, or a seed below 0.
        FloatingPointError: a loss is not finite.
        Paused: the run is not at its end yet, and `pace.until` is near.
    """
    if not isinstance(experiment, Experiment):
        raise TypeError(f'a run takes an Experiment, such as EXPERIMENTS["v1"], not {experiment!r}')
    seed = index(seed)
    if seed < 0:
        raise ValueError(f"a seed must be 0 or more, not {seed}")
    require_precision(precision)
    train, test = data or default_data(validation)
    if quick():
        train, test = (Dataset(each.images[:256], each.labels[:256]) for each in (train, test))
    request = refusals.Request(
        experiment,
        seed,
        evaluated_on="validation" if validation else "test",
        train_images=len(train.labels),
        test_images=len(test.labels),
        precision=None if precision == "auto" else precision,
        compiled=compile_model or None,  # who does not ask for it takes either
    )
    folder = experiment_folder(experiment, logs, validation) / f"seed_{seed}"
    refusals.require_complete(request, writable(folder))
    found = None if retrain else read_run(folder)
    if found:
        return _as_requested(request, found, folder)
    folder = writable(folder)  # on a rehearsal, another: a record is shown, and nothing is written beside it
    refusals.require_committed(IMPORTED_COMMIT, folder)
    refusals.require_same_images(request, folder)
    refusals.require_writable(folder.parent)
    if experiment.teacher:
        lesson = partial(run, validation=True, pace=pace, company=company._replace(size=1))
        train = taught(train, experiment, Path(logs) / ("validation" if validation else ""), lesson)
    with held(folder):
        if not retrain and (found := read_run(folder)):  # another process has just ended it
            return _as_requested(request, found, folder)
        path = checkpoint_path(folder)
        saved = read_checkpoint(path)
        code = IMPORTED_DIGEST if retrain else ""
        if retrain and not (saved and saved.retrained_by == code and not refusals.differences(request, saved.record)):
            remove_checkpoints(path)
            saved = None
        if saved:
            refusals.require_same(request, saved.record, f"{path} is half of another run", "delete it to start afresh")
            say(f"{experiment.name} seed {seed} goes on after epoch {len(saved.history)}, from {path}")
        with alone:
            torch.manual_seed(seed)
            network = build(experiment.model, experiment.changes, "" if saved else experiment.pretrained)
        start = Start(folder, saved, saved.retrained_by if saved else code)
        with threads_for(train.images.device, is_wide(network)):
            result, network = _train(request, network, (train, test), start, pace, after_epoch, company)
        write_run(result, folder, network if experiment.keep else None)
        remove_checkpoints(path)
    return result


def _as_requested(request: refusals.Request, found: Run, folder: Path) -> Run:
    """Return a run that is recorded, if it is the one that was asked for."""
    refusals.require_same(request, found.record, f"{folder} holds another run", "replace it with --retrain")
    if request.experiment.keep and found.outputs is None:
        raise FashionError(f"{folder} was recorded without its weights and outputs: replace it with --retrain")
    return found


def default_data(validation: bool) -> tuple[Dataset, Dataset]:
    """Load what a run trains and is evaluated on by default."""
    train, test = load_data(device=choose_device())
    return split(train) if validation else (train, test)


def _train(
    request: refusals.Request,
    network: nn.Module,
    data: tuple[Dataset, Dataset],
    start: Start,
    pace: Pace,
    after_epoch: Callable[[list[Epoch]], object],
    company: Company,
) -> tuple[Run, nn.Module]:
    """Train a network as it was built, or from what was saved, to the last epoch.

    Returns:
        The run, and the network that was tested last: itself, or the average of its weights.
    """
    experiment, (train, test) = request.experiment, data
    device, saved = train.images.device, start.saved
    record = _record(request, network, device, saved, company.size)
    train_loader = Loader(train, experiment.batch_size, seed=request.seed, augment=compose(experiment.augment))
    test_loader = Loader(test, experiment.batch_size)
    refusals.require_committed(record.provenance.git_commit, start.folder)
    refusals.require_readable(record)
    if experiment.keep:
        weights(network)  # which says whether they can be kept before they are trained
    with alone:  # since it may put the global generator back into the state in which it was
        placed = place(network, device, record.precision)  # the network itself, or what computes it in bfloat16
    optimiser = build_optimiser(experiment, placed, torch.bfloat16 if record.precision == "bf16" else torch.float32)
    scheduler = build_scheduler(experiment, optimiser, experiment.epochs * len(train_loader))
    averaged = build_average(experiment, placed)
    tested = averaged or placed

    parts = {"model": network, "optimiser": optimiser, "scheduler": scheduler, "average": averaged}
    parts = {name: part for name, part in parts.items() if part is not None}
    checkpoint = Checkpoint(checkpoint_path(start.folder), parts, train_loader, start.retrained_by)
    if saved:
        with alone:
            checkpoint.restore(saved)
    step, test_step = _steps(record, placed, tested, optimiser, train.images[: experiment.batch_size])
    title = f"{experiment.name} seed {request.seed}"

    def after_step() -> None:
        if scheduler:
            scheduler.step()
        if averaged:
            averaged.update_parameters(placed)
        if company.interrupted():
            raise KeyboardInterrupt

    so_far = list(saved.history) if saved else []

    def save_and_tell(history: list[Epoch]) -> None:
        so_far[:] = history
        stop = len(history) < experiment.epochs and pace.stops_after(history[-1])
        if stop or len(history) % pace.checkpoint_every == 0:
            checkpoint.write(record, history)
        after_epoch(history)
        if stop:
            raise Paused(f"{title} stopped after epoch {len(history)} of {experiment.epochs}")

    try:
        history = fit(
            Phase(placed, train_loader, step),
            Phase(tested, test_loader, test_step),
            experiment.epochs,
            history=so_far,
            after_step=after_step,
            after_epoch=save_and_tell,
            title=title,
        )
    except FloatingPointError as error:
        write_failure(record, so_far, str(error), start.folder)
        raise
    final = averaged.module if averaged else placed
    return _outcome(record, history, final, test_loader), bare(final)


def _steps(
    record: Record, placed: nn.Module, tested: nn.Module, optimiser: Optimizer, images: Tensor
) -> tuple[Step, Step]:
    """Return the steps that `fit` takes, in training and in test: plain, compiled, or on a CUDA device replayed.

    `images` are those of a first step.
    """
    experiment = record.experiment
    forward = compiled(placed, experiment.batch_size) if record.compiled else placed
    loss_fn = nn.CrossEntropyLoss(label_smoothing=experiment.label_smoothing)
    if record.compiled or images.device.type == "cuda":
        with alone:
            warm_up(placed, forward, images)
    step = replayed(training_step(forward, loss_fn, optimiser), images.device)
    return step, replayed(evaluation_step(tested, nn.CrossEntropyLoss()), images.device)


def _outcome(record: Record, history: list[Epoch], network: nn.Module, loader: Loader) -> Run:
    """Return the run of a network that was trained, with what it makes of the images it is evaluated on."""
    keep = record.experiment.keep
    outputs = [infer(network, loader, mirrored) for mirrored in ((False, True) if keep else (False,))]
    predictions = outputs[0].argmax(dim=1).numpy().astype(np.uint8)
    return Run(record, history, predictions, torch.stack(outputs).numpy().astype(np.float16) if keep else None)


def _record(
    request: refusals.Request, network: nn.Module, device: torch.device, saved: Saved | None, together: int
) -> Record:
    """Decide what a request leaves open: as it began, or else by the network and the device."""
    here = provenance(device)
    if saved:
        before = saved.record
        return request.record(
            precision=before.precision,
            compiled=before.compiled,
            provenance=continued(before.provenance, here),
            together=max(before.together, together),
        )
    precision = choose_precision(request.precision or "auto", network, device)
    return request.record(precision=precision, compiled=bool(request.compiled), provenance=here, together=together)
