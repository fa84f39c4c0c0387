"""Our step with each choice made by hand, to measure what it is worth: `choice:fused+channels-last+bf16`.

Minibatches lie in memory; "kept" is the allocator that keeps freed memory, "short", "stacked" and "flatten" stand for
`shorten_convolutions`, `stack_single_channels` and `keep_gradients_channels_last`, "replayed" for steps as CUDA graphs,
"unfolded" for `unfold_single_channels`, which the package does not have, and "compile" for `torch.compile`.
"""

import torch
from contenders.common import BATCH_SIZE, LR, Prepared, momentum, network
from torch import Tensor, nn
from torch.nn import functional

from fashion import Dataset, Loader, load, train_epoch, training_step
from fashion.devices import (
    InBfloat16,
    keep_freed_memory,
    keep_gradients_channels_last,
    replayed,
    shorten_convolutions,
    stack_single_channels,
)

CHOICES = {
    *("eager", "fused", "kept", "replayed", "channels-last", "bf16", "compile"),
    *("short", "stacked", "flatten", "unfolded"),
}


def prepare(model: str, device: str, options: str) -> Prepared:
    chosen = set(options.split("+"))
    if chosen - CHOICES:
        raise ValueError(f"no such choice: {chosen - CHOICES}")
    torch.backends.cudnn.deterministic = True  # as runs have it
    images, _ = load(device=device)
    placed = network(model).to(device)
    if "kept" in chosen:
        keep_freed_memory()
    if "channels-last" in chosen:
        placed.to(memory_format=torch.channels_last)
    if "short" in chosen:
        shorten_convolutions(placed)
    if "stacked" in chosen:
        stack_single_channels(placed)
    if "flatten" in chosen:
        keep_gradients_channels_last(placed)
    if "unfolded" in chosen:
        unfold_single_channels(placed)
    if "bf16" in chosen:
        placed = InBfloat16(placed)
    optimiser = torch.optim.SGD(placed.parameters(), lr=LR, momentum=momentum(model), fused="fused" in chosen or None)
    forward = torch.compile(placed) if "compile" in chosen else placed
    step = training_step(forward, nn.CrossEntropyLoss(), optimiser)
    if "replayed" in chosen:
        step = replayed(step, torch.device(device))

    def train(steps: int) -> None:
        some = Dataset(*(tensor[: steps * BATCH_SIZE] for tensor in images))
        train_epoch(placed, Loader(some, BATCH_SIZE, seed=0), step)

    return Prepared(train, {"torch": torch.__version__})


def unfold_single_channels(network: nn.Module) -> nn.Module:
    """Let convolutions of images of one channel, in place, be matrix products of patches: the same up to rounding.

    In half precision a CUDA device can be slow where channels are few: https://github.com/pytorch/pytorch/issues/54404.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and layer.in_channels == 1:
            layer.__class__ = _UnfoldedConv2d
    return network


class _UnfoldedConv2d(nn.Conv2d):
    def forward(self, images: Tensor) -> Tensor:
        patches = functional.pad(images, self._reversed_padding_repeated_twice)
        for dimension in (2, 3):
            patches = patches.unfold(dimension, self.kernel_size[dimension - 2], self.stride[dimension - 2])
        rows = patches.squeeze(1).flatten(3)  # shape (B, height, width, pixels of a patch)
        return functional.linear(rows, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
