"""Where a run ran: hardware, versions, commit."""

import platform
import subprocess
import sys
from pathlib import Path

import torch
import torchvision

from fashion.devices import instructions
from fashion.settings import ROOT

_CODE = ("fashion/*.py", "benchmarks/*.py")  # folders within them included


def provenance(device: torch.device) -> dict:
    """Describe what a run on `device` ran on and with, for its record."""
    return {
        "device": device.type,
        "hardware": _hardware(device),
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),  # a plain string, for checkpoints
            "torchvision": str(torchvision.__version__),
        },
        "git_commit": _git_commit(),
    }


def continued(before: dict, after: dict) -> dict:
    """Describe what a run that was interrupted ran on: `before` that and, where it differs, `after`, in this order.

    Args:
        before: what `provenance` or this function returned then; what it lacks is taken from `after`.
        after: what `provenance` returns now.
    """
    both = {}
    for name, value in after.items():
        old = before.get(name, value)
        if isinstance(value, dict):
            both[name] = continued(old, value)
        elif old == value or str(old).endswith(f", then {value}"):
            both[name] = old
        else:
            both[name] = f"{old}, then {value}"
    return both


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _processor()
    if device.type != "cpu":
        return f"{name}, {device.type}"
    return f"{name} ({instructions()}), {torch.get_num_threads()} threads"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = []
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    elif sys.platform == "darwin":  # where `platform` says "arm" of every chip
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        names = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return next(filter(None, names), platform.processor() or platform.machine())


def _git_commit() -> str | None:
    """Name the commit, with "-dirty" where code is not as committed; records, notebooks and weights may be newer."""
    if not (ROOT / ".git").exists():
        return None
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}-dirty" if _git("status", "--porcelain", "--", *_CODE) else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
