"""Files that are whole or not there, and one process for each run."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fashion.settings import FashionError


def flush(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk: a name may not get there before what it stands for."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def refusals_of_the_system(path: Path) -> Iterator[None]:
    """Say in one line what the operating system refuses, while something is written to a path.

    Raises:
        FashionError: it did, because the disk is full, say, or the folder is gone.
    """
    try:
        yield
    except OSError as error:
        raise FashionError(
            f"cannot write {path} ({error.strerror or error}): what was recorded before is whole"
        ) from error


class BusyError(FashionError):
    """Another process trains the run."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the run whose record belongs into a folder, so that no other process trains it, on this machine or another.

    The lock is the kernel's, which lets go when the process ends in any way, and works where the folder is shared:
    https://py-filelock.readthedocs.io.

    Raises:
        BusyError: another process holds it; the message says which.
    """
    lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)
    holder = folder.with_name(f".{folder.name}.holder")
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"{folder} is being trained by {_who(holder)}: leave it to that, or stop it first") from None
    try:
        holder.write_text(json.dumps({"process": os.getpid(), "host": socket.gethostname()}))
        yield
    finally:
        for path in (holder, Path(lock.lock_file)):  # removed while they are held still
            path.unlink(missing_ok=True)
        lock.release()


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield a new folder, which then takes the place of another when all that is in it is on the disk."""
    beside = folder.with_name(f".{folder.name}.new")
    with refusals_of_the_system(folder):
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            yield beside
            for path in (*beside.iterdir(), beside):
                flush(path)
            if folder.exists():
                shutil.rmtree(aside(folder), ignore_errors=True)
                folder.rename(aside(folder))
            beside.rename(folder)
            flush(folder.parent)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(aside(folder), ignore_errors=True)


def aside(folder: Path) -> Path:
    """Return where an older folder lies while `replacing` puts another in its place, and stays if that is killed."""
    return folder.with_name(f".{folder.name}.old")


def say(line: str) -> None:
    """Tell the user what was put right, on standard error."""
    print(f"fashion: {line}", file=sys.stderr)


def _who(holder: Path) -> str:
    try:
        found = json.loads(holder.read_text())
        return f"process {found['process']} on {found['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
