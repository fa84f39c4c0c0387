import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from fashion import FashionError
from fashion.inference.pictures import picture_files, prepare, read_picture, to_tensor


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


def test_the_files_of_a_folder_come_in_order_without_the_hidden_ones(tmp_path):
    for name in ("b.png", "a.png", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert picture_files(tmp_path) == [tmp_path / "a.png", tmp_path / "b.png"]
    assert picture_files(tmp_path / "none.png") == [tmp_path / "none.png"]
