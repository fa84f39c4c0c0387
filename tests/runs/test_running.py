import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fashion import (
    EXPERIMENTS,
    Dataset,
    Epoch,
    Experiment,
    FashionError,
    experiments,
    recorded,
    run,
    runs,
    settings,
    split,
)
from fashion.devices import instructions
from fashion.settings import MODEL_LOGS

LEARNER = Experiment("learner", "NeuralNetwork_v1", epochs=4, lr=0.05, momentum=0.9, changes=("logits", "identity"))


def outcome(record):
    """All of a run but its timings."""
    return [epoch.metrics for epoch in record.history], record.predictions.tolist()


def seed_folder(logs, seed=0):
    return logs / "model_learner_logs" / f"seed_{seed}"


def test_a_run_is_recorded_and_loaded(tmp_path, small):
    record = run(LEARNER, 3, logs=tmp_path, data=small)
    folder = seed_folder(tmp_path, 3)
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "predictions.bin", "run.json"]
    header, *lines = (folder / "history.csv").read_text().splitlines()
    assert header == "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds,train_seconds" and len(lines) == 4
    info = json.loads((folder / "run.json").read_text())
    assert info["recipe"] == LEARNER.recipe and info["seed"] == 3
    assert (info["train_images"], info["test_images"], info["evaluated_on"]) == (200, 100, "test")
    assert info["device"] == small[0].images.device.type and info["precision"] == "fp32"
    assert info["device"] != "cpu" or f" ({instructions()}), " in info["hardware"]
    assert info["versions"]["torch"] == torch.__version__
    assert len(info["git_commit"].removesuffix("-dirty")) == 40 if (settings.ROOT / ".git").exists() else True
    assert info["seconds"] == pytest.approx(sum(epoch.seconds for epoch in record.history), abs=1e-3)
    assert info["train_seconds"] == pytest.approx(sum(epoch.train_seconds for epoch in record.history), abs=1e-3)
    assert 0 < info["train_seconds"] < info["seconds"]
    assert info["metrics"]["test_accuracy"] == record.accuracy == record.history[-1].test_accuracy
    assert record.predictions.shape == (100,) and (folder / "predictions.bin").stat().st_size == 100
    assert 100 * np.mean(record.predictions == small[1].labels.numpy()) == pytest.approx(record.accuracy)

    told = []
    again = run(LEARNER, 3, logs=tmp_path, data=small, after_epoch=told.append)
    assert not told and outcome(again) == outcome(record) and again.history == record.history
    assert [each.seed for each in recorded(LEARNER, tmp_path)] == [3]


def test_retrain_trains_again(tmp_path, small):
    first = run(LEARNER, 0, logs=tmp_path, data=small)
    told = []
    second = run(LEARNER, 0, logs=tmp_path, data=small, retrain=True, after_epoch=told.append)
    assert len(told) == 4 and outcome(second) == outcome(first)
    assert [path.name for path in seed_folder(tmp_path).parent.iterdir()] == ["seed_0"]


def test_the_seed_decides_the_history(tmp_path, small):
    first = run(LEARNER, 0, logs=tmp_path / "a", data=small)
    torch.rand(5)  # whatever was drawn before
    assert outcome(run(LEARNER, 0, logs=tmp_path / "b", data=small)) == outcome(first)
    assert outcome(run(LEARNER, 1, logs=tmp_path / "b", data=small)) != outcome(first)


def test_another_recipe_is_never_overwritten(tmp_path, small):
    run(LEARNER, 0, logs=tmp_path, data=small)
    before = (seed_folder(tmp_path) / "run.json").read_text()
    with pytest.raises(FashionError, match=r"seed_0 holds another run \(lr 0.05, not 0.1\): .*--retrain"):
        run(replace(LEARNER, lr=0.1), 0, logs=tmp_path, data=small)
    fewer = (Dataset(small[0].images[:50], small[0].labels[:50]), small[1])
    with pytest.raises(FashionError, match=r"train_images 200, not 50"):
        run(LEARNER, 0, logs=tmp_path, data=fewer)
    assert (seed_folder(tmp_path) / "run.json").read_text() == before
    run(replace(LEARNER, lr=0.1), 0, logs=tmp_path, data=small, retrain=True)
    assert recorded(LEARNER, tmp_path) == []
    assert len(recorded(replace(LEARNER, lr=0.1), tmp_path)) == 1


