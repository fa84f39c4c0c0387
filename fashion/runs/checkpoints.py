"""What an interrupted run continues from."""

import io
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fashion.data import Loader
from fashion.history import Epoch
from fashion.runs.files import flush, refusals_of_the_system, say
from fashion.runs.record import Record
from fashion.settings import FashionError


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run changes as it goes, and the file that keeps it.

    Attributes:
        path: the file.
        parts: what has a state, by name: the network, on the device it trains on, and its optimiser at least.
        loader: of the training images.
        retrained_by: the digest of the code that began the run though it had been recorded, or begun, before; or "".
    """

    path: Path
    parts: dict[str, nn.Module | Optimizer | LRScheduler]
    loader: Loader
    retrained_by: str = ""

    def write(self, record: Record, history: list[Epoch]) -> None:
        """Write the state after the last epoch of `history`, and keep the one that was written before.

        Raises:
            FashionError: it cannot be written; what was written before is whole.
        """
        state = {
            "record": record.to_json(),
            "history": [list(epoch) for epoch in history],
            "generators": {name: get() for name, (get, _) in self._generators().items()},
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "retrained_by": self.retrained_by,
        }
        beside = self.path.with_suffix(".new")
        with refusals_of_the_system(self.path):
            try:
                _save(state, beside)
                if self.path.exists():
                    self.path.replace(previous(self.path))
                beside.replace(self.path)
                flush(self.path.parent)
            finally:
                beside.unlink(missing_ok=True)

    def restore(self, saved: "Saved") -> None:
        """Put the parts and the generators back into the state that was saved.

        Raises:
            FashionError: it is that of another network, or of another optimiser.
        """
        for name, part in self.parts.items():
            try:
                if isinstance(part, Optimizer):
                    _restore_optimiser(part, saved.parts[name])
                else:
                    part.load_state_dict(saved.parts[name])
            except torch.OutOfMemoryError:
                raise
            except (KeyError, ValueError, RuntimeError) as error:
                raise FashionError(
                    f"{self.path} was written by other code, with another {name}: delete it to start afresh"
                ) from error
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
    """What a checkpoint holds: as `Checkpoint` wrote it, the record of its run, and the history so far."""

    record: Record
    history: list[Epoch]
    generators: dict[str, Tensor]
    parts: dict[str, dict]
    retrained_by: str = ""


def checkpoint_path(folder: Path) -> Path:
    """Return where the checkpoint of a run lies: beside the folder of its record."""
    return folder.with_name(f"{folder.name}.pt")


def previous(path: Path) -> Path:
    """Return where the checkpoint before that of a path lies."""
    return path.with_suffix(".previous.pt")


def remove_checkpoints(path: Path) -> None:
    """Remove the checkpoint of a path and the one before."""
    for each in (path, previous(path)):
        each.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Saved | None:
    """Read the last checkpoint that was written to a path and is whole; None if there is none.

    One that is damaged is set aside, and the user is told.

    Raises:
        FashionError: the system cannot read one.
    """
    for each in (path, previous(path)):
        try:
            content = each.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:  # it may be whole
            raise FashionError(f"cannot read {each} ({error.strerror or error})") from error
        try:
            return _read(content)
        except MemoryError:
            raise
        except Exception as error:  # the unpickler trips over junk in many ways
            aside = each.with_suffix(".damaged")
            each.replace(aside)
            say(f"{each} is damaged ({type(error).__name__}), and now called {aside.name}: the run goes on from before")
    return None


def _read(content: bytes) -> Saved:
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    history = [Epoch(*row) for row in state["history"]]
    retrained_by = state.get("retrained_by", "")  # which older ones lack
    return Saved(Record.from_json(state["record"]), history, state["generators"], state["parts"], retrained_by)


def _save(state: dict, path: Path) -> None:
    content = io.BytesIO()
    torch.save(state, content)  # which reports what a file raises, an interrupt or a full disk, as an error of its own
    path.write_bytes(content.getbuffer())
    flush(path)


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
