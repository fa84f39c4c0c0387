import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.numpy import save_file

import fashion
from fashion import CLASSES, EXPERIMENTS, FashionError, recorded, run
from fashion.cli import run_command_line
from fashion.estimates import temperature
from fashion.experiments import CALIBRATED_BY
from fashion.inference.classifier import Classifier, load_classifier, pack, predict
from fashion.settings import ROOT, SHIPPED
from fashion.study.loading import validation_labels

FAST = replace(EXPERIMENTS["fast"], epochs=5, batch_size=50)
SHORT = replace(FAST, epochs=2)


@pytest.fixture(scope="module", params=sorted(SHIPPED.parent.glob("*.safetensors")), ids=lambda path: path.stem)
def shipped(request):
    """Each network that is shipped."""
    return load_classifier(request.param)


@pytest.fixture(scope="module")
def kept(tmp_path_factory, small):
    """A run that keeps its network, and the folder it is recorded in."""
    logs = tmp_path_factory.mktemp("kept")
    return run(FAST, 0, logs=logs, data=small, precision="fp32"), logs / "model_fast_logs" / "seed_0"


@pytest.fixture
def trouser(tmp_path):
    path = tmp_path / "trouser.png"
    image = Image.new("RGB", (300, 400), "white")
    ImageDraw.Draw(image).polygon(
        [(90, 30), (210, 30), (230, 370), (170, 370), (150, 120), (130, 370), (70, 370)], "navy"
    )
    image.save(path)
    return path


def call(*arguments):
    return run_command_line([str(each) for each in arguments])


def test_a_network_that_ends_in_a_softmax_returns_its_own_probabilities(shipped, small):
    images = small[1].images
    softmax = Classifier(fashion.build("NeuralNetwork_v1"), 1.0, shipped.record, 10.0)
    with torch.no_grad():
        assert torch.equal(softmax(images), softmax.network(images))
        assert torch.equal(shipped(images), (shipped.network(images) / shipped.temperature).softmax(dim=1))


def test_what_is_shipped_is_the_network_of_the_run_it_names(shipped, full):
    named = shipped.record
    (record,) = (each for each in recorded(EXPERIMENTS[named.experiment.name]) if each.seed == named.seed)
    assert named == record.record and named.to_json() == record.record.to_json()
    with torch.no_grad():
        given = torch.cat([shipped(images).argmax(dim=1) for images in full[1].images.split(1000)]).numpy()
    # It was evaluated in bfloat16, and answers in float32.
    assert np.mean(given == record.predictions) > 0.995
    assert 100 * np.mean(given == full[1].labels.numpy()) == pytest.approx(record.accuracy, abs=0.15)


def test_what_is_shipped_is_calibrated_by_what_the_validation_split_says_of_its_recipe(shipped):
    name = shipped.record.experiment.name
    runs = recorded(EXPERIMENTS[CALIBRATED_BY.get(name, name)], validation=True)
    for other in (each.record.experiment for each in runs):
        ours, theirs = (replace(each, epochs=1, teacher=()) for each in (shipped.record.experiment, other))
        assert ours == theirs and other.teacher[1:] == shipped.record.experiment.teacher[1:]
    outputs = np.concatenate([run.outputs[0] for run in runs])
    assert shipped.temperature == pytest.approx(temperature(outputs, np.tile(validation_labels(), len(runs))))


def test_what_predict_asks_is_small_and_the_best_that_is_shipped_and_the_readme_names_it():
    asked, others = load_classifier(), [load_classifier(path) for path in SHIPPED.parent.glob("*.safetensors")]
    assert SHIPPED.stat().st_size <= 5_000_000 and asked.accuracy == max(each.accuracy for each in others)
    seed, name = asked.record.seed, asked.record.experiment.name
    assert f"`fashion predict` asks seed {seed} of `{name}`" in (ROOT / "README.md").read_text("utf-8")


def test_predict_says_what_a_drawing_shows(trouser):
    prediction = fashion.predict(trouser)
    assert prediction.label == "Trouser" == next(iter(prediction.probabilities))
    assert set(prediction.probabilities) == set(CLASSES)
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    values = list(prediction.probabilities.values())
    assert values == sorted(values, reverse=True)


def test_predict_takes_pillow_and_numpy(trouser):
    image = Image.open(trouser)
    assert fashion.predict(image) == fashion.predict(np.asarray(image)) == fashion.predict(str(trouser))


def test_a_file_without_a_garment_is_named(tmp_path):
    blank = Image.new("L", (50, 50), 255)
    blank.save(tmp_path / "blank.png")
    with pytest.raises(FashionError, match=r"blank\.png: there is nothing but background"):
        fashion.predict(tmp_path / "blank.png")
    with pytest.raises(FashionError, match=r"^there is nothing but background"):
        fashion.predict(blank)


@pytest.mark.parametrize("pixels", [np.zeros((28, 28)), np.zeros((2, 3, 4, 5), dtype=np.uint8)])
def test_what_is_no_picture_is_said(pixels):
    with pytest.raises(FashionError, match="is no picture"):
        fashion.predict(pixels)


