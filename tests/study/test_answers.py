import json
from dataclasses import replace
from functools import partial
from inspect import isfunction, signature
from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import H200, XEON, a_run, a_study, ending_at, runs_of

from fashion import EXPERIMENTS, study
from fashion.estimates import mcnemar, mean_interval
from fashion.models import MODELS, build
from fashion.settings import ROOT
from fashion.study import answers, load_study, measures, probabilities

PUBLIC = [each for name, each in vars(answers).items()
          if isfunction(each) and each.__module__ == answers.__name__ and not name.startswith("_")
          and list(signature(each).parameters) == ["study"] and name != "agreement"]  # fmt: skip


@pytest.fixture(scope="module")
def record():
    return load_study()


def test_a_published_run_is_compared_with_one_more_run_of_ours():
    made = {
        "v1": ending_at(9.0, 10.0, 11.2),
        "v1_5_5": ending_at(73.0, 75.0),
        "v1_5_5_lrx2": ending_at(90.8, 91.0, 91.2),  # 91.6 is beyond 91.5, where the interval of the mean ends
        "v1_5_5_lrx4": ending_at(91.0, 91.2, 91.4),  # 92.2 is beyond 92.194, where that of one more run ends
        "resnet18": ending_at(89.9, 89.9, 89.9),
    }
    assert answers.reproduction(a_study(made)) == (
        "The published accuracy lies where 95% of further runs of ours would end: `v1`, `v1_5_5_lrx2`, `resnet18`. "
        "It lies outside: `v1_5_5_lrx4`. Too few seeds to tell: `v1_5_5`, `v1_5_5_BN`, `v1_5_5_lrx8`. "
        "For `v1_5_5` that is a weak test: its seeds end between 73 and 75%."
    )


def test_where_nothing_is_outside_or_unknown_nothing_is_said_of_it():
    names = ("v1", "v1_5_5", "v1_5_5_BN", "v1_5_5_lrx2", "v1_5_5_lrx4", "v1_5_5_lrx8", "resnet18")
    text = answers.reproduction(a_study({name: ending_at(0.0, 50.0, 100.0) for name in names}))
    assert "outside" not in text and "Too few" not in text and text.count("`") == 2 * len(names) + 2
    assert all(f"`{name}`" in text for name in names)


def test_what_repairs_v1_is_counted_in_runs():
    alone = {f"v1_{change}": ending_at(10.0, 19.9, 27.4) for change in ("logits", "identity", "lrx10", "momentum")}
    text = answers.v1(a_study({"v1": ending_at(10.0), **alone, "v1_fixed": ending_at(83.0, 84.0)}))
    assert "ends at 10.0%, as" in text and "4 of 12 runs pass 20%, those of seed 2. Three" in text
    assert "ends at 83.50%." in text


def test_what_holds_v1_5_5_back_is_counted_in_epochs():
    text = answers.v1_5_5(
        a_study(
            {
                "v1_5_5": runs_of([10.0] * 20 + [30.0] * 5, [10.0] * 8 + [12.0] * 16 + [74.4], [10.0] * 25),
                "v1_5_5_logits": runs_of([80.0] * 10 + [86.0] * 15, [81.0] * 10 + [87.0] * 15),
                "v1_5_5_noBN_lrx8": runs_of([50.0] * 9 + [77.5]),
            }
        )
    )
    assert "end at 10.0, 30.0, 74.4%" in text and "for 8 to 20 of the 25 epochs" in text and "ends at 86.50%" in text
    assert "after 10 epochs the network with it is at 77.50% at eight times the rate, without it at 80.50% at" in text


def test_the_gain_of_batch_normalisation_is_taken_at_the_same_epoch():
    text = answers.batch_normalisation(
        a_study(
            {
                "v1_5_5": ending_at(50.0),
                "v1_5_5_BN": runs_of([80.0] * 9 + [91.0] * 30 + [92.0], [80.0] * 10 + [91.0] * 29 + [92.0]),
                "v1_5_5_logits": runs_of([50.0] * 24 + [86.0], [50.0] * 24 + [87.0]),
                "v1_5_5_BN_logits": runs_of([80.0, 80.0, 90.0, *[92.5] * 37]),
            }
        )
    )
    assert "ends at 92.00%, without it at 50.00%" in text and "4.50 points ahead" in text
    assert "90% after 3 epochs" in text and "alone after 10 to 11" in text and "92.50% (n = 1) and 92.00%" in text


