"""A recipe that learns quickly on few images, how tests look at its runs, and what no file may tell of a machine."""

import getpass
import re
import socket
from pathlib import Path

from fashion import Dataset, Experiment
from fashion.runs.record import Run
from fashion.settings import ROOT

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


def _private() -> re.Pattern:
    """What tells whose machine this is: where the repository and the home folder lie, the user, the host."""
    places = {form for path in (ROOT, Path.home()) for form in (str(path), path.as_posix(), repr(str(path))[1:-1])}
    try:
        names = {getpass.getuser(), socket.gethostname()}
    except (KeyError, OSError):  # a user without a name
        names = {socket.gethostname()}
    words = set(re.findall(r"\w+", " ".join(path.read_text("utf-8") for path in ROOT.glob("fashion/**/*.py"))))
    names = {name for name in names if name not in words}  # which files say for other reasons
    told = [re.escape(each) for each in sorted(places | names) if len(each) >= 4 and each != "root"]
    return re.compile(rf"(?<![\w.])(?:{'|'.join(told)})(?!\w)".encode())


def private(content: bytes) -> list[bytes]:
    """Find in a file what tells whose machine it was written on."""
    return _PRIVATE.findall(content)


_PRIVATE = _private()
