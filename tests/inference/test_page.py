import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from fashion import CLASSES, FashionError
from fashion.inference.classifier import load_classifier, predict
from fashion.settings import SHIPPED

pytest.importorskip("gradio", reason='the extra "demo" is not installed')

from fashion.inference import page
from fashion.inference.page import answer, answer_or_fault, as_html, examples, networks


@pytest.fixture(scope="module")
def shipped():
    return load_classifier()


@pytest.fixture
def photo(tmp_path):
    """A photo that its camera held on its side."""
    image, exif = Image.new("RGB", (300, 400), "white"), Image.Exif()
    ImageDraw.Draw(image).polygon([(90, 30), (210, 30), (230, 370), (170, 370), (150, 120), (70, 370)], "navy")
    exif[0x0112] = 6
    image.save(tmp_path / "photo.jpg", exif=exif)
    return tmp_path / "photo.jpg"


def shares(text):
    return re.findall(r"([\d.]+)%</b>", text)


def test_the_answer_is_that_of_predict(photo, shipped):
    found = answer(photo, shipped)
    assert found.prediction == predict(photo, shipped)
    assert found.picture.size == (400, 300) and found.prepared.size == (28, 28) and found.drops.shape == (28, 28)
    text = as_html(found)
    assert shares(text) == [f"{100 * share:.1f}" for share in found.prediction.probabilities.values()]
    assert all(name in text for name in CLASSES)


def test_the_map_is_of_the_class_that_is_named(photo, shipped):
    found = answer(photo, shipped)
    pixels = torch.from_numpy(np.array(found.prepared, dtype=np.float32))[None, None] / 127.5 - 1
    covered = pixels.clone()
    covered[..., :5, :5] = 0  # the only square that covers the corner
    with torch.no_grad():
        fall = (shipped(pixels) - shipped(covered))[0, CLASSES.index(found.prediction.label)]
    assert found.drops[0, 0] == pytest.approx(float(fall), abs=1e-5)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"junk", "a <b>.jpg is not an image that Pillow can read"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 20, "a <b>.jpg is not an image that Pillow can read without another package"),
        (None, "a <b>.jpg does not exist"),
        ("white", "a <b>.jpg: there is nothing but background"),
    ],
)
def test_a_fault_is_the_line_of_predict_without_the_folder(tmp_path, monkeypatch, shipped, content, fault):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(sys.modules, "pillow_heif")  # as if it were not installed
    monkeypatch.setattr(sys, "path", [])
    path = tmp_path / "a <b>.jpg"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        Image.new("RGB", (50, 50), content).save(path)
    with pytest.raises(FashionError) as found:
        answer(path, shipped)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FashionError) as said:
        predict(path.name, shipped)
    assert str(found.value) == str(said.value)
    assert str(found.value).startswith(fault)


def test_an_empty_drawing_says_so(shipped):
    with pytest.raises(FashionError, match=r"^there is nothing but background$"):
        answer(Image.new("L", (320, 320), "white"), shipped)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "F"])
def test_a_picture_of_every_mode_is_shown(mode, shipped):
    image = Image.new("L", (60, 60), 255)
    ImageDraw.Draw(image).rectangle((20, 5, 40, 55), fill=0)
    image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    shown = page.displayable(image).convert("L")
    assert shown.getpixel((30, 30)) < 10 and shown.getpixel((0, 0)) > 245
    assert as_html(answer(image, shipped)).count("data:image/png;base64,") == 3


def test_the_map_is_coloured_where_covering_matters_and_grey_elsewhere():
    drops = np.zeros((28, 28))
    drops[0, 0], drops[0, 1] = 1, -1
    coloured = page._coloured(Image.new("L", (28, 28), 100), drops)
    pixels = [coloured.getpixel((column, 0)) for column in range(3)]
    assert [f"#{red:02X}{green:02X}{blue:02X}" for red, green, blue in pixels] == [page.FALLS, page.RISES, "#646464"]


def test_every_network_that_is_shipped_is_a_choice_by_its_record(shipped):
    choices = networks()
    assert len(choices) == len(list(SHIPPED.parent.glob("*.safetensors")))
    first = next(iter(choices))
    assert first == f"final_small, {shipped.accuracy:.2f}%"
    assert choices[first].record == shipped.record


@pytest.mark.parametrize("drawing", sorted(page.DRAWINGS.glob("*.png")), ids=lambda path: path.stem)
def test_each_drawing_is_taken_for_what_it_is_called(drawing, shipped):
    assert predict(drawing, shipped).label == drawing.stem.replace("_", " ").capitalize()


def test_the_examples_are_test_images_of_six_classes_and_three_drawings(full):
    found = examples()
    names = [name for _, name in found]
    assert len(set(names[:6])) == 6 and set(names[:6]) <= set(CLASSES) and names[6:] == ["Drawing"] * 3
    for image, name in found[:6]:
        first = full[1].images[full[1].labels == CLASSES.index(name)][0, 0]
        assert np.array_equal(np.asarray(image), ((first + 1) * 127.5).round().numpy())


def test_without_the_dataset_there_are_only_drawings_and_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    monkeypatch.setattr(page, "load_data", None)
    assert [name for _, name in examples()] == ["Drawing"] * 3


def test_a_fault_is_escaped(tmp_path, shipped):
    assert answer_or_fault(tmp_path / "<i>.png", shipped) == '<p class="fault">&lt;i&gt;.png does not exist</p>'
