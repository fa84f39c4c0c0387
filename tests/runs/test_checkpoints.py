from functools import partial
from pathlib import Path

import pytest
import torch
from helpers import LEARNER
from torch import Tensor, nn
from torch.optim import SGD, AdamW

from fashion import Epoch, FashionError, Loader
from fashion.optimisation import Muon
from fashion.runs.checkpoints import Checkpoint, _restore_optimiser, previous, read_checkpoint
from fashion.runs.record import Provenance, Record

RECORD = Record(LEARNER, 0, "test", 150, 150, "fp32", False, Provenance("cpu", "a machine", {"torch": "2"}, None))


def orthogonal(weights, **others):
    return Muon([{"params": list(weights)[:1], "orthogonal": True}], **others)


def test_what_was_written_is_read(tmp_path, noise):
    network = nn.Linear(2, 1)
    loader = Loader(noise, seed=0)
    parts = {"model": network, "optimiser": SGD(network.parameters(), lr=0.1)}
    checkpoint = Checkpoint(tmp_path / "a.pt", parts, loader)
    history = [Epoch(1, 0.5, 80.0, 0.25, 81.0, 3.0, 2.0)]
    assert read_checkpoint(checkpoint.path) is None
    checkpoint.write(RECORD, history)
    expected = [network.weight.clone(), torch.rand(1), next(iter(loader))[1]]
    nn.init.zeros_(network.weight)
    saved = read_checkpoint(checkpoint.path)
    assert (saved.record, saved.history) == (RECORD, history)
    checkpoint.restore(saved)
    for value, ours in zip(expected, [network.weight, torch.rand(1), next(iter(loader))[1]], strict=True):
        assert torch.equal(value, ours)


@pytest.mark.parametrize(
    "build",
    [
        partial(SGD, lr=0.1, momentum=0.9, fused=True),
        partial(AdamW, lr=0.1, fused=True),
        partial(AdamW, lr=0.1, amsgrad=True),
        partial(orthogonal, lr=0.1, momentum=0.9),
    ],
    ids=["sgd", "adamw", "amsgrad", "muon"],
)
def test_running_averages_go_on_in_the_memory_layout_of_the_weights(tmp_path, noise, build):
    def checkpoint(layout):
        torch.manual_seed(0)
        network = nn.Conv2d(3, 4, kernel_size=3).to(memory_format=layout)
        parts = {"model": network, "optimiser": build(network.parameters())}
        return Checkpoint(tmp_path / "a.pt", parts, Loader(noise, seed=0))

    def step(each):
        network, optimiser = each.parts.values()
        optimiser.zero_grad()
        network(torch.arange(75.0).view(1, 3, 5, 5)).square().mean().backward()
        optimiser.step()
        return network.weight.detach().clone()

    first = checkpoint(torch.contiguous_format)
    step(first)
    first.write(RECORD, [])
    expected = step(first)
    there = checkpoint(torch.channels_last)
    there.restore(read_checkpoint(there.path))
    network, optimiser = there.parts.values()
    averages = [value for value in optimiser.state[network.weight].values() if value.shape == network.weight.shape]
    assert averages and all(each.is_contiguous(memory_format=torch.channels_last) for each in averages)
    assert torch.allclose(step(there), expected, rtol=1e-5)


@pytest.mark.parametrize("ours", [0.2, torch.tensor(0.2)], ids=["number", "tensor"])
@pytest.mark.parametrize("theirs", [0.1, torch.tensor(0.1)], ids=["number", "tensor"])
@pytest.mark.parametrize(
    "build", [partial(SGD, momentum=0.9), partial(AdamW, betas=(0.9, 0.99), capturable=True)], ids=["sgd", "adamw"]
)
def test_a_restored_learning_rate_is_the_tensor_that_it_was_or_a_number(tmp_path, noise, build, theirs, ours):
    def checkpoint(lr):
        network = nn.Linear(2, 1)
        parts = {"model": network, "optimiser": build(network.parameters(), lr=lr)}
        return Checkpoint(tmp_path / "a.pt", parts, Loader(noise, seed=0))

    ours = ours.clone() if isinstance(ours, Tensor) else ours
    checkpoint(theirs).write(RECORD, [])
    continued = checkpoint(ours)
    continued.restore(read_checkpoint(continued.path))
    (group,) = continued.parts["optimiser"].param_groups
    assert group["lr"] == pytest.approx(0.1) and (group.get("momentum") or group["betas"][0]) == 0.9
    assert group["lr"] is ours if isinstance(ours, Tensor) else type(group["lr"]) is float