def test_learning_rates_are_compared_after_ten_epochs():
    text = answers.learning_rates(
        a_study(
            {
                "v1_5_5_BN": runs_of(*([80.0] * 9 + [level] + [99.0] * 30 for level in (89.0, 90.0, 91.0))),
                "v1_5_5_lrx2": runs_of(*[[85.0] * 9 + [91.0]] * 3),
                "v1_5_5_lrx4": runs_of([85.0] * 9 + [91.5] + [20.0] * 8),
                "v1_5_5_lrx8": runs_of(*[[90.0] * 9 + [92.0]] * 3),
                "v1_5_5": runs_of([10.0] * 10 + [90.0] * 15),
                "v1_5_5_noBN_lrx2": runs_of([10.0] * 9 + [30.0], [10.0] * 10),
                "v1_5_5_noBN_lrx4": runs_of([10.0] * 5 + [70.0] * 5, [10.0] * 5 + [74.0] * 5),
                "v1_5_5_noBN_lrx8": runs_of([10.0] * 5 + [78.0] * 5),
            }
        )
    )
    assert "2.00 ± 2.48 points above 0.001" in text and "1.00 ± 0.00 points above 0.002" in text
    assert "0 of 1 at 0.001, 1 of 2 at 0.002, 2 of 2 at 0.004, 1 of 1 at 0.008 pass 25%" in text
    assert "ends at 78.0% on average, the worst with it at 90.0%" in text


def test_what_resnet18_owes_to_imagenet_is_paired_by_seed():
    text = answers.resnet18(
        a_study(
            {
                "resnet18": ending_at(90.0, 91.0, 92.0, train_accuracy=95.0),
                "resnet18_scratch": [
                    a_run(level, seed=seed, train_accuracy=98.0) for seed, level in ((0, 90.5), (1, 90.0), (2, 88.0))
                ],
            }
        )
    )
    assert "at 91.00 ± 2.48% (published" in text and "from random ones at 89.50 ± 3.29%" in text
    assert "ahead with 2 of 3 seeds, by -0.5 to 4.0 points, 1.0 in the median" in text
    assert "end at 95.0 and 98.0%" in text


def test_the_fast_recipes_come_with_their_seconds():
    text = answers.fast(
        a_study(
            {
                "fast_93": ending_at(93.5, train_seconds=52.6),
                "fast_94": ending_at(93.9, train_seconds=362.0, hardware=XEON),
                "fast_94_muon": ending_at(94.2, train_seconds=420.0, hardware=XEON),
                "fast": ending_at(94.0, train_seconds=181.0),
                "fast_95": ending_at(94.9, train_seconds=5000.0),
                "fast_95_muon": ending_at(94.9, 95.0, 95.3, train_seconds=1080.0),
                "fast_94_gpu": ending_at(94.4, 94.6, hardware=H200, train_seconds=2.14),
                "fast_95_gpu": ending_at(95.1, hardware=XEON, train_seconds=4000.0)  # seconds are of where most ran
                + ending_at(95.1, 95.1, hardware=H200, train_seconds=8.61),
            },
        )
    )
    assert "94.50% after 2.1 s of an H200 (n = 2)" in text and "95.10% after 8.6 s (n = 2)" in text
    assert "93.50% after 53 s" in text and "94.00% after 3 min, and" in text
    assert (
        "95.07 ± 0.52% after 18 min of two a machine cores, at 95% or above with 2 of 3 seeds" in text
        and "ends at 94.90%" in text
    )
    assert "at 93.90% as `fast_94`, after 6 min of two Xeon AMX cores, where an epoch takes 2.0 times as" in text
    assert "times as long as on the a machine, and at" in text
    assert text.endswith("and at 94.20% as `fast_94_muon`, with Muon and nothing cut out: +0.30 points.")


