import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

from fashion import FashionError
from fashion.inference import pictures
from fashion.inference.classifier import predict
from fashion.inference.pictures import LONGEST, picture_files, prepare, read_picture, shown, to_tensor


def drawing(size=(300, 400), background="white", box=(100, 50, 200, 350), colour="black", mode="RGB"):
    image = Image.new(mode, size, background)
    ImageDraw.Draw(image).rectangle(box, fill=colour)
    return image


def test_a_dark_shape_on_white_becomes_light_on_black_and_fills_the_longer_edge():
    pixels = np.asarray(prepare(drawing()))
    assert pixels.shape == (28, 28) and pixels.dtype == np.uint8
    rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (0, 27)
    assert (columns[0], columns[-1]) in [(9, 17), (9, 18), (10, 17), (10, 18)]  # 101 of 301 pixels: 9 of 28, centred
    assert pixels[14, 14] == 255 and pixels[14, 0] == 0


def test_a_light_shape_on_dark_is_not_negated():
    dark = prepare(drawing(background="black", colour="white"))
    assert np.array_equal(np.asarray(dark), np.asarray(prepare(drawing())))


def test_a_grey_background_becomes_black():
    pixels = np.asarray(prepare(drawing(background=(230, 230, 230), colour=(20, 20, 20))))
    assert pixels[14, 0] == 0 and pixels[14, 14] > 225


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_is_read(mode, tmp_path):
    image = drawing(mode="L", background=255, colour=0)
    image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    pixels = np.asarray(prepare(image))
    assert pixels[14, 14] > 250 and pixels[14, 0] < 5


