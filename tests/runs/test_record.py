import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import LEARNER, outcome, seed_folder

from fashion import EXPERIMENTS, Experiment, FashionError, recorded, run, settings, split
from fashion.data import parted
from fashion.hardware.placement import instructions
from fashion.runs.record import Provenance, Record, read_run
from fashion.runs.refusals import FULL
from fashion.runs.running import Pace
from fashion.settings import MODEL_LOGS, ROOT

EQUIVALENCE = ROOT / "benchmarks" / "equivalence"


def test_a_run_is_recorded_and_loaded(tmp_path, small):
    trained = run(LEARNER, 3, logs=tmp_path, data=small)
    folder = seed_folder(tmp_path, 3)
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "predictions.bin", "run.json"]
    header, *lines = (folder / "history.csv").read_text().splitlines()
    assert header == "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds,train_seconds" and len(lines) == 4
    values = json.loads((folder / "run.json").read_text())
    assert values["recipe"] == json.loads(json.dumps(LEARNER.recipe))
    assert (values["experiment"], values["seed"], values["compiled"]) == ("learner", 3, False)
    assert (values["train_images"], values["test_images"], values["evaluated_on"]) == (200, 100, "test")
    assert values["device"] == small[0].images.device.type and values["precision"] == "fp32"
    assert values["device"] != "cpu" or f" ({instructions()}), " in values["hardware"]
    assert values["versions"]["torch"] == torch.__version__
    assert len(values["git_commit"].removesuffix("-dirty")) == 40 if (settings.ROOT / ".git").exists() else True
    assert values["seconds"] == pytest.approx(sum(epoch.seconds for epoch in trained.history), abs=1e-3)
    assert values["train_seconds"] == trained.train_seconds
    assert trained.train_seconds == pytest.approx(sum(epoch.train_seconds for epoch in trained.history), abs=1e-3)
    assert 0 < values["train_seconds"] < values["seconds"]
    assert values["metrics"]["test_accuracy"] == trained.accuracy == trained.history[-1].test_accuracy
    assert trained.predictions.shape == (100,) and (folder / "predictions.bin").stat().st_size == 100
    assert 100 * np.mean(trained.predictions == small[1].labels.numpy()) == pytest.approx(trained.accuracy)

    told = []
    again = run(LEARNER, 3, logs=tmp_path, data=small, after_epoch=told.append)
    assert not told and outcome(again) == outcome(trained) and again.history == trained.history
    assert again.record == trained.record and again.to_json() == trained.to_json()
    assert [each.seed for each in recorded(LEARNER, tmp_path)] == [3]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_recipe_is_read_as_it_was_written(name):
    provenance = Provenance("cpu", "a machine", {"torch": "2"}, None)
    record = Record(EXPERIMENTS[name], 1, "validation", 54_000, 6_000, "bf16", True, provenance)
    again = Record.from_json(json.loads(json.dumps(record.to_json())))
    assert again == record and again.experiment.name == name


# A record as it was before networks could be compiled, and recipes had schedules and optimisers.
OLD = """{
  "experiment": "an_old_one",
  "seed": 3,
  "recipe": {
    "model": "NeuralNetwork_v1", "epochs": 5, "lr": 0.001, "momentum": 0.9, "batch_size": 64, "changes": ["logits"]
  },
  "evaluated_on": "validation",
  "train_images": 54000,
  "test_images": 6000,
  "device": "cpu",
  "hardware": "a machine, 2 threads",
  "versions": {"python": "3.12.13", "torch": "2.12.0", "torchvision": "0.27.0"},
  "git_commit": "05a0fe72",
  "precision": "fp32",
  "seconds": 46.5,
  "metrics": {"train_loss": 0.5, "train_accuracy": 81.5, "test_loss": 0.5, "test_accuracy": 80.5}
}"""
# What a later one, of a network of its own, had in its recipe.
LATER = """{
  "model": "FastNetwork_64", "epochs": 34, "lr": 0.2, "momentum": 0.9, "batch_size": 256, "changes": [],
  "schedule": "one_cycle", "nesterov": true, "weight_decay": 0.0005, "label_smoothing": 0.1,
  "augment": ["flip", "translate", "cutout", "cutmix"], "muon": 0.05, "averaging": 0.5
}"""


def of_recipe(**changes):
    """The experiment that the old record is of, if its recipe has some other values."""
    values = json.loads(OLD)
    return Record.from_json(values | {"recipe": values["recipe"] | changes}).experiment


def test_an_old_record_says_what_it_said():
    versions = {"python": "3.12.13", "torch": "2.12.0", "torchvision": "0.27.0"}
    assert Record.from_json(json.loads(OLD)) == Record(
        Experiment("an_old_one", "NeuralNetwork_v1", epochs=5, momentum=0.9, changes=("logits",)),
        seed=3,
        evaluated_on="validation",
        train_images=54_000,
        test_images=6_000,
        precision="fp32",
        compiled=False,
        provenance=Provenance("cpu", "a machine, 2 threads", versions, "05a0fe72"),
    )
    assert Record.from_json(json.loads(OLD)).experiment.name == "an_old_one"
    assert Record.from_json(json.loads(OLD) | {"compiled": True}).compiled
    assert Record.from_json(json.loads(OLD) | {"together": 5}).together == 5


