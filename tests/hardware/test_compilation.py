import pytest
import torch
from torch import nn
from torch._inductor.exc import InvalidCxxCompiler

from fashion import FashionError, build
from fashion.hardware.compilation import compiled, warm_up
from fashion.hardware.convolutions import unfold_single_channels
from fashion.hardware.placement import InBfloat16


def test_a_compiled_network_computes_the_same_of_minibatches_that_are_not_short(traced, noise):
    torch.manual_seed(0)
    network = InBfloat16(unfold_single_channels(build("NeuralNetwork_v1")))  # as on a CUDA device
    forward = compiled(network, 32)
    assert torch.equal(forward(noise.images[:32]), network(noise.images[:32]))
    assert torch.equal(forward(noise.images[:20]), network(noise.images[:20]))
    assert traced == [32]


def test_to_compile_takes_a_compiler(monkeypatch):
    def get_cpp_compiler():
        raise InvalidCxxCompiler

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", get_cpp_compiler)
    with pytest.raises(FashionError, match=r"takes a C\+\+ compiler"):
        compiled(nn.Linear(1, 1), 64)


def test_a_network_that_was_warmed_up_is_as_it_was(noise):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(1352, 10))
    before, drawn = {name: each.clone() for name, each in network.state_dict().items()}, torch.get_rng_state()
    computed = []
    warm_up(network.eval(), lambda images: computed.append(network.training) or network(images), noise.images[:8])
    assert computed == [True]
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())
    assert all(each.grad is None for each in network.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)
