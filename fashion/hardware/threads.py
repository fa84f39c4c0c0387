"""How many threads a CPU computes with, and how they wait for each other.

A minibatch is many short pieces of work, and OpenMP's threads spin between them. On a busy machine they spin for a core
that another process has: both rules here keep what an idle machine loses small, and give a busy one its fair share.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_CHOSEN_BY_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_WAITING_CHOSEN_BY_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
SPINS = "2000"  # of GNU's OpenMP, which by default are 300,000


def wait_briefly() -> None:
    """Let threads sleep soon while they wait for each other. It takes effect where torch is not imported yet.

    A user's own `OMP_WAIT_POLICY` or `GOMP_SPINCOUNT` stays.
    https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
    """
    if not any(name in os.environ for name in _WAITING_CHOSEN_BY_USER):
        os.environ["GOMP_SPINCOUNT"] = SPINS


@contextmanager
def threads_for(device: "torch.device", wide: bool) -> Iterator[None]:
    """Compute with one thread for as long as a network trains that has too little work for more.

    A user's own number, from the environment or from `torch.set_num_threads`, stays.

    Args:
        device: that it trains on; only a CPU's threads are few.
        wide: whether it has more: `fashion.hardware.placement.is_wide`.
    """
    import torch  # not at the top: the module is imported before torch is

    before = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    default = before in (cores, cores // 2)  # PyTorch has one for each core, or for each two where they share one
    if device.type != "cpu" or wide or not default or any(name in os.environ for name in _CHOSEN_BY_USER):
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