def test_what_is_transparent_is_background():
    image = Image.new("RGBA", (300, 400), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((100, 50, 200, 350), fill=(0, 0, 0, 255))
    assert np.array_equal(np.asarray(prepare(image)), np.asarray(prepare(drawing())))


def test_an_image_of_the_dataset_stays_as_it_is(full):
    pixels = ((full[1].images[0, 0] + 1) / 2 * 255).round().to(dtype=torch.uint8).numpy()
    prepared = prepare(Image.fromarray(pixels))
    assert np.array_equal(np.asarray(prepared), pixels)
    assert (to_tensor(prepared) - full[1].images[:1]).abs().max() < 1e-6


def test_a_picture_is_made_smaller_by_averages():
    stripes = np.zeros((300, 300), np.uint8)
    stripes[10:290:2, 10:290] = 255
    grey = np.asarray(prepare(Image.fromarray(stripes)))
    assert grey.shape == (28, 28) and grey.min() > 120 and grey.max() < 150


def test_nothing_but_background_is_an_error():
    with pytest.raises(FashionError, match="nothing but background"):
        prepare(Image.new("RGB", (50, 50), "white"))
    with pytest.raises(FashionError, match="nothing but background"):
        prepare(Image.new("L", (28, 28), 40))
    with pytest.raises(FashionError, match="no pixels"):
        prepare(Image.new("L", (0, 50)))


def test_a_photo_is_turned_upright(tmp_path):
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    drawing().save(path, exif=exif)
    assert read_picture(path).size == (400, 300)


@pytest.mark.parametrize("turn", range(1, 9))
def test_each_way_to_hold_a_camera_is_turned_as_pillow_turns_it(tmp_path, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    drawing().save(tmp_path / "photo.png", exif=exif)
    with Image.open(tmp_path / "photo.png") as image:
        expected = ImageOps.exif_transpose(image)
    assert np.array_equal(np.asarray(read_picture(tmp_path / "photo.png")), np.asarray(expected))


def damaged_exif(rational=0x011A):
    """EXIF with an orientation of 6 beside a rational of -1/0."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", rational, 10, 1, 38)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + struct.pack("<ii", -1, 0)


@pytest.mark.parametrize("exif", [damaged_exif(), damaged_exif()[:30], b"Exif\0\0junk", b"Exif\0\0" + b"\xff" * 40])
def test_damaged_exif_leaves_the_pixels_whole(tmp_path, exif):
    path = tmp_path / "photo.jpg"
    drawing().save(path, exif=exif)
    picture = read_picture(path)
    assert picture.size in ((300, 400), (400, 300))
    assert predict(path).probabilities == predict(picture).probabilities


def test_what_can_be_read_of_damaged_exif_turns_the_photo(tmp_path):
    drawing().save(tmp_path / "photo.jpg", exif=damaged_exif())
    assert read_picture(tmp_path / "photo.jpg").size == (400, 300)


@pytest.mark.parametrize("error", [NotImplementedError("DXT9"), SyntaxError("not a\nplugin"), struct.error("4 bytes"),
                                   MemoryError(), KeyError(7), RecursionError(), AssertionError()])  # fmt: skip
@pytest.mark.parametrize("when", ["open", "load"])
def test_whatever_pillow_raises_is_one_line_that_names_the_file(tmp_path, monkeypatch, error, when):
    def fail(*_, **__):
        raise error

    path = tmp_path / "photo.png"
    drawing().save(path)
    monkeypatch.setattr(*((Image, "open") if when == "open" else (Image.Image, "copy")), fail)
    with pytest.raises(FashionError, match=r"photo\.png cannot be read: \S+") as found:
        read_picture(path)
    assert "\n" not in str(found.value)


def test_damage_of_which_pillow_only_warns_is_no_warning(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 1, "a description"
    drawing().save(tmp_path / "photo.jpg", exif=exif.tobytes()[:-8])  # "Corrupt EXIF data", "Truncated File Read"
    assert read_picture(tmp_path / "photo.jpg").size == (300, 400)


def test_numbers_that_are_no_colours_are_no_warning():
    for odd in (np.nan, np.inf, -np.inf, -1e38, 3e38):
        pixels = np.zeros((28, 28), np.float32)
        pixels[5:9, 5:9], pixels[12, 12] = 1, odd
        assert np.asarray(prepare(Image.fromarray(pixels))).shape == (28, 28)


def test_a_mode_without_a_way_to_grey_is_named():
    with pytest.raises(FashionError, match="colours of mode La, which"):
        prepare(Image.new("La", (30, 30)))


def test_camera_formats_name_the_package_that_reads_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for brand in (b"heic", b"mif1"):
        (tmp_path / "photo").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(4) + b"mif1heic" + bytes(100))
        monkeypatch.delitem(sys.modules, "pillow_heif")
        monkeypatch.setattr(sys, "path", [])
        with pytest.raises(
            FashionError, match=r"photo is not an image .* without another package: pip install pillow-h"
        ):
            read_picture(tmp_path / "photo")
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "photo").write_bytes(b"\0\0\0\x18ftypavif" + bytes(100))
    monkeypatch.setattr(Image, "registered_extensions", lambda: {".png": "PNG"})
    monkeypatch.setattr(Image, "open", lambda _: (_ for _ in ()).throw(Image.UnidentifiedImageError()))
    with pytest.raises(FashionError, match=r"before version 11\.3: pip install -U pillow"):
        read_picture(tmp_path / "photo")


def test_a_name_is_one_line_of_what_the_terminal_has(monkeypatch):
    assert shown("\u30b7\u30e3\u30c4 1.png") == "\u30b7\u30e3\u30c4 1.png"
    assert shown("a\nb\x1b[2J\u2028\udcff.png") == r"a\nb\x1b[2J\u2028\udcff.png"
    monkeypatch.setattr(sys, "stdout", type("Terminal", (), {"encoding": "cp1252"})())
    assert shown("\u30b7\xe9.png") == "\\u30b7\xe9.png"


ORDINARY = [(40, 30), (300, 400), (1500, 2000), (2048, 2048)]


@pytest.mark.parametrize("size", ORDINARY)
@pytest.mark.parametrize("kind", ["L.jpg", "RGB.jpg", "RGB.png", "RGBA.png", "P.gif"])
def test_an_ordinary_picture_is_read_whole(tmp_path, monkeypatch, size, kind):
    mode, path = kind.partition(".")[0], tmp_path / kind
    box = [round(share * edge) for share, edge in zip((0.3, 0.2, 0.8, 0.7), size * 2, strict=True)]
    drawing(size, "white", box, "navy").convert(mode).save(path)
    ours = predict(path).probabilities
    monkeypatch.setattr(pictures, "LONGEST", 10**9)
    with Image.open(path) as image:
        whole = predict(image).probabilities
    assert ours == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
def test_a_large_picture_is_made_smaller_by_averages(mode):
    height, width = 3 * LONGEST + 100, 61
    wide = np.full((height, width), 255, np.uint8)
    wide[1000:5000, 20:40] = 0
    image = Image.fromarray(wide)
    image = Image.fromarray(wide.astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    ours, whole = (
        np.asarray(prepare(image)).astype(int),
        np.asarray(prepare(Image.fromarray(wide[::4, ::4]))).astype(int),
    )
    assert pictures._smaller(image).size == (16, 1561)
    assert np.abs(ours - whole).max() <= 3


WATCH = """
import resource, sys
from fashion.inference.classifier import predict
for path in sys.argv[1:]:
    predict(path)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="which does not say how much memory a process took")
def test_a_photo_of_48_megapixels_takes_little_memory(tmp_path):
    photo = drawing((8000, 6000), (240, 230, 220), (3000, 1000, 5000, 5000), "navy")
    photo.save(tmp_path / "photo.jpg", progressive=True)
    photo.convert("RGBA").save(tmp_path / "photo.png", compress_level=1)
    photo.resize((80, 60)).save(tmp_path / "small.png")
    paths = [tmp_path / name for name in ("small.png", "photo.jpg", "photo.png")]
    done = subprocess.run([sys.executable, "-c", WATCH, *paths], capture_output=True, text=True, check=True)
    small, *photos = map(int, done.stdout.split())  # the most so far, in bytes
    assert all(most - small < 600e6 for most in photos)


def test_files_that_cannot_be_read_are_errors_that_name_them(tmp_path, monkeypatch):
    with pytest.raises(FashionError, match=r"none\.png does not exist"):
        read_picture(tmp_path / "none.png")
    text = tmp_path / "text.png"
    text.write_text("not an image")
    with pytest.raises(FashionError, match=r"text\.png is not an image"):
        read_picture(text)
    whole = tmp_path / "whole.png"
    drawing().save(whole)
    broken = tmp_path / "broken.png"
    broken.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(FashionError, match=r"broken\.png cannot be read"):
        read_picture(broken)
    with pytest.raises(FashionError, match="cannot be read"):
        read_picture(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    with pytest.raises(FashionError, match=r"whole\.png is too large: more than 100,000 pixels"):
        read_picture(whole)


def test_the_pictures_of_a_folder_come_in_order_without_what_is_hidden_or_ends_otherwise(tmp_path):
    for name in ("b.png", "a.JPG", "without", ".hidden", ".hidden.png", "notes.txt", "Thumbs.db"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert picture_files(tmp_path) == [tmp_path / name for name in ("a.JPG", "b.png", "without")]
    assert picture_files(tmp_path / "none.png") == [tmp_path / "none.png"]


def test_a_folder_that_cannot_be_read_is_an_error_that_names_it(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").touch()
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.is_file", refuse)
        assert picture_files(tmp_path) == [tmp_path / "a.png"]  # which says so when it is read
    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(FashionError, match=f"{tmp_path.name} cannot be read: Permission denied$"):
        picture_files(tmp_path)
