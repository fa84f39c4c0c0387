"""Histories of runs as events, which TensorBoard shows while they grow; needs the extra "tensorboard"."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fashion.experiments import EXPERIMENTS, Experiment
from fashion.history import Epoch
from fashion.runs.refusals import require_writable
from fashion.settings import FashionError, writable

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@contextmanager
def events(
    folder: Path | None, experiment: Experiment, evaluated_on: str
) -> Iterator[Callable[[int, Sequence[Epoch]], None]]:
    """Yield what shows a run of an experiment, given its seed and its history so far, after each epoch or at its end.

    A run has a folder, `v1/seed_0`, or `validation/v1/seed_0` on the validation split; its tags are those of PyTorch's
    documentation, `Loss/train` and `Loss/test`. The first call for a run writes its whole history, which replaces what
    is there: no epoch is missing or comes twice, wherever the run was killed and from wherever it goes on.

    Args:
        folder: where TensorBoard looks for events; None for nowhere.
        experiment: what is run; with another number of epochs than in `EXPERIMENTS` it is called `v1_20_epochs`.
        evaluated_on: "test" or "validation".

    Raises:
        FashionError: the extra is not installed, or the folder cannot be written.
    """
    if folder is None:
        yield lambda seed, history: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise FashionError('tensorboard is not installed: pip install -e ".[tensorboard]"') from error
    changed = experiment != EXPERIMENTS.get(experiment.name, experiment)
    name = f"{experiment.name}_{experiment.epochs}_epochs" if changed else experiment.name
    place = writable(folder) / ("validation" if evaluated_on == "validation" else "") / name
    require_writable(place, option="--tensorboard")
    writers: dict[int, SummaryWriter] = {}

    def show(seed: int, history: Sequence[Epoch]) -> None:
        new = history[-1:]
        if seed not in writers:
            new = history  # from step 1 on, TensorBoard drops what it has from earlier files
            writers[seed] = open_writers.enter_context(SummaryWriter(place / f"seed_{seed}", purge_step=1))
        _write(writers[seed], new, evaluated_on)

    with ExitStack() as open_writers:
        yield show


def _write(writer: "SummaryWriter", epochs: Sequence[Epoch], evaluated_on: str) -> None:
    """Write epochs, the last of which has just ended, at the times at which they would have ended in one go."""
    ended = time.time() - sum(epoch.seconds for epoch in epochs)
    for epoch in epochs:
        ended += epoch.seconds
        values = {
            "Loss/train": epoch.train_loss,
            f"Loss/{evaluated_on}": epoch.test_loss,
            "Accuracy/train": epoch.train_accuracy,
            f"Accuracy/{evaluated_on}": epoch.test_accuracy,
            "Seconds/epoch": epoch.seconds,
        }
        for tag, value in values.items():
            writer.add_scalar(tag, value, epoch.epoch, walltime=ended)
    writer.flush()
