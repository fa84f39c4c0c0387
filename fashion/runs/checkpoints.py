"""What an interrupted run continues from."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fashion.data import Loader
from fashion.history import Epoch
from fashion.runs.record import Record
from fashion.settings import CHECKPOINTS, ROOT, FashionError, writable


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run changes as it goes, and the file that keeps it.

    Attributes:
        path: the file.
        parts: what has a state, by name: the network, on the device it trains on, and its optimiser at least.
        loader: of the training images.
    """

    path: Path
    parts: dict[str, nn.Module | Optimizer | LRScheduler]
    loader: Loader

    def write(self, record: Record, history: list[Epoch]) -> None:
        """Write the state after the last epoch of `history`, beside an older file and then over it."""
        state = {
            "record": record.to_json(),
            "history": [list(epoch) for epoch in history],
            "generators": {name: get() for name, (get, _) in self._generators().items()},
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        beside = self.path.with_suffix(".new")
        torch.save(state, beside)
        beside.replace(self.path)

    def restore(self, saved: "Saved") -> None:
        """Put the parts and the generators back into the state that was saved."""
        for name, part in self.parts.items():
            if isinstance(part, Optimizer):
                _restore_optimiser(part, saved.parts[name])
            else:
                part.load_state_dict(saved.parts[name])
        for name, (_, put) in self._generators().items():
            if name in saved.generators:  # a run may continue on another device
                put(saved.generators[name])
        self.loader.epoch = len(saved.history)

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


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: the record of its run, the history so far, and states of generators and parts."""

    record: Record
    history: list[Epoch]
    generators: dict[str, Tensor]
    parts: dict[str, dict]


def checkpoint_path(folder: Path) -> Path:
    """Return where the checkpoint of a run belongs whose record belongs into a folder."""
    place = folder.relative_to(ROOT if folder.is_relative_to(ROOT) else folder.anchor)
    return writable(CHECKPOINTS / place.with_suffix(".pt"))


def read_checkpoint(path: Path) -> Saved | None:
    """Read what a checkpoint wrote to a file; None if there is no file.

    Raises:
        FashionError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        history = [Epoch(*row) for row in state["history"]]
        return Saved(Record.from_json(state["record"]), history, state["generators"], state["parts"])
    except Exception as error:  # the unpickler trips over junk in many ways
        raise FashionError(f"{path} is damaged: delete it to start the run afresh") from error


def _restore_optimiser(optimiser: Optimizer, state: dict) -> None:
    """Load a state, but leave a learning rate that is a tensor where it is: a CUDA graph will read it there.

    Running averages take the memory layout that the weights have here, and steps are computed as is best here.
    """
    here = [dict(group) for group in optimiser.param_groups]
    how = [{name: ours[name] for name in ("fused", "foreach", "capturable") if name in ours} for ours in here]
    groups = [theirs | ours for theirs, ours in zip(state["param_groups"], how, strict=True)]
    optimiser.load_state_dict(state | {"param_groups": groups})  # a `capturable` one counts its steps on the device
    for weights, values in optimiser.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == weights.shape:
                values[name] = torch.empty_like(weights).copy_(value)
    for group, ours in zip(optimiser.param_groups, here, strict=True):
        saved = float(group["lr"])
        group["lr"] = ours["lr"].fill_(saved) if isinstance(ours["lr"], Tensor) else saved
