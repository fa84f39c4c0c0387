"""Other forms of some convolutions, of the same outcome up to rounding: each is for a kind of layer and of device."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def stack_single_channels(network: nn.Module) -> nn.Module:
    """Let convolutions from one channel to one, in place, take the images of a minibatch for channels.

    The outcome is the same up to rounding. A CPU computes on several channels at once, and here would have one.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and layer.in_channels == layer.out_channels == 1:
            layer.__class__ = _StackedConv2d
    return network


class _StackedConv2d(nn.Conv2d):
    """A convolution from one channel to one, as a depthwise convolution of a single image with B channels."""

    def forward(self, images: Tensor) -> Tensor:
        number = len(images)
        stacked = images.transpose(0, 1).contiguous(memory_format=torch.channels_last)
        kernels = self.weight.expand(number, -1, -1, -1)
        bias = None if self.bias is None else self.bias.expand(number)
        convolved = functional.conv2d(stacked, kernels, bias, self.stride, self.padding, self.dilation, number)
        return convolved.transpose(0, 1)


def unfold_single_channels(network: nn.Module) -> nn.Module:
    """Let convolutions of images of one channel, in place, be matrix products of their patches.

    The outcome is the same up to rounding. A CUDA device has slow kernels for so few channels, above all for gradients.
    """
    for layer in network.modules():
        plain = type(layer) is nn.Conv2d and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
        if plain and layer.in_channels == 1:
            layer.__class__ = _UnfoldedConv2d
    return network


class _UnfoldedConv2d(nn.Conv2d):
    """A convolution of one channel, as a linear layer over the pixels of each patch."""

    def forward(self, images: Tensor) -> Tensor:
        patches = functional.pad(images, self._reversed_padding_repeated_twice)
        for dimension in (2, 3):
            patches = patches.unfold(dimension, self.kernel_size[dimension - 2], self.stride[dimension - 2])
        rows = patches.squeeze(1).flatten(3)  # shape (B, height, width, pixels of a patch)
        return functional.linear(rows, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def shorten(network: nn.Module) -> bool:
    """Let 3 x 3 convolutions with an output of one pixel, in place, skip the part of the kernel that meets padding.

    ResNet-18 on 28 x 28 ends so: eight of nine weights of its last convolutions never see an image. The outcome is the
    same up to rounding, and on a CPU a linear layer over the rest of the kernel is faster, with channels first. Two
    black images, on the CPU, find out which convolutions these are.

    Returns:
        Whether there are any.
    """
    sizes: dict[nn.Module, set] = {}  # more than one where a layer is used more than once

    def note(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        sizes.setdefault(layer, set()).add(output.shape[-2:])

    candidates = [layer for layer in network.modules() if type(layer) is nn.Conv2d and _can_be_short(layer)]
    hooks = [layer.register_forward_hook(note) for layer in candidates]
    modes = {layer: layer.training for layer in network.modules()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            network.eval()(torch.zeros(2, 1, 28, 28)) if candidates else None
    finally:
        for layer, mode in modes.items():
            layer.training = mode
        for hook in hooks:
            hook.remove()
    one_pixel = [layer for layer, found in sizes.items() if found == {(1, 1)}]
    for layer in one_pixel:
        layer.__class__ = _ShortConv2d
    return bool(one_pixel)


def _can_be_short(layer: nn.Conv2d) -> bool:
    plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    return plain and layer.kernel_size == (3, 3) and layer.padding == (1, 1) and layer.stride in ((1, 1), (2, 2))


class _ShortConv2d(nn.Conv2d):
    """A 3 x 3 convolution with padding 1 whose output is one pixel: the centre of the kernel, or its lower right."""

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        kernel = self.weight[:, :, 1 : 1 + height, 1 : 1 + width]
        return functional.linear(images.flatten(1), kernel.flatten(1), self.bias)[..., None, None]
