import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from fashion import FashionError, build, choose_device
from fashion.hardware import placement
from fashion.hardware.convolutions import _ShortConv2d, _StackedConv2d, _UnfoldedConv2d
from fashion.hardware.placement import bare, choose_precision, is_wide, keep_gradients_channels_last, place

CPU = torch.device("cpu")


def test_devices_are_checked():
    assert choose_device("cpu") == torch.device("cpu")
    expected = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    assert choose_device().type == expected
    for name in ("tpu", "cuda:99", "gpu", ""):
        with pytest.raises(FashionError, match=r"there is no device .* here, only cpu"):
            choose_device(name)


@pytest.mark.parametrize(
    ("name", "model", "has", "expected"),
    [
        ("auto", "NeuralNetwork_v1_5_5", "amx_tile", "bf16"),
        ("auto", "NeuralNetwork_v1_5_5", "avx512_bf16", "bf16"),
        ("auto", "NeuralNetwork_v1_5_5", "neither", "fp32"),
        ("auto", "resnet18", "amx_tile", "bf16"),
        ("auto", "NeuralNetwork_v1", "amx_tile", "fp32"),
        ("bf16", "resnet18", "neither", "bf16"),
        ("fp32", "NeuralNetwork_v1_5_5", "amx_tile", "fp32"),
    ],
)
def test_auto_is_what_is_faster_here(monkeypatch, name, model, has, expected):
    for unit in ("amx_tile", "avx512_bf16"):
        monkeypatch.setattr(torch.cpu, f"_is_{unit}_supported", lambda unit=unit: unit == has)
    assert choose_precision(name, build(model), CPU) == expected


@pytest.mark.parametrize(("can", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bfloat16_on_a_cuda_device_that_computes_in_it(monkeypatch, can, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: can or including_emulation)
    assert choose_precision("auto", nn.Linear(1, 1), torch.device("cuda")) == expected


def test_an_unknown_precision_is_named():
    with pytest.raises(FashionError, match="no precision 'fp16', only auto, fp32, bf16"):
        choose_precision("fp16", nn.Linear(1, 1), CPU)


@pytest.mark.parametrize(
    ("layers", "wide"),
    [
        ([nn.Conv2d(1, 64, 3), nn.Linear(10, 10)], False),
        ([nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)], False),
        ([nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv2d(2, 1, 3))], True),
    ],
)
def test_a_network_is_wide_if_a_convolution_has_several_channels(layers, wide):
    assert is_wide(nn.Sequential(*layers)) == wide


def test_bfloat16_is_for_products_only(noise):
    torch.manual_seed(0)
    network = build("NeuralNetwork_v1")
    dtypes = {}

    for kind in (nn.Conv2d, nn.Linear, nn.Softmax):
        for layer in network.modules():
            if isinstance(layer, kind):
                layer.register_forward_hook(lambda _, __, output, kind=kind: dtypes.update({kind: output.dtype}))
    placed = place(network, CPU, "bf16")
    outputs = placed(noise.images[:64])
    functional.cross_entropy(outputs, noise.labels[:64]).backward()
    assert dtypes[nn.Conv2d] == dtypes[nn.Linear] == torch.bfloat16
    assert dtypes[nn.Softmax] == outputs.dtype == torch.float32
    assert {parameter.dtype for parameter in placed.parameters()} == {torch.float32}
    assert {parameter.grad.dtype for parameter in placed.parameters()} == {torch.float32}
    assert outputs.sum(dim=1).sub(1).abs().max() < 1e-5  # in bfloat16 a softmax is off by up to 0.4%


def test_bfloat16_is_near_float32(noise):
    torch.manual_seed(0)
    network = build("NeuralNetwork_v1", ("logits", "identity"))
    exact = copy.deepcopy(network)(noise.images)
    rounded = place(network, CPU, "bf16")(noise.images)
    assert not torch.equal(exact, rounded)
    assert torch.allclose(exact, rounded, atol=0.02)


def test_layout_changes_no_value(noise):
    torch.manual_seed(0)
    network = build("NeuralNetwork_v1_5_5_BN").eval()
    images = noise.images[:8]
    original = copy.deepcopy(network)
    layouts = []
    network.features[-2].register_full_backward_pre_hook(lambda _, gradients: layouts.append(gradients[0].stride(1)))
    placed = keep_gradients_channels_last(place(network, CPU, "fp32"))
    assert placed is network
    layouts.clear()  # of the trial
    assert network.features[1].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(original(images), network(images), atol=1e-6)
    for each in (original, network):
        functional.cross_entropy(each(images), noise.labels[:8]).backward()
    assert layouts == [1]  # channels last in the gradient, too
    for (name, one), other in zip(original.named_parameters(), network.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6), name


@pytest.mark.parametrize(
    ("model", "precision", "last", "short", "flatten"),
    [
        ("NeuralNetwork_v1_5_5_BN", "fp32", True, False, False),
        ("NeuralNetwork_v1_5_5_BN", "bf16", True, False, True),
        ("FastNetwork_32", "bf16", True, False, True),
        ("resnet18", "fp32", False, True, False),
        ("resnet18", "bf16", False, True, False),
    ],
)
def test_a_network_is_placed_as_the_measurements_say(monkeypatch, model, precision, last, short, flatten):
    kept = []
    monkeypatch.setattr(placement, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    layers = list(bare(place(build(model), CPU, precision)).modules())
    weights = [layer.weight for layer in layers if isinstance(layer, nn.Conv2d) and layer.in_channels > 1]
    assert {each.is_contiguous(memory_format=torch.channels_last) for each in weights if each.shape[2] > 1} == {last}
    assert any(type(layer) is _ShortConv2d for layer in layers) == short
    assert any(layer._backward_hooks for layer in layers if isinstance(layer, nn.Flatten)) == flatten
    assert kept == [True] and torch.backends.cudnn.deterministic


def test_convolutions_of_a_single_channel_are_stacked_on_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    layers = list(place(build("NeuralNetwork_v1"), CPU, "fp32").features)
    assert {type(layer) for layer in layers if isinstance(layer, nn.Conv2d)} == {_StackedConv2d}


def test_a_network_for_a_cuda_device_is_unfolded_and_has_channels_last(monkeypatch):
    moved = []
    monkeypatch.setattr(nn.Module, "to", lambda self, *where, **how: moved.append((*where, how)) or self)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(placement, "_computes", lambda *_: True)  # there may be no such device
    cuda = torch.device("cuda")
    layers = list(place(build("NeuralNetwork_v1"), cuda, "fp32").features)
    assert {type(layer) for layer in layers if isinstance(layer, nn.Conv2d)} == {_UnfoldedConv2d}
    assert moved == [(cuda, {"memory_format": torch.channels_last})] * 2 and torch.backends.cudnn.deterministic
