import gzip
import shutil
import struct

import pytest
from damage import one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.datasets import FashionMNIST

from fashion import FashionError, load_data

FILES = [name.removesuffix(".gz") for name, _ in FashionMNIST.resources]
COUNTS = st.sampled_from([0, 1, 3, 9_999, 10_000, 60_000, 2**31 - 1, 2**32 - 1])
MAGIC = st.sampled_from([0x801, 0x803, 0x802, 0x800, 0x804, 0x903, 0xD03, 0, 0xFFFFFFFF])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@settings(max_examples=250)
@given(
    name=st.sampled_from(FILES),
    magic=MAGIC,
    counts=st.lists(COUNTS, max_size=4),
    content=st.binary(max_size=60) | st.lists(st.integers(10, 255), min_size=3, max_size=3).map(bytes),
    packed=st.booleans(),
    cut=st.integers(0, 30) | st.just(0),
)
def test_a_file_of_another_content_is_told(root, name, magic, counts, content, packed, cut):
    raw = root / "FashionMNIST" / "raw"
    shutil.rmtree(root)
    raw.mkdir(parents=True)
    whole = struct.pack(f">{1 + len(counts)}I", magic, *counts) + content
    whole = gzip.compress(whole) if packed else whole
    (raw / f"{name}{'.gz' if packed else ''}").write_bytes(whole[: len(whole) - cut])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
        with pytest.raises(FashionError, match=rf"{name}\S* is damaged") as error:
            load_data(root)
    assert one_line(error.value)
