"""Steps that a CUDA device replays as graphs."""

from collections import Counter
from collections.abc import Callable
from threading import Lock

import torch
from torch import Tensor

TensorFunction = Callable[..., tuple[Tensor, ...]]

# Held for what one thread of a process may do at a time. PyTorch records one graph at a time; meanwhile nobody else may
# compute gradients, for which it has a single thread, or set a seed.
alone = Lock()


def replayed(function: TensorFunction, device: torch.device) -> TensorFunction:
    """Return a function that does the same with less work for the host: on a CUDA device it is replayed as a graph.

    What it does must depend on nothing but values in its arguments, tensors on `device`, and in tensors that it finds
    in the same place each time; it returns a tuple of tensors. Other devices get the function itself.
    """
    return Replayed(function, device) if device.type == "cuda" else function


class Replayed:
    """A function whose kernels are recorded once for each shape of its arguments, and launched together from then on.

    Its first three calls for a shape run as they are: a recording needs a warm-up, and so every call counts.
    https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs/

    Threads may have one each and call them at the same time: they wait for each other's recordings and warm-ups.
    """

    def __init__(self, function: TensorFunction, device: torch.device):
        self.function = function
        self.stream = torch.cuda.Stream(device)
        self.calls: Counter = Counter()
        self.recordings: dict = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Do what the function does, and return what it returns."""
        shapes = tuple(tensor.shape for tensor in inputs)
        self.calls[shapes] += 1
        if self.calls[shapes] <= 3:
            with alone:
                return self._on_side_stream(inputs)
        if shapes not in self.recordings:
            with alone:
                self.recordings[shapes] = self._record(inputs)
        graph, arguments, results = self.recordings[shapes]
        for argument, tensor in zip(arguments, inputs, strict=True):
            argument.copy_(tensor)
        graph.replay()
        return tuple(result.clone() for result in results)  # the next replay overwrites them

    def _on_side_stream(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            results = self.function(*inputs)
        current.wait_stream(self.stream)
        return results

    def _record(self, inputs: tuple[Tensor, ...]) -> tuple[torch.cuda.CUDAGraph, tuple, tuple]:
        arguments = tuple(tensor.clone() for tensor in inputs)
        graph = torch.cuda.CUDAGraph()
        # Other threads go on replaying, which the default mode takes for an error
        with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
            results = self.function(*arguments)
        return graph, arguments, results
