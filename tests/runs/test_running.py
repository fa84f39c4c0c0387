import contextlib
import inspect
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
from helpers import LEARNER, first, outcome, seed_folder
from torch import nn
from torch.nn import functional
from torch.optim import AdamW

from fashion import EXPERIMENTS, Dataset, Epoch, FashionError, build, recorded, run, settings, split
from fashion.estimates import temperature
from fashion.inference.classifier import load_classifier
from fashion.models import MODELS
from fashion.optimisation import OPTIMISERS
from fashion.runs import running
from fashion.runs.checkpoints import checkpoint_path
from fashion.runs.files import held
from fashion.runs.record import Provenance, failures, read_run
from fashion.runs.running import Company, Pace
from fashion.settings import Paused


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


TEACHER = replace(LEARNER, name="teacher")

KILLED = """
import os, signal, sys
import fashion
sys.path.insert(0, {tests!r})
from helpers import LEARNER
train, test = fashion.load_data()
data = tuple(fashion.Dataset(s.images[:n], s.labels[:n]) for s, n in ((train, 200), (test, 100)))
def die(history):
    if len(history) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
fashion.run(LEARNER, 0, logs={logs!r}, data=data, after_epoch=die)
"""


def test_a_killed_run_continues_to_the_same_end(tmp_path, small):
    straight = run(LEARNER, 0, logs=tmp_path / "straight", data=small)
    logs = tmp_path / "killed"
    script = KILLED.format(tests=str(Path(__file__).parents[1]), logs=str(logs))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = sorted(path.name for path in seed_folder(logs).parent.iterdir() if path.suffix == ".pt")
    assert not seed_folder(logs).exists() and left == ["seed_0.previous.pt", "seed_0.pt"]

    told = []
    torch.rand(3)
    continued = run(LEARNER, 0, logs=logs, data=small, after_epoch=lambda history: told.append(len(history)))
    assert told == [3, 4]
    assert outcome(continued) == outcome(straight)
    assert [path.name for path in seed_folder(logs).parent.iterdir()] == ["seed_0"]


EVERYTHING = replace(
    LEARNER,
    schedule="one_cycle",
    nesterov=True,
    weight_decay=1e-3,
    label_smoothing=0.1,
    augment=("alternate", ("affine", 10.0, 0.1, 0.1), ("translate", 2), ("erase", 0.5), ("cutmix", 0.5)),
    averaging=0.9,
)


NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def adamw(groups, recipe, dtype, beta):
    """Build an optimiser that a user might add."""
    return AdamW(groups, betas=(recipe.momentum, beta))


@pytest.mark.parametrize(
    "everything",
    [
        EVERYTHING,
        replace(EVERYTHING, model="FastNetwork_32", changes=(), optimiser=("muon", 0.05)),
        replace(EVERYTHING, optimiser=("adamw", 0.99)),
    ],
    ids=["sgd", "muon", "adamw"],
)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NEEDS_CUDA)])
def test_a_run_with_every_ingredient_continues_to_the_same_end(tmp_path, small, monkeypatch, device, everything):
    monkeypatch.setitem(OPTIMISERS, "adamw", adamw)
    data = tuple(Dataset(*(tensor.to(device) for tensor in each)) for each in small)
    straight = run(everything, 0, logs=tmp_path / "straight", data=data)
    assert outcome(straight) != outcome(run(LEARNER, 0, logs=tmp_path / "plain", data=data))

    def stop(history):
        if len(history) == 3:  # an odd number, since images are mirrored in every second epoch
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
        {"augment": (("cutout", 8),)},
        {"averaging": 0.9},
    ],
    ids=str,
)
def test_every_ingredient_matters_and_is_recorded(tmp_path, small, ingredient):
    plain = run(LEARNER, 0, logs=tmp_path / "plain", data=small)
    other = run(replace(LEARNER, **ingredient), 0, logs=tmp_path / "other", data=small)
    assert outcome(other) != outcome(plain)
    ((name, value),) = ingredient.items()
    written = json.loads((seed_folder(tmp_path / "other") / "run.json").read_text())
    assert written["recipe"][name] == json.loads(json.dumps(value))
    assert len(recorded(replace(LEARNER, **ingredient), tmp_path / "other")) == 1


