"""This package: its own loader, step and loop, as `fashion.runs` uses them; `ours:compiled` is with `--compile`."""

import torch
from contenders.common import BATCH_SIZE, LR, Prepared, momentum, network
from torch import nn

from fashion import Dataset, Loader, load, train_epoch, training_step
from fashion.devices import choose_precision, compiled, place, replayed


def prepare(model: str, device: str, option: str | None = None) -> Prepared:
    if option not in (None, "compiled"):
        raise ValueError(f"no such option: {option}")
    where = torch.device(device)
    images, _ = load(device=where)
    precision = choose_precision("auto", model, where)
    placed = place(network(model), model, where, precision)
    optimiser = torch.optim.SGD(placed.parameters(), lr=LR, momentum=momentum(model), fused=True)
    forward = compiled(placed, BATCH_SIZE) if option == "compiled" else placed
    step = replayed(training_step(forward, nn.CrossEntropyLoss(), optimiser), where)

    def train(steps: int) -> None:
        some = Dataset(*(tensor[: steps * BATCH_SIZE] for tensor in images))
        train_epoch(placed, Loader(some, BATCH_SIZE, seed=0), step)

    return Prepared(train, {"torch": torch.__version__}, {"precision": precision})
