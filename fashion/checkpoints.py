"""What an interrupted run continues from."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from fashion.data import Loader
from fashion.settings import FashionError
from fashion.training import Epoch


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run changes as it goes, and the file that keeps it after each epoch.

    Attributes:
        path: the file.
        model: on the device it trains on.
        optimiser: of the model's own parameters.
        loader: of the training images.
    """

    path: Path
    model: nn.Module
    optimiser: Optimizer
    loader: Loader

    def write(self, info: dict, history: list[Epoch]) -> None:
        """Write the state after the last epoch of `history`, beside an older file and then over it."""
        state = {
            "info": info,
            "history": [list(epoch) for epoch in history],
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generators": {name: get() for name, (get, _) in self._generators().items()},
        }
        beside = self.path.with_suffix(".new")
        torch.save(state, beside)
        beside.replace(self.path)

    def read(self) -> dict | None:
        """Return the state as it was written, or None if there is none.

        Raises:
            FashionError: the file is damaged.
        """
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            return {name: state[name] for name in ("info", "history", "model", "optimiser", "generators")}
        except Exception as error:  # the unpickler trips over junk in many ways
            raise FashionError(f"{self.path} is damaged: delete it to start the run afresh") from error

    def restore(self, state: dict) -> list[Epoch]:
        """Put model, optimiser and generators back into a state that was read, and return its history."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
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