def test_pretrained_weights_are_for_the_beginning_of_a_run(tmp_path, small, monkeypatch):
    asked = []

    def build_without(model, changes, pretrained):
        asked.append(pretrained)
        return build(model, changes)

    monkeypatch.setattr(running, "build", build_without)
    for _ in range(2):
        with pytest.raises(Paused):
            run(replace(LEARNER, pretrained="imagenet"), 0, logs=tmp_path, data=small, pace=Pace(until=0))
    assert asked == ["imagenet", ""]


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_an_optimiser_computes_in_the_precision_of_the_run(tmp_path, small, monkeypatch, precision, dtype):
    used = []

    def build_optimiser(recipe, network, dtype):
        used.append(dtype)
        return original(recipe, network, dtype)

    original = running.build_optimiser
    monkeypatch.setattr(running, "build_optimiser", build_optimiser)
    assert run(LEARNER, 0, logs=tmp_path, data=small, precision=precision).record.precision == precision
    assert used == [dtype]


def test_a_run_replays_its_steps_where_the_device_can(tmp_path, small, monkeypatch):
    taken = {}

    def replayed(step, device):
        number = len(taken)
        taken[number] = 0

        def counted(*inputs):
            taken[number] += 1
            return step(*inputs)

        assert device == small[0].images.device
        return counted

    monkeypatch.setattr(running, "replayed", replayed)
    run(LEARNER, 0, logs=tmp_path, data=small)
    assert taken == {0: 4 * 4, 1: 4 * 2}  # 200 and 100 images, in minibatches of 64


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


def test_a_run_stops_before_its_time_is_up_and_continues_to_the_same_end(tmp_path, small):
    straight = run(LEARNER, 0, logs=tmp_path / "straight", data=small)
    for epoch in (1, 2, 3):  # one epoch at least, however late it is
        with pytest.raises(Paused, match=f"learner seed 0 stopped after epoch {epoch} of 4"):
            run(LEARNER, 0, logs=tmp_path / "paused", data=small, pace=Pace(checkpoint_every=100, until=0))
    assert outcome(run(LEARNER, 0, logs=tmp_path / "paused", data=small, pace=Pace(until=0))) == outcome(straight)
    assert [path.name for path in seed_folder(tmp_path / "paused").parent.iterdir()] == ["seed_0"]


def test_a_run_that_goes_on_elsewhere_keeps_its_precision_and_says_where_it_was(tmp_path, small, monkeypatch):
    for machine, faster in (("first", "bf16"), ("second", "fp32"), ("second", "fp32"), ("first", "fp32")):
        monkeypatch.setattr(running, "choose_precision", lambda *_, faster=faster: faster)
        here = Provenance("cpu", machine, {"torch": "2"}, machine[0])
        monkeypatch.setattr(running, "provenance", lambda _, here=here: here)
        with contextlib.suppress(Paused):
            record = run(LEARNER, 0, logs=tmp_path, data=small, pace=Pace(until=0)).record
    assert record.provenance == Provenance("cpu", "first, then second, then first", {"torch": "2"}, "f, then s, then f")
    assert record.precision == "bf16"


def test_a_record_names_the_commit_that_it_was_begun_with(tmp_path, small, monkeypatch):
    def commit(name):
        monkeypatch.setattr(running, "provenance", lambda _: Provenance("cpu", "a machine", {}, name))

    commit("first")
    trained = run(LEARNER, 0, logs=tmp_path, data=small, after_epoch=lambda history: commit("later"))
    assert trained.record.provenance.git_commit == "first"


def test_checkpoints_are_as_far_apart_as_asked(tmp_path, small):
    saved = []

    def look(history):
        path = checkpoint_path(seed_folder(tmp_path))
        saved.append(len(torch.load(path)["history"]) if path.exists() else 0)

    run(LEARNER, 0, logs=tmp_path, data=small, pace=Pace(checkpoint_every=2), after_epoch=look)
    assert saved == [0, 2, 2, 4]


