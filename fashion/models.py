"""The networks of the study.

Every network takes images of shape (B, 1, 28, 28) and returns one value per class, shape (B, 10).
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torchvision
from torch import Tensor, nn
from torchvision.models import ResNet

from fashion.changes import CHANGES, PRETRAINED
from fashion.recipes import chosen


class FeaturesThenClassifier(nn.Module):
    """Maps images to features, by `features`, and these to one value per class, by `classifier`."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images, shape (B, 1, 28, 28), to probabilities or logits, shape (B, 10)."""
        return self.classifier(self.features(images))


class NeuralNetwork_v1(FeaturesThenClassifier):
    """Two convolutions of a single channel and three linear layers: the pipeline test, 39,358 parameters.

    Ends in a softmax, though the loss it is trained with applies one of its own; so did the published network.
    """

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 1, kernel_size=3),
            nn.ReLU(),
            nn.Conv2d(1, 1, kernel_size=3),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(24 * 24, 64),
            nn.ReLU(),
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, 10),
            nn.Softmax(dim=1),
        )


class NeuralNetwork_v1_5_5(FeaturesThenClassifier):
    """Six convolutions at full resolution and three linear layers: 25,993,898 parameters, most of them in one layer.

    Ends in a softmax, as `NeuralNetwork_v1` does.
    """

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.Conv2d(32, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.Conv2d(64, 64, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 128, kernel_size=3, padding=1),
            nn.Conv2d(128, 128, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(128 * 28 * 28, 256),
            nn.ReLU(),
            nn.Linear(256, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
            nn.Softmax(dim=1),
        )


class NeuralNetwork_v1_5_5_BN(FeaturesThenClassifier):
    """`NeuralNetwork_v1_5_5` with batch normalisation before each ReLU: 25,994,986 parameters.

    Batch normalisation: Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167.
    """

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.Conv2d(32, 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.Conv2d(64, 64, kernel_size=3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Conv2d(64, 128, kernel_size=3, padding=1),
            nn.Conv2d(128, 128, kernel_size=3, padding=1),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(128 * 28 * 28, 256),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Linear(256, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Linear(64, 10),
            nn.Softmax(dim=1),
        )


def resnet18() -> ResNet:
    """Build torchvision's ResNet-18 with a stem for one channel and a head for ten classes: 11,175,370 parameters.

    He et al., 2015, https://arxiv.org/abs/1512.03385. It returns logits: no softmax.
    """
    network = torchvision.models.resnet18()
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    network.fc = nn.Linear(512, 10)
    return network


class FastNetwork(FeaturesThenClassifier):
    """A family of networks: three stages of convolutions, each at half the resolution, then a maximum over pixels.

    After the networks of airbench94 and airbench96, Jordan, 2024, https://arxiv.org/abs/2404.00498, for one channel and
    without their whitened first layer. It returns logits.

    Args:
        width: channels of the first stage; the stages after it have twice and four times as many, the stem half.
        depth: convolutions of a stage; from three on, pairs after the first are beside an identity.
        late: how many stages, the first ones, halve the resolution after their last convolution; the others do after
            their first.

    Raises:
        ValueError: `depth` is neither 2 nor an odd number from 3 on.
    """

    def __init__(self, width: int = 32, depth: int = 2, late: int = 0):
        super().__init__()
        if depth != 2 and (depth < 3 or depth % 2 == 0):
            raise ValueError(f"depth must be 2, 3, 5, 7, ..., not {depth}")
        stem = width // 2
        self.features = nn.Sequential(
            nn.Conv2d(1, stem, kernel_size=3),
            nn.GELU(),
            *self.stage(stem, width, depth, late > 0),
            *self.stage(width, 2 * width, depth, late > 1),
            *self.stage(2 * width, 4 * width, depth, late > 2),
            nn.MaxPool2d(3),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(4 * width, 10)

    @staticmethod
    def stage(inputs: int, outputs: int, depth: int, late: bool = False) -> list[nn.Module]:
        """Return the layers that halve the resolution, early or late, and turn `inputs` channels into `outputs`."""
        halve, same = [nn.MaxPool2d(2)], FastNetwork.convolution
        first = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
        layers = [first, *([] if late else halve), nn.BatchNorm2d(outputs), nn.GELU()]
        if depth == 2:
            layers += [*same(outputs), nn.GELU()]
        else:
            for _ in range(depth // 2):
                layers += [Residual(*same(outputs), nn.GELU(), *same(outputs)), nn.GELU()]
        return layers + (halve if late else [])

    @staticmethod
    def convolution(channels: int) -> list[nn.Module]:
        """Return a convolution that keeps the channels, and its normalisation."""
        return [nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(channels)]


class Residual(nn.Sequential):
    """Layers whose result is added to what they are given."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images to images of the same shape."""
        return images + super().forward(images)


class WideResNet(FeaturesThenClassifier):
    """A wide residual network with pre-activation: three groups of blocks, at 28 x 28, 14 x 14 and 7 x 7 pixels.

    Zagoruyko and Komodakis, 2016, https://arxiv.org/abs/1605.07146: `depth` layers, 6 n + 4 for n blocks in each
    group, and `widen` times as many channels as 16, 32 and 64. It returns logits.

    Raises:
        ValueError: `depth` is not 6 n + 4 for a positive n.
    """

    def __init__(self, depth: int, widen: int):
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"depth must be 10, 16, 22, ..., not {depth}")
        channels = [16, 16 * widen, 32 * widen, 64 * widen]
        blocks = [
            _WideBlock(outputs if block else inputs, outputs, stride=2 if group and not block else 1)
            for group, (inputs, outputs) in enumerate(pairwise(channels))
            for block in range((depth - 4) // 6)
        ]
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1, bias=False),
            *blocks,
            nn.BatchNorm2d(channels[-1]),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(channels[-1], 10)


class _WideBlock(nn.Module):
    """Two 3 x 3 convolutions, each after batch normalisation and ReLU, beside an identity or a 1 x 1 convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.activate = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        active = self.activate(images)
        return self.residual(active) + (self.shortcut(active) if self.shortcut else images)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "NeuralNetwork_v1": NeuralNetwork_v1,
    "NeuralNetwork_v1_5_5": NeuralNetwork_v1_5_5,
    "NeuralNetwork_v1_5_5_BN": NeuralNetwork_v1_5_5_BN,
    "resnet18": resnet18,
    "FastNetwork_32": partial(FastNetwork, 32),
    "FastNetwork_64": partial(FastNetwork, 64),
    "FastNetwork_64_3": partial(FastNetwork, 64, 3),
    "FastNetwork_64_3_3": partial(FastNetwork, 64, 3, 3),
    "FastNetwork_128": partial(FastNetwork, 128),
    "FastNetwork_128_3": partial(FastNetwork, 128, 3),
    "WideResNet_28_10": partial(WideResNet, 28, 10),
}


def build(model: str, changes: tuple[str, ...] = (), pretrained: str = "") -> nn.Module:
    """Build a network that `MODELS` has, from some of `PRETRAINED` or random weights, with `CHANGES` to it in order.

    The weights are drawn from torch's global generator: seed it with `torch.manual_seed` first.

    Raises:
        FashionError: there is no such thing.
    """
    network = chosen(model, MODELS, "model", "fashion/models.py")[0]()
    if pretrained:
        network = chosen(pretrained, PRETRAINED, "pretrained weights", "fashion/changes.py")[0](network)
    for change in changes:
        network = chosen(change, CHANGES, "change", "fashion/changes.py")[0](network)
    return network
