import io
import warnings

import numpy as np
import pytest
from damage import damaged, one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashion import CLASSES, FashionError
from fashion.inference.classifier import load_classifier, predict
from fashion.inference.pictures import read_picture

Image.init()
OTHER_PROGRAMS = {"EPS"}  # which Pillow reads with another program


def written():
    """Return a small picture as each format of Pillow writes it in each mode, by format and mode."""
    pixels = np.full((24, 20, 3), 250, np.uint8)
    pixels[5:20, 4:15] = (20, 60, 120)
    found = {}
    for kind in sorted(set(Image.SAVE) & set(Image.OPEN) - OTHER_PROGRAMS):
        for mode in ("RGB", "RGBA", "L", "P", "1", "I", "F", "I;16", "CMYK", "LAB"):
            content = io.BytesIO()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    Image.fromarray(pixels).convert("I" if mode == "I;16" else mode).convert(mode).save(content, kind)
            except Exception:  # the format has no such mode
                continue
            found[f"{kind} {mode}"] = content.getvalue()
    return found


WRITTEN = written()


@pytest.fixture(scope="module")
def classifier():
    return load_classifier()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures") / "picture"


def require_answer_or_line(path, content, classifier):
    path.write_bytes(content)
    try:
        answer = predict(path, classifier)
    except FashionError as error:
        assert one_line(error) and str(path) in str(error)
    else:
        assert answer.label in CLASSES and sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-4)


def test_pillow_writes_many_formats():
    assert len({name.split()[0] for name in WRITTEN}) >= 15 and len(WRITTEN) >= 50


@pytest.mark.parametrize("name", WRITTEN)
def test_what_pillow_writes_is_answered(path, name, classifier):
    path.write_bytes(WRITTEN[name])
    try:
        picture = read_picture(path)
    except FashionError:
        with pytest.raises(Exception), Image.open(path) as image:  # noqa: B017 - of any kind: nor does Pillow read it
            image.load()
        return
    assert picture.size[0] > 0 and predict(path, classifier).label in CLASSES


@settings(max_examples=700)
@given(st.sampled_from(sorted(WRITTEN)).flatmap(lambda name: damaged(WRITTEN[name])))
def test_a_damaged_picture_is_an_answer_or_a_line(path, classifier, content):
    require_answer_or_line(path, content, classifier)


HEADS = [content[:16] for content in WRITTEN.values()] + [
    b"",
    b"8BPS",
    b"SIMPLE  =",
    b"\x93NUMPY",
    b"DDS ",
    b"%!PS-Adobe",
]


@settings(max_examples=200)
@given(st.sampled_from(HEADS), st.binary(max_size=300))
def test_bytes_at_random_are_an_answer_or_a_line(path, classifier, head, content):
    require_answer_or_line(path, head + content, classifier)
