"""Where things lie, and whether this is a quick rehearsal: all that is read from the environment."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

_ABOVE = Path(__file__).resolve().parent.parent

CHECKOUT = _ABOVE if (_ABOVE / "pyproject.toml").exists() else None  # of the repository, if the package runs from one
ROOT = CHECKOUT or Path.cwd()

MODEL_LOGS = ROOT / "model_logs"  # the study's record
RUNS = ROOT / "runs"  # a user's own runs
SHIPPED = Path(__file__).parent / "inference" / "final_small.safetensors"  # the network that `predict` asks


class FashionError(Exception):
    """Something the user can put right; the command line shows it as one line and exits with code 2."""


class Paused(Exception):  # noqa: N818 - nothing is wrong
    """A run has stopped at the end of an epoch, as it was told to; the same call continues it."""


def data_directory() -> Path:
    """The folder that holds, or will hold, `FashionMNIST/raw/`: `FASHION_DATA`, else `data/`."""
    return Path(os.environ.get("FASHION_DATA") or ROOT / "data")


def cores() -> int:
    """How many cores this process may compute with: `FASHION_CORES`, else those that the system lets it use."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get("FASHION_CORES") or here)


def quick() -> bool:
    """Whether `FASHION_QUICK` asks for a rehearsal: runs see 256 images, and nothing is written into the project."""
    return os.environ.get("FASHION_QUICK", "").lower() not in ("", "0", "false", "no", "off")


def writable(path: Path) -> Path:
    """Where to write what belongs at `path`: there, or, on a rehearsal, in a scratch folder instead of the project."""
    path = Path(os.path.normpath(Path(path).absolute()))  # `resolve` would follow links out of the project
    return _scratch() / path.relative_to(ROOT) if quick() and path.is_relative_to(ROOT) else path


@cache
def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fashion-quick-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
