import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from fashion import build
from fashion.hardware.convolutions import _ShortConv2d, shorten, stack_single_channels, unfold_single_channels
from fashion.models import resnet18


def same_gradients(one, other, atol):
    for (name, first), second in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(first.grad, second.grad, rtol=1e-3, atol=atol), name


def test_a_short_convolution_is_the_whole_one(noise):
    torch.manual_seed(0)
    whole = resnet18()
    short = copy.deepcopy(whole)
    assert shorten(short)
    used = []
    for layer in short.modules():
        if hasattr(layer, "kernel_size") and layer.kernel_size == (3, 3):
            layer.register_forward_hook(lambda layer, _, output: used.append(output.shape[-1]))
    for network in (whole, short):
        functional.cross_entropy(network(noise.images[:32]), noise.labels[:32]).backward()
    assert used.count(1) == sum(type(layer) is _ShortConv2d for layer in short.modules()) == 4
    same_gradients(whole, short, atol=1e-5)
    last = short.layer4[1].conv2.weight.grad
    assert last[:, :, 1, 1].abs().min() > 0
    assert last.count_nonzero() == last[:, :, 1, 1].numel()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("height, width", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_a_convolution_is_shortened_wherever_its_output_is_one_pixel(noise, height, width, stride):
    torch.manual_seed(0)
    whole = nn.Sequential(nn.AdaptiveAvgPool2d((height, width)), nn.Conv2d(1, 3, 3, stride, padding=1))
    short = copy.deepcopy(whole)
    one_pixel = stride == 2 or height == width == 1
    assert shorten(short) == (type(short[1]) is _ShortConv2d) == one_pixel
    assert torch.allclose(whole(noise.images), short(noise.images), atol=1e-6)
    for network in (whole, short):
        network(noise.images).square().mean().backward()
    same_gradients(whole, short, atol=1e-7)


def test_other_convolutions_with_an_output_of_one_pixel_stay_as_they_are():
    others = [
        nn.Conv2d(1, 2, 1),
        nn.Conv2d(2, 2, 3, padding=1, groups=2),
        nn.Conv2d(2, 2, 3, padding=2, dilation=2),
        nn.Conv2d(2, 2, 3, padding=1, stride=3),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="replicate"),
    ]
    assert not shorten(nn.Sequential(nn.AdaptiveAvgPool2d(1), *others))
    assert {type(layer) for layer in others} == {nn.Conv2d}


def test_a_convolution_that_also_has_larger_outputs_stays_as_it_is():
    layer = nn.Conv2d(1, 1, 3, stride=2, padding=1)
    assert not shorten(nn.Sequential(*[layer] * 5))  # 28, 14, 7, 4, 2, 1
    assert type(layer) is nn.Conv2d


def test_to_find_short_convolutions_leaves_no_trace():
    def make():
        torch.manual_seed(0)
        layers = [nn.MaxPool2d(14), nn.BatchNorm2d(1), nn.Dropout(), nn.Conv2d(1, 3, 3, 2, padding=1), nn.Flatten()]
        network = nn.Sequential(*layers, nn.Dropout())
        network[-1].eval()  # which training mode may not wake
        return network

    plain, expected = make(), torch.rand(1)
    network = make()
    assert shorten(network)
    assert torch.equal(torch.rand(1), expected)
    assert [layer.training for layer in network.modules()] == [layer.training for layer in plain.modules()]
    for name, value in network.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name
    assert not any(layer._forward_hooks for layer in network.modules())


def test_stacked_images_are_convolved_one_by_one(noise):
    torch.manual_seed(0)
    plain = build("NeuralNetwork_v1")
    stacked = stack_single_channels(copy.deepcopy(plain))
    sizes = []
    for layer in (stacked.features[0], stacked.features[2]):
        assert type(layer) is not nn.Conv2d
        layer.register_forward_hook(lambda layer, _, output: sizes.append(output.shape))
    for network in (plain, stacked):
        functional.cross_entropy(network(noise.images), noise.labels).backward()
    assert sizes == [(150, 1, 26, 26), (150, 1, 24, 24)]
    assert torch.allclose(plain(noise.images), stacked(noise.images), atol=1e-6)
    same_gradients(plain, stacked, atol=1e-7)


def test_convolutions_of_several_channels_stay_as_they_are():
    network = stack_single_channels(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3, groups=2), nn.Conv2d(2, 1, 3)))
    assert {type(layer) for layer in network} == {nn.Conv2d}


def test_unfolded_images_are_convolved_as_they_are(noise):
    torch.manual_seed(0)
    whole = nn.ModuleList([nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(1, 64, 7, 2, 3, bias=False)])
    others = [nn.Conv2d(2, 4, 3), nn.Conv2d(1, 4, 3, dilation=2), nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect")]
    assert {type(layer) for layer in unfold_single_channels(nn.Sequential(*others))} == {nn.Conv2d}
    unfolded = unfold_single_channels(copy.deepcopy(whole))
    assert nn.Conv2d not in {type(layer) for layer in unfolded}
    for one, other in zip(whole, unfolded, strict=True):
        assert torch.allclose(one(noise.images), other(noise.images), atol=1e-5)
        for layer in (one, other):
            layer(noise.images).square().mean().backward()
        assert torch.allclose(one.weight.grad, other.weight.grad, rtol=1e-3, atol=1e-6)
