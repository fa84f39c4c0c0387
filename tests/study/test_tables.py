from dataclasses import replace

import numpy as np
import pytest

from fashion import EXPERIMENTS, Run, tables
from fashion.training import Epoch


def runs_of(*accuracies, predictions=None):
    return [
        Run(
            {"seed": seed, "hardware": "a machine", "precision": "bf16"},
            [Epoch(epoch, 1.0, 0.0, 1.0, accuracy, 2.0) for epoch, accuracy in enumerate(values, start=1)],
            predictions,
        )
        for seed, values in enumerate(accuracies)
    ]


def test_an_interval_is_shown_from_three_seeds_on():
    assert tables.percent(runs_of([90.0], [92.0])) == "91.00"
    assert tables.percent(runs_of([1.0], [2.0], [3.0])) == "2.00 ± 2.48"
    assert tables.percent([]) == ""


def test_results_have_every_published_row_and_the_gap(monkeypatch):
    records = {"v1_5_5_lrx2": runs_of([80.0, 91.0], [80.0, 92.0]), "v1_logits": runs_of([10.0])}
    monkeypatch.setattr(tables, "recorded", lambda experiment, *_: records.get(experiment.name, []))
    table = tables.results(EXPERIMENTS[name] for name in ("v1", "v1_5_5_lrx2", "v1_logits", "v1_fixed"))
    table = table.set_index("experiment")
    assert list(table.index) == ["v1", "v1_5_5_lrx2", "v1_logits"]  # v1_fixed is neither published nor recorded here
    row = dict(table.loc["v1_5_5_lrx2"])
    assert row == {
        "published": "91.6",
        "ours": "91.50",
        "gap": "-0.10",
        "n": 2,
        "epochs": 10,
        "s/epoch": "2.0",
        "hardware": "a machine, bf16",
        "command": "`fashion run v1_5_5_lrx2 --seeds 0,1`",
    }
    assert list(table.loc["v1", ["published", "ours", "gap", "n"]]) == ["10.0", "", "", 0]
    assert list(table.loc["v1_logits", ["published", "gap"]]) == ["", ""]
    assert "gap" not in tables.results([EXPERIMENTS["v1_logits"]])


def test_the_published_accuracy_lies_within_the_interval_or_not(monkeypatch):
    records = {
        "v1": runs_of([9.9], [10.0], [10.2]),
        "v1_5_5_lrx2": runs_of([91.5], [91.5], [91.5]),  # published 91.6
        "v1_5_5": runs_of([72.8], [72.8]),
    }
    monkeypatch.setattr(tables, "recorded", lambda experiment, *_: records.get(experiment.name, []))
    names = ("v1", "v1_5_5", "v1_5_5_lrx2", "resnet18")
    assert tables.agreement(EXPERIMENTS[name] for name in names) == (
        "The published accuracy lies within our interval: `v1`. It lies outside: `v1_5_5_lrx2`. "
        "Too few seeds for an interval: `v1_5_5`, `resnet18`."
    )
    assert tables.agreement([EXPERIMENTS["v1"]]) == (
        "The published accuracy lies within our interval: `v1`. It lies outside: none."
    )


def test_seconds_are_told_apart_by_hardware(monkeypatch):
    first, second, third = runs_of([90.0], [90.0], [90.0])
    history = [Epoch(number, 1.0, 0.0, 1.0, 90.0, seconds) for number, seconds in enumerate((5.0, 7.0, 60.0), start=1)]
    elsewhere = Run(third.info | {"hardware": "another", "precision": "fp32"}, history, None)
    monkeypatch.setattr(tables, "recorded", lambda *_: [first, second, elsewhere])
    (row,) = tables.results([EXPERIMENTS["v1_5_5"]]).to_dict("records")
    assert row["s/epoch"] == "2.0; 7.0"
    assert row["hardware"] == "a machine, bf16 (seeds 0,1); another, fp32 (seed 2)"


def test_epochs_to_a_threshold_count_the_seeds_that_get_there():
    arms = {
        "slow": runs_of([70, 84, 86, 91], [70, 80, 80, 99], [86, 87, 88, 89]),
        "none": [],
        "one": runs_of([95, 95, 95]),
    }
    table = tables.reach(arms, epochs=3)
    assert table.to_dict("records") == [
        {"recipe": "slow", "n": 3, "epochs to 85%": "2.00 (2 of 3)", "epochs to 90%": "(0 of 3)",
         "after 3 epochs, %": "84.67 ± 10.34"},
        {"recipe": "one", "n": 1, "epochs to 85%": "1.00 (1 of 1)", "epochs to 90%": "1.00 (1 of 1)",
         "after 3 epochs, %": "95.00"},
    ]  # fmt: skip


