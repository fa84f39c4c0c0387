"""What a network is made of, and what flows through it: activations forward, gradients backward."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fashion.training import LossFunction


class Flow(NamedTuple):
    """What one minibatch does in one layer, by its name in the network and its type.

    `active` is the share of its outputs that are not zero, 0 to 1; `spread` how far they tell images apart: their
    standard deviation over the images, averaged over units; `gradient` the norm of the loss's gradient with respect to
    its weight, None for a layer that has none.
    """

    layer: str
    active: float
    spread: float
    gradient: float | None


def flow(network: nn.Module, images: Tensor, labels: Tensor, loss_fn: LossFunction) -> list[Flow]:
    """Send one minibatch forward and backward through a network, and describe each of its layers, in order.

    The network's weights stay as they are; gradients that it holds are replaced.

    Args:
        network: in the mode it is to be looked at, on the images' device.
        images: shape (B, 1, 28, 28).
        labels: shape (B,).
        loss_fn: maps outputs, shape (B, 10), and labels to their mean loss.
    """
    layers = {name: layer for name, layer in network.named_modules() if not list(layer.children())}
    outputs: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        outputs[layer] = output.detach()

    hooks = [layer.register_forward_hook(note) for layer in layers.values()]
    try:
        network.zero_grad()
        loss_fn(network(images), labels).backward()
    finally:
        for hook in hooks:
            hook.remove()
    return [
        Flow(
            f"{name} {type(layer).__name__}",
            (outputs[layer] != 0).float().mean().item(),
            outputs[layer].std(dim=0).mean().item(),
            layer.weight.grad.norm().item() if getattr(layer, "weight", None) is not None else None,
        )
        for name, layer in layers.items()
    ]


def stages(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Return what a network makes of images: the last maps with so many channels, (N, C, H, W), by "64 x 6 x 6"."""
    found: dict[int, Tensor] = {}

    def note(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[-1] > 1:
            found[output.shape[1]] = output.detach().clone()

    hooks = [layer.register_forward_hook(note) for layer in network.modules() if layer is not network]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return {" x ".join(map(str, maps.shape[1:])): maps for maps in found.values()}


def features(network: nn.Module, images: Tensor, at_a_time: int = 500) -> tuple[Tensor, Tensor]:
    """Return what the last linear layer of a network is given, shape (N, D), and what the network returns, (N, 10)."""
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    given: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach().float()))
    try:
        with torch.no_grad():
            outputs = [network(part) for part in images.split(at_a_time)]
    finally:
        hook.remove()
    return torch.cat(given), torch.cat(outputs)


def summary(network: nn.Module, batch_size: int = 64) -> str:
    """Return torchinfo's table of a network: layers, output shapes, parameters, multiply-adds, for one minibatch."""
    from torchinfo import summary as torchinfo_summary

    device = next(network.parameters()).device
    table = str(torchinfo_summary(network, input_size=(batch_size, 1, 28, 28), device=device, verbose=0))
    # torchinfo 1.8.0 relies on an older rule for formatting enums: newer Pythons print the name, not the letter.
    return table.replace("Units.MEGABYTES", "M").replace("Units.GIGABYTES", "G")
