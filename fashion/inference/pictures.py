"""Photos and drawings in the form of the dataset: 28 x 28 grey pixels, light on a dark background."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from fashion.settings import FashionError

SIZE = 28
_CLOSE = 0.05  # to the background, as a share of the whole range: what is closer is trimmed


def picture_files(path: Path) -> list[Path]:
    """Return a file, or list those in a folder, in order of their names."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))


def read_picture(path: Path | str) -> Image.Image:
    """Read an image file of any format that Pillow reads, upright as its camera was held.

    Raises:
        FashionError: the file is missing, broken, not an image, or has more pixels than Pillow deems safe.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return ImageOps.exif_transpose(image.copy())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FashionError(f"{path} is too large: more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except FileNotFoundError as error:
        raise FashionError(f"{path} does not exist") from error
    except Image.UnidentifiedImageError as error:
        raise FashionError(f"{path} is not an image that Pillow can read") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise FashionError(f"{path} cannot be read: {error}") from error


def prepare(image: Image.Image) -> Image.Image:
    """Bring an image into the form of the dataset, after the steps of Xiao et al., https://arxiv.org/abs/1708.07747.

    On white where it is transparent; grey; negated if its background is light; brightened so that the background is
    black; trimmed to what differs from it; its longer edge resized to 28 pixels; centred on black. A grey image of 28 x
    28 pixels on a dark background is left as it is. Unlike theirs, pixels are averaged and not skipped where an image
    shrinks, and it is not sharpened.

    Raises:
        FashionError: it has no pixels, or all of it is background.
    """
    if 0 in image.size:
        raise FashionError("it has no pixels")
    grey = _grey(image)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = float(np.median(edge))
    if background > 0.5:
        grey, background = 1 - grey, 1 - background
    trimmed = _trim(np.clip((grey - background) / (1 - background), 0, 1))
    if grey.shape != (SIZE, SIZE):
        grey = _centre(trimmed)
    return Image.fromarray(np.rint(255 * grey).astype(np.uint8))


def to_tensor(image: Image.Image) -> Tensor:
    """Normalise a grey image of 28 x 28 pixels as the dataset is: float32, shape (1, 1, 28, 28), in [-1, 1]."""
    return torch.from_numpy(np.array(image, dtype=np.float32))[None, None].div_(255).sub_(0.5).div_(0.5)


def _grey(image: Image.Image) -> np.ndarray:
    """Return the pixels in [0, 1], transparent ones white."""
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits: the brightest is white
        pixels = np.asarray(image, dtype=np.float64)
        return pixels / max(pixels.max(), 1)
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("L"), dtype=np.float64) / 255


def _trim(grey: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero((grey > _CLOSE).any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        raise FashionError("there is nothing but background")
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _centre(grey: np.ndarray) -> np.ndarray:
    """Resize the longer edge to 28 pixels, and put the image in the middle of 28 x 28 black ones."""
    height, width = (max(1, round(SIZE * edge / max(grey.shape))) for edge in grey.shape)
    resized = Image.fromarray(grey.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    canvas = np.zeros((SIZE, SIZE))
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    canvas[top : top + height, left : left + width] = np.clip(np.asarray(resized), 0, 1)
    return canvas
