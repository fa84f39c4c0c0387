"""The optimiser of a recipe, the schedule of its learning rate, and the average of the weights it goes through."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fashion.devices import InBfloat16
from fashion.experiments import Experiment
from fashion.muon import Muon
from fashion.settings import FashionError

# What takes an optimiser, the highest learning rate and the steps of the whole run; a constant rate needs nothing.
SCHEDULES: dict[str, Callable[..., LRScheduler] | None] = {
    "constant": None,
    # Up from a tenth during the first fifth, then down to zero, in straight lines: Smith, https://arxiv.org/abs/1708.07120
    "one_cycle": partial(OneCycleLR, pct_start=0.2, anneal_strategy="linear", cycle_momentum=False, div_factor=10),
}

MUON_MOMENTUM = 0.6  # as in airbench94_muon


def build_optimiser(experiment: Experiment, model: nn.Module) -> SGD | Muon:
    """Build the optimiser of a model, which is already on the device it trains on.

    Raises:
        FashionError: the recipe asks for Muon, and the model has no convolution of more than one channel.
    """
    weights = [each for each in model.parameters() if each.requires_grad]
    device = weights[0].device
    # A recorded CUDA graph reads the learning rate from where it was: it can change only as a tensor.
    changes = device.type == "cuda" and experiment.schedule != "constant"
    lr, muon = (
        torch.tensor(float(rate), device=device) if changes else rate for rate in (experiment.lr, experiment.muon)
    )
    orthogonal = [each for each in weights if _orthogonal(each, experiment)]
    others = [each for each in weights if not _orthogonal(each, experiment)]
    groups = [{"params": others}]
    if experiment.weight_decay:
        groups = [
            {"params": [each for each in others if each.ndim > 1], "weight_decay": experiment.weight_decay},
            {"params": [each for each in others if each.ndim <= 1]},
        ]
    if not experiment.muon:
        return SGD(groups, lr=lr, momentum=experiment.momentum, nesterov=experiment.nesterov, fused=True)
    if not orthogonal:
        raise FashionError(f"{experiment.model} has no convolution of more than one channel: leave out muon")
    groups.append({"params": orthogonal, "lr": muon, "momentum": MUON_MOMENTUM, "orthogonal": True})
    dtype = torch.bfloat16 if isinstance(model, InBfloat16) else torch.float32
    return Muon(groups, lr=lr, momentum=experiment.momentum, dtype=dtype)


def build_scheduler(experiment: Experiment, optimiser: Optimizer, steps: int) -> LRScheduler | None:
    """Build the schedule of an optimiser's learning rate over so many steps; None where it is constant.

    Raises:
        FashionError: there is no such schedule.
    """
    if experiment.schedule not in SCHEDULES:
        raise FashionError(
            f"there is no schedule {experiment.schedule!r}: fashion/optimisation.py has {', '.join(SCHEDULES)}"
        )
    make = SCHEDULES[experiment.schedule]
    highest = [float(group["lr"]) for group in optimiser.param_groups]
    # A rise over a fifth of five steps has no length, by which OneCycleLR would divide.
    return make(optimiser, max_lr=highest, total_steps=max(steps, 6)) if make else None


def build_average(experiment: Experiment, model: nn.Module) -> AveragedModel | None:
    """Build the exponential average of a model's weights and of its batch normalisation; None without averaging."""
    if not experiment.averaging:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(experiment.averaging), use_buffers=True)


def _orthogonal(weights: Tensor, experiment: Experiment) -> bool:
    """Say whether a recipe has weights take the orthogonal steps of Muon: those of convolutions of several channels."""
    return experiment.muon > 0 and weights.ndim == 4 and weights.shape[1] > 1
