import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from fashion import Loader
from fashion.checkpoints import Checkpoint, read_checkpoint


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