def test_the_pace_leaves_time_for_an_epoch_as_long_as_the_last(monkeypatch):
    monkeypatch.setattr(running.time, "monotonic", lambda: 100.0)
    pace = Pace(until=110.0)
    assert [pace.stops_after(Epoch(1, 0, 0, 0, 0, seconds)) for seconds in (9.0, 11.0)] == [False, True]


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path, small):
    told = []

    def again(history):
        with pytest.raises(FashionError, match=rf"seed_0 is being trained by process {os.getpid()} on \S+: leave it"):
            run(LEARNER, 0, logs=tmp_path, data=small)
        told.append(run(LEARNER, 1, logs=tmp_path, data=small).seed)  # another seed is another run

    run(LEARNER, 0, logs=tmp_path, data=small, after_epoch=again)
    assert told == [1] * LEARNER.epochs
    assert sorted(path.name for path in seed_folder(tmp_path).parent.iterdir()) == ["seed_0", "seed_1"]


def test_what_a_dead_process_held_is_taken_over(tmp_path, small):
    script = KILLED.format(tests=str(Path(__file__).parents[1]), logs=str(tmp_path))
    subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert seed_folder(tmp_path).with_name(".seed_0.lock").exists()
    assert run(LEARNER, 0, logs=tmp_path, data=small).seed == 0


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_to_retrain_is_to_begin_afresh(tmp_path, small, precision):
    with pytest.raises(Paused):
        run(LEARNER, 0, logs=tmp_path, data=small, pace=Pace(until=0), precision=precision)
    told = []
    fresh = run(LEARNER, 0, logs=tmp_path, data=small, precision="fp32", retrain=True, after_epoch=told.append)
    assert len(told) == LEARNER.epochs and fresh.record.precision == "fp32"


def test_retraining_that_was_interrupted_goes_on(tmp_path, small, capsys):
    expected = run(LEARNER, 0, logs=tmp_path / "elsewhere", data=small)
    run(replace(LEARNER, lr=0.01), 0, logs=tmp_path, data=small)
    options = {"logs": tmp_path, "data": small, "retrain": True}
    for epoch in (1, 2, 3):
        with pytest.raises(Paused, match=f"stopped after epoch {epoch} of 4"):
            run(LEARNER, 0, pace=Pace(until=0), **options)
        assert read_run(seed_folder(tmp_path)).record.experiment.lr == 0.01  # whole until another is
    assert "goes on after epoch 2, from " in capsys.readouterr().err
    assert outcome(run(LEARNER, 0, **options)) == outcome(expected)
    told = []
    run(LEARNER, 0, after_epoch=told.append, **options)
    assert len(told) == LEARNER.epochs


def test_retraining_by_other_code_is_begun_afresh(tmp_path, small, monkeypatch):
    for digest in ("a", "a", "b"):
        monkeypatch.setattr(running, "IMPORTED_DIGEST", digest)
        told = []
        with pytest.raises(Paused):
            run(LEARNER, 0, logs=tmp_path, data=small, retrain=True, pace=Pace(until=0), after_epoch=told.extend)
    assert [epoch.epoch for epoch in told] == [1]
    monkeypatch.setattr(running, "IMPORTED_DIGEST", "c")
    assert len(run(LEARNER, 0, logs=tmp_path, data=small).history) == 4  # without it, what was begun goes on


