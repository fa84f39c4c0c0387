"""Where a network looks: what covering a part of an image does to its answer, and where the answer's gradient is."""

from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor

from fashion.settings import FashionError

EDGE = 5  # of the square, in pixels: 3 hides too little to move most answers, 9 hides a third of a garment's width
GREY = 0.0  # half way between black, -1, and white, 1


@torch.no_grad()
def occlusion(probabilities: Callable[[Tensor], Tensor], images: Tensor, classes: Tensor, edge: int = EDGE) -> Tensor:
    """Cover each image with a grey square, at every place, and say how the probability of a class falls.

    After Zeiler and Fergus, 2013, https://arxiv.org/abs/1311.2901, as Captum has it: a pixel has the mean over the
    squares that cover it. Needs the extra "demo".

    Args:
        probabilities: maps images, shape (N, 1, H, W), to probabilities, shape (N, 10), such as a `Classifier`.
        images: as `fashion.data` has them, shape (B, 1, H, W).
        classes: the class whose probability is meant, int64, shape (B,).
        edge: of the square, in pixels, at most H and W.

    Returns:
        How much lower the probability is where a pixel is covered, negative where it is higher: shape (B, H, W).

    Raises:
        FashionError: the extra is not installed.
    """
    method = _captum().Occlusion(probabilities)
    options = {"sliding_window_shapes": (1, edge, edge), "baselines": GREY, "perturbations_per_eval": 64}
    maps = [method.attribute(image[None], target=label, **options)
            for image, label in zip(images, classes.tolist(), strict=True)]  # fmt: skip
    return torch.cat(maps).squeeze(1)


def smoothgrad(network: torch.nn.Module, images: Tensor, classes: Tensor, samples: int = 32) -> Tensor:
    """Return the gradient of the score of a class, averaged over noisy copies of each image: shape (B, H, W).

    Smilkov et al., 2017, https://arxiv.org/abs/1706.03825, as Captum has it; the noise is normal, with 15% of the range
    from black to white, from torch's global generator. Needs the extra "demo".

    Args:
        network: maps images to scores, shape (B, 10), in evaluation mode.
        images: shape (B, 1, H, W).
        classes: int64, shape (B,).
        samples: noisy copies of an image.

    Raises:
        FashionError: the extra is not installed.
    """
    captum = _captum()
    options = {"nt_type": "smoothgrad", "nt_samples": samples, "nt_samples_batch_size": 4, "stdevs": 0.15 * 2}
    method = captum.NoiseTunnel(captum.Saliency(network))
    return method.attribute(images, target=classes, abs=False, **options).squeeze(1).detach()


def _captum() -> ModuleType:
    try:
        import captum.attr
    except ImportError as error:
        raise FashionError('captum is not installed: pip install -e ".[demo]"') from error
    return captum.attr