def test_a_record_from_before_a_recipe_had_a_field_still_counts(tmp_path, small):
    run(LEARNER, 0, logs=tmp_path, data=small)
    path = seed_folder(tmp_path) / "run.json"
    info = json.loads(path.read_text())
    del info["recipe"]["batch_size"]
    path.write_text(json.dumps(info))
    assert len(recorded(LEARNER, tmp_path)) == 1
    assert recorded(replace(LEARNER, batch_size=32), tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import fashion
from fashion import runs
sys.path.insert(0, {tests!r})
from test_runs import LEARNER
runs.CHECKPOINTS = Path({checkpoints!r})
train, test = fashion.load()
data = tuple(fashion.Dataset(s.images[:n], s.labels[:n]) for s, n in ((train, 200), (test, 100)))
def die(history):
    if len(history) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
fashion.run(LEARNER, 0, logs={logs!r}, data=data, after_epoch=die)
"""


def test_a_killed_run_continues_to_the_same_end(tmp_path, small, checkpoints):
    straight = run(LEARNER, 0, logs=tmp_path / "straight", data=small)
    logs = tmp_path / "killed"
    script = KILLED.format(tests=str(Path(__file__).parent), checkpoints=str(checkpoints), logs=str(logs))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not seed_folder(logs).exists() and list(checkpoints.rglob("*.pt"))

    told = []
    torch.rand(3)
    record = run(LEARNER, 0, logs=logs, data=small, after_epoch=lambda history: told.append(len(history)))
    assert told == [3, 4]
    assert outcome(record) == outcome(straight)
    assert not list(checkpoints.rglob("*.pt"))


EVERYTHING = replace(
    LEARNER,
    schedule="one_cycle",
    nesterov=True,
    weight_decay=1e-3,
    label_smoothing=0.1,
    augment=("flip", "translate", "cutmix"),
    averaging=0.9,
)


NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize(
    "everything",
    [EVERYTHING, replace(EVERYTHING, model="FastNetwork_32", changes=(), muon=0.05)],
    ids=["sgd", "muon"],
)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NEEDS_CUDA)])
def test_a_run_with_every_ingredient_continues_to_the_same_end(tmp_path, small, device, everything):
    data = tuple(Dataset(*(tensor.to(device) for tensor in each)) for each in small)
    straight = run(everything, 0, logs=tmp_path / "straight", data=data)
    assert outcome(straight) != outcome(run(LEARNER, 0, logs=tmp_path / "plain", data=data))

    def stop(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(everything, 0, logs=tmp_path / "halves", data=data, after_epoch=stop)
    assert outcome(run(everything, 0, logs=tmp_path / "halves", data=data)) == outcome(straight)


@pytest.mark.parametrize(
    "ingredient",
    [
        {"schedule": "one_cycle"},
        {"nesterov": True},
        {"weight_decay": 0.1},
        {"label_smoothing": 0.1},
        {"augment": ("flip",)},
        {"averaging": 0.9},
    ],
)
def test_every_ingredient_matters_and_is_recorded(tmp_path, small, ingredient):
    plain = run(LEARNER, 0, logs=tmp_path / "plain", data=small)
    other = run(replace(LEARNER, **ingredient), 0, logs=tmp_path / "other", data=small)
    assert outcome(other) != outcome(plain)
    ((name, value),) = ingredient.items()
    assert other.info["recipe"][name] == (list(value) if isinstance(value, tuple) else value)


def test_it_is_the_averaged_weights_that_are_tested(tmp_path, small):
    hardly = replace(LEARNER, averaging=0.9999)  # the average stays at the weights after the first step
    history = run(hardly, 0, logs=tmp_path / "hardly", data=small).history
    assert history[0].test_loss == pytest.approx(history[-1].test_loss, abs=1e-3)
    assert history[0].train_loss > history[-1].train_loss + 0.1


def test_the_test_loss_is_never_smoothed(tmp_path, small):
    sharp = replace(LEARNER, epochs=1, lr=1e-12)
    losses = {
        smoothing: run(replace(sharp, label_smoothing=smoothing), 0, logs=tmp_path / str(smoothing), data=small)
        for smoothing in (0.0, 0.5)
    }
    plain, smoothed = (each.history[0] for each in losses.values())
    assert plain.test_loss == pytest.approx(smoothed.test_loss) and plain.train_loss != smoothed.train_loss


def test_a_run_stops_before_its_time_is_up_and_continues_to_the_same_end(tmp_path, small, checkpoints):
    straight = run(LEARNER, 0, logs=tmp_path / "straight", data=small)
    for epoch in (1, 2, 3):  # one epoch at least, however late it is
        with pytest.raises(runs.Paused, match=f"learner seed 0 stopped after epoch {epoch} of 4"):
            run(LEARNER, 0, logs=tmp_path / "paused", data=small, checkpoint_every=100, until=0)
    assert outcome(run(LEARNER, 0, logs=tmp_path / "paused", data=small, until=0)) == outcome(straight)
    assert not list(checkpoints.rglob("*.pt"))


def test_a_run_that_goes_on_elsewhere_keeps_its_precision_and_says_where_it_was(tmp_path, small, monkeypatch):
    for machine, faster in (("first", "bf16"), ("second", "fp32"), ("second", "fp32"), ("first", "fp32")):
        monkeypatch.setattr(runs, "choose_precision", lambda *_, faster=faster: faster)
        here = {"hardware": machine, "versions": {"torch": "2"}, "git_commit": machine[0]}
        monkeypatch.setattr(runs, "provenance", lambda _, here=here: here)
        with contextlib.suppress(runs.Paused):
            record = run(LEARNER, 0, logs=tmp_path, data=small, until=0)
    assert record.info["hardware"] == "first, then second, then first"
    assert record.info["git_commit"] == "f, then s, then f"
    assert (record.info["versions"], record.info["precision"]) == ({"torch": "2"}, "bf16")


def test_a_record_names_the_commit_that_it_was_begun_with(tmp_path, small, monkeypatch):
    def commit(history):
        monkeypatch.setattr(runs, "provenance", lambda _: {"git_commit": "later"})

    monkeypatch.setattr(runs, "provenance", lambda _: {"git_commit": "first"})
    assert run(LEARNER, 0, logs=tmp_path, data=small, after_epoch=commit).info["git_commit"] == "first"


def test_checkpoints_are_as_far_apart_as_asked(tmp_path, small, checkpoints):
    saved = []

    def look(history):
        files = list(checkpoints.rglob("*.pt"))
        saved.append(len(torch.load(files[0])["history"]) if files else 0)

    run(LEARNER, 0, logs=tmp_path, data=small, checkpoint_every=2, after_epoch=look)
    assert saved == [0, 2, 2, 4]


def test_the_pace_leaves_time_for_an_epoch_as_long_as_the_last(monkeypatch):
    monkeypatch.setattr(runs.time, "monotonic", lambda: 100.0)
    pace = runs.Pace(checkpoint_every=1, until=110.0)
    assert [pace.stops_after(Epoch(1, 0, 0, 0, 0, seconds)) for seconds in (9.0, 11.0)] == [False, True]


def test_half_a_run_of_another_recipe_is_not_continued(tmp_path, small, checkpoints):
    def stop(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(LEARNER, 0, logs=tmp_path, data=small, after_epoch=stop)
    for other, why in [
        (replace(LEARNER, momentum=0.5), "momentum 0.9, not 0.5"),
        (replace(LEARNER, model="NeuralNetwork_v1_5_5"), "model NeuralNetwork_v1, not NeuralNetwork_v1_5_5"),
    ]:
        with pytest.raises(FashionError, match=rf"seed_0.pt is half of another run \({why}\): delete it"):
            run(other, 0, logs=tmp_path, data=small, precision="fp32")
    (path,) = checkpoints.rglob("*.pt")
    for junk in (path.read_bytes()[:100], b"junk"):
        path.write_bytes(junk)
        with pytest.raises(FashionError, match=r"seed_0.pt is damaged: delete it"):
            run(LEARNER, 0, logs=tmp_path, data=small)
    torch.save({"other": 1}, path)
    with pytest.raises(FashionError, match=r"seed_0.pt is damaged: delete it"):
        run(LEARNER, 0, logs=tmp_path, data=small)


@pytest.mark.parametrize(
    ("typo", "message"),
    [
        ({"model": "v1"}, "no model 'v1': .* NeuralNetwork_v1,"),
        ({"changes": ("logitz",)}, "no change 'logitz': .* logits"),
        ({"augment": ("flop",)}, "no augmentation 'flop': .* flip"),
        ({"schedule": "linear"}, "no schedule 'linear': .* one_cycle"),
    ],
)
def test_a_typo_in_a_recipe_is_named(tmp_path, small, typo, message):
    with pytest.raises(FashionError, match=message):
        run(replace(LEARNER, **typo), 0, logs=tmp_path, data=small)


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        ({"epochs": 0}, "learner: epochs must be a positive whole number, not 0"),
        ({"epochs": 2.5}, "epochs must be a positive whole number, not 2.5"),
        ({"batch_size": 0}, "batch_size must be a positive whole number, not 0"),
        ({"lr": "1e-3"}, "lr must be a positive number, not '1e-3'"),
        ({"lr": -0.1}, "lr must be a positive number, not -0.1"),
        ({"weight_decay": -1}, "weight_decay must be a number from 0 on, not -1"),
        ({"averaging": 1.5}, "averaging must be from 0 to below 1, not 1.5"),
        ({"label_smoothing": 2}, "label_smoothing must be from 0 to below 1, not 2"),
        ({"momentum": 0.0, "nesterov": True}, "nesterov needs a momentum"),
        ({"nesterov": False, "muon": 0.1}, "muon needs nesterov"),
        ({"changes": ("logits")}, "changes must be a tuple of names, .* not 'logits'"),
        ({"augment": ["flip"]}, r"augment must be a tuple of names, .* not \['flip'\]"),
    ],
)
def test_a_slip_in_a_recipe_is_told_at_once(slip, message):
    with pytest.raises(ValueError, match=message):
        replace(LEARNER, **slip)


def test_no_two_experiments_share_a_name_or_a_recipe():
    with pytest.raises(ValueError, match="two experiments are called learner"):
        experiments._by_name(LEARNER, EXPERIMENTS["v1"], replace(LEARNER, lr=1.0))
    with pytest.raises(ValueError, match="learner and again are the same recipe"):
        experiments._by_name(LEARNER, EXPERIMENTS["v1"], replace(LEARNER, name="again"))


def test_no_mean_is_taken_over_runs_on_more_and_on_fewer_images(tmp_path, small):
    fewer = tuple(Dataset(*(tensor[:100] for tensor in part)) for part in small)
    run(LEARNER, 0, logs=tmp_path, data=small)
    with pytest.raises(FashionError, match=r"seed 0 of learner was trained and evaluated on .*, not 100 and 100"):
        run(LEARNER, 1, logs=tmp_path, data=fewer)
    run(replace(LEARNER, epochs=1), 1, logs=tmp_path, data=fewer)  # another recipe: no mean is taken over both
    assert [each.seed for each in recorded(LEARNER, tmp_path)] == [0]


def test_what_was_not_kept_is_not_taken_for_kept(tmp_path, small):
    run(LEARNER, 0, logs=tmp_path, data=small)
    keeper = replace(LEARNER, keep=True)
    with pytest.raises(FashionError, match="without its weights and outputs: replace it with --retrain"):
        run(keeper, 0, logs=tmp_path, data=small)
    assert run(keeper, 0, logs=tmp_path, data=small, retrain=True).outputs is not None


def test_the_same_run_started_twice_ends_twice(tmp_path, small, checkpoints):
    def overtake(history):
        if len(history) == LEARNER.epochs:
            for path in checkpoints.rglob("*.pt"):
                path.unlink()

    assert run(LEARNER, 0, logs=tmp_path, data=small, after_epoch=overtake).seed == 0


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
            run(slower, 0, logs=tmp_path, data=small, retrain=True)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
    assert interrupted == (call <= {"write_text": 2, "write_bytes": 1, "rename": 2}[method])
    assert [each.info for each in recorded(LEARNER, tmp_path)] == [old.info] * interrupted
    found = runs.load(seed_folder(tmp_path))
    if interrupted:
        assert outcome(found) == outcome(old) and found.info == old.info
    new = run(slower, 0, logs=tmp_path, data=small, retrain=True)
    assert outcome(new) != outcome(old) and runs.load(seed_folder(tmp_path)).info == new.info


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


def test_partial_runs_have_a_place_that_no_table_of_the_study_reads(tmp_path, small, monkeypatch):
    monkeypatch.setattr(runs, "MODEL_LOGS", tmp_path / "model_logs")
    run(LEARNER, 0, logs=tmp_path / "model_logs" / "partial", data=small)
    assert recorded(LEARNER, tmp_path / "model_logs") == []
    assert len(recorded(LEARNER, tmp_path / "model_logs" / "partial")) == 1


def test_the_study_takes_complete_runs_only(tmp_path, small, full, monkeypatch):
    monkeypatch.setattr(runs, "MODEL_LOGS", tmp_path / "model_logs")
    logs, v1 = tmp_path / "model_logs", EXPERIMENTS["v1"]
    for experiment, data, why in [
        (v1, small, "200 and 100 images are not all"),
        (v1, (full[0], small[1]), "60000 and 100 images are not all"),
        (replace(v1, epochs=2), full, "v1 has epochs 5, not 2"),
        (LEARNER, full, "learner is not in EXPERIMENTS"),
    ]:
        for folder in (logs, tmp_path / "elsewhere" / ".." / "model_logs"):
            with pytest.raises(FashionError, match=rf"model_logs/ takes complete runs only \(({why})\)"):
                run(experiment, 0, logs=folder, data=data)
    assert not logs.exists()


def test_the_study_takes_runs_of_committed_code_only(tmp_path, small, monkeypatch):
    monkeypatch.setattr(runs, "MODEL_LOGS", tmp_path / "model_logs")
    monkeypatch.setattr(runs, "_require_complete", lambda *_: None)
    for commit in ("abc-dirty", "abc, then def-dirty"):
        monkeypatch.setattr(runs, "provenance", lambda _, commit=commit: {"hardware": "a", "git_commit": commit})
        with pytest.raises(FashionError, match="model_logs/ takes runs of committed code only"):
            run(LEARNER, 0, logs=tmp_path / "model_logs", data=small)
        assert run(LEARNER, 0, logs=tmp_path / commit, data=small).info["git_commit"] == commit


def test_what_is_no_experiment_or_no_seed_is_said(tmp_path, small):
    with pytest.raises(TypeError, match=r"such as EXPERIMENTS\[\"v1\"\], not 'v1'"):
        run("v1", 0, logs=tmp_path, data=small)
    with pytest.raises(ValueError, match="a seed must be 0 or more, not -1"):
        run(LEARNER, -1, logs=tmp_path, data=small)


def test_a_rehearsal_writes_nothing_into_the_project(full, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    before = sorted(settings.ROOT.glob("*logs/**/*")) + sorted(settings.RUNS.glob("**/*"))
    record = run(EXPERIMENTS["v1"], 987, data=full)
    assert record.info["train_images"] == 256
    assert sorted(settings.ROOT.glob("*logs/**/*")) + sorted(settings.RUNS.glob("**/*")) == before


@pytest.mark.parametrize(("value", "quick"), [("1", True), ("0", False), ("", False)])
def test_a_rehearsal_is_asked_for(monkeypatch, value, quick):
    monkeypatch.setenv("FASHION_QUICK", value)
    assert settings.quick() == quick


def test_a_rehearsal_follows_no_link_out_of_the_project(tmp_path, monkeypatch):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
    (project / "model_logs").symlink_to(elsewhere)
    monkeypatch.setattr(settings, "ROOT", project)
    monkeypatch.setenv("FASHION_QUICK", "1")
    for inside in (project / "model_logs" / "a", project / ".." / "project" / "runs" / "a"):
        assert not settings.writable(inside).resolve().is_relative_to(tmp_path)
    assert settings.writable(project / ".." / "elsewhere") == elsewhere


def test_validation_leaves_the_test_set_alone(tmp_path, small):
    record = run(LEARNER, 0, logs=tmp_path, data=split(small[0]), validation=True)
    assert record.info["evaluated_on"] == "validation"
    assert record.info["train_images"] + record.info["test_images"] == 200
    assert recorded(LEARNER, tmp_path) == []
    assert len(recorded(LEARNER, tmp_path, validation=True)) == 1
    assert (tmp_path / "validation" / "model_learner_logs" / "seed_0" / "run.json").exists()


def test_an_unwritable_folder_is_an_error_before_training(tmp_path, small):
    (tmp_path / "file").write_text("")
    with pytest.raises(FashionError, match=r"cannot write to .*file.*choose another with --logs"):
        run(LEARNER, 0, logs=tmp_path / "file", data=small)


def test_a_checkpoint_lies_among_the_checkpoints_wherever_its_run_does(checkpoints, monkeypatch):
    monkeypatch.chdir(settings.ROOT)
    for logs in ("runs/a", "../a", "/a"):
        folder = settings.writable(Path(logs) / "seed_0")
        path = runs._checkpoint_path(folder)
        assert path.is_relative_to(checkpoints) and ".." not in path.parts and path.name == "seed_0.pt"


@pytest.mark.parametrize(("logs", "validation"), [(MODEL_LOGS, False), (MODEL_LOGS, True), (MODEL_LOGS / "gpu", False)])
def test_every_committed_record_is_whole_and_true(full, logs, validation):
    labels = full[1].labels.numpy()
    if validation:
        labels = split(full[0])[1].labels.numpy()
    assert any(recorded(experiment, logs, validation) for experiment in EXPERIMENTS.values())
    for experiment in EXPERIMENTS.values():
        for record in recorded(experiment, logs, validation):
            info = record.info
            assert (info["train_images"], info["test_images"]) == runs.FULL["validation" if validation else "test"]
            assert info["experiment"] == experiment.name and "-dirty" not in info["git_commit"]
            assert [epoch.epoch for epoch in record.history] == list(range(1, experiment.epochs + 1))
            assert info["metrics"] == record.history[-1].metrics
            assert 100 * np.mean(record.predictions == labels) == pytest.approx(record.accuracy, abs=1e-6)


def test_no_two_experiments_share_a_folder():
    stems = [experiment.stem for experiment in EXPERIMENTS.values()]
    assert len(set(stems)) == len(stems)
    assert len({os.path.normcase(stem) for stem in stems}) == len(stems)