def test_a_checkpoint_of_another_network_is_one_line(tmp_path, small, monkeypatch):
    with pytest.raises(Paused):
        run(LEARNER, 0, logs=tmp_path, data=small, pace=Pace(until=0))
    monkeypatch.setitem(MODELS, LEARNER.model, lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    monkeypatch.setattr(running, "build", lambda *_: MODELS[LEARNER.model]())
    with pytest.raises(FashionError, match=r"seed_0.pt was written by other code, with another model: delete it"):
        run(LEARNER, 0, logs=tmp_path, data=small)


def test_a_device_that_is_full_is_not_taken_for_another_network(tmp_path, small, monkeypatch):
    with pytest.raises(Paused):
        run(LEARNER, 0, logs=tmp_path, data=small, pace=Pace(until=0))

    def fill(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(nn.Module, "load_state_dict", fill)
    with pytest.raises(torch.OutOfMemoryError):
        run(LEARNER, 0, logs=tmp_path, data=small)


def test_a_precision_that_is_none_is_told_before_a_record_is_looked_at(tmp_path, small):
    run(LEARNER, 0, logs=tmp_path, data=small)
    with pytest.raises(FashionError, match="there is no precision 'fp16', only auto, fp32, bf16"):
        run(LEARNER, 0, logs=tmp_path, data=small, precision="fp16")


def test_retraining_of_another_recipe_is_begun_afresh(tmp_path, small):
    with pytest.raises(Paused):
        run(replace(LEARNER, lr=0.01), 0, logs=tmp_path, data=small, retrain=True, pace=Pace(until=0))
    told = []
    run(LEARNER, 0, logs=tmp_path, data=small, retrain=True, after_epoch=told.append)
    assert len(told) == LEARNER.epochs


def test_a_run_that_another_process_has_just_ended_is_the_one_that_was_asked_for(tmp_path, small, monkeypatch):
    @contextlib.contextmanager
    def held_late(folder):
        monkeypatch.undo()
        run(replace(LEARNER, epochs=2), 0, logs=tmp_path, data=small)
        yield

    monkeypatch.setattr(running, "held", held_late)
    with pytest.raises(FashionError, match=r"seed_0 holds another run \(epochs 2, not 4\)"):
        run(LEARNER, 0, logs=tmp_path, data=small)


def test_a_run_that_fails_is_kept_apart(tmp_path, small):
    wild = replace(LEARNER, lr=1e30)
    with pytest.raises(FloatingPointError):
        run(wild, 0, logs=tmp_path, data=small)
    folder = seed_folder(tmp_path).with_name("failed_seed_0")
    record = json.loads((folder / "run.json").read_text())
    assert record["failed"].startswith("epoch 1, step") and record["recipe"]["lr"] == 1e30
    assert (folder / "history.csv").read_text().startswith("epoch,")
    assert recorded(wild, tmp_path) == [] and failures(tmp_path) == [f"{folder.parent}, seed 0: {record['failed']}"]
    run(LEARNER, 0, logs=tmp_path, data=small, retrain=True)
    assert failures(tmp_path) == [] and not folder.exists()


def test_numbers_of_other_libraries_are_recorded_as_numbers(tmp_path, small):
    odd = replace(LEARNER, epochs=np.int64(2), lr=np.float32(0.05), augment=(("cutout", torch.tensor(8)),))
    found = run(odd, np.int64(3), logs=tmp_path, data=small)
    assert read_run(seed_folder(tmp_path, 3)).record == found.record
    assert type(found.record.experiment.lr) is float and found.record.experiment.augment == (("cutout", 8),)


class Twice(nn.Module):
    """A network in the style of tutorials, which uses each of two layers twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.convolution = nn.Conv2d(4, 4, 3, padding=1)
        self.same = self.convolution
        self.linear = nn.Linear(4 * 28 * 28, 4 * 28 * 28)
        self.again = self.linear
        self.last = nn.Linear(4 * 28 * 28, 10)

    def forward(self, images):
        images = self.same(self.convolution(self.first(images)))
        flat = images.view(images.size(0), -1)
        return self.last(functional.relu(self.again(functional.relu(self.linear(flat), inplace=True)), inplace=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_in_the_style_of_tutorials_runs_and_is_kept(tmp_path, small, monkeypatch, precision):
    monkeypatch.setitem(MODELS, "Twice", Twice)
    recipe = replace(LEARNER, model="Twice", changes=(), epochs=1, lr=0.01, keep=True)
    found = run(recipe, 0, logs=tmp_path, data=first(64, small), precision=precision)
    classifier = load_classifier(seed_folder(tmp_path) / "weights.safetensors")
    images = first(64, small)[1].images
    shares = torch.from_numpy(found.outputs[0]).float().softmax(dim=1)
    torch.testing.assert_close(classifier(images), shares, atol=0.02, rtol=0)


def test_a_flattened_view_and_a_relu_in_place_run_in_bfloat16(tmp_path, small, monkeypatch):
    def tutorial():
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(4 * 26 * 26, 10))

    monkeypatch.setitem(MODELS, "tutorial", tutorial)
    recipe = replace(LEARNER, model="tutorial", changes=(), epochs=1)
    assert run(recipe, 0, logs=tmp_path, data=small, precision="bf16").record.precision == "bf16"


def test_a_compiled_run_says_so(traced, tmp_path, small):
    plain = run(LEARNER, 0, logs=tmp_path / "plain", data=small)
    assert not plain.record.compiled and not traced
    compiled = run(LEARNER, 0, logs=tmp_path / "compiled", data=small, compile_model=True)
    assert set(traced) == {64} and len(traced) == 1 + 3 * LEARNER.epochs  # of 200 images; eight are left each time
    assert compiled.record.compiled and outcome(compiled) == outcome(plain)
    assert run(LEARNER, 0, logs=tmp_path / "compiled", data=small).record.compiled  # loaded
    with pytest.raises(FashionError, match=r"holds another run \(compiled False, not True"):
        run(LEARNER, 0, logs=tmp_path / "plain", data=small, compile_model=True)


def test_a_run_that_began_compiled_goes_on_so(traced, tmp_path, small):
    with pytest.raises(Paused):
        run(LEARNER, 0, logs=tmp_path, data=small, compile_model=True, pace=Pace(until=0))
    assert len(traced) == 1 + 3  # one to warm up
    assert run(LEARNER, 0, logs=tmp_path, data=small).record.compiled and len(traced) == 2 + 3 * LEARNER.epochs
    with pytest.raises(Paused):
        run(LEARNER, 1, logs=tmp_path, data=small, pace=Pace(until=0))
    with pytest.raises(FashionError, match=r"is half of another run \(compiled False, not True"):
        run(LEARNER, 1, logs=tmp_path, data=small, compile_model=True)


def test_validation_leaves_the_test_set_alone(tmp_path, small):
    record = run(LEARNER, 0, logs=tmp_path, data=split(small[0]), validation=True).record
    assert record.evaluated_on == "validation"
    assert record.train_images + record.test_images == 200
    assert recorded(LEARNER, tmp_path) == []
    assert len(recorded(LEARNER, tmp_path, validation=True)) == 1
    assert (tmp_path / "validation" / "model_learner_logs" / "seed_0" / "run.json").exists()


@pytest.mark.parametrize(("validation", "images"), [(False, (60_000, 10_000)), (True, (54_000, 6_000))])
def test_a_run_takes_all_images_unless_it_is_given_others(full, monkeypatch, validation, images):
    monkeypatch.setattr(running, "load_data", lambda device: full)
    assert tuple(len(part.labels) for part in running.default_data(validation)) == images


def test_a_users_runs_lie_apart_from_the_studys():
    assert inspect.signature(run).parameters["logs"].default == settings.RUNS != settings.MODEL_LOGS


def test_a_rehearsal_writes_nothing_into_the_project(full, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    before = sorted(settings.ROOT.glob("*logs/**/*")) + sorted(settings.RUNS.glob("**/*"))
    record = run(EXPERIMENTS["v1"], 987, data=full).record
    assert (record.train_images, record.test_images) == (256, 256)
    assert sorted(settings.ROOT.glob("*logs/**/*")) + sorted(settings.RUNS.glob("**/*")) == before
    assert (settings.writable(settings.RUNS) / "model_v1_logs" / "seed_987" / "run.json").exists()


@pytest.mark.parametrize(
    ("value", "quick"),
    [("1", True), ("yes", True), ("0", False), ("", False), ("false", False), ("no", False), ("OFF", False)],
)
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


def test_a_checkpoint_lies_beside_its_run():
    assert checkpoint_path(Path("runs/model_a_logs/seed_0")) == Path("runs/model_a_logs/seed_0.pt")


def test_teachers_give_labels_to_images_that_they_have_not_seen(tmp_path, small, monkeypatch):
    taught = replace(LEARNER, teacher=(TEACHER, 2, 0.25))
    given, train_itself = [], running._train
    monkeypatch.setattr(
        running,
        "_train",
        lambda request, network, data, *rest: given.append(data) or train_itself(request, network, data, *rest),
    )
    first = run(taught, 0, logs=tmp_path, data=small)
    *lessons, ((images, labels), test) = given
    assert test is small[1]
    assert torch.equal(images, torch.cat([unseen.images for _, unseen in lessons]))
    actual = torch.cat([unseen.labels for _, unseen in lessons])
    places = [tmp_path / "teachers" / f"{part + 1}_of_2" / "validation" / "model_teacher_logs" for part in (0, 1)]
    teachers = [read_run(place / f"seed_{part}") for part, place in enumerate(places)]
    for (others, unseen), teacher in zip(lessons, teachers, strict=True):
        together = torch.cat([others.images, unseen.images]).flatten(1).sort(dim=0).values
        assert torch.equal(together, small[0].images.flatten(1).sort(dim=0).values)
        assert teacher.record.train_images == len(others.labels) and teacher.record.evaluated_on == "validation"
    outputs = [torch.from_numpy(teacher.outputs).float() for teacher in teachers]
    divisors = [
        temperature(each[0].numpy(), part.labels.numpy()) for each, (_, part) in zip(outputs, lessons, strict=True)
    ]
    shares = torch.cat([(each / by).softmax(dim=2).mean(dim=0) for each, by in zip(outputs, divisors, strict=True)])
    torch.testing.assert_close(labels, 0.75 * torch.eye(10)[actual] + 0.25 * shares)

    assert outcome(first) != outcome(run(LEARNER, 0, logs=tmp_path / "untaught", data=small))
    given.clear()
    run(taught, 1, logs=tmp_path, data=small)
    assert len(given) == 1  # the seeds share their teachers
    longer = replace(taught, teacher=(replace(TEACHER, epochs=5), 2, 0.25))
    with pytest.raises(FashionError, match=r"seed_0 holds another run \(teacher's epochs 4, not 5\)"):
        run(longer, 0, logs=tmp_path, data=small)


def test_teachers_are_waited_for_and_taken_as_they_are_recorded(tmp_path, small, monkeypatch, capsys):
    taught = replace(LEARNER, teacher=(TEACHER, 2, 0.25))
    teacher = tmp_path / "teachers" / "1_of_2" / "validation" / "model_teacher_logs" / "seed_0"
    teacher.parent.mkdir(parents=True)
    slept = []
    with contextlib.ExitStack() as other_process:
        other_process.enter_context(held(teacher))
        monkeypatch.setattr("time.sleep", lambda seconds: (slept.append(seconds), other_process.close()))
        run(taught, 0, logs=tmp_path, data=small, precision="fp32")
    assert slept == [1] and capsys.readouterr().err.count("waiting for a teacher: ") == 1
    monkeypatch.undo()
    assert run(taught, 1, logs=tmp_path, data=small, precision="bf16").record.precision == "bf16"


def test_a_rehearsal_has_teachers_of_its_own(tmp_path, small, monkeypatch):
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    taught = replace(LEARNER, teacher=(TEACHER, 2, 0.25))
    run(taught, 0, logs=tmp_path, data=small)
    monkeypatch.setenv("FASHION_QUICK", "1")
    fewer = Dataset(small[0].images[:100], small[0].labels[:100])
    assert run(taught, 1, logs=tmp_path, data=(fewer, small[1])).record.train_images == 100


@pytest.fixture
def little_disk(tmp_path):
    """A disk of 300 kB, where one may be mounted: a checkpoint of the learner takes about as much as half of it."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_what_was_recorded_is_whole(little_disk, small):
    recorded_before = run(replace(LEARNER, epochs=1), 0, logs=little_disk, data=small, pace=Pace(checkpoint_every=9))
    (little_disk / "others").write_bytes(b"x" * 120_000)
    with pytest.raises(FashionError, match=r"^cannot write .*seed_1\S* \(.*\): what was recorded before is whole$"):
        run(replace(LEARNER, epochs=1), 1, logs=little_disk, data=small)
    assert outcome(read_run(seed_folder(little_disk))) == outcome(recorded_before)
    assert not [path for path in seed_folder(little_disk).parent.iterdir() if "new" in path.name]


def test_logs_that_vanish_are_one_line(tmp_path, small):
    def vanish(history):
        shutil.rmtree(tmp_path / "logs")

    with pytest.raises(FashionError, match=r"^cannot write .*seed_0\S* \(No such file or directory\)"):
        run(LEARNER, 0, logs=tmp_path / "logs", data=small, after_epoch=vanish)


def test_an_interrupt_reaches_the_teachers(tmp_path, small, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(
            replace(LEARNER, teacher=(TEACHER, 2, 0.5)),
            0,
            logs=tmp_path,
            data=small,
            company=Company(2, lambda: True),
        )
    assert not list(tmp_path.rglob("run.json"))
