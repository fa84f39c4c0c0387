"""Changes to networks that are experiments of their own, and weights to start from."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torchvision.models import ResNet, ResNet18_Weights

from fashion.settings import FashionError


def without_softmax(network: nn.Module) -> nn.Module:
    """Take the softmax off the end of a network's `classifier`, in place: it returns logits, as its loss expects.

    Raises:
        FashionError: there is none.
    """
    classifier = getattr(network, "classifier", None)
    if not (isinstance(classifier, nn.Sequential) and isinstance(classifier[-1], nn.Softmax)):
        raise FashionError(f'{type(network).__name__} has no `classifier` that ends in a softmax: leave out "logits"')
    network.classifier = classifier[:-1]
    return network


def identity_convolutions(network: nn.Module) -> nn.Module:
    """Let every convolution start by passing its input on, in place: one weight 1 in the middle, the others 0.

    The Dirac initialisation of Zagoruyko and Komodakis, 2017, https://arxiv.org/abs/1706.00388; biases stay as drawn.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
    return network


def imagenet_weights(network: ResNet) -> ResNet:
    """Give `resnet18` the weights of torchvision's, trained on ImageNet, in place, but for its stem and its head.

    Raises:
        FashionError: they are neither in torchvision's cache nor to be downloaded.
    """
    weights = ResNet18_Weights.DEFAULT
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise FashionError(
            f"the ImageNet weights cannot be loaded ({error}): put {Path(weights.url).name} into {folder}, "
            "or set TORCH_HOME to a folder that has it in hub/checkpoints/; resnet18_scratch needs none"
        ) from error
    ours = {name: weight for name, weight in state.items() if not name.startswith(("conv1.", "fc."))}
    network.load_state_dict(network.state_dict() | ours)
    return network


CHANGES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "logits": without_softmax,
    "identity": identity_convolutions,
}

PRETRAINED: dict[str, Callable[[nn.Module], nn.Module]] = {"imagenet": imagenet_weights}