def test_ingredients_matter_whose_gap_is_beyond_its_interval():
    tried = {
        "fast": ending_at(94.0, 94.2, 94.4),
        "fast_without_flip": ending_at(93.0, 93.1, 93.5),  # -1.0 ± 0.25, at 99.4% ± 0.77
        "fast_without_cutout": ending_at(93.9, 93.9, 94.2),  # -0.2 ± 0.25
        "fast_without_label_smoothing": ending_at(93.6, 94.0, 94.1),  # -0.3 ± 0.25, at 99.4% ± 0.77
        "fast_with_Muon": ending_at(90.0),
    }
    tested = {"fast": ending_at(94.0, 94.2), "fast_unaugmented": ending_at(94.1)}
    assert answers.ablations(a_study(tested, tried)) == (
        "Gaps beyond their 95% interval over 3 seeds: without the flip, without label smoothing. Beyond that of 99.4%, "
        "which 9 comparisons ask for: without the flip. On the test images `fast_unaugmented`, without flips and "
        "cutout, ends at 94.10% (n = 1), `fast` at 94.10%."
    )


def test_how_sure_the_shipped_network_may_be_is_told(monkeypatch):
    sure = np.array([0.78, 0.84, 0.99, 0.5])
    outputs = np.full((2, 4, 10), -1e3)
    outputs[:, np.arange(4), [0, 1, 2, 3]] = 2 * np.log(sure)
    outputs[:, np.arange(4), [9, 9, 9, 9]] = 2 * np.log(1 - sure)
    outputs[:, 3, 8], outputs[:, 3, 9] = 2 * np.log(0.25), 2 * np.log(0.25)
    run = a_run(75.0, seed=20, outputs=outputs, predictions=np.array([0, 1, 2, 3], np.uint8))
    run = replace(run, record=replace(run.record, experiment=EXPERIMENTS["fast_95_gpu"]))
    monkeypatch.setattr(answers, "test_labels", lambda: np.array([0, 9, 2, 3]))
    monkeypatch.setattr(answers, "load_classifier", lambda: SimpleNamespace(record=run.record, temperature=2.0))
    text = answers.shipped(a_study({"fast_95_gpu": [a_run(70.0), run]}))
    assert "asks seed 20 of `fast_95_gpu`, right on 75.0% of the test images" in text
    # Bins: 0.78 and right, 0.84 and wrong, 0.99 and 0.5 and right
    assert f"miss by {100 * (0.22 + 0.84 + 0.01 + 0.5) / 4:.1f} points on average" in text
    assert "about 80% sure it is right with 1 of 2 images, 50% (95% interval 9% to 91%)" in text  # Wilson's
    small = replace(run, record=replace(run.record, experiment=EXPERIMENTS["final_small"]))
    monkeypatch.setattr(answers, "load_classifier", lambda: SimpleNamespace(record=small.record, temperature=2.0))
    text = answers.shipped(a_study({"final_small": [small]}))
    assert (
        "calibrated on held-out images, by its recipe in 30 epochs, so that they say how often it is right: they"
        in text
    )


def test_the_final_model_comes_with_its_teachers(monkeypatch):
    monkeypatch.setattr(answers, "test_labels", lambda: np.array([0, 1]))
    monkeypatch.setattr(answers, "validation_labels", lambda: np.array([0, 0]))
    outputs = np.zeros((2, 2, 10), np.float16)
    outputs[0, [0, 1], [0, 1]] = 1  # both right as they are
    outputs[1, [0, 1], [0, 2]] = 3  # the second one surely wrong in the mirror
    runs = runs_of([95.0, 96.0, 95.5], [96.0, 96.0, 96.7], outputs=outputs, hardware=H200, train_seconds=20.0)
    text = answers.final(a_study({"final": runs}))
    assert "ends at 96.10% (n = 2) after 60 s of an H200, below the best published mean of several runs, 96.41%" in text
    assert "at 50.00% if each image is averaged" in text and "teachers" not in text

    small = ending_at(95.5, outputs=outputs, hardware=H200, train_seconds=30.0)
    made = replace(a_study({"final": runs, "final_small": small}), teachers=ending_at(95.0, 95.0, train_seconds=14.0))
    text = answers.final(made)
    assert "Its 2 teachers, which all seeds share, take 14 s each." in text
    assert text.endswith("`final_small`, with a quarter of the parameters, ends at 95.50% (n = 1) after 30 s.")


