"""What a run computes on, and how: device, precision and memory layout."""

import ctypes
import platform
from copy import deepcopy

import torch
from torch import Tensor, nn

from fashion.hardware.compilation import warm_up
from fashion.hardware.convolutions import shorten, stack_single_channels, unfold_single_channels
from fashion.settings import FashionError

PRECISIONS = ("auto", "fp32", "bf16")

_IN_BFLOAT16 = ("AMX", "AVX512_BF16")  # a CPU without either multiplies in bfloat16 far more slowly than in float32


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


def require_precision(name: str) -> None:
    """Refuse what is none of `PRECISIONS`, with a `FashionError`."""
    if name not in PRECISIONS:
        raise FashionError(f"there is no precision {name!r}, only {', '.join(PRECISIONS)}")


def choose_precision(name: str, network: nn.Module, device: torch.device) -> str:
    """Return "fp32" or "bf16": `name`, or for "auto" what is faster for a network on a device.

    Raises:
        FashionError: `name` is none of `PRECISIONS`.
    """
    require_precision(name)
    if name != "auto":
        return name
    if device.type == "cuda":
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        pays = device.type == "cpu" and instructions() in _IN_BFLOAT16 and is_wide(network)
    return "bf16" if pays else "fp32"


def place(network: nn.Module, device: torch.device, precision: str) -> nn.Module:
    """Put a network from the CPU on a device, in place, and let it compute there in the way that is fastest for it.

    That is a memory layout and other forms of some convolutions, of the same outcome up to rounding, if a trial with
    two images shows that the network bears them; on a CPU, the process also keeps the memory that it frees. A CUDA
    device computes what it computes again in the same way.

    Returns:
        The network, or for "bf16" an `InBfloat16` around it. In "fp32" all stays in float32, but for convolutions on a
        CUDA device, for which PyTorch lets cuDNN round to TF32.
    """
    torch.backends.cudnn.deterministic = True  # the same seed gives the same history
    if device.type == "cpu":
        keep_freed_memory()
    if _computes(_tuned(deepcopy(network), device, precision), device):
        return _tuned(network, device, precision)
    network.to(device)
    return InBfloat16(network) if precision == "bf16" else network


def _computes(network: nn.Module, device: torch.device) -> bool:
    try:
        warm_up(network, network, torch.zeros(2, 1, 28, 28, device=device))
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # it views what has another layout, or writes over what a hook keeps
        return False
    return True


def _tuned(network: nn.Module, device: torch.device, precision: str) -> nn.Module:
    channels_last = device.type == "cuda"
    if device.type == "cuda":
        unfold_single_channels(network)
    if device.type == "cpu":
        stack_single_channels(network)
        channels_last = not shorten(network)
    network.to(device, memory_format=torch.channels_last if channels_last else torch.preserve_format)
    if device.type == "cpu" and channels_last and precision == "bf16":
        keep_gradients_channels_last(network)
    return InBfloat16(network) if precision == "bf16" else network


def is_wide(network: nn.Module) -> bool:
    """Say whether a network has a convolution over several channels.

    The rest is too little work for casts to bfloat16, and for a second thread, to pay on a CPU.
    """
    return any(isinstance(layer, nn.Conv2d) and layer.in_channels > 1 for layer in network.modules())


def bare(network: nn.Module) -> nn.Module:
    """Return the network that `place` put on a device."""
    return network.network if isinstance(network, InBfloat16) else network


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
