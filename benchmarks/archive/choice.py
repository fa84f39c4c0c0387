"""Our step with each choice made by hand, to measure what it is worth: `choice:fused+channels-last+bf16`.

Minibatches lie in memory; "kept" is the allocator that keeps freed memory, "short", "stacked", "unfolded" and "flatten"
stand for `shorten_convolutions`, `stack_single_channels`, `unfold_single_channels` and `keep_gradients_channels_last`,
"replayed" for steps as CUDA graphs, and "compile" for `compiled`.
"""

import torch
from contenders.common import BATCH_SIZE, LR, Prepared, momentum, network
from torch import nn

from fashion import Dataset, Loader, load, train_epoch, training_step
from fashion.devices import (
    InBfloat16,
    compiled,
    keep_freed_memory,
    keep_gradients_channels_last,
    replayed,
    shorten_convolutions,
    stack_single_channels,
    unfold_single_channels,
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
    forward = compiled(placed, BATCH_SIZE) if "compile" in chosen else placed
    step = training_step(forward, nn.CrossEntropyLoss(), optimiser)
    if "replayed" in chosen:
        step = replayed(step, torch.device(device))

    def train(steps: int) -> None:
        some = Dataset(*(tensor[: steps * BATCH_SIZE] for tensor in images))
        train_epoch(placed, Loader(some, BATCH_SIZE, seed=0), step)

    return Prepared(train, {"torch": torch.__version__})
