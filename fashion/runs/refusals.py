"""What is refused, so that no record holds another run than it says, and no mean is taken over runs that differ."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fashion.experiments import EXPERIMENTS, Experiment
from fashion.runs.record import Record, experiment_folder, read_run, seed_folders
from fashion.settings import MODEL_LOGS, FashionError, quick

# Images to train on, and to evaluate on: of thirds, a teacher's, as well
FULL = {"test": [(60_000, 10_000)], "validation": [(54_000, 6_000), (40_000, 20_000), (36_000, 18_000)]}


@dataclass(frozen=True)
class Request:
    """The run that was asked for: as `Record`, with None for a precision or compilation that is left open."""

    experiment: Experiment
    seed: int
    evaluated_on: str
    train_images: int
    test_images: int
    precision: str | None
    compiled: bool | None

    def record(self, **others: object) -> Record:
        """Return the record of this run, with what was left open decided."""
        return Record(**vars(self) | others)


def differences(request: Request, record: Record) -> list[str]:
    """Say where a run differs from what was asked for; a rehearsal may show the record of a run on more images."""
    found = request.experiment.differences(record.experiment)
    for name in ("seed", "train_images", "test_images", "precision", "compiled"):
        ours, theirs = getattr(request, name), getattr(record, name)
        if ours not in (None, theirs) and not quick():
            found.append(f"{name} {theirs}, not {ours}")
    return found


def require_same(request: Request, record: Record, what: str, remedy: str) -> None:
    """Refuse another run than was asked for."""
    if found := differences(request, record):
        raise FashionError(f"{what} ({'; '.join(found)}): {remedy}, or choose another folder with --logs")


def require_free(experiment: Experiment, seeds: list[int], logs: Path, validation: bool) -> None:
    """Refuse seeds of which one lies where a run of another recipe is recorded, before any of them is trained."""
    for folder in (experiment_folder(experiment, logs, validation) / f"seed_{seed}" for seed in seeds):
        found = None if _among_the_studys(folder) else read_run(folder)  # of the study's, `require_complete` says more
        if found and (differs := experiment.differences(found.record.experiment)):
            raise FashionError(
                f"{folder} holds another run ({'; '.join(differs)}): replace it with `fashion run --retrain`, or "
                "choose another folder with --logs"
            )


def require_same_images(request: Request, folder: Path) -> None:
    """Refuse a run that would lie beside runs of other seeds on more or fewer images: a mean is taken over them."""
    ours = (request.train_images, request.test_images)
    for other in (read_run(each).record for each in seed_folders(folder.parent) if each != folder):
        theirs = (other.train_images, other.test_images)
        if other.experiment == request.experiment and theirs != ours:
            raise FashionError(
                f"seed {other.seed} of {request.experiment.name} was trained and evaluated on {theirs[0]} and "
                f"{theirs[1]} images, not {ours[0]} and {ours[1]}: choose another folder with --logs"
            )


def require_complete(request: Request, folder: Path) -> None:
    """Refuse a run in the study's record that is not one of `EXPERIMENTS` on all images."""
    experiment, images = request.experiment, (request.train_images, request.test_images)
    if not _among_the_studys(folder):
        return
    study = EXPERIMENTS.get(experiment.name)
    if study is None:
        why = f"{experiment.name} is not in EXPERIMENTS"
    elif study != experiment:
        why = f"{experiment.name} has {', '.join(experiment.differences(study))}"
    elif images not in FULL[request.evaluated_on]:
        why = f"{images[0]} and {images[1]} images are not all"
    else:
        return
    raise FashionError(f"{MODEL_LOGS.name}/ takes complete runs only ({why}): record this one elsewhere with --logs")


def require_committed(commit: str | None, folder: Path) -> None:
    """Refuse a run in the study's record whose code is not committed, or of which git does not say that it is."""
    if _among_the_studys(folder) and (commit is None or "-dirty" in commit):
        why = "make sure that git can read this clone" if commit is None else "commit it"
        raise FashionError(
            f"{MODEL_LOGS.name}/ takes runs of committed code only: {why}, or record this one elsewhere with --logs"
        )


def require_readable(record: Record) -> None:
    """Refuse a run whose record would be another one when it is read again."""
    try:
        again = Record.from_json(json.loads(json.dumps(record.to_json())))
    except (TypeError, ValueError, KeyError) as error:
        raise FashionError(f"{record.experiment.name} cannot be recorded: {error}") from error
    if again != record:
        read = "; ".join(record.experiment.differences(again.experiment))
        raise FashionError(f"{record.experiment.name} cannot be recorded: it would be read as {read}")


def require_writable(*folders: Path, option: str = "--logs") -> None:
    """Refuse folders that cannot be written, before anything is trained."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise FashionError(f"cannot write to {folder} ({error.strerror}): choose another with {option}") from error


def _among_the_studys(folder: Path) -> bool:
    return folder.resolve().is_relative_to(MODEL_LOGS.resolve())
