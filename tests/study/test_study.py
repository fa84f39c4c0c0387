from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fashion import CLASSES, EXPERIMENTS, Run, study
from fashion.experiments import ABLATIONS, LEARNING_RATE_EPOCHS, LEARNING_RATES
from fashion.training import Epoch

LABELS = study.test_images().labels.numpy().astype(np.uint8)


def run_of(seed, accuracy, predictions=LABELS, epochs=10):
    history = [Epoch(epoch, 1.0, accuracy, 1.0, accuracy, 1.0) for epoch in range(1, epochs + 1)]
    info = {"seed": seed, "evaluated_on": "test", "hardware": "a machine", "precision": "fp32"}
    return Run(info, history, predictions)


@pytest.fixture
def records(monkeypatch):
    """Four experiments: one learns nothing, one not with every seed, and two miss the first ankle boot."""
    missing = LABELS.copy()
    missing[0] = 7
    made = {
        "v1": [run_of(0, 10.0, np.zeros_like(LABELS))],
        "v1_fixed": [run_of(0, 83.0, missing)],
        "v1_5_5_noBN_lrx2": [run_of(0, 30.0, np.full_like(LABELS, 9)), run_of(1, 90.0)],
        "v1_5_5_lrx2": [run_of(0, 91.0, missing), run_of(1, 92.0, missing)],
    }
    monkeypatch.setattr(study, "recorded", lambda experiment, *_: made.get(experiment.name, []))
    return made


def test_the_groups_of_the_study(records):
    rows = {experiment.name: len(runs) for experiment, runs in study.published().items()}
    assert list(rows) == ["v1", "v1_5_5", "v1_5_5_BN", "v1_5_5_lrx2", "v1_5_5_lrx4", "v1_5_5_lrx8", "resnet18"]
    assert rows["v1"] == 1 and rows["v1_5_5_BN"] == 0 and rows["v1_5_5_lrx2"] == 2
    assert [experiment.name for experiment in study.learners()] == ["v1_5_5_lrx2", "v1_fixed"]
    assert study.best().name == "v1_5_5_lrx2"
    assert study.learning_rates()["with batch normalisation"]["0.002"] == records["v1_5_5_lrx2"]


def test_the_learning_rates_differ_in_nothing_else():
    for names in LEARNING_RATES.values():
        arms = [EXPERIMENTS[name] for name in names]
        assert [round(arm.lr * 1000) for arm in arms] == [1, 2, 4, 8]
        assert len({(arm.model, arm.momentum, arm.batch_size, arm.changes) for arm in arms}) == 1
        assert min(arm.epochs for arm in arms) == LEARNING_RATE_EPOCHS
    with_bn, without = (EXPERIMENTS[names[0]].model for names in LEARNING_RATES.values())
    assert (with_bn, without) == ("NeuralNetwork_v1_5_5_BN", "NeuralNetwork_v1_5_5")


def test_the_figures_show_the_record(records):
    titles = [axes.get_title() for axes in study.draw_missed().axes]
    assert titles[0] == f"predicted Sneaker\nactual {CLASSES[9]}" and not any(titles[1:])
    assert study.draw_confusion().axes[0].get_xlabel() == "class given by v1_5_5_lrx2"
    classes = study.draw_classes().axes[0]
    assert [text.get_text() for text in classes.get_yticklabels()] == ["v1_5_5_lrx2", "v1_fixed"]
    assert [text.get_text() for text in classes.texts][9] == "99.9"  # one ankle boot of a thousand
    records["fast"] = [run_of(0, 94.0, records["v1_fixed"][0].predictions)]
    for runs_of, draw in study.FIGURES.values():
        assert runs_of("model_logs") and draw("model_logs").axes


def test_the_fast_recipes_are_timed_on_cpus_and_on_a_gpu(monkeypatch):
    made = {"model_logs": [run_of(0, 94.0)], "gpu": [run_of(0, 94.1), run_of(1, 94.3)]}
    monkeypatch.setattr(
        study, "recorded", lambda experiment, logs: made[logs.name] if experiment.name == "fast" else []
    )
    assert study.fast_runs() == {
        "fast_93": [],
        "fast": made["model_logs"] + made["gpu"],
        "fast_95": [],
        "fast_95_muon": [],
    }
    monkeypatch.setattr(study.tables, "times", lambda experiments, labels, logs: pd.DataFrame({"logs": [logs.name]}))
    assert study.fast_times().logs.tolist() == ["model_logs", "gpu"]


def test_every_ablation_changes_what_it_says():
    assert [each.name for each in study.fast()] == ["fast_93", "fast", "fast_95", "fast_95_muon"]
    assert set(study.ablated()) == set(ABLATIONS)
    for title, experiment in study.ablated().items():
        assert experiment == replace(EXPERIMENTS["fast"], **ABLATIONS[title]) != EXPERIMENTS["fast"]


def test_the_temperature_is_that_of_all_validation_runs(monkeypatch):
    labels = study.split(study.load()[0])[1].labels.numpy()
    runs = []
    for right in (0.5, 0.75):  # sure as e to one of one class, whose images are right so often
        given = np.where(np.arange(len(labels)) < right * len(labels), labels, (labels + 1) % 10)
        outputs = np.full((2, len(labels), 10), -100, dtype=np.float16)
        outputs[0, np.arange(len(labels)), given] = 0
        outputs[0, np.arange(len(labels)), (given + 1) % 10] = -1
        outputs[0, np.arange(len(labels)), (given - 1) % 10] = -1
        runs.append(Run({"seed": len(runs)}, [], given, outputs))
    asked = []
    monkeypatch.setattr(study, "recorded", lambda *arguments, **options: asked.append((arguments, options)) or runs)
    found = study.temperature()
    assert asked == [((EXPERIMENTS["fast"], study.MODEL_LOGS), {"validation": True})]
    # 62.5% of the outputs are right, and so is the share of the likeliest class: 1 / (1 + 2 exp(-1 / T))
    assert found == pytest.approx(-1 / np.log(0.3), rel=1e-2)


def test_augmentations_are_shown_one_by_one_and_in_turn():
    axes = study.draw_augmented(["flip", "cutout"], number=2).axes
    assert [each.get_ylabel() for each in axes[::2]] == ["as they are", "flip", "cutout", "all"]


def test_seeds_are_loaded_and_on_request_trained_first(records, monkeypatch):
    trained = []
    monkeypatch.setattr(study, "run", lambda *arguments, **options: trained.append((*arguments, options)))
    assert study.seeds("v1_5_5_lrx2") == records["v1_5_5_lrx2"] and trained == []
    study.seeds("v1_5_5_lrx2", retrain=True)
    assert trained == [(EXPERIMENTS["v1_5_5_lrx2"], seed, {"retrain": True}) for seed in range(5)]
