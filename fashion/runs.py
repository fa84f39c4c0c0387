"""One experiment with one seed, on disk: train it, continue it, load it.

A run is a directory, `<logs>/<stem>_logs/seed_<k>/`, of three files: `history.csv`, `run.json`, and `predictions.bin`,
the class given to each evaluated image after the last epoch, one byte each. Where the experiment says `keep`, there are
two more: `outputs.npy`, what the network returns for these images and for their mirror images, and its weights,
`weights.safetensors`. Runs that leave the test set alone and are evaluated on a validation split lie under
`<logs>/validation/`.
"""

import csv
import io
import json
import math
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from fashion import data as dataset
from fashion.augment import compose
from fashion.checkpoints import Checkpoint, read_checkpoint
from fashion.data import Dataset, Loader
from fashion.devices import bare, choose_device, choose_precision, place
from fashion.experiments import EXPERIMENTS, Experiment
from fashion.models import build
from fashion.optimisation import build_average, build_optimiser, build_scheduler
from fashion.provenance import continued, provenance
from fashion.settings import CHECKPOINTS, MODEL_LOGS, ROOT, FashionError, quick, writable
from fashion.training import Epoch, fit, infer

FULL = {"test": (60_000, 10_000), "validation": (54_000, 6_000)}  # images to train on, and to evaluate on


@dataclass(frozen=True)
class Run:
    """One recorded run.

    Attributes:
        info: what `run.json` holds: recipe, seed, sizes, where it ran, metrics of the last epoch.
        history: one `Epoch` an epoch.
        predictions: the class given to each evaluated image after the last epoch: uint8, shape (N,).
        outputs: where they are kept, what the network returns for each evaluated image, and for its mirror image:
            float16, shape (2, N, 10).
    """

    info: dict
    history: list[Epoch]
    predictions: np.ndarray
    outputs: np.ndarray | None = None

    @property
    def seed(self) -> int:
        """The seed of its weights and of the order of its images."""
        return self.info["seed"]

    @property
    def accuracy(self) -> float:
        """Accuracy after the last epoch, in percent, on the test set or the validation split: the result of a run."""
        return self.history[-1].test_accuracy


class Paused(Exception):  # noqa: N818 - nothing is wrong
    """A run has stopped at the end of an epoch, as it was told to; the same call continues it."""


class Pace(NamedTuple):
    """How often a run is saved, in epochs, and the value of `time.monotonic()` at which it should have stopped."""

    checkpoint_every: int
    until: float

    def stops_after(self, epoch: Epoch) -> bool:
        """Say whether another epoch as long as this one would end too late."""
        return time.monotonic() + epoch.seconds > self.until


