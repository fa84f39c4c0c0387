"""Where a step's time goes, in the plain loop and in ours: `profile:plain`, `profile:ours`.

The loops of plain.py and of `fashion.training`, with the clock read between their lines. A CUDA device is waited for at
each of them, and replays no steps here: a replay is of one piece.
"""

import time
from collections import Counter
from collections.abc import Iterable

import torch
from contenders.common import BATCH_SIZE, LR, Prepared, first, momentum, network, torchvision_dataset, wait_for
from torch import nn
from torch.utils.data import DataLoader

from fashion import Dataset, Loader, load
from fashion.devices import choose_precision, place


def prepare(model: str, device: str, loop: str) -> Prepared:
    plain = loop == "plain"
    where = torch.device(device)
    placed = network(model).to(where)
    if not plain:
        placed = place(placed, model, where, choose_precision("auto", model, where))
    optimiser = torch.optim.SGD(placed.parameters(), lr=LR, momentum=momentum(model), fused=None if plain else True)
    dataset = torchvision_dataset() if plain else load(device=where)[0]

    def batches(steps: int) -> Iterable:
        if plain:
            return DataLoader(first(dataset, steps), batch_size=BATCH_SIZE, shuffle=True)
        return Loader(Dataset(*(tensor[: steps * BATCH_SIZE] for tensor in dataset)), BATCH_SIZE, seed=0)

    def train(steps: int) -> dict:
        placed.train()
        return {"milliseconds": _phases(placed, batches(steps), optimiser, where, read=plain)}

    return Prepared(train, {"torch": torch.__version__})


def _phases(
    model: nn.Module, batches: Iterable, optimiser: torch.optim.Optimizer, device: torch.device, read: bool
) -> dict[str, float]:
    """Train on minibatches, and return the milliseconds of a step's parts, each waited for.

    With `read` the loss and the accuracy are read at each step, else they are kept as tensors.
    """
    loss_fn = nn.CrossEntropyLoss()
    spent: Counter = Counter()
    steps, kept = 0, []

    def note(part: str) -> None:
        nonlocal last
        wait_for(device)
        now = time.perf_counter()
        spent[part] += 1000 * (now - last)
        last = now

    last = time.perf_counter()
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        note("data")
        outputs = model(images)
        loss = loss_fn(outputs, labels)
        note("forward")
        optimiser.zero_grad()
        loss.backward()
        note("backward")
        optimiser.step()
        note("optimiser")
        correct = (outputs.argmax(dim=1) == labels).sum()
        kept.append((loss.item(), correct.item()) if read else (loss.detach(), correct))
        steps += 1
        note("metrics")
    return {part: milliseconds / steps for part, milliseconds in spent.items()}
