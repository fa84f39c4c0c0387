import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from fashion import Loader
from fashion.checkpoints import Checkpoint, read_checkpoint


def test_momentum_goes_on_in_the_memory_layout_of_the_weights(tmp_path, noise):
    def checkpoint(layout):
        torch.manual_seed(0)
        model = nn.Conv2d(3, 4, kernel_size=3).to(memory_format=layout)
        parts = {"model": model, "optimiser": SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)}
        return Checkpoint(tmp_path / "a.pt", parts, Loader(noise, seed=0))

    def step(each):
        model, optimiser = each.parts.values()
        optimiser.zero_grad()
        model(torch.arange(75.0).view(1, 3, 5, 5)).square().mean().backward()
        optimiser.step()
        return model.weight.detach().clone()

    first = checkpoint(torch.contiguous_format)
    step(first)
    first.write({}, [])
    expected = step(first)
    there = checkpoint(torch.channels_last)
    there.restore(read_checkpoint(there.path))
    assert torch.allclose(step(there), expected, rtol=1e-5)


@pytest.mark.parametrize("ours", [0.2, torch.tensor(0.2)], ids=["number", "tensor"])
@pytest.mark.parametrize("theirs", [0.1, torch.tensor(0.1)], ids=["number", "tensor"])
def test_a_restored_learning_rate_is_the_tensor_that_it_was_or_a_number(tmp_path, noise, theirs, ours):
    def checkpoint(lr):
        model = nn.Linear(2, 1)
        parts = {"model": model, "optimiser": SGD(model.parameters(), lr=lr, momentum=0.9)}
        return Checkpoint(tmp_path / "a.pt", parts, Loader(noise, seed=0))

    checkpoint(theirs).write({}, [])
    continued = checkpoint(ours)
    assert continued.restore(read_checkpoint(continued.path)) == []
    (group,) = continued.parts["optimiser"].param_groups
    assert group["lr"] == pytest.approx(0.1) and group["momentum"] == 0.9
    assert group["lr"] is ours if isinstance(ours, Tensor) else type(group["lr"]) is float
