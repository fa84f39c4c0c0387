"""How many threads a CPU computes with, and how they wait for each other.

A minibatch is many short pieces of work, and OpenMP's threads spin between them: on a busy machine for a core that
another process has. Both rules bring a busy machine nearer to its fair share, and cost an idle one some time:
benchmarks/README.md has the figures.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fashion.settings import cores

if TYPE_CHECKING:
    import torch

SPINS = "7000"  # of GNU's OpenMP, which by default are 300,000


def wait_briefly() -> None:
    """Let threads sleep soon while they wait for each other, if torch is not imported yet and the user chose nothing.

    https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
        os.environ["GOMP_SPINCOUNT"] = SPINS


@contextmanager
def threads_for(device: "torch.device", wide: bool) -> Iterator[None]:
    """Compute with one thread while a network trains, on a CPU, that is not wide: it has too little work for more.

    A user's own number, from the environment or from `torch.set_num_threads`, stays.
    """
    import torch  # not at the top: the module is imported before torch is

    before = torch.get_num_threads()
    default = before in (cores(), cores() // 2)  # PyTorch has one for each core, or for each two where they share one
    if device.type != "cpu" or wide or not default or _chosen():
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_to(number: int) -> None:
    """Let this process compute with so many cores at most, since others have the rest; a user's own number stays."""
    import torch

    os.environ["FASHION_CORES"] = str(number)
    if not _chosen():
        torch.set_num_threads(min(torch.get_num_threads(), number))


def _chosen() -> bool:
    return bool({"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & set(os.environ))