def run(
    experiment: Experiment,
    seed: int,
    *,
    logs: Path | str = MODEL_LOGS,
    data: tuple[Dataset, Dataset] | None = None,
    validation: bool = False,
    precision: str = "auto",
    compile_model: bool = False,
    retrain: bool = False,
    checkpoint_every: int = 1,
    until: float = math.inf,
    after_epoch: Callable[[list[Epoch]], object] = lambda history: None,
) -> Run:
    """Train one experiment with one seed and record it; if it is recorded already, load it instead.

    A run that was interrupted continues from its last checkpoint, on another machine too if `checkpoints/` is copied.

    Args:
        experiment: the recipe.
        seed: of the weights and of the order of the images.
        logs: the folder to record it in. `model_logs/`, the study's record, takes nothing but complete runs of
            `EXPERIMENTS`, except in `model_logs/partial/`, from which no table of the study is made.
        data: what to train on and what to evaluate on, on the device to train on. Default: all images, on the
            accelerator, or on the CPU where there is none.
        validation: what is evaluated on is held out of the training images; by default `fashion.data.split` does that.
        precision: "fp32", "bf16", or "auto": whichever is recorded or begun, else whichever is faster.
        compile_model: train by kernels that are compiled for the network, as `run.json` then says. A run that began so
            goes on so.
        retrain: train even if the run is recorded, and replace the record.
        checkpoint_every: how many epochs lie between two checkpoints.
        until: stop after the epoch that is the last to end before this value of `time.monotonic()`, as far as the epoch
            before it tells; one epoch is trained at least.
        after_epoch: called with the history so far after each epoch.

    Raises:
        FashionError: another recipe is recorded or half trained in this run's place, or not in the precision or not
            compiled as asked for; runs beside it saw more or fewer images; the study's record would take an incomplete
            run or one of code that is not committed; a folder cannot be written; or there is no compiler.
        FloatingPointError: a loss is not finite.
        Paused: the run is not at its end yet, and `until` is near.
    """
    if not isinstance(experiment, Experiment):
        raise TypeError(f'a run takes an Experiment, such as EXPERIMENTS["v1"], not {experiment!r}')
    if seed < 0:
        raise ValueError(f"a seed must be 0 or more, not {seed}")
    if data is None:
        data = dataset.load(device=choose_device())
        data = dataset.split(data[0]) if validation else data
    train, test = data
    if quick():
        train, test = (Dataset(each.images[:256], each.labels[:256]) for each in (train, test))
    chosen = choose_precision(precision, experiment.model, train.images.device)
    info = {
        "experiment": experiment.name,
        "seed": seed,
        "recipe": experiment.recipe,
        "evaluated_on": "validation" if validation else "test",
        "train_images": len(train.labels),
        "test_images": len(test.labels),
    }
    info |= {} if precision == "auto" else {"precision": precision}
    info |= {"compiled": True} if compile_model else {}
    folder = _experiment_folder(experiment, logs, validation) / f"seed_{seed}"
    _require_complete(info, experiment, writable(folder))
    record = None if retrain else load(folder)
    if record:
        _require_same(info, record.info, experiment, f"{folder} holds another run", "replace it with --retrain")
        if experiment.keep and record.outputs is None:
            raise FashionError(f"{folder} was recorded without its weights and outputs: replace it with --retrain")
        return record

    folder = writable(folder)
    _require_same_images(info, experiment, folder)
    checkpoint = _checkpoint_path(folder)
    _require_writable(folder.parent, checkpoint.parent)
    saved = read_checkpoint(checkpoint)
    before = saved["info"] if saved else {}
    if saved:
        _require_same(info, before, experiment, f"{checkpoint} is half of another run", "delete it to start afresh")
    info["precision"] = before.get("precision", chosen)
    info |= {"compiled": True} if before.get("compiled") else {}
    info |= continued(before, provenance(train.images.device))
    _require_committed(info, folder)
    pace = Pace(checkpoint_every, until)
    record, network = _train(experiment, info, (train, test), checkpoint, saved, pace, after_epoch)
    _write(record, folder, network if experiment.keep else None)
    checkpoint.unlink(missing_ok=True)  # the same run, started twice, may have been faster
    return record


