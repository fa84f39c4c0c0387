import pytest
import torch
from torch import nn

from fashion.hardware.placement import InBfloat16
from fashion.study.diagnostics import features, flow, stages


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


def test_features_are_what_the_last_linear_layer_is_given():
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.ReLU(), nn.Linear(3, 10))
    images = torch.randn(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        given, returned = network[:3](images), network(images)
    for each, tolerance in ((network, 1e-6), (InBfloat16(network), 0.05)):
        points, outputs = features(each, images, at_a_time=2)
        torch.testing.assert_close(points, given, atol=tolerance, rtol=0)  # in float32, too
        torch.testing.assert_close(outputs, returned, atol=tolerance, rtol=0)
    assert not network[3]._forward_pre_hooks


def test_a_stage_is_the_last_of_so_many_channels_and_larger_than_a_pixel():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Conv2d(2, 4, 3, stride=2), nn.AdaptiveAvgPool2d(1)
    )
    images = torch.ones(3, 1, 28, 28)
    found = stages(network, images)
    assert {name: tuple(maps.shape) for name, maps in found.items()} == {
        "2 x 24 x 24": (3, 2, 24, 24),
        "4 x 11 x 11": (3, 4, 11, 11),
    }
    assert torch.equal(found["2 x 24 x 24"], network[:3](images)) and not any(each._forward_hooks for each in network)
