"""What a run computes on, and how: device, precision, memory layout, compilation, and steps replayed as CUDA graphs.

Each choice for CPUs was measured; benchmarks/README.md has the figures, and says what those for GPUs rest on.
"""

import ctypes
import platform
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fashion.settings import FashionError

PRECISIONS = ("auto", "fp32", "bf16")

_IN_BFLOAT16 = ("AMX", "AVX512_BF16")  # a CPU without either multiplies in bfloat16 far more slowly than in float32

# What does not follow the rule on a CPU: there this network is slower in bfloat16, and that one with channels last.
_FP32_ON_CPU = ("NeuralNetwork_v1",)
_CHANNELS_FIRST_ON_CPU = ("resnet18", "resnet18_scratch")

TensorFunction = Callable[..., tuple[Tensor, ...]]


def choose_device(name: str | None = None) -> torch.device:
    """Return the device called `name`; by default the accelerator that torch finds, else the CPU.

    Raises:
        FashionError: there is no such device here.
    """
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if name is None:
        return accelerator or torch.device("cpu")
    here = ["cpu"]
    if accelerator:
        here += [accelerator.type] + [f"{accelerator.type}:{i}" for i in range(torch.accelerator.device_count())]
    if name not in here:
        raise FashionError(f"there is no device {name!r} here, only {', '.join(here)}")
    return torch.device(name)


def choose_precision(name: str, model: str, device: torch.device) -> str:
    """Return "fp32" or "bf16": `name`, or for "auto" what is faster for a model, a key of `MODELS`, on a device.

    Raises:
        FashionError: `name` is none of `PRECISIONS`.
    """
    if name not in PRECISIONS:
        raise FashionError(f"there is no precision {name!r}, only {', '.join(PRECISIONS)}")
    if name != "auto":
        return name
    if device.type == "cuda":
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        pays = device.type == "cpu" and instructions() in _IN_BFLOAT16 and model not in _FP32_ON_CPU
    return "bf16" if pays else "fp32"


def place(network: nn.Module, model: str, device: torch.device, precision: str) -> nn.Module:
    """Put a network on a device, in place, and let it compute there in the way that is fastest for it.

    That is a memory layout and other forms of some convolutions, of the same outcome up to rounding; on a CPU, the
    process also keeps the memory that it frees. A CUDA device computes what it computes again in the same way.

    Args:
        network: what to train.
        model: its key in `MODELS`.
        device: where.
        precision: "bf16" to compute matrix products and convolutions in bfloat16; "fp32" leaves all in float32, but for
            convolutions on a CUDA device, for which PyTorch lets cuDNN round to TF32.

    Returns:
        The network, or in bfloat16 an `InBfloat16` around it.
    """
    torch.backends.cudnn.deterministic = True  # the same seed gives the same history
    if device.type == "cpu":
        keep_freed_memory()
        stack_single_channels(network)
    if device.type == "cuda":
        unfold_single_channels(network)
    channels_last = device.type == "cuda" or (device.type == "cpu" and model not in _CHANNELS_FIRST_ON_CPU)
    network.to(device, memory_format=torch.channels_last if channels_last else torch.preserve_format)
    if device.type == "cpu" and not channels_last:
        shorten_convolutions(network)
    if device.type == "cpu" and channels_last and precision == "bf16":
        keep_gradients_channels_last(network)
    return InBfloat16(network) if precision == "bf16" else network


def bare(model: nn.Module) -> nn.Module:
    """Return the network that `place` put on a device."""
    return model.network if isinstance(model, InBfloat16) else model


def keep_gradients_channels_last(network: nn.Module) -> nn.Module:
    """Let the gradient of what a network flattens have the memory layout of its images, in place.

    It comes out channels first, and on a CPU the ReLU before it is slow where its two inputs are laid out differently.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Flatten):
            layer.register_full_backward_hook(_channels_last)
    return network


def _channels_last(_: nn.Module, inputs: tuple[Tensor, ...], __: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(None if each is None else each.contiguous(memory_format=torch.channels_last) for each in inputs)


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


def shorten_convolutions(network: nn.Module) -> nn.Module:
    """Let a network, in place, skip the part of a kernel that meets nothing but padding, where the output is one pixel.

    ResNet-18 on 28 x 28 ends so: eight of nine weights of its last convolutions never see an image. The outcome is the
    same up to rounding, and on a CPU a linear layer over the rest of the kernel is faster.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and layer.kernel_size == (3, 3) and layer.padding == (1, 1):
            layer.__class__ = _ShortConv2d
    return network


