"""What an interrupted run continues from."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fashion.data import Loader
from fashion.settings import FashionError
from fashion.training import Epoch


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run changes as it goes, and the file that keeps it.

    Attributes:
        path: the file.
        parts: what has a state, by name: the model, on the device it trains on, and its optimiser at least.
        loader: of the training images.
    """

    path: Path
    parts: dict[str, nn.Module | Optimizer | LRScheduler]
    loader: Loader

    def write(self, info: dict, history: list[Epoch]) -> None:
        """Write the state after the last epoch of `history`, beside an older file and then over it."""
        state = {
            "info": info,
            "history": [list(epoch) for epoch in history],
            "generators": {name: get() for name, (get, _) in self._generators().items()},
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        beside = self.path.with_suffix(".new")
        torch.save(state, beside)
        beside.replace(self.path)

    def restore(self, state: dict) -> list[Epoch]:
        """Put the parts and the generators back into a state that was read, and return its history."""
        for name, part in self.parts.items():
            if isinstance(part, Optimizer):
                _restore_optimiser(part, state["parts"][name])
            else:
                part.load_state_dict(state["parts"][name])
        for name, (_, put) in self._generators().items():
            if name in state["generators"]:  # a run may continue on another device
                put(state["generators"][name])
        return [Epoch(*row) for row in state["history"]]

    def _generators(self) -> dict:
        generators = {
            "loader": (self.loader.generator.get_state, self.loader.generator.set_state),
            "cpu": (torch.get_rng_state, torch.set_rng_state),
        }
        device = self.loader.dataset.labels.device.type
        if device != "cpu":
            module = torch.get_device_module(device)
            generators[device] = (module.get_rng_state, module.set_rng_state)
        return generators


def read_checkpoint(path: Path) -> dict | None:
    """Return the state that a checkpoint wrote to a file, or None if there is no file.

    Raises:
        FashionError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: state[name] for name in ("info", "history", "generators", "parts")}
    except Exception as error:  # the unpickler trips over junk in many ways
        raise FashionError(f"{path} is damaged: delete it to start the run afresh") from error


def _restore_optimiser(optimiser: Optimizer, state: dict) -> None:
    """Load a state, but leave a learning rate that is a tensor where it is: a CUDA graph will read it there.

    The momentum takes the memory layout that the weights have here: a fused step goes through both as they lie.
    """
    rates = [group["lr"] for group in optimiser.param_groups]
    optimiser.load_state_dict(state)
    for weights, values in optimiser.state.items():
        if values.get("momentum_buffer") is not None:
            values["momentum_buffer"] = torch.empty_like(weights).copy_(values["momentum_buffer"])
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        saved = float(group["lr"])
        group["lr"] = rate.fill_(saved) if isinstance(rate, Tensor) else saved