def test_a_run_keeps_a_network_that_can_be_asked(kept, small, trouser):
    record, folder = kept
    assert record.outputs.shape == (2, 100, 10) and record.outputs.dtype == np.float16
    assert np.array_equal(run(FAST, 0, logs=folder.parent.parent, data=small).outputs, record.outputs)
    classifier = load_classifier(folder / "weights.safetensors")
    assert classifier.record == record.record and classifier.temperature == 1
    with safe_open(folder / "weights.safetensors", framework="np") as file:
        assert json.loads(file.metadata()["run"]) == json.loads((folder / "run.json").read_text())
    for images, outputs in zip((small[1].images, small[1].images.flip(3)), record.outputs, strict=True):
        with torch.no_grad():
            ours = classifier.network(images).numpy()
        assert np.allclose(ours, outputs, rtol=2e-3, atol=0.01)  # what is kept is float16
    assert np.abs(record.outputs[0] - record.outputs[1]).max() > 1
    assert 100 * np.mean(record.predictions == small[1].labels.numpy()) == pytest.approx(record.accuracy)
    assert predict(trouser, classifier).label in CLASSES


def test_averaged_weights_are_what_is_kept(tmp_path, small):
    networks = []
    for averaging in (0.0, 0.9):
        run(replace(SHORT, averaging=averaging), 0, logs=tmp_path / str(averaging), data=small)
        networks.append(
            load_classifier(tmp_path / str(averaging) / "model_fast_logs" / "seed_0" / "weights.safetensors")
        )
    last, average = (each.network.classifier.weight for each in networks)
    assert (last - average).abs().max() > 0.01


def test_other_runs_keep_neither_weights_nor_outputs(tmp_path, small):
    record = run(replace(SHORT, keep=False), 0, logs=tmp_path, data=small)
    assert record.outputs is None
    assert not list(tmp_path.rglob("*.safetensors")) + list(tmp_path.rglob("*.npy"))


def test_pack_adds_the_temperature(tmp_path, kept, small):
    weights = kept[1] / "weights.safetensors"
    packed = load_classifier(pack(weights, 1.25, tmp_path / "packed.safetensors"))
    plain = load_classifier(weights)
    assert packed.temperature == 1.25 and packed.record == plain.record
    with torch.no_grad():
        logits = plain.network.half().float()(small[1].images)  # its weights as they are packed
        assert torch.allclose(packed(small[1].images), torch.softmax(logits / 1.25, dim=1))
    with safe_open(tmp_path / "packed.safetensors", framework="np") as file:
        assert file.get_tensor("classifier.weight").dtype == np.float16


def test_files_that_hold_no_network_are_named(tmp_path):
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(FashionError, match="junk does not hold a network"):
        load_classifier(tmp_path / "junk")
    with pytest.raises(FashionError, match="nothing does not exist"):
        load_classifier(tmp_path / "nothing")
    with pytest.raises(FashionError, match=r"is a folder: name the file in it, such as weights\.safetensors"):
        load_classifier(tmp_path)
    save_file({"weight": np.zeros(3)}, tmp_path / "bare")
    with pytest.raises(FashionError, match="bare does not hold a network"):  # it names no run
        load_classifier(tmp_path / "bare")


def test_the_command_line_answers_for_every_file_it_can_read(tmp_path, trouser, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert call("predict", tmp_path, tmp_path / "gone.png") == 2
    out, err = capsys.readouterr()
    assert out.startswith(f"{trouser}  Trouser ") and out.count("%") == 3 and out.count("\n") == 1
    assert [line.split()[1] for line in err.splitlines()] == [
        str(tmp_path / name) for name in ("broken.jpg", "gone.png")
    ]


def test_the_command_line_answers_in_json(trouser, capsys):
    assert call("predict", "--json", trouser) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["file"] == str(trouser) and answer["class"] == "Trouser"
    assert answer["probabilities"] == fashion.predict(trouser).probabilities


def test_an_empty_folder_is_said_and_the_rest_is_answered(tmp_path, trouser, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").touch()
    assert call("predict", empty, tmp_path) == 2
    out, err = capsys.readouterr()
    assert f"there is no picture in {empty}" in err and out.startswith(f"{trouser}  Trouser")


def test_a_name_that_the_terminal_lacks_is_answered(tmp_path, trouser):
    trouser.rename(tmp_path / "\u30ba\u30dc\u30f3.png")
    (tmp_path / "\u7834\u640d.png").write_bytes(b"junk")
    (tmp_path / "two\nlines.png").write_bytes(b"junk")
    done = subprocess.run(
        [sys.executable, "-m", "fashion", "predict", tmp_path],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "cp1252", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 2 and b"\\u30ba\\u30dc\\u30f3.png  Trouser " in done.stdout
    assert [line.partition(b" is not an image")[0].rpartition(b"/")[2] for line in done.stderr.splitlines()] == [
        b"two\\nlines.png", b"\\u7834\\u640d.png",
    ]  # fmt: skip


def test_whatever_a_file_does_the_others_are_answered(tmp_path, trouser, capsys, monkeypatch):
    def read(path):
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied")
        if path.name == "bomb.png":
            raise MemoryError
        return Image.open(path)

    monkeypatch.setattr("fashion.inference.pictures._open", read)
    for name in ("bomb.png", "locked.png"):
        (tmp_path / name).touch()
    assert call("predict", tmp_path) == 2
    out, err = capsys.readouterr()
    assert out.startswith(f"{trouser}  Trouser") and err.splitlines() == [
        f"fashion: {tmp_path / 'bomb.png'} cannot be read: MemoryError",
        f"fashion: {tmp_path / 'locked.png'} cannot be read: Permission denied",
    ]
    assert call("predict", "--json", tmp_path) == 2
    out, err = capsys.readouterr()
    assert [each["class"] for each in json.loads(out)] == ["Trouser"] and err.count("\n") == 2
