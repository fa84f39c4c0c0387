from dataclasses import replace

import numpy as np
import pytest
from made_up import a_run, a_study, ending_at, runs_of

from fashion import EXPERIMENTS, study
from fashion.experiments import ABLATIONS, FINAL_ABLATIONS, LEARNING_RATE_EPOCHS, LEARNING_RATES, ablation
from fashion.runs.record import experiment_folder, write_run
from fashion.settings import MODEL_LOGS
from fashion.study import loading


def names(groups):
    return [experiment.name for experiment in groups]


def test_a_study_has_its_groups_in_the_order_of_the_experiments():
    made = a_study({"v1": ending_at(10.0), "v1_5_5_lrx2": ending_at(91.0, 92.0), "v1_fixed": ending_at(83.0)})
    published = {each.name: len(runs) for each, runs in made.group("published").items()}
    assert published == {
        "v1": 1, "v1_5_5": 0, "v1_5_5_BN": 0, "v1_5_5_lrx2": 2, "v1_5_5_lrx4": 0, "v1_5_5_lrx8": 0, "resnet18": 0,
    }  # fmt: skip
    assert list(published) == ["v1", "v1_5_5", "v1_5_5_BN", "v1_5_5_lrx2", "v1_5_5_lrx4", "v1_5_5_lrx8", "resnet18"]
    assert names(made.group("fast", "final")) == [
        "fast_93", "fast_94", "fast_94_muon", "fast", "fast_95", "fast_95_muon", "fast_94_gpu", "fast_95_gpu",
        "final_wide", "final", "final_small",
    ]  # fmt: skip
    assert made["v1_5_5_lrx2"] == made.tested[EXPERIMENTS["v1_5_5_lrx2"]]
    with pytest.raises(KeyError, match="v2"):
        made["v2"]


def test_the_best_is_the_best_of_the_published_ones():
    made = a_study({"v1": ending_at(10.0, 99.0), "v1_5_5_lrx2": ending_at(91.0, 92.0), "v1_fixed": ending_at(98.0)})
    assert made.best.name == "v1_5_5_lrx2"


def test_a_network_learns_if_every_seed_of_it_does():
    made = a_study(
        {"v1": ending_at(10.0), "v1_5_5_lrx2": ending_at(91.0, 92.0), "v1_5_5_noBN_lrx2": ending_at(30.0, 90.0)}
    )
    assert names(made.learners) == ["v1_5_5_lrx2"]
    assert made.learner_runs == made["v1_5_5_lrx2"]


def test_runs_are_found_by_their_learning_rate():
    made = a_study({"v1_5_5_lrx2": ending_at(91.0), "v1_5_5_noBN_lrx8": ending_at(70.0)})
    rates = made.learning_rates
    assert [list(arm) for arm in rates.values()] == [["0.001", "0.002", "0.004", "0.008"]] * 2
    assert rates["with batch normalisation"]["0.002"] == made["v1_5_5_lrx2"]
    assert rates["without batch normalisation"]["0.008"] == made["v1_5_5_noBN_lrx8"]


def test_the_learning_rates_differ_in_nothing_else():
    for arms in ([EXPERIMENTS[name] for name in each] for each in LEARNING_RATES.values()):
        assert [round(arm.lr * 1000) for arm in arms] == [1, 2, 4, 8]
        assert len({(arm.model, arm.momentum, arm.batch_size, arm.changes) for arm in arms}) == 1
        assert min(arm.epochs for arm in arms) == LEARNING_RATE_EPOCHS
    with_bn, without = (EXPERIMENTS[each[0]].model for each in LEARNING_RATES.values())
    assert (with_bn, without) == ("NeuralNetwork_v1_5_5_BN", "NeuralNetwork_v1_5_5")


def test_the_fast_recipes_are_timed_on_cpus_and_then_on_a_gpu():
    made = a_study({"fast": ending_at(94.0), "fast_93": ending_at(93.0)}, on_gpu={"fast": ending_at(94.1, 94.3)})
    assert [(each.name, len(runs)) for each, runs in made.fast] == [("fast_93", 1), ("fast", 1), ("fast", 2)]


