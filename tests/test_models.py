from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn

from fashion import FashionError, build, summary
from fashion.changes import CHANGES
from fashion.models import MODELS, FastNetwork, Residual, WideResNet

PUBLISHED = ("NeuralNetwork_v1", "NeuralNetwork_v1_5_5", "NeuralNetwork_v1_5_5_BN")  # end in a softmax

REFERENCE = Path(__file__).parent / "reference"


@pytest.mark.parametrize("name", MODELS)
def test_every_network_maps_images_to_one_value_a_class(name):
    with torch.device("meta"):  # shapes alone
        assert build(name).eval()(torch.empty(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize("name", [*PUBLISHED, "resnet18"])
def test_the_tables_are_the_published_ones(name):
    expected = (REFERENCE / f"summary_{name.removeprefix('NeuralNetwork_')}.txt").read_text()
    assert summary(build(name)).splitlines() == expected.splitlines()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"model": "v1"}, "there is no model 'v1': fashion/models.py has NeuralNetwork_v1, "),
        ({"changes": ("logits", "smaller")}, "there is no change 'smaller': fashion/changes.py has logits, "),
        ({"changes": (("identity", 2),)}, r"the change 'identity' takes \(\), not \(2,\)"),
        ({"pretrained": "cifar"}, "there is no pretrained weights 'cifar': fashion/changes.py has imagenet"),
    ],
)
def test_what_there_is_not_is_named(choice, message):
    with pytest.raises(FashionError, match=message):
        build(**{"model": "NeuralNetwork_v1"} | choice)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache for weights, and no network."""

    def refuse(url, *_, **__):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub" / "checkpoints"


def test_missing_weights_are_an_error_that_helps(hub):
    with pytest.raises(FashionError) as error:
        build("resnet18", pretrained="imagenet")
    message = str(error.value)
    assert "resnet18-f37072fd.pth" in message and str(hub) in message and "TORCH_HOME" in message
    assert "resnet18_scratch needs none" in message and "\n" not in message


def test_damaged_weights_are_an_error_that_helps(hub):
    hub.mkdir(parents=True, exist_ok=True)
    (hub / "resnet18-f37072fd.pth").write_bytes(b"PK\x03\x04 not weights")
    with pytest.raises(FashionError, match=r"cannot be loaded .*resnet18-f37072fd.pth"):
        build("resnet18", pretrained="imagenet")


def test_cached_weights_are_used(hub):
    hub.mkdir(parents=True, exist_ok=True)
    source = torchvision.models.resnet18()
    torch.save(source.state_dict(), hub / "resnet18-f37072fd.pth")
    weights = build("resnet18", pretrained="imagenet").state_dict()
    new = ("conv1.weight", "fc.weight", "fc.bias")
    for name, value in source.state_dict().items():
        assert (weights[name].shape != value.shape) if name in new else torch.equal(weights[name], value), name


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_networks_return_probabilities_and_without_softmax_logits(name):
    torch.manual_seed(0)
    model = build(name).eval()
    torch.manual_seed(0)
    bare = build(name, ("logits",)).eval()
    images = torch.randn(3, 1, 28, 28)
    torch.testing.assert_close(model(images), bare(images).softmax(dim=1))
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in bare.parameters())
    for other in (bare, build("FastNetwork_32"), build("resnet18")):
        with pytest.raises(FashionError, match=f'{type(other).__name__} has no .* softmax: leave out "logits"'):
            CHANGES["logits"](other)


def test_identity_convolutions_pass_the_image_on():
    torch.manual_seed(0)
    model = build("NeuralNetwork_v1", ("identity",))
    images = torch.rand(2, 1, 28, 28)
    first, second = model.features[0], model.features[2]
    torch.testing.assert_close(first(images), images[..., 1:-1, 1:-1] + first.bias.item())
    torch.testing.assert_close(second(images), images[..., 1:-1, 1:-1] + second.bias.item())
    torch.manual_seed(0)
    published = build("NeuralNetwork_v1")
    for ours, theirs in zip(model.classifier.parameters(), published.classifier.parameters(), strict=True):
        assert torch.equal(ours, theirs)  # same seed, same other weights: the comparison is paired


def test_resnet18_returns_logits_of_ten_classes():
    model = build("resnet18").eval()
    assert model(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    assert isinstance(model.fc, nn.Linear)


def test_resnet18_from_scratch_has_the_new_layers_that_the_pretrained_one_has(hub):
    hub.mkdir(parents=True, exist_ok=True)
    torch.save(torchvision.models.resnet18().state_dict(), hub / "resnet18-f37072fd.pth")
    states = []
    for pretrained in ("imagenet", ""):
        torch.manual_seed(0)
        states.append(build("resnet18", pretrained=pretrained).state_dict())
    for name in ("conv1.weight", "fc.weight", "fc.bias"):  # same seed, same new layers: the comparison is paired
        assert torch.equal(*(state[name] for state in states)), name
    assert not torch.equal(*(state["layer1.0.conv1.weight"] for state in states))


@pytest.mark.parametrize(
    ("key", "parameters"),
    [
        ("FastNetwork_32", 292_650),
        ("FastNetwork_64", 1_165_898),
        ("FastNetwork_64_3_3", 1_940_938),
        ("FastNetwork_128_3", 7_752_586),
    ],
)
def test_fast_networks_have_three_stages(key, parameters):
    network = build(key).eval()
    assert sum(weights.numel() for weights in network.parameters()) == parameters
    images = torch.randn(2, 1, 28, 28)
    sizes = []
    for layer in network.features:
        images = layer(images)
        sizes += [tuple(images.shape[2:])] if isinstance(layer, nn.MaxPool2d) else []
    assert sizes == [(13, 13), (6, 6), (3, 3), (1, 1)]
    assert network(torch.randn(2, 1, 28, 28)).shape == (2, 10)


def test_late_stages_halve_the_resolution_after_their_pairs():
    early, late = (
        [type(layer) for layer in network.features if isinstance(layer, nn.MaxPool2d | Residual)]
        for network in (FastNetwork(8, 3), FastNetwork(8, 3, late=2))
    )
    assert early == [nn.MaxPool2d, Residual] * 3 + [nn.MaxPool2d]
    assert late == [Residual, nn.MaxPool2d] * 2 + [nn.MaxPool2d, Residual, nn.MaxPool2d]


def test_the_pairs_of_a_deeper_stage_are_beside_an_identity():
    torch.manual_seed(0)
    images = torch.randn(2, 8, 6, 6)
    pair = Residual(*FastNetwork.convolution(8)).eval()
    assert torch.equal(pair(images), images + pair[1](pair[0](images)))
    for depth, pairs in ((2, 0), (3, 1), (5, 2)):
        network = FastNetwork(8, depth)
        assert sum(isinstance(layer, Residual) for layer in network.features) == 3 * pairs
        assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == 1 + 3 * depth
    for depth in (0, 1, 4):
        with pytest.raises(ValueError, match=f"depth must be 2, 3, 5, 7, ..., not {depth}"):
            FastNetwork(8, depth)


# As published for three input channels, which have 288 more weights in the first convolution.
@pytest.mark.parametrize(("depth", "widen", "parameters"), [(16, 2, 691_674), (28, 10, 36_479_194)])
def test_wide_residual_networks_have_the_published_size(depth, widen, parameters):
    with torch.device("meta"):
        network = WideResNet(depth, widen)
    assert sum(weights.numel() for weights in network.parameters()) == parameters - 288


@pytest.mark.parametrize("widen", [1, 2])
def test_a_wide_residual_network_halves_the_resolution_twice(widen):
    network = WideResNet(16, widen).eval()
    images = torch.randn(2, 1, 28, 28)
    sizes = []
    for layer in network.features[:-1]:
        images = layer(images)
        sizes.append(tuple(images.shape[1:]))
    blocks = [(16 * widen, 28, 28)] * 2 + [(32 * widen, 14, 14)] * 2 + [(64 * widen, 7, 7)] * 2
    assert sizes == [(16, 28, 28), *blocks, (64 * widen, 7, 7), (64 * widen, 7, 7), (64 * widen, 1, 1)]
    assert network(torch.randn(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("depth", [4, 12, 27])
def test_a_wide_residual_network_has_whole_blocks(depth):
    with pytest.raises(ValueError, match=f"depth must be 10, 16, 22, ..., not {depth}"):
        WideResNet(depth, 1)
