"""Photos and drawings in the form of the dataset: 28 x 28 grey pixels, light on a dark background."""

import sys
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor

from fashion.settings import FashionError

SIZE = 28
LONGEST = 2048  # pixels of the longer edge: what is longer is made smaller first, so that a photo needs little memory
_CLOSE = 0.05  # to the background, as a share of the whole range: what is closer is trimmed

# What an image is turned into where the mean of its pixels' numbers is no mean of what they show.
_MEANS = {"1": "L", "P": "RGBA", "PA": "RGBA", "I;16": "I", "I;16L": "I", "I;16B": "I", "I;16N": "I"}

# How to turn a picture upright, by its orientation in EXIF.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What files that pillow-heif reads, and files that Pillow reads from 11.3 on, have from the fourth byte on.
_HEIC = tuple(b"ftyp" + each for each in b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split())
_AVIF = (b"ftypavif", b"ftypavis")


def picture_files(path: Path) -> list[Path]:
    """Return a file, or list those in a folder that may be pictures by their endings, in order of their names.

    Raises:
        FashionError: the folder cannot be read.
    """
    try:
        if not path.is_dir():
            return [path]
        return sorted(each for each in path.iterdir() if _may_be_picture(each) and not _is_other(each))
    except OSError as error:
        raise FashionError(f"{shown(path)} cannot be read: {_reason(error)}") from error


def shown(path: Path | str) -> str:
    """Return a file's name in one line, of characters that the terminal has."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return "".join(map(_in_line, str(path))).encode(encoding, "backslashreplace").decode(encoding)


def read_picture(path: Path | str) -> Image.Image:
    """Read an image file of any format that Pillow reads, upright as its camera was held, at most 2,048 pixels long.

    Raises:
        FashionError: the file is missing, broken, not an image, or has more pixels than Pillow deems safe.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damage that leaves the pixels whole
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with _open(path) as image:
                return _upright(_smaller(image, while_decoding=True))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FashionError(f"{shown(path)} is too large: more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except FileNotFoundError as error:
        raise FashionError(f"{shown(path)} does not exist") from error
    except Image.UnidentifiedImageError as error:
        raise FashionError(f"{shown(path)} is not an image that Pillow can read{_remedy(path)}") from error
    except Exception as error:  # each format of Pillow fails in its own ways
        raise FashionError(f"{shown(path)} cannot be read: {_reason(error)}") from error


def prepare(image: Image.Image) -> Image.Image:
    """Bring an image into the form of the dataset, after the steps of Xiao et al., https://arxiv.org/abs/1708.07747.

    On white where it is transparent; grey; negated if its background is light; brightened so that the background is
    black; trimmed to what differs from it; its longer edge resized to 28 pixels; centred on black. A grey image of 28 x
    28 pixels on a dark background is left as it is. Unlike theirs, pixels are averaged and not skipped where an image
    shrinks, and it is not sharpened.

    Raises:
        FashionError: it has no pixels, all of it is background, or Pillow cannot turn its mode into grey.
    """
    if 0 in image.size:
        raise FashionError("it has no pixels")
    grey = _grey(_smaller(image))
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = float(np.median(edge))
    if background > 0.5:
        grey, background = 1 - grey, 1 - background
    trimmed = _trim(np.clip((grey - background) / (1 - background), 0, 1))
    if grey.shape != (SIZE, SIZE):
        grey = _centre(trimmed)
    return Image.fromarray(np.clip(np.rint(255 * grey), 0, 255).astype(np.uint8))


def displayable(image: Image.Image) -> Image.Image:
    """Return a picture in colours that every browser shows: of 16 or 32 bits as grey, else as it is, in RGBA."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(np.clip(255 * _grey(image), 0, 255).astype(np.uint8))
    return image.convert("RGBA")


def to_tensor(image: Image.Image) -> Tensor:
    """Normalise a grey image of 28 x 28 pixels as the dataset is: float32, shape (1, 1, 28, 28), in [-1, 1]."""
    return torch.from_numpy(np.array(image, dtype=np.float32))[None, None].div_(255).sub_(0.5).div_(0.5)


def _grey(image: Image.Image) -> np.ndarray:
    """Return the pixels in [0, 1], transparent ones white."""
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits: the brightest is white
        pixels = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0, neginf=0)
        return pixels / max(pixels.max(), 1)
    try:
        rgba = image.convert("RGBA")
    except ValueError as error:
        raise FashionError(f"it has colours of mode {image.mode}, which Pillow cannot turn into grey") from error
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


def _in_line(character: str) -> str:
    odd = ("Cc", "Cs", "Zl", "Zp")  # controls, halves of characters, separators of lines and paragraphs
    return character.encode("unicode_escape").decode() if unicodedata.category(character) in odd else character


def _smaller(image: Image.Image, while_decoding: bool = False) -> Image.Image:
    """Return a copy of an image whose longer edge has at most `LONGEST` pixels, each the mean of a square."""
    factor = _factor(image)
    if factor > 1 and while_decoding:
        image.draft(None, tuple(max(1, edge // factor) for edge in image.size))
        factor = _factor(image)
    if factor == 1:
        return image.copy()
    image.load()
    if image.mode in _MEANS:
        image = image.convert(_MEANS[image.mode])
    return image.reduce(factor)


def _factor(image: Image.Image) -> int:
    return max(1, -(-max(image.size) // LONGEST))


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF leaves the pixels whole
        return image
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _open(path: Path | str) -> Image.Image:
    """Open an image file, with pillow-heif where Pillow cannot and that package is installed."""
    try:
        return Image.open(path)
    except Image.UnidentifiedImageError as error:
        if _kind(path) not in _HEIC:
            raise
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            raise error from None
        register_heif_opener()
        return Image.open(path)


def _remedy(path: Path | str) -> str:
    """Say which package reads a file that is whole, where this Pillow knows nothing of its format."""
    kind = _kind(path)
    if kind in _HEIC and "pillow_heif" not in sys.modules:
        return " without another package: pip install pillow-heif"
    if kind in _AVIF and ".avif" not in Image.registered_extensions():
        return " before version 11.3: pip install -U pillow"
    return ""


def _kind(path: Path | str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(12)[4:]


def _may_be_picture(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in ("", *Image.registered_extensions())


def _is_other(path: Path) -> bool:
    """Whether a path is known to be no file; one that cannot be looked at may be one, and says so when it is read."""
    try:
        return not path.is_file()
    except OSError:
        return False


def _reason(error: Exception) -> str:
    """Return what an error says, or else is called, in one line."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(words.split()) or type(error).__name__