def test_every_ablation_changes_what_it_says():
    made = a_study(
        {"fast": ending_at(94.0)}, {"fast": ending_at(94.5, 94.6), "fast_without_flip": ending_at(93.5)}
    ).ablations
    assert list(made) == ["`fast`", *ABLATIONS]
    assert {title: len(runs) for title, runs in made.items() if runs} == {"`fast`": 2, "without the flip": 1}
    for title, change in ABLATIONS.items():
        assert EXPERIMENTS[ablation(title)] == replace(EXPERIMENTS["fast"], **change) != EXPERIMENTS["fast"]
    for title, change in FINAL_ABLATIONS.items():
        base = EXPERIMENTS["final_short"]
        assert EXPERIMENTS[ablation(title, of="final_short")] == replace(base, **change) != base


def test_what_was_tried_begins_with_what_the_rest_differs_from():
    tried = {name: ending_at(95.0) for name in ("fast_95_gpu", "search_erase", "search", "fast")}
    assert names(a_study({"search": ending_at(94.0)}, tried).trials) == ["search", "search_erase", "fast_95_gpu"]


def test_the_record_is_loaded_from_its_folders(tmp_path):
    v1, fast, teacher = EXPERIMENTS["v1"], EXPERIMENTS["fast_93"], EXPERIMENTS["final_teacher"]
    shorter = replace(v1, epochs=2, published=None)
    for folder, validation, run in (
        (tmp_path, False, a_run(*[10.0] * 5, seed=1, experiment=v1)),
        (tmp_path, False, a_run(*[11.0] * 2, seed=0, experiment=shorter)),
        (tmp_path, True, a_run(*[12.0] * 5, experiment=v1, evaluated_on="validation")),
        (tmp_path / "gpu", False, a_run(*[93.0] * 5, experiment=fast)),
        (tmp_path / "gpu", False, a_run(*[13.0] * 5, experiment=v1)),
        (tmp_path / "teachers" / "3_of_3", True, a_run(*[94.0] * teacher.epochs, seed=2, experiment=teacher)),
        (tmp_path / "teachers" / "1_of_2", True, a_run(*[90.0] * teacher.epochs, seed=0, experiment=teacher)),
    ):
        place = experiment_folder(run.record.experiment, folder, validation) / f"seed_{run.seed}"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_run(run, place, None)
    loaded = loading.load_study(tmp_path)
    found = [{each.name: [run.accuracy for run in runs] for each, runs in part.items() if runs}
             for part in (loaded.tested, loaded.validated, loaded.on_gpu)]  # fmt: skip
    assert found == [{"v1": [10.0]}, {"v1": [12.0]}, {"fast_93": [93.0]}]
    assert [run.accuracy for run in loaded.teachers] == [94.0]  # of three parts, as `final` says


def test_runs_are_loaded_and_on_request_trained_first(monkeypatch):
    trained, made = [], runs_of([91.0], [92.0])
    monkeypatch.setattr("fashion.runs.running.run", lambda *given, **options: trained.append((*given, options)))
    monkeypatch.setattr(loading, "recorded", lambda *given: made if given == (experiment, MODEL_LOGS, True) else [])
    experiment = EXPERIMENTS["v1_5_5_lrx2"]
    assert loading.runs_of("v1_5_5_lrx2", validation=True) == made and trained == []
    assert loading.runs_of("v1_5_5_lrx2", retrain=True, validation=True) == made
    options = {"logs": MODEL_LOGS, "validation": True, "retrain": True}
    assert trained == [(experiment, seed, options) for seed in range(5)]


def test_the_labels_are_those_of_the_images_that_runs_are_evaluated_on(full):
    assert loading.test_labels().tolist() == full[1].labels.tolist()
    labels = loading.validation_labels()
    assert labels.shape == (6000,) and np.bincount(labels).min() > 500


def test_a_notebook_finds_what_loads_in_the_room_itself():
    assert study.load_study is loading.load_study and study.runs_of is loading.runs_of
    with pytest.raises(AttributeError, match="no attribute 'seeds'"):
        study.seeds  # noqa: B018
