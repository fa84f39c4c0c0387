"""Where a run ran: hardware, versions, commit."""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import torch
import torchvision

from fashion.hardware.placement import instructions
from fashion.runs.record import Provenance
from fashion.settings import CHECKOUT

_PACKAGE = Path(__file__).parents[1]
_CODE = ("fashion/*.py", "benchmarks/*.py")  # folders within them included


def provenance(device: torch.device) -> Provenance:
    """Describe what a run on `device` runs on and with."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "torchvision": torchvision.__version__}
    versions = {name: str(each) for name, each in versions.items()}  # plain strings, for checkpoints
    return Provenance(device.type, _hardware(device), versions, IMPORTED_COMMIT)


def continued(before: Provenance, after: Provenance) -> Provenance:
    """Describe what a run that was interrupted ran on: `before`, then `after` where that differs."""
    versions = {name: _then(before.versions.get(name, each), each) for name, each in after.versions.items()}
    both = {name: _then(getattr(before, name), getattr(after, name)) for name in ("device", "hardware", "git_commit")}
    return Provenance(versions=versions, **both)


def _then(before: str | None, after: str | None) -> str | None:
    return before if before == after or str(before).endswith(f", then {after}") else f"{before}, then {after}"


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _processor()
    if device.type != "cpu":
        return f"{name}, {device.type}"
    threads = torch.get_num_threads()
    return f"{name} ({instructions()}), {threads} thread{'s' * (threads > 1)}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = []
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    elif sys.platform == "darwin":  # where `platform` says "arm" of every chip
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - a constant
        names = done.stdout.splitlines()
    return next(filter(None, names), platform.processor() or platform.machine())


def git_commit() -> str | None:
    """Name the commit of the files, with "-dirty" where code is not as committed; records and weights may be newer."""
    if not (CHECKOUT and (CHECKOUT / ".git").exists()):
        return None
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}-dirty" if _git("status", "--porcelain", "--", *_CODE) else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def code_digest() -> str:
    """Return what is another text where a file of the package is another, committed or not."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _git(*arguments: str) -> str:
    # Without what would lead git to another repository than the one the code is in
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *arguments]  # the one on the user's PATH, with words of this module alone
    done = subprocess.run(command, cwd=CHECKOUT, env=surroundings, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip()


# Of the code that this process has, whatever becomes of the files
IMPORTED_COMMIT, IMPORTED_DIGEST = git_commit(), code_digest()
