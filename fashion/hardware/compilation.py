"""Kernels that are compiled for one network, and loaded before its training begins."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fashion.settings import FashionError


def compiled(network: nn.Module, batch_size: int) -> Callable[[Tensor], Tensor]:
    """Return a function that computes a network's outputs, and their gradients, by kernels made for that network.

    PyTorch makes them at the first call, which takes a while, and keeps them in a temporary folder for other processes:
    https://docs.pytorch.org/docs/stable/torch.compiler.html. None is chosen by timing: the same seed gives the same
    history. Minibatches of another size than `batch_size`, such as an epoch's last, take the network as it is.

    Raises:
        FashionError: there is no C++ compiler here.
    """
    from torch._inductor import cpp_builder, exc  # not at the top: it takes seconds

    try:
        cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler as error:
        raise FashionError(
            "to compile takes a C++ compiler, and there is neither g++ nor what CXX names: do without --compile"
        ) from error
    fast = torch.compile(network, dynamic=False, options={"deterministic": True})
    return lambda images: fast(images) if len(images) == batch_size else network(images)


def warm_up(network: nn.Module, forward: Callable[[Tensor], Tensor], images: Tensor) -> None:
    """Compute a gradient and forget it: what is compiled and loaded once is not part of the first epoch.

    The network, which `forward` computes, and the random numbers to come stay as they are.
    """
    network.train()
    buffers = [each.clone() for each in network.buffers()]
    with torch.random.fork_rng([images.device] if images.device.type == "cuda" else []):
        forward(images).sum().backward()
    for each, before in zip(network.buffers(), buffers, strict=True):
        each.copy_(before)
    network.zero_grad()
