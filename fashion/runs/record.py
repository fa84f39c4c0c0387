"""The record of a run, and the only place that reads and writes its files."""

import csv
import io
import json
import re
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fashion.experiments import Experiment
from fashion.history import Epoch
from fashion.runs.consistency import require_consistent
from fashion.runs.files import aside, replacing
from fashion.runs.serialisation import experiment_from_json, recipe_to_json
from fashion.settings import MODEL_LOGS, FashionError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Provenance:
    """Where a run ran, and with what; where it went on elsewhere, each of these says "a, then b".

    Attributes:
        device: "cpu", "cuda", ...
        hardware: the processor, its instructions and its threads, or the accelerator.
        versions: of python, torch and torchvision.
        git_commit: of the code, with "-dirty" where it had changes; None outside a repository.
    """

    device: str
    hardware: str
    versions: dict[str, str]
    git_commit: str | None


@dataclass(frozen=True)
class Record:
    """What `run.json` holds: which run this is, and how it was computed.

    Attributes:
        experiment: its name and its recipe.
        seed: of the weights and of the order of the images.
        evaluated_on: "test" or "validation".
        train_images, test_images: how many images it was trained and evaluated on.
        precision: "fp32" or "bf16", of matrix products and convolutions.
        compiled: whether the network was compiled.
        provenance: where it ran, and with what.
        together: how many runs the process trained at the same time, this one included, at the most.
    """

    experiment: Experiment
    seed: int
    evaluated_on: str
    train_images: int
    test_images: int
    precision: str
    compiled: bool
    provenance: Provenance
    together: int = 1

    @property
    def machine(self) -> str:
        """A short name of the hardware: "Xeon" of "Intel(R) Xeon(R) Processor (AMX), 2 threads"."""
        return " then ".join(map(short_name, self.provenance.hardware.split(", then ")))

    def to_json(self) -> dict:
        """Return what `run.json` has of it."""
        values = {name: value for name, value in vars(self).items() if name not in ("experiment", "seed", "provenance")}
        first = {"experiment": self.experiment.name, "seed": self.seed, "recipe": recipe_to_json(self.experiment)}
        return first | values | asdict(self.provenance)

    @classmethod
    def from_json(cls, values: dict) -> "Record":
        """Return the record that `run.json` has, also where an older version of this package wrote it.

        Raises:
            KeyError, TypeError, ValueError: something is missing, or cannot be what it is for.
        """
        plain = ("seed", "evaluated_on", "train_images", "test_images", "precision")
        return cls(
            experiment_from_json(values["experiment"], values["recipe"]),
            *(values[name] for name in plain),
            compiled=values.get("compiled", False),  # older records lack it
            provenance=Provenance(**{each.name: values[each.name] for each in fields(Provenance)}),
            together=values.get("together", 1),
        )


@dataclass(frozen=True)
class Run:
    """One recorded run.

    Attributes:
        record: which run it is.
        history: one `Epoch` an epoch.
        predictions: the class given to each evaluated image after the last epoch: uint8, shape (N,).
        outputs: where they are kept, what the network returns for each evaluated image, and for its mirror image:
            float16, shape (2, N, 10).
    """

    record: Record
    history: list[Epoch]
    predictions: np.ndarray
    outputs: np.ndarray | None = None

    @property
    def seed(self) -> int:
        """The seed of its weights and of the order of its images."""
        return self.record.seed

    @property
    def accuracy(self) -> float:
        """Accuracy after the last epoch, in percent, on the test set or the validation split: the result of a run."""
        return self.history[-1].test_accuracy

    @property
    def train_seconds(self) -> float:
        """Seconds of training, without tests, to the millisecond."""
        return round(sum(epoch.train_seconds for epoch in self.history), 3)

    def to_json(self) -> dict:
        """Return what `run.json` holds: the record, and its outcome for whoever reads the file."""
        outcome = {
            "seconds": round(sum(epoch.seconds for epoch in self.history), 3),
            "train_seconds": self.train_seconds,
            "metrics": self.history[-1].metrics,
        }
        return self.record.to_json() | outcome


def experiment_folder(experiment: Experiment, logs: Path | str, validation: bool = False) -> Path:
    """Return where the runs of an experiment lie, a folder for each seed."""
    return Path(logs) / ("validation" if validation else "") / f"{experiment.stem}_logs"


def part_folder(logs: Path, part: int, parts: int) -> Path:
    """Return where the teacher of one of several parts of the images is recorded, below a folder of runs."""
    return logs / "teachers" / f"{part + 1}_of_{parts}"


def seed_folders(folder: Path) -> list[Path]:
    """List the runs in an experiment's folder, one included whose `write_run` was killed between its two renames."""
    names = {re.sub(r"^\.(seed_\d+)\.old$", r"\1", path.name) for path in folder.glob("*seed_*")}
    return [folder / name for name in names if re.fullmatch(r"seed_\d+", name)]