def test_the_ingredients_of_an_old_recipe_have_the_parameters_that_their_names_meant():
    assert of_recipe(**json.loads(LATER)) == Experiment(
        "an_old_one",
        "FastNetwork_64",
        epochs=34,
        lr=0.2,
        momentum=0.9,
        batch_size=256,
        optimiser=("muon", 0.05),
        schedule="one_cycle",
        nesterov=True,
        weight_decay=5e-4,
        label_smoothing=0.1,
        augment=("flip", ("translate", 2), ("cutout", 8), ("cutmix", 0.5)),
        averaging=0.5,
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"muon": 0.0}, {"optimiser": "sgd"}),
        ({"model": "resnet18"}, {"model": "resnet18", "pretrained": "imagenet"}),
        ({"model": "resnet18_scratch"}, {"model": "resnet18", "pretrained": ""}),
        ({"model": "resnet18", "pretrained": ""}, {"model": "resnet18", "pretrained": ""}),
        ({"pretrained": "", "optimiser": ["muon", 0.1]}, {"optimiser": ("muon", 0.1)}),
        ({"augment": [["cutout", 4], "flip"]}, {"augment": (("cutout", 4), "flip")}),
        ({"teacher": ["fast", 3, 0.5]}, {"teacher": (EXPERIMENTS["fast"], 3, 0.5)}),
        (
            {"teacher": [{"experiment": "x", "recipe": {"model": "NeuralNetwork_v1", "epochs": 2}}, 3, 0.5]},
            {"teacher": (Experiment("x", "NeuralNetwork_v1", epochs=2, pretrained=""), 3, 0.5)},
        ),
    ],
    ids=str,
)
def test_what_a_recipe_lacked_is_what_it_did(changes, expected):
    assert of_recipe(**changes) == replace(of_recipe(), **expected)


def test_an_old_record_stays_as_it_was_read():
    values = json.loads(OLD) | {"recipe": json.loads(LATER)}
    Record.from_json(values)
    assert values == json.loads(OLD) | {"recipe": json.loads(LATER)}


def test_a_record_from_before_a_recipe_had_a_field_still_counts(tmp_path, small):
    run(LEARNER, 0, logs=tmp_path, data=small)
    path = seed_folder(tmp_path) / "run.json"
    values = json.loads(path.read_text())
    del values["recipe"]["batch_size"]
    path.write_text(json.dumps(values))
    assert len(recorded(LEARNER, tmp_path)) == 1
    assert recorded(replace(LEARNER, batch_size=32), tmp_path) == []


@pytest.mark.parametrize("logs", [MODEL_LOGS, EQUIVALENCE], ids=lambda logs: logs.name)
def test_every_committed_record_still_says_what_it_said(logs):
    paths = sorted(logs.rglob("run.json"))
    assert paths
    for path in paths:
        then, now = json.loads(path.read_text()), read_run(path.parent).to_json()
        kept = set(then) & set(now) - {"recipe"}
        assert len(kept) >= 12 and {name: now[name] for name in kept} == {name: then[name] for name in kept}, path
        assert now["compiled"] == then.get("compiled", False), path


@pytest.mark.parametrize("logs", [MODEL_LOGS, EQUIVALENCE], ids=lambda logs: logs.name)
def test_every_committed_record_is_of_its_experiment(logs):
    for path in sorted(logs.rglob("run.json")):
        found = Record.from_json(json.loads(path.read_text())).experiment
        expected = EXPERIMENTS.get(found.name, found)
        if logs == EQUIVALENCE:  # whose runs of ResNet-18 are shorter
            expected = replace(expected, epochs=found.epochs)
        assert expected.differences(found) == [], path


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize(("name", "folder"), [("final_teacher", ""), ("search_teacher", "validation")])
def test_every_committed_teacher_was_evaluated_on_images_that_it_had_not_seen(full, name, folder, part):
    train = split(full[0])[0] if folder else full[0]
    _, unseen = parted(train, first=part, every=3)
    (found,) = recorded(EXPERIMENTS[name], MODEL_LOGS / folder / "teachers" / f"{part + 1}_of_3", validation=True)
    assert found.seed == part and found.record.train_images == 2 * len(unseen.labels)
    assert 100 * np.mean(found.predictions == unseen.labels.numpy()) == pytest.approx(found.accuracy, abs=1e-6)


@pytest.mark.parametrize(("logs", "validation"), [(MODEL_LOGS, False), (MODEL_LOGS, True), (MODEL_LOGS / "gpu", False)])
def test_every_committed_record_is_whole_and_true(full, logs, validation):
    labels = full[1].labels.numpy()
    if validation:
        labels = split(full[0])[1].labels.numpy()
    assert any(recorded(experiment, logs, validation) for experiment in EXPERIMENTS.values())
    for experiment in EXPERIMENTS.values():
        for found in recorded(experiment, logs, validation):
            record = found.record
            assert (record.train_images, record.test_images) in FULL["validation" if validation else "test"]
            assert record.experiment.name == experiment.name and "-dirty" not in record.provenance.git_commit
            assert [epoch.epoch for epoch in found.history] == list(range(1, experiment.epochs + 1))
            assert 100 * np.mean(found.predictions == labels) == pytest.approx(found.accuracy, abs=1e-6)


