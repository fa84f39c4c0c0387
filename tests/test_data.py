import gzip
import shutil

import pytest
import torch
from torchvision.datasets import FashionMNIST
from torchvision.transforms import Compose, Normalize, ToTensor

from fashion import CLASSES, Dataset, FashionError, Loader, load_data, split
from fashion.data import parted
from fashion.settings import ROOT

RAW = ROOT / "data" / "FashionMNIST" / "raw"
FILES = [name for name, _ in FashionMNIST.resources]


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the four published files, and no network to fetch others from."""
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        shutil.copy(RAW / name, raw)
    return raw


def numbered(n):
    return Dataset(torch.arange(float(n)).reshape(n, 1, 1, 1), torch.arange(n))


def test_all_images_in_the_published_form(full, tmp_path):
    train, test = full
    assert train.images.shape == (60_000, 1, 28, 28) and test.images.shape == (10_000, 1, 28, 28)
    assert train.images.dtype == torch.float32 and train.labels.dtype == torch.int64
    assert train.labels.bincount().tolist() == [6_000] * 10 and test.labels.bincount().tolist() == [1_000] * 10
    transform = Compose([ToTensor(), Normalize((0.5,), (0.5,))])
    (tmp_path / "FashionMNIST").mkdir()
    shutil.copytree(RAW, tmp_path / "FashionMNIST" / "raw")
    reference = FashionMNIST(tmp_path, train=False, transform=transform, download=True)  # which unpacks
    for index in (0, 1, 9_999):
        image, label = reference[index]
        assert torch.equal(test.images[index], image) and test.labels[index] == label


def test_classes_are_in_the_order_of_the_labels():
    assert CLASSES[0] == "T-shirt/top" and CLASSES[6] == "Shirt" and CLASSES[9] == "Ankle boot" and len(CLASSES) == 10


def test_the_packed_files_are_enough(copy, monkeypatch):
    monkeypatch.setenv("FASHION_DATA", str(copy.parents[1]))
    train, test = load_data()
    assert len(train.labels) == 60_000 and len(test.labels) == 10_000


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(FashionError, match=rf"{name} is missing .* --data or FASHION_DATA"):
        load_data(copy.parents[1])


@pytest.mark.parametrize("damage", ["truncated", "altered"])
@pytest.mark.parametrize("name", [FILES[1], FILES[3]])
def test_a_damaged_file_is_named(copy, name, damage):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-100] if damage == "truncated" else content[:-100] + b"x" * 100)
    with pytest.raises(FashionError, match=rf"{name} is damaged .*: delete it") as error:
        load_data(copy.parents[1])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty"])
def test_a_damaged_unpacked_file_counts_only_where_there_is_no_other(copy, full, damage):
    path = copy / "t10k-labels-idx1-ubyte"
    content = gzip.decompress((copy / f"{path.name}.gz").read_bytes())
    path.write_bytes({"truncated": content[:-1], "altered": content[:-1] + b"\0", "empty": b""}[damage])
    assert torch.equal(load_data(copy.parents[1])[1].labels, full[1].labels)
    (copy / f"{path.name}.gz").unlink()
    with pytest.raises(FashionError, match=rf"{path.name} is damaged .*: delete it"):
        load_data(copy.parents[1])


@pytest.mark.parametrize("damage", [lambda content: content, lambda content: content[:-1]])
def test_unpacked_files_alone_do(copy, full, damage):
    for path in copy.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    path = copy / "train-labels-idx1-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    if damage(b"ab") == b"ab":
        assert torch.equal(load_data(copy.parents[1])[0].labels, full[0].labels)
    else:  # torchvision, which looks at names alone, downloads nothing then
        with pytest.raises(FashionError, match=rf"{path.name} is damaged .*: delete it"):
            load_data(copy.parents[1])


def test_a_folder_is_left_as_it_was(copy):
    load_data(copy.parents[1])
    assert sorted(path.name for path in copy.iterdir()) == sorted(FILES)


def test_a_folder_too_deep_stays_as_it_was(copy):
    with pytest.raises(FashionError, match=r"name the folder that has FashionMNIST/raw with --data"):
        load_data(copy.parent)
    assert [path.name for path in copy.parent.iterdir()] == ["raw"]


@pytest.mark.parametrize(("images", "batch"), [(60_000, 64), (128, 64), (1, 64), (130, 7), (5, 1)])
@pytest.mark.parametrize("seed", [None, 0, 3])
def test_a_loader_yields_each_image_once(images, batch, seed):
    loader = Loader(numbered(images), batch, seed=seed)
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == len(loader)
        assert [len(labels) for _, labels in batches[:-1]] == [batch] * (len(loader) - 1)
        assert len(batches[-1][1]) == (images - 1) % batch + 1
        for pictures, labels in batches:
            assert torch.equal(pictures.flatten(), labels.float())
        seen = torch.cat([labels for _, labels in batches])
        assert torch.equal(seen.sort().values, torch.arange(images))


def test_the_training_set_has_937_batches_and_a_half():
    assert [len(labels) for _, labels in Loader(numbered(60_000))] == [64] * 937 + [32]


def test_the_seed_decides_the_order():
    def epochs(seed):
        loader = Loader(numbered(500), seed=seed)
        return [torch.cat([labels for _, labels in loader]).tolist() for _ in range(2)]

    assert epochs(0) == epochs(0)
    assert epochs(0)[0] != epochs(0)[1]
    assert epochs(0)[0] != epochs(1)[0]
    assert epochs(None)[0] == epochs(None)[1] == list(range(500))


def test_a_loader_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(Loader(numbered(10), seed=1))
    assert torch.equal(torch.rand(1), expected)


def test_a_batch_size_of_zero_is_refused():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Loader(numbered(3), 0)


def test_the_split_is_stratified_and_loses_nothing(full):
    labels = full[0].labels
    larger, smaller = split(Dataset(torch.arange(60_000.0), labels))
    assert larger.labels.bincount().tolist() == [5_400] * 10 and smaller.labels.bincount().tolist() == [600] * 10
    assert torch.equal(torch.cat([larger.images, smaller.images]).sort().values, torch.arange(60_000.0))
    # The split is part of what was measured: it may not move.
    assert smaller.images[:5].tolist() == [59.0, 63.0, 64.0, 90.0, 95.0]


def test_parts_are_stratified_and_lose_nothing():
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 0, 0])
    dataset = Dataset(torch.arange(10.0), labels)
    found = [parted(dataset, first, every=3) for first in range(3)]
    assert [seen.images.tolist() for _, seen in found] == [[0, 1, 6, 7], [2, 3, 8], [4, 5, 9]]
    for others, seen in found:
        assert sorted([*others.images.tolist(), *seen.images.tolist()]) == list(range(10))
        assert torch.equal(seen.labels, labels[seen.images.long()])
