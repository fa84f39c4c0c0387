from dataclasses import replace

import pytest
from helpers import LEARNER, first, seed_folder

from fashion import EXPERIMENTS, FashionError, recorded, run
from fashion.runs import refusals, running
from fashion.runs.record import Provenance


def test_what_is_no_experiment_or_no_seed_is_said(tmp_path, small):
    with pytest.raises(TypeError, match=r"such as EXPERIMENTS\[\"v1\"\], not 'v1'"):
        run("v1", 0, logs=tmp_path, data=small)
    with pytest.raises(ValueError, match="a seed must be 0 or more, not -1"):
        run(LEARNER, -1, logs=tmp_path, data=small)
    with pytest.raises(FashionError, match="no precision 'fp16', only auto, fp32, bf16"):
        run(LEARNER, 0, logs=tmp_path, data=small, precision="fp16")


@pytest.mark.parametrize(
    ("typo", "message"),
    [
        ({"model": "v1"}, "no model 'v1': .* NeuralNetwork_v1,"),
        ({"changes": ("logitz",)}, "no change 'logitz': .* logits"),
        ({"pretrained": "imagnet"}, "no pretrained weights 'imagnet': .* imagenet"),
        ({"augment": ("flop",)}, "no augmentation 'flop': .* flip"),
        ({"augment": ("cutout",)}, r"the augmentation 'cutout' takes \(size\), not \(\)"),
        ({"optimiser": "sdg"}, "no optimiser 'sdg': .* sgd"),
        ({"schedule": "linear"}, "no schedule 'linear': .* one_cycle"),
    ],
)
def test_a_typo_in_a_recipe_is_named(tmp_path, small, typo, message):
    with pytest.raises(FashionError, match=message):
        run(replace(LEARNER, **typo), 0, logs=tmp_path, data=small)


def test_another_recipe_is_never_overwritten(tmp_path, small):
    run(LEARNER, 0, logs=tmp_path, data=small)
    before = (seed_folder(tmp_path) / "run.json").read_text()
    with pytest.raises(FashionError, match=r"seed_0 holds another run \(lr 0.05, not 0.1\): .*--retrain"):
        run(replace(LEARNER, lr=0.1), 0, logs=tmp_path, data=small)
    fewer = (first(50, small)[0], small[1])
    with pytest.raises(FashionError, match=r"train_images 200, not 50"):
        run(LEARNER, 0, logs=tmp_path, data=fewer)
    assert (seed_folder(tmp_path) / "run.json").read_text() == before
    run(replace(LEARNER, lr=0.1), 0, logs=tmp_path, data=small, retrain=True)
    assert recorded(LEARNER, tmp_path) == []
    assert len(recorded(replace(LEARNER, lr=0.1), tmp_path)) == 1


def test_a_rehearsal_may_show_a_run_on_more_images(tmp_path, small, monkeypatch):
    full = run(LEARNER, 0, logs=tmp_path, data=small)
    monkeypatch.setenv("FASHION_QUICK", "1")
    assert run(LEARNER, 0, logs=tmp_path, data=first(50, small)).record == full.record
    with pytest.raises(FashionError, match=r"holds another run \(lr 0.05, not 0.1\)"):
        run(replace(LEARNER, lr=0.1), 0, logs=tmp_path, data=small)


def test_a_recorded_precision_must_match_what_is_asked_for(tmp_path, small):
    trained = run(LEARNER, 0, logs=tmp_path, data=small, precision="bf16")
    assert trained.record.precision == "bf16"
    assert run(LEARNER, 0, logs=tmp_path, data=small).to_json() == trained.to_json()  # auto takes what is recorded
    with pytest.raises(FashionError, match="precision bf16, not fp32"):
        run(LEARNER, 0, logs=tmp_path, data=small, precision="fp32")


def test_half_a_run_of_another_recipe_is_not_continued(tmp_path, small):
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


def test_no_mean_is_taken_over_runs_on_more_and_on_fewer_images(tmp_path, small):
    fewer = first(100, small)
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


@pytest.fixture
def model_logs(tmp_path, monkeypatch):
    """The study's record, as yet empty."""
    monkeypatch.setattr(refusals, "MODEL_LOGS", tmp_path / "model_logs")
    return tmp_path / "model_logs"


def test_the_study_takes_complete_runs_only(tmp_path, small, full, model_logs):
    v1 = EXPERIMENTS["v1"]
    for experiment, data, why in [
        (v1, small, "200 and 100 images are not all"),
        (v1, (full[0], small[1]), "60000 and 100 images are not all"),
        (replace(v1, epochs=2), full, "v1 has epochs 5, not 2"),
        (LEARNER, full, "learner is not in EXPERIMENTS"),
    ]:
        for folder in (model_logs, tmp_path / "elsewhere" / ".." / "model_logs"):
            with pytest.raises(FashionError, match=rf"model_logs/ takes complete runs only \(({why})\)"):
                run(experiment, 0, logs=folder, data=data)
    assert not model_logs.exists()


def test_the_study_takes_runs_of_committed_code_only(tmp_path, small, monkeypatch, model_logs):
    monkeypatch.setattr(refusals, "require_complete", lambda *_: None)
    for commit in ("abc-dirty", "abc, then def-dirty", None):
        monkeypatch.setattr(running, "provenance", lambda _, commit=commit: Provenance("cpu", "a", {}, commit))
        with pytest.raises(FashionError, match="model_logs/ takes runs of committed code only"):
            run(LEARNER, 0, logs=model_logs, data=small)
        assert run(LEARNER, 0, logs=tmp_path / str(commit), data=small).record.provenance.git_commit == commit


def test_code_that_is_not_committed_leaves_no_folder_in_the_study(small, monkeypatch, model_logs):
    monkeypatch.setattr(refusals, "require_complete", lambda *_: None)
    monkeypatch.setattr(running, "IMPORTED_COMMIT", "abc-dirty")
    with pytest.raises(FashionError, match="model_logs/ takes runs of committed code only"):
        run(LEARNER, 0, logs=model_logs, data=small)
    assert not model_logs.exists()


def test_an_unwritable_folder_is_an_error_before_training(tmp_path, small):
    (tmp_path / "file").write_text("")
    with pytest.raises(FashionError, match=r"cannot write to .*file.*choose another with --logs"):
        run(LEARNER, 0, logs=tmp_path / "file", data=small)