def test_the_final_recipe_is_taken_apart_by_paired_seeds(monkeypatch):
    monkeypatch.setattr(answers, "validation_labels", lambda: np.array([0, 0]))
    even, worse = np.full((2, 2, 10), -20, np.float16), np.full((2, 2, 10), -20, np.float16)
    even[:, :, :2], worse[:, :, :3] = 0, 0  # a half, and a third, of the probability for the class that is right
    tried = {
        "final_short": [a_run(95.0, seed=0, outputs=even), a_run(95.2, seed=1, outputs=worse)],
        "final_short_with_early_maxima": [a_run(95.3, seed=0, outputs=worse), a_run(95.3, seed=1, outputs=worse)],
        "final_short_without_CutMix": [a_run(95.0, seed=0, outputs=even), a_run(95.1, seed=1, outputs=even)],
        "final_short_without_teachers": [a_run(94.9, seed=0, outputs=even)],
        "search_32_10_flips": [a_run(94.0, seed=seed, outputs=worse) for seed in (0, 1, 2)],
        "search_32_10_flips_plain": [a_run(94.0, seed=0, outputs=even), a_run(94.0, seed=1, outputs=worse)],
    }
    text = answers.final_ablations(a_study({}, tried))
    assert (
        "is 0.8959; with early maxima 1.0986 (higher with 1 of 2 seeds), without CutMix 0.6931 (higher with 0" in text
    )
    assert "of the network of `fast` from 0.8959 to 1.0986 (higher with 1 of 2 seeds). The" in text
    assert "The accuracies are 94.90 to 95.30%. Over 2 seeds no gap" in text


def test_the_recipe_before_the_final_one_is_followed_past_its_best_epoch():
    (run,) = runs_of([95.0, 96.0, 95.5])
    losses, trained = (0.2, 0.22, 0.25), (80.0, 90.0, 99.0)
    epochs = zip(run.history, losses, trained, strict=True)
    run = replace(run, history=[e._replace(test_loss=loss, train_accuracy=t) for e, loss, t in epochs])
    text = answers.final_wide(a_study({"final_wide": [run]}))
    assert "ends at 95.50% (n = 1) after" in text
    assert "after epoch 1 its test loss rises from 0.200 to 0.250" in text
    assert "falls from 96.00% (epoch 2) to 95.50%" in text and "rises from 80.0 to 99.0%" in text


def test_hours_are_of_cores_and_minutes_of_gpus():
    three = {"seconds": 1800.0, "hardware": "a CPU, 3 threads"}
    one, gpu = {"seconds": 3600.0, "hardware": "AMD EPYC (AVX2), 1 thread"}, {"seconds": 120.0, "hardware": H200}
    together = a_run(90.0, 90.0, seed=1, **gpu)
    together = replace(together, record=replace(together.record, together=3))
    made = a_study(
        {"v1": [a_run(10.0, 10.0, **three)], "fast": [a_run(90.0, **gpu)]},
        {"v1": [a_run(10.0, evaluated_on="validation", **one)]},
        {"fast": [together]},
    )
    teacher = a_run(90.0, evaluated_on="validation", hardware="NVIDIA H100", seconds=120.0)
    made = replace(made, teachers=[teacher], trial_teachers=[teacher])
    assert answers.budget(made) == (
        "6 runs, of which 3 were evaluated on the test images, trained and tested for 4 core-hours of CPUs, "
        "3 minutes of an H200 and 4 minutes of an H100."  # 2 minutes alone, and a third of 4
    )


def test_images_that_all_runs_miss_are_counted(monkeypatch):
    monkeypatch.setattr(answers, "test_labels", lambda: np.array([0, 1, 2, 3]))
    given = ([0, 2, 3, 3], [0, 2, 4, 3])  # the first and the last are right, the second is missed alike
    runs = [a_run(90.0, seed=seed, predictions=np.array(each, np.uint8)) for seed, each in enumerate(given)]
    unable = a_run(10.0, predictions=np.array([9, 9, 9, 9], np.uint8))
    assert answers.missed_by_all(a_study({"v1": [unable], "v1_fixed": runs})) == (
        "2 of the 4 test images are given a wrong class by every one of 2 runs of 1 recipes, and 1 of them the same "
        "wrong class by all."
    )


@pytest.mark.parametrize("answer", PUBLIC)
def test_the_record_has_what_every_answer_needs(record, answer):
    text = answer(record)
    assert text and "nan" not in text