def read_run(folder: Path) -> Run | None:
    """Read the run that a directory holds, or held when its writing was interrupted; None if it holds none.

    Raises:
        FashionError: its files are not whole.
    """
    place = folder
    if not folder.exists():
        place = aside(folder)  # where it lies if `write_run` was killed between its two renames
    if not place.exists():
        return None
    try:
        values = json.loads((place / "run.json").read_text())
        record, history = Record.from_json(values), _read_history(place)
        predictions = np.fromfile(place / "predictions.bin", dtype=np.uint8)
        outputs = _read_outputs(place / "outputs.npy") if (place / "outputs.npy").exists() else None
        require_consistent(record, history, predictions, outputs)
        if values.get("metrics") not in (None, history[-1].metrics):
            raise ValueError("its metrics are not those of its last epoch")
        if folder.name != f"seed_{record.seed}":
            raise ValueError(f"its seed is {record.seed}")
    except Exception as error:  # damage shows in many ways
        why = " ".join(str(error).split()) or type(error).__name__
        raise FashionError(f"{folder} is not a whole run ({why}): delete it, or replace it with --retrain") from error
    return Run(record, history, predictions, outputs)


def read_runs(folder: Path) -> list[Run]:
    """Read every run in an experiment's folder, whatever its recipe, in the order of their seeds."""
    found = [read_run(each) for each in seed_folders(folder)]
    return sorted((run for run in found if run), key=lambda run: run.seed)


def recorded(experiment: Experiment, logs: Path | str = MODEL_LOGS, validation: bool = False) -> list[Run]:
    """Read every recorded run of an experiment that has its recipe, in the order of their seeds."""
    return [
        run for run in read_runs(experiment_folder(experiment, logs, validation)) if run.record.experiment == experiment
    ]


def write_run(run: Run, folder: Path, network: "nn.Module | None") -> None:
    """Write all files of a run, or none: beside an older record, which they then replace.

    Raises:
        FashionError: they cannot be written; an older record is whole.
    """
    with replacing(folder) as beside:
        _write_history(run.history, beside)
        (beside / "run.json").write_text(json.dumps(run.to_json(), indent=2) + "\n")
        (beside / "predictions.bin").write_bytes(run.predictions.tobytes())
        if run.outputs is not None:
            np.save(beside / "outputs.npy", run.outputs)
        if network:
            from safetensors.torch import save_file

            save_file(weights(network), beside / "weights.safetensors", {"run": json.dumps(run.to_json())})
    shutil.rmtree(_failed(folder), ignore_errors=True)


def weights(network: "nn.Module") -> "dict[str, Tensor]":
    """Return copies of a network's weights, in its own names, as a file of them holds them.

    Raises:
        FashionError: its state is not of tensors alone.
    """
    state = network.state_dict()
    if others := [name for name, value in state.items() if not hasattr(value, "contiguous")]:
        raise FashionError(f"{type(network).__name__} has a state, {others[0]}, that is no tensor: say keep=False")
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}


def _failed(folder: Path) -> Path:
    return folder.with_name(f"failed_{folder.name}")


def write_failure(record: Record, history: list[Epoch], why: str, folder: Path) -> None:
    """Write what there is of a run that failed beside the folder of its record, where no mean is taken over it.

    Raises:
        FashionError: it cannot be written.
    """
    with replacing(_failed(folder)) as beside:
        _write_history(history, beside)
        (beside / "run.json").write_text(json.dumps(record.to_json() | {"failed": why}, indent=2) + "\n")


def failures(logs: Path | str) -> list[str]:
    """Say which runs in a folder failed, a line each: "runs/model_v1_logs, seed 3: epoch 2, step 17: loss is nan"."""
    found = sorted(path for place in ("", "validation/") for path in Path(logs).glob(f"{place}*_logs/failed_seed_*"))
    return [f"{path.parent}, {path.name[7:].replace('_', ' ')}: {_why(path)}" for path in found]


def _why(folder: Path) -> str:
    try:
        return str(json.loads((folder / "run.json").read_text())["failed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its files are not whole ({error})"


def _write_history(history: list[Epoch], folder: Path) -> None:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([Epoch._fields, *history])
    (folder / "history.csv").write_text(table.getvalue())


def _read_history(folder: Path) -> list[Epoch]:
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [Epoch(int(row.pop("epoch")), **{name: float(value) for name, value in row.items()}) for row in rows]


def _read_outputs(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)  # `np.load` would open archives as well


def short_name(hardware: str) -> str:
    """Return a hardware string without makers, threads, memory and generic words: "H200" of "NVIDIA H200".

    A processor that computes in bfloat16 is another machine than one without: "EPYC AVX512", "Xeon AMX".
    """
    words = re.sub(r"\(.*?\)|[@,].*", "", hardware).split()
    generic = r"Intel|AMD|NVIDIA|Apple|GeForce|Processor|CPU|Core|Gen|\d+th|\d+-Core|\d+GB|HBM\d\w*|PCIe|SXM\d?"
    name = " ".join(word for word in words if not re.fullmatch(generic, word)) or hardware
    return name + " AVX512" * ("(AVX512_BF16)" in hardware) + " AMX" * ("(AMX)" in hardware)