def test_comparisons_are_on_common_seeds_and_the_same_images():
    labels = np.arange(10)
    better, worse = labels.copy(), labels.copy()
    worse[:6] = 9
    first, second = runs_of([40.0], [40.0], predictions=worse), runs_of([100.0], predictions=better)
    (row,) = tables.compare({"pair": (first, second), "apart": (first[1:], second)}, labels).to_dict("records")
    assert row == {
        "first, second": "pair",
        "n": 1,
        "second - first, points": "+60.00",
        "only first": "0",
        "only second": "6",
        "p": "0.031",
    }


def test_what_is_too_small_to_write_is_not_called_zero():
    labels = np.zeros(5000)
    right, wrong = runs_of([100.0], predictions=labels), runs_of([0.0], predictions=labels + 1)
    (row,) = tables.compare({"pair": (right, wrong)}, labels).to_dict("records")
    assert row["p"] == "< 1e-300"


def test_tables_in_markdown_leave_gaps_empty():
    assert tables.markdown([{"a": "1.50"}, {"b": 2}]).splitlines()[2].split("|")[1:3] == [" 1.50 ", "     "]


@pytest.mark.parametrize(("numbers", "text"), [([0], "0"), ([0, 1, 2], "0-2"), ([0, 2, 3], "0,2,3"), ([], "")])
def test_seeds_are_written_as_the_command_line_takes_them(numbers, text):
    assert tables.seeds([Run({"seed": number}, [], None) for number in numbers]) == text


def timed(accuracy, seconds, seed, train=99.0):
    outputs = np.zeros((2, 2, 10), dtype=np.float16)
    outputs[0, :, 1] = 1
    outputs[1, :, 2] = 2  # the mirror image is surer of another class
    info = {"seed": seed, "hardware": "a machine", "precision": "bf16", "train_seconds": seconds}
    return Run(info, [Epoch(1, 1.0, train, 1.0, accuracy, 2.0)], np.array([1, 1], np.uint8), outputs)


def test_times_are_means_over_seeds(monkeypatch):
    records = {"fast": [timed(93.0, 10.0, 0), timed(95.0, 14.0, 1)]}
    monkeypatch.setattr(tables, "recorded", lambda experiment, *_: records.get(experiment.name, []))
    table = tables.times((EXPERIMENTS[name] for name in ("fast", "fast_95")), np.array([1, 2]))
    assert table.to_dict("records") == [
        {
            "experiment": "fast",
            "network": "FastNetwork_32",
            "epochs": EXPERIMENTS["fast"].epochs,
            "seconds": "12.0",
            "accuracy": "94.00",
            "with mirror images": "50.00",
            "ensemble": "50.00",
            "n": 2,
            "hardware": "a machine, bf16",
            "command": "`fashion run fast --seeds 0,1`",
        }
    ]


def test_seconds_of_different_hardware_are_not_averaged(monkeypatch):
    elsewhere = timed(94.0, 100.0, 2)
    elsewhere.info["hardware"] = "another"
    monkeypatch.setattr(tables, "recorded", lambda *_: [timed(93.0, 10.0, 0), timed(95.0, 14.0, 1), elsewhere])
    (row,) = tables.times([EXPERIMENTS["fast"]], np.array([1, 2])).to_dict("records")
    assert row["seconds"] == "12.0; 100.0" and row["n"] == 3
    assert row["hardware"] == "a machine, bf16 (seeds 0,1); another, bf16 (seed 2)"


def test_ablations_are_compared_on_the_same_seeds(monkeypatch):
    records = {
        "fast": [timed(93.0, 10.0, 0, 90.0), timed(94.0, 10.0, 1, 92.0)],
        "fast_without_flip": [timed(93.5, 9.0, 1, 97.0)],
    }
    asked = []

    def recorded(experiment, logs, validation):
        asked.append(validation)
        return records.get(experiment.name, [])

    monkeypatch.setattr(tables, "recorded", recorded)
    changed = {"no flip": EXPERIMENTS["fast_without_flip"], "not yet": EXPERIMENTS["fast_with_translation"]}
    labels = np.arange(6)
    records["fast"] = [replace(run, predictions=labels if run.seed else labels + 1) for run in records["fast"]]
    records["fast_without_flip"] = [replace(run, predictions=labels + 1) for run in records["fast_without_flip"]]
    assert tables.ablations(EXPERIMENTS["fast"], changed, labels).to_dict("records") == [
        {"recipe": "`fast`", "validation": "93.50", "gap": "", "p": "", "n": 2, "train": "91.00"},
        {"recipe": "no flip", "validation": "93.50", "gap": "-0.50", "p": "0.031", "n": 1, "train": "97.00"},
    ]
    assert all(asked)