def load(folder: Path) -> Run | None:
    """Load the run that a directory holds; None if it holds none.

    Raises:
        FashionError: its files are not whole.
    """
    if not folder.exists() and _aside(folder).exists():
        _aside(folder).rename(folder)  # `_write` was killed between its two renames
    if not folder.exists():
        return None
    try:
        info = json.loads((folder / "run.json").read_text())
        with (folder / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        history = [Epoch(int(row.pop("epoch")), **{name: float(value) for name, value in row.items()}) for row in rows]
        predictions = np.fromfile(folder / "predictions.bin", dtype=np.uint8)
        outputs = np.load(folder / "outputs.npy") if (folder / "outputs.npy").exists() else None
        if len(history) != info["recipe"]["epochs"] or len(predictions) != info["test_images"]:
            raise ValueError(f"{len(history)} epochs, {len(predictions)} predictions")
        if outputs is not None and outputs.shape[1] != info["test_images"]:
            raise ValueError(f"outputs for {outputs.shape[1]} images")
        if folder.name != f"seed_{info['seed']}":
            raise ValueError(f"its seed is {info['seed']}")
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise FashionError(f"{folder} is not a whole run ({error}): delete it, or replace it with --retrain") from error
    return Run(info, history, predictions, outputs)


def recorded(experiment: Experiment, logs: Path | str = MODEL_LOGS, validation: bool = False) -> list[Run]:
    """Load every recorded run of an experiment that has its recipe, in the order of their seeds."""
    found = [load(folder) for folder in _seed_folders(_experiment_folder(experiment, logs, validation))]
    return sorted((run for run in found if not experiment.differences(run.info["recipe"])), key=lambda run: run.seed)


def by_hardware(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group runs by what they ran on, in which precision, and whether compiled: seconds compare within a group only."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        how = f"{run.info['hardware']}, {run.info['precision']}" + (", compiled" if run.info.get("compiled") else "")
        groups.setdefault(how, []).append(run)
    return groups


def _train(
    experiment: Experiment,
    info: dict,
    data: tuple[Dataset, Dataset],
    path: Path,
    saved: dict | None,
    pace: Pace,
    after_epoch: Callable[[list[Epoch]], object],
) -> tuple[Run, nn.Module]:
    """Train from the seed in `info`, or from what was saved at `path`, to the last epoch; return the network, too."""
    train, test = data
    title = f"{experiment.name} seed {info['seed']}"
    device = train.images.device
    torch.manual_seed(info["seed"])
    network = build(experiment.model, experiment.changes)
    model = place(network, experiment.model, device, info["precision"])
    optimiser = build_optimiser(experiment, model)
    train_loader = Loader(train, experiment.batch_size, seed=info["seed"], augment=compose(experiment.augment))
    test_loader = Loader(test, experiment.batch_size)
    scheduler = build_scheduler(experiment, optimiser, experiment.epochs * len(train_loader))
    averaged = build_average(experiment, model)

    parts = {"model": network, "optimiser": optimiser, "scheduler": scheduler, "average": averaged}
    checkpoint = Checkpoint(path, {name: part for name, part in parts.items() if part is not None}, train_loader)
    history = checkpoint.restore(saved) if saved else []

    def save_and_tell(history: list[Epoch]) -> None:
        left = experiment.epochs - len(history)
        stop = left > 0 and pace.stops_after(history[-1])
        if stop or len(history) % pace.checkpoint_every == 0:
            checkpoint.write(info, history)
        after_epoch(history)
        if stop:
            raise Paused(f"{title} stopped after epoch {len(history)} of {experiment.epochs}")

    history = fit(
        model,
        train_loader,
        test_loader,
        nn.CrossEntropyLoss(label_smoothing=experiment.label_smoothing),
        optimiser,
        experiment.epochs,
        test_loss_fn=nn.CrossEntropyLoss(),
        scheduler=scheduler,
        averaged=averaged,
        compile_model=info.get("compiled", False),
        history=history,
        after_epoch=save_and_tell,
        title=title,
    )
    outcome = {
        "seconds": round(sum(epoch.seconds for epoch in history), 3),
        "train_seconds": round(sum(epoch.train_seconds for epoch in history), 3),
        "metrics": history[-1].metrics,
    }
    tested = averaged.module if averaged else model
    outputs = [infer(tested, test_loader)] + ([infer(tested, test_loader, mirrored=True)] if experiment.keep else [])
    record = Run(
        info | outcome,
        history,
        outputs[0].argmax(dim=1).numpy().astype(np.uint8),
        torch.stack(outputs).numpy().astype(np.float16) if experiment.keep else None,
    )
    return record, bare(tested)


def _experiment_folder(experiment: Experiment, logs: Path | str, validation: bool = False) -> Path:
    return Path(logs) / ("validation" if validation else "") / f"{experiment.stem}_logs"


def _seed_folders(folder: Path) -> list[Path]:
    """List the runs of an experiment, one included whose `_write` was killed between its two renames."""
    names = {re.sub(r"^\.(seed_\d+)\.old$", r"\1", path.name) for path in folder.glob("*seed_*")}
    return [folder / name for name in names if re.fullmatch(r"seed_\d+", name)]


def _checkpoint_path(folder: Path) -> Path:
    place = folder.relative_to(ROOT if folder.is_relative_to(ROOT) else folder.anchor)
    return writable(CHECKPOINTS / place.with_suffix(".pt"))


def _require_same(ours: dict, theirs: dict, experiment: Experiment, what: str, remedy: str) -> None:
    theirs = {"compiled": False} | theirs
    differences = experiment.differences(theirs["recipe"])
    for name in ("seed", "train_images", "test_images", "precision", "compiled"):
        differ = name in ours and ours[name] != theirs.get(name)
        if differ and not quick():  # a rehearsal may show the record of a full run
            differences.append(f"{name} {theirs.get(name)}, not {ours[name]}")
    if differences:
        raise FashionError(f"{what} ({'; '.join(differences)}): {remedy}, or choose another folder with --logs")


def _require_same_images(ours: dict, experiment: Experiment, folder: Path) -> None:
    """Refuse a run that would lie beside runs of other seeds on more or fewer images: a mean is taken over them."""
    for other in (load(each).info for each in _seed_folders(folder.parent) if each != folder):
        theirs = (other["train_images"], other["test_images"])
        if not experiment.differences(other["recipe"]) and theirs != (ours["train_images"], ours["test_images"]):
            raise FashionError(
                f"seed {other['seed']} of {experiment.name} was trained and evaluated on {theirs[0]} and {theirs[1]} "
                f"images, not {ours['train_images']} and {ours['test_images']}: choose another folder with --logs"
            )


def _among_the_studys(folder: Path) -> bool:
    logs = MODEL_LOGS.resolve()
    return folder.resolve().is_relative_to(logs) and not folder.resolve().is_relative_to(logs / "partial")


def _require_committed(info: dict, folder: Path) -> None:
    if _among_the_studys(folder) and "-dirty" in (info["git_commit"] or ""):
        raise FashionError(
            f"{MODEL_LOGS.name}/ takes runs of committed code only: commit it, or record this one elsewhere with --logs"
        )


def _require_complete(info: dict, experiment: Experiment, folder: Path) -> None:
    if not _among_the_studys(folder):
        return
    study = EXPERIMENTS.get(experiment.name)
    if study is None:
        why = f"{experiment.name} is not in EXPERIMENTS"
    elif study != experiment:
        why = f"{experiment.name} has {', '.join(experiment.differences(study.recipe))}"
    elif (info["train_images"], info["test_images"]) != FULL[info["evaluated_on"]]:
        why = f"{info['train_images']} and {info['test_images']} images are not all"
    else:
        return
    raise FashionError(f"{MODEL_LOGS.name}/ takes complete runs only ({why}): record this one elsewhere with --logs")


def _require_writable(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise FashionError(f"cannot write to {folder} ({error.strerror}): choose another with --logs") from error


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _write(run: Run, folder: Path, network: nn.Module | None) -> None:
    """Write all files of a run, or none: beside an older record, which they then replace."""
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([Epoch._fields, *run.history])
    (beside / "history.csv").write_text(table.getvalue())
    (beside / "run.json").write_text(json.dumps(run.info, indent=2) + "\n")
    (beside / "predictions.bin").write_bytes(run.predictions.tobytes())
    if run.outputs is not None:
        np.save(beside / "outputs.npy", run.outputs)
    if network:
        from safetensors.torch import save_model

        save_model(network, str(beside / "weights.safetensors"), {"run": json.dumps(run.info)})
    if folder.exists():
        shutil.rmtree(_aside(folder), ignore_errors=True)
        folder.rename(_aside(folder))
    beside.rename(folder)
    shutil.rmtree(_aside(folder), ignore_errors=True)