def trained(**how):
    """AdamW after one step, as it is computed in some way."""
    network = nn.Linear(2, 1)
    optimiser = AdamW(network.parameters(), lr=0.1, **how)
    network(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    return optimiser


@pytest.mark.parametrize("ours", [{"fused": True}, {"foreach": True}, {}], ids=str)
@pytest.mark.parametrize("theirs", [{"fused": True}, {"foreach": True}, {}], ids=str)
def test_how_steps_are_computed_stays_as_it_is_here(theirs, ours):
    optimiser = trained(**ours)
    how = {name: optimiser.param_groups[0][name] for name in ("fused", "foreach", "capturable")}
    _restore_optimiser(optimiser, trained(**theirs).state_dict())
    assert {name: optimiser.param_groups[0][name] for name in how} == how
    optimiser.step()
    assert {float(each["step"]) for each in optimiser.state.values()} == {2.0}


@pytest.mark.parametrize(("capturable", "device"), [(True, "meta"), (False, "cpu")])
def test_steps_are_counted_on_the_device_if_graphs_are_recorded_there(capturable, device):
    weights = nn.Linear(2, 1, device="meta").parameters()  # a device that there is everywhere
    optimiser = AdamW(weights, lr=0.1, capturable=capturable)
    _restore_optimiser(optimiser, trained().state_dict())
    assert {each["step"].device.type for each in optimiser.state.values()} == {device}
    assert {each["exp_avg"].device.type for each in optimiser.state.values()} == {"meta"}


@pytest.fixture
def written(tmp_path, noise):
    """A checkpoint after one epoch, and the one before it."""
    network = nn.Linear(2, 1)
    parts = {"model": network, "optimiser": SGD(network.parameters(), lr=0.1)}
    checkpoint = Checkpoint(tmp_path / "seed_0.pt", parts, Loader(noise, seed=0))
    checkpoint.write(RECORD, [])
    checkpoint.write(RECORD, [Epoch(1, 0.5, 80.0, 0.25, 81.0, 3.0, 2.0)])
    return checkpoint


def test_two_checkpoints_are_kept(written):
    assert [path.name for path in sorted(written.path.parent.iterdir())] == ["seed_0.previous.pt", "seed_0.pt"]
    assert len(read_checkpoint(written.path).history) == 1
    written.path.unlink()  # as if it was killed between two renames
    assert read_checkpoint(written.path).history == []


@pytest.mark.parametrize("junk", [b"", b"junk", "half", "other"])
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(written, capsys, junk):
    whole = written.path.read_bytes()
    if junk == "other":
        torch.save({"other": 1}, written.path)
    else:
        written.path.write_bytes(whole[: len(whole) // 2] if junk == "half" else junk)
    assert read_checkpoint(written.path).history == []
    (line,) = capsys.readouterr().err.splitlines()
    assert "seed_0.pt is damaged" in line and "now called seed_0.damaged" in line
    assert not written.path.exists() and written.path.with_suffix(".damaged").exists()
    previous(written.path).write_bytes(b"junk")
    assert read_checkpoint(written.path) is None


class Executes:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_checkpoint_executes_nothing(written, capsys):
    torch.save({"record": Executes()}, written.path)
    assert read_checkpoint(written.path).history == []
    assert "executed" not in capsys.readouterr().out


def test_a_disk_that_takes_no_more_is_one_line_and_the_checkpoints_stay(written, monkeypatch):
    before = {path.name: path.read_bytes() for path in written.path.parent.iterdir()}

    def refuse(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(FashionError, match=r"^cannot write .*seed_0.pt \(No space left on device"):
        written.write(RECORD, [])
    assert {path.name: path.read_bytes() for path in written.path.parent.iterdir()} == before


def test_an_interrupt_while_a_checkpoint_is_written_is_an_interrupt(written, monkeypatch):
    def interrupt(path, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        written.write(RECORD, [])
    assert len(read_checkpoint(written.path).history) == 1


def test_a_checkpoint_that_cannot_be_read_stays_where_it_is(written, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FashionError, match=r"^cannot read .*seed_0.pt \(Permission denied\)$"):
        read_checkpoint(written.path)
    assert sorted(path.name for path in written.path.parent.iterdir()) == ["seed_0.previous.pt", "seed_0.pt"]