def test_what_the_sentences_take_for_granted_holds_in_the_record(record):
    def ends(name):
        return [run.accuracy for run in record[name]]

    assert np.mean(ends("v1")) == pytest.approx(10, abs=0.05) and min(ends("v1_fixed")) > 80
    assert all(np.mean(ends(f"v1_{change}")) < 20 for change in ("logits", "identity", "lrx10", "momentum"))
    plain, without, normalised = (
        np.mean([run.history[24].test_accuracy for run in record[name]])
        for name in ("v1_5_5", "v1_5_5_logits", "v1_5_5_BN")
    )
    assert without - plain > 0.5 * (normalised - plain) and normalised > without
    assert any(10.5 < run.history[-1].train_accuracy < 70 for run in record["v1_5_5"])  # still on its way
    assert np.mean(ends("v1_5_5_BN")) == pytest.approx(np.mean(ends("v1_5_5_BN_logits")), abs=0.3)
    assert np.mean(ends("fast_95")) < 95 < np.mean(ends("fast_95_muon"))
    for name in ("resnet18", "resnet18_scratch"):
        assert all(run.history[-1].train_accuracy > run.accuracy + 2 for run in record[name])
    (wide,), final = record["final_wide"], record["final"]
    assert wide.history[-1].test_loss > min(each.test_loss for each in wide.history)
    assert all(run.history[-1].test_loss == min(each.test_loss for each in run.history) for run in final)
    assert max(ends("final_wide")) < min(ends("final"))
    losses = {
        each.name: np.mean([probabilities.calibrated_loss(run, study.validation_labels()) for run in runs])
        for each, runs in record.trials.items()
    }
    (_, base), *others = record.final_ablations.items()
    for runs in (runs for _, runs in others):  # "no gap, in accuracy or in loss, exceeds its 95% interval"
        loss_of = partial(probabilities.calibrated_loss, labels=study.validation_labels())
        losses_apart = [loss_of(other) - loss_of(run) for run, other in measures.paired(base, runs)]
        for gaps in (measures.gaps(base, runs), losses_apart):
            mean, half = mean_interval(gaps)
            assert len(gaps) == len(base) == 3 and abs(mean) < half
    for pair in ("search_cutmix", "search_cutmix_erase"):
        assert 0.2 <= round(1 - losses[f"{pair}_taught"] / losses[pair], 2) <= 0.25  # "a fifth to a quarter"
    for one in ("search_erase", "search_cutmix"):
        assert losses[one] / losses["search"] == pytest.approx(0.8, abs=0.01)  # "lowers the loss by a fifth"
    seconds = [run.train_seconds for run in (*final[:1], *record.teachers)]
    assert sum(seconds) / wide.train_seconds == pytest.approx(1 / 5, abs=0.05)
    (small,) = record["final_small"]
    assert small.accuracy == pytest.approx(wide.accuracy, abs=0.05)  # "ends where it ends"
    seconds = [run.train_seconds for run in (small, *record.teachers)]
    assert sum(seconds) / wide.train_seconds == pytest.approx(1 / 8, abs=0.01)
    apart = {
        title: np.array([probabilities.calibrated_loss(run, study.validation_labels()) for run in runs])
        for title, runs in record.final_ablations.items()
    }
    whole = apart["`final_short`"]
    assert all(apart["without CutMix"] < whole) and all(apart["with early maxima"] > whole)
    assert sum(apart["without teachers"] > whole) == 2
    assert 1 - whole.mean() / apart["without teachers"].mean() == pytest.approx(1 / 20, abs=0.005)
    taught = [loss for name, loss in losses.items() if name.endswith("_taught")]
    others = [loss for name, loss in losses.items() if not name.endswith("_taught")]
    assert max(taught) < 0.81 * losses["search_cutmix_erase"] and max(taught) < min(others)
    short = {each.name: np.array([(run.accuracy, -probabilities.calibrated_loss(run, study.validation_labels()))
                                  for run in runs]) for each, runs in record.trials.items()}  # fmt: skip
    assert (short["fast_94_muon"] > short["fast_94"]).all() and len(short["fast_94"]) == 3
    gaps = measures.gaps(record["fast_94"], record["fast_94_muon"])
    assert abs(np.mean(gaps)) < mean_interval(gaps)[1] and len(gaps) == 5  # "no gain on the test images"
    slower, plain = short["search_32_10_flips"], short["search_32_10_flips_plain"]
    for other in (short["fast_94"], plain):  # "a higher loss and a higher accuracy with every seed"
        assert ((slower > other) == (True, False)).all()
    assert slower[:, 1].mean() / plain[:, 1].mean() == pytest.approx(9 / 8, abs=0.01)
    assert losses["fast_94_gpu"] < min(losses["search_64_8"], losses["search_128_5"])
    assert losses["fast_95_gpu"] < min(losses[f"search_{name}"] for name in ("64_3_24", "128_3_12", "64_3_30"))
    beyond = "over 3 seeds: without label smoothing, without weight decay, at a constant rate. Beyond that of 99.4%"
    assert beyond in answers.ablations(record)
    gap = {title: measures.gaps(record.ablations["`fast`"], runs) for title, runs in record.ablations.items()}
    assert np.mean(gap["at a constant rate"]) < -1 and min(map(np.mean, gap.values())) > -1.5  # "over a point"
    assert all(-0.6 < np.mean(gap[f"without {each}"]) < -0.3 for each in ("label smoothing", "weight decay"))
    single = mcnemar(study.validation_labels(), *(record.ablations[name][0].predictions
                                                  for name in ("`fast`", "without the flip")))  # fmt: skip
    assert single.p < 0.05 / 9  # "a single one would have called the mirror clear"
    firsts = [runs[0] for runs in record.trials.values()]
    by_image = [probabilities.image_losses(run, study.validation_labels()) for run in firsts]
    errors = [np.std(one - other, ddof=1) / len(one) ** 0.5 for one, other in combinations(by_image, 2)]
    assert f"{min(errors):.3f} to {max(errors):.3f}" == "0.003 to 0.009"
    falls = [before.test_accuracy - after.test_accuracy
             for run in record["v1_5_5_BN"] for before, after in pairwise(run.history)]  # fmt: skip
    assert max(falls) > measures.spread(record["v1_5_5_BN"])  # "by more than seeds differ"
    assert np.mean(ends("fast_94")) < 94
    for name in ("fast_93", "fast", "fast_95_muon"):
        assert all(run.record.provenance.hardware.endswith("2 threads") for run in record[name])
    machines = {run.record.machine for runs in record.tested.values() for run in runs}
    legend = (ROOT / "README.md").read_text().partition("<!-- results")[2].partition("<!-- /results")[0]
    assert len(machines) == 6 and all(f"**{machine}**: " in legend for machine in machines)