@pytest.mark.parametrize(
    ("hardware", "name"),
    [
        ("Intel(R) Xeon(R) Processor (AMX), 2 threads", "Xeon AMX"),
        ("Intel(R) Xeon(R) Processor, 2 threads", "Xeon"),
        ("AMD EPYC (AVX2), 2 threads", "EPYC"),
        ("AMD EPYC (AVX512_BF16), 2 threads", "EPYC AVX512"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200, then NVIDIA H100 80GB HBM3", "H200 then H100"),
        ("Processor", "Processor"),
    ],
)
def test_a_machine_has_a_short_name(hardware, name):
    record = Record.from_json(json.loads(OLD) | {"hardware": hardware})
    assert record.machine == name


@pytest.mark.parametrize("method", ["write_text", "write_bytes", "rename"])
@pytest.mark.parametrize("call", [1, 2])
def test_an_interrupted_write_leaves_the_old_files_or_the_new(tmp_path, small, monkeypatch, method, call):
    old = run(LEARNER, 0, logs=tmp_path, data=small)
    original, calls = getattr(Path, method), 0

    def fail(self, *args):
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return original(self, *args)

    slower = replace(LEARNER, lr=0.01)
    with monkeypatch.context() as patch:
        patch.setattr(Path, method, fail)
        try:
            run(slower, 0, logs=tmp_path, data=small, retrain=True, pace=Pace(checkpoint_every=100))
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
    assert interrupted == (call <= {"write_text": 2, "write_bytes": 1, "rename": 2}[method])
    assert [each.to_json() for each in recorded(LEARNER, tmp_path)] == [old.to_json()] * interrupted
    found = read_run(seed_folder(tmp_path))
    if interrupted:
        assert outcome(found) == outcome(old) and found.to_json() == old.to_json()
    new = run(slower, 0, logs=tmp_path, data=small, retrain=True)
    assert outcome(new) != outcome(old) and read_run(seed_folder(tmp_path)).to_json() == new.to_json()


def test_copies_of_a_run_are_not_more_seeds(tmp_path, small):
    run(LEARNER, 0, logs=tmp_path, data=small)
    folder = seed_folder(tmp_path)
    for name in ("seed_0 copy", "seed_0_old"):
        shutil.copytree(folder, folder.with_name(name))
    folder.with_name("seed_1.txt").write_text("a note")
    assert [each.seed for each in recorded(LEARNER, tmp_path)] == [0]
    shutil.copytree(folder, folder.with_name("seed_1"))
    with pytest.raises(FashionError, match=r"seed_1 is not a whole run \(its seed is 0\)"):
        recorded(LEARNER, tmp_path)


@pytest.mark.parametrize("name", ["run.json", "history.csv", "predictions.bin"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_record_is_named(tmp_path, small, name, damage):
    run(LEARNER, 0, logs=tmp_path, data=small)
    path = seed_folder(tmp_path) / name
    content = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FashionError, match=r"seed_0 is not a whole run"):
        run(LEARNER, 0, logs=tmp_path, data=small)
    run(LEARNER, 0, logs=tmp_path, data=small, retrain=True)
    assert path.read_bytes()[:20] == content[:20]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"recipe": {"model": "NeuralNetwork_v1", "epochs": 4, "speed": 1}}, "unexpected keyword argument 'speed'"),
        ({"recipe": {"model": "NeuralNetwork_v1", "epochs": 0}}, "epochs must be a positive whole number"),
        ({"recipe": {}}, "'model'"),
        ({"recipe": None}, "not iterable"),
        ({"test_images": 7}, "4 epochs, 100 predictions"),
        ({"metrics": {"test_accuracy": 99.9}}, "its metrics are not those of its last epoch"),
    ],
)
def test_a_record_of_something_else_is_named(tmp_path, small, changes, why):
    run(LEARNER, 0, logs=tmp_path, data=small)
    path = seed_folder(tmp_path) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(FashionError, match=rf"seed_0 is not a whole run \(.*{why}.*\): delete it, or"):
        read_run(path.parent)


@pytest.mark.parametrize("length", [0, 50, 1000])
def test_damaged_outputs_are_named(tmp_path, small, length):
    kept = replace(LEARNER, keep=True)
    run(kept, 0, logs=tmp_path, data=small)
    path = seed_folder(tmp_path) / "outputs.npy"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(FashionError, match=r"seed_0 is not a whole run"):
        run(kept, 0, logs=tmp_path, data=small)
    np.save(path, np.zeros((2, 7, 10)))
    with pytest.raises(FashionError, match=r"seed_0 is not a whole run \(outputs for 7 images\)"):
        run(kept, 0, logs=tmp_path, data=small)
