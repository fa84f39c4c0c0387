"""This package, as `fashion.runs.running` trains with it; `ours:compiled` is with `--compile`."""

import torch
from contenders.common import BATCH_SIZE, LR, Prepared, momentum, network
from torch import nn

from fashion import Dataset, Experiment, Loader, load_data, train_epoch, training_step
from fashion.hardware.compilation import compiled
from fashion.hardware.graphs import replayed
from fashion.hardware.placement import choose_precision, is_wide, place
from fashion.hardware.threads import threads_for
from fashion.optimisation import build_optimiser


def prepare(model: str, device: str, option: str | None = None) -> Prepared:
    if option not in (None, "compiled"):
        raise ValueError(f"no such option: {option}")
    where = torch.device(device)
    images, _ = load_data(device=where)
    built = network(model)
    wide, precision = is_wide(built), choose_precision("auto", built, where)
    placed = place(built, where, precision)
    recipe = Experiment("benchmark", model, epochs=1, lr=LR, momentum=momentum(model), batch_size=BATCH_SIZE)
    forward = compiled(placed, BATCH_SIZE) if option == "compiled" else placed
    step = replayed(training_step(forward, nn.CrossEntropyLoss(), build_optimiser(recipe, placed)), where)

    def train(steps: int) -> None:
        some = Dataset(*(tensor[: steps * BATCH_SIZE] for tensor in images))
        with threads_for(where, wide):
            train_epoch(placed, Loader(some, BATCH_SIZE, seed=0), step)

    return Prepared(train, {"torch": torch.__version__}, {"precision": precision})
