import pytest
import torch
from torch import nn

from fashion.study.diagnostics import flow


def test_flow_by_hand():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 2, bias=False), nn.ReLU())
    with torch.no_grad():
        model[1].weight[0] = 1 / 784  # the mean of the pixels
        model[1].weight[1] = -1 / 784  # its negative
    images = torch.stack([torch.full((1, 28, 28), 1.0), torch.full((1, 28, 28), 3.0)])
    layers = flow(model, images, torch.tensor([0, 0]), lambda outputs, labels: outputs[:, 0].mean())
    assert [layer.layer for layer in layers] == ["0 Flatten", "1 Linear", "2 ReLU"]
    assert [layer.active for layer in layers] == [1.0, 1.0, 0.5]
    # Outputs of the linear layer: (1, -1) and (3, -3), each unit with a sample standard deviation of sqrt(2).
    assert layers[1].spread == pytest.approx(2**0.5, rel=1e-5)
    assert layers[2].spread == pytest.approx(2**0.5 / 2, rel=1e-5)
    # The first unit's gradient is the mean image, 2 everywhere: norm 2 * 28. The dead second unit gets none.
    assert layers[1].gradient == pytest.approx(56, rel=1e-5)
    assert layers[0].gradient is None and layers[2].gradient is None
    assert not any(module._forward_hooks for module in model)