def test_the_numbers_in_prose_are_those_of_the_recipes():
    readme = " ".join((ROOT / "README.md").read_text().split())
    cells = json.loads((ROOT / "notebooks" / "07_final_model.ipynb").read_text())["cells"]
    notebook = " ".join("".join(cell["source"]) for cell in cells).replace("\n", " ")
    size = {name: sum(each.numel() for each in build(name).parameters()) for name in MODELS}
    final, wide = EXPERIMENTS["final"], EXPERIMENTS["final_wide"]
    fast = [EXPERIMENTS[name] for name in ("fast_93", "fast_94", "fast")]
    assert f"{size[final.model] / 1e6:.1f} million parameters, {final.epochs} epochs of Muon" in readme
    epochs = f"{fast[0].epochs}, {fast[1].epochs} and {fast[2].epochs} epochs"
    assert len({each.model for each in fast}) == 1
    assert f"{size[fast[0].model] / 1e6:.1f} million parameters for {epochs}" in readme
    assert {EXPERIMENTS[f"fast_{level}_gpu"].batch_size for level in (94, 95)} == {1024}
    assert "minibatches of 1,024" in readme and "Half of each training label" in readme
    assert final.teacher[1:] == (3, 0.5) and "one of three smaller networks" in readme
    assert f"{size[wide.model] / 1e6:.0f} million parameters" in notebook and f"{wide.epochs} epochs" in notebook
    assert f"Its number of epochs, {final.epochs}" in notebook
    small, short = EXPERIMENTS["final_small"], EXPERIMENTS["final_short"]
    assert size[small.model] / size[wide.model] == pytest.approx(1 / 19, abs=0.001)
    assert size[small.model] / size[final.model] == pytest.approx(1 / 4, abs=0.01)  # "a quarter of the parameters"
    assert f"no CutMix, in {small.epochs} epochs" in readme and small.model == short.model
    assert f"for {short.epochs} epochs with all ingredients" in readme and short.augment == final.augment
    assert size[final.model] / size[wide.model] == pytest.approx(1 / 5, abs=0.02)  # "a fifth of the size"