class _ShortConv2d(nn.Conv2d):
    """A 3 x 3 convolution with padding 1; one output pixel is the centre of the kernel, or the lower right of it."""

    def forward(self, images: Tensor) -> Tensor:
        size = tuple(images.shape[-2:])
        if size == (1, 1) or (size == (2, 2) and self.stride == (2, 2)):
            kernel = self.weight[:, :, 1 : 1 + size[0], 1 : 1 + size[1]]
            return functional.linear(images.flatten(1), kernel.flatten(1), self.bias)[..., None, None]
        return super().forward(images)


class InBfloat16(nn.Module):
    """A network whose matrix products and convolutions are computed in bfloat16, by autocast.

    Its weights and their gradients, its softmax and what it returns are float32.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        for layer in network.modules():
            if isinstance(layer, nn.Softmax):  # autocast leaves it in bfloat16 on a CPU
                layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))

    def forward(self, images: Tensor) -> Tensor:
        """Map images, shape (B, 1, 28, 28), to what the network returns for them, in float32."""
        with torch.autocast(images.device.type, torch.bfloat16):
            outputs = self.network(images)
        return outputs.float()


def compiled(model: nn.Module, batch_size: int) -> Callable[[Tensor], Tensor]:
    """Return a function that computes a model's outputs, and their gradients, by kernels made for that model.

    PyTorch makes them at the first call, which takes a while, and keeps them in a temporary folder for other processes:
    https://docs.pytorch.org/docs/stable/torch.compiler.html. None is chosen by timing: the same seed gives the same
    history.

    Args:
        model: on the device it computes on.
        batch_size: of the minibatches that are worth it. One of another size, such as an epoch's last, would need
            kernels of its own, and takes the model as it is.

    Returns:
        A function of images, shape (B, 1, 28, 28), that returns what the model does.

    Raises:
        FashionError: there is no C++ compiler here.
    """
    from torch._inductor import cpp_builder, exc  # not at the top: it takes seconds

    try:
        cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler as error:
        raise FashionError(
            "to compile takes a C++ compiler, and there is neither g++ nor what CXX names: do without --compile"
        ) from error
    fast = torch.compile(model, dynamic=False, options={"deterministic": True})
    return lambda images: fast(images) if len(images) == batch_size else model(images)


def replayed(function: TensorFunction, device: torch.device) -> TensorFunction:
    """Return a function that does the same with less work for the host: on a CUDA device it is replayed as a graph.

    Args:
        function: takes tensors on `device` and returns a tuple of tensors. What it does must depend on nothing but
            values in its arguments and in tensors that it finds in the same place each time.
        device: anything but a CUDA device gets `function` itself.
    """
    return Replayed(function, device) if device.type == "cuda" else function


class Replayed:
    """A function whose kernels are recorded once for each shape of its arguments, and launched together from then on.

    Its first three calls for a shape run as they are: a recording needs a warm-up, and so every call counts.
    https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs/
    """

    def __init__(self, function: TensorFunction, device: torch.device):
        self.function = function
        self.stream = torch.cuda.Stream(device)
        self.calls: Counter = Counter()
        self.recordings: dict = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Do what the function does, and return what it returns."""
        shapes = tuple(tensor.shape for tensor in inputs)
        self.calls[shapes] += 1
        if self.calls[shapes] <= 3:
            return self._on_side_stream(inputs)
        if shapes not in self.recordings:
            self.recordings[shapes] = self._record(inputs)
        graph, arguments, results = self.recordings[shapes]
        for argument, tensor in zip(arguments, inputs, strict=True):
            argument.copy_(tensor)
        graph.replay()
        return tuple(result.clone() for result in results)  # the next replay overwrites them

    def _on_side_stream(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            results = self.function(*inputs)
        current.wait_stream(self.stream)
        return results

    def _record(self, inputs: tuple[Tensor, ...]) -> tuple[torch.cuda.CUDAGraph, tuple, tuple]:
        arguments = tuple(tensor.clone() for tensor in inputs)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            results = self.function(*arguments)
        return graph, arguments, results


def instructions() -> str:
    """Name the instructions that matter most for products on this CPU, such as "AMX" or "AVX2"."""
    if torch.cpu._is_amx_tile_supported():
        return "AMX"
    return "AVX512_BF16" if torch.cpu._is_avx512_bf16_supported() else torch.backends.cpu.get_cpu_capability()


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next step: to get it from the system anew costs page faults.

    https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if platform.libc_ver()[0] != "glibc":
        return
    trim_threshold, mmap_max = -1, -4  # the parameters' numbers in malloc.h
    libc = ctypes.CDLL(None)
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)
