from dataclasses import replace

import numpy as np
from made_up import H200, XEON, a_run, ending_at, runs_of

from fashion import EXPERIMENTS
from fashion.study import tables


def groups_of(**runs):
    return {EXPERIMENTS[name]: each for name, each in runs.items()}


def test_results_have_every_published_row_and_the_gap():
    table = tables.results(
        groups_of(
            v1=[], v1_5_5_lrx2=runs_of([80.0, 91.0], [80.0, 92.0]), v1_logits=ending_at(10.0, 20.0, 30.0), v1_fixed=[]
        )
    ).set_index("experiment")
    assert list(table.index) == ["v1", "v1_5_5_lrx2", "v1_logits"]  # v1_fixed is neither published nor recorded here
    assert dict(table.loc["v1_5_5_lrx2"]) == {
        "published": "91.6",
        "ours": "91.50",
        "gap": "-0.10",
        "one more run": "",
        "n": 2,
        "epochs": 10,
        "s/epoch": "2.0 a machine",
    }
    assert list(table.loc["v1", ["published", "ours", "gap", "n", "s/epoch"]]) == ["10.0", "", "", 0, ""]
    assert list(table.loc["v1_logits", ["published", "gap", "one more run"]]) == ["", "", "0.0 to 69.7"]


def test_a_column_without_a_word_is_left_out():
    table = tables.results(groups_of(v1_logits=ending_at(10.0)))
    assert list(table) == ["experiment", "ours", "n", "epochs", "s/epoch"]


def test_seconds_are_medians_on_each_kind_of_machine():
    on_cpu = runs_of([90.0], [90.0], hardware=XEON)
    history = [on_cpu[0].history[0]._replace(epoch=e, seconds=s) for e, s in enumerate((15.0, 17.4, 60.0), start=1)]
    elsewhere = replace(a_run(90.0, seed=2, hardware=H200), history=history)
    older = a_run(90.0, seed=3, hardware="Intel(R) Xeon(R) Processor, 2 threads", seconds=2.4)
    (row,) = tables.results(groups_of(v1_5_5=[*on_cpu, elsewhere, older])).to_dict("records")
    assert row["s/epoch"] == "2.0 Xeon AMX, 17 H200, 2.4 Xeon"
    assert tables.machines([*on_cpu, elsewhere, older]) == (
        f"**H200**: NVIDIA H200; **Xeon**: Intel(R) Xeon(R) Processor, 2 threads; **Xeon AMX**: {XEON}"
    )


def test_seconds_are_told_apart_by_precision_and_compilation_where_a_machine_has_both():
    runs = runs_of([90.0], [90.0], [90.0], [90.0], hardware=H200)
    changes = ({}, {"precision": "bf16"}, {"precision": "bf16"}, {"precision": "bf16", "compiled": True})
    runs = [replace(run, record=replace(run.record, **each)) for run, each in zip(runs, changes, strict=True)]
    (row,) = tables.results(groups_of(v1=[*runs, a_run(90.0, seed=4, hardware=XEON)])).to_dict("records")
    assert row["s/epoch"] == "2.0 H200 fp32, 2.0 H200 bf16, 2.0 H200 bf16 compiled, 2.0 Xeon AMX"


def test_seconds_are_told_apart_by_the_hardware_where_it_shares_a_short_name():
    one, two = (a_run(90.0, seed=seed, hardware=f"AMD EPYC (AVX2), {seed} threads") for seed in (1, 2))
    (row,) = tables.results(groups_of(v1=[one, two, a_run(90.0, hardware=H200)])).to_dict("records")
    assert row["s/epoch"] == "2.0 AMD EPYC (AVX2), 1 threads, 2.0 AMD EPYC (AVX2), 2 threads, 2.0 H200"
    assert tables.machines([one, two]) == "**EPYC**: AMD EPYC (AVX2), 1 threads or AMD EPYC (AVX2), 2 threads"


def test_seconds_of_runs_that_were_trained_at_once_stand_apart():
    runs = runs_of([90.0], [90.0], hardware=H200)
    runs = [replace(run, record=replace(run.record, together=each)) for run, each in zip(runs, (1, 5), strict=True)]
    (row,) = tables.results(groups_of(v1=runs)).to_dict("records")
    assert row["s/epoch"] == "2.0 H200, 2.0 H200 5 at once"


def test_a_run_that_went_on_elsewhere_names_both_machines():
    moved = a_run(90.0, hardware=f"{XEON}, then {H200}")
    (row,) = tables.results(groups_of(v1=[moved])).to_dict("records")
    assert row["s/epoch"] == "2.0 Xeon AMX then H200"
    assert tables.machines([moved]) == f"**H200**: NVIDIA H200; **Xeon AMX**: {XEON}"


def test_seeds_stand_beside_each_other():
    table = tables.by_seed({"first": ending_at(10.0, 20.005), "second": [a_run(30.0, seed=1)]})
    assert list(table) == ["seed 0", "seed 1", "mean"] and list(table.index) == ["first", "second"]
    assert table.loc["first"].tolist() == [10.0, 20.0, 15.0]
    assert np.isnan(table.loc["second", "seed 0"]) and table.loc["second", "mean"] == 30


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
    first, second = ending_at(40.0, 40.0, predictions=worse), ending_at(100.0, predictions=better)
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
    right, wrong = ending_at(100.0, predictions=labels), ending_at(0.0, predictions=labels + 1)
    (row,) = tables.compare({"pair": (right, wrong)}, labels).to_dict("records")
    assert row["p"] == "< 1e-300"


def test_recipes_show_the_settings_that_one_of_them_has():
    table = tables.recipes([EXPERIMENTS["fast_93"], EXPERIMENTS["fast_95_muon"]])
    assert list(table) == ["setting", "fast_93", "fast_95_muon"]
    rows = {row.setting: (row.fast_93, row.fast_95_muon) for row in table.itertuples()}
    assert rows["augment"] == ("none", "flip, translate 2, cutout 8")
    assert rows["optimiser"] == ("sgd", "muon 0.05")
    assert rows["nesterov"] == ("True", "True") and rows["epochs"] == ("5", "34")
    assert not {"changes", "pretrained", "averaging"} & set(rows)  # which neither has


def test_tables_in_markdown_leave_gaps_empty():
    assert tables.markdown([{"a": "1.50"}, {"b": 2}]).splitlines()[2].split("|")[1:3] == [" 1.50 ", "     "]


def timed(accuracy, seconds, seed, **options):
    outputs = np.zeros((2, 2, 10), dtype=np.float16)
    outputs[0, :, 1] = 1
    outputs[1, :, 2] = 2  # the mirror image is surer of another class
    given = np.array([1, 1], np.uint8)
    return a_run(accuracy, seed=seed, train_seconds=seconds, predictions=given, outputs=outputs, **options)


def test_times_are_means_over_seeds():
    rows = [(EXPERIMENTS["fast"], [timed(93.0, 10.0, 0), timed(95.0, 14.0, 1)]), (EXPERIMENTS["fast_95"], [])]
    table = tables.times(rows, np.array([1, 2]))
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
            "machine": "a machine",
        }
    ]


def test_seconds_of_different_hardware_are_not_averaged():
    runs = [timed(93.0, 10.0, 0), timed(95.0, 14.0, 1), timed(94.0, 100.0, 2, hardware=H200)]
    table = tables.times([(EXPERIMENTS["fast"], runs)], np.array([1, 2]))
    assert table[["machine", "n", "seconds", "accuracy", "ensemble"]].to_numpy().tolist() == [
        ["a machine", 2, "12.0", "94.00", "50.00"],
        ["H200", 1, "100.0", "94.00", ""],
    ]


def test_trials_say_how_they_differ_from_the_first():
    search, taught = EXPERIMENTS["search"], EXPERIMENTS["search_cutmix_taught"]
    outputs = np.full((2, 2, 10), -20, np.float16)
    outputs[:, :, :2] = 0  # two classes are as likely
    runs = [a_run(94.0, outputs=outputs, train_seconds=3.0), a_run(95.0, seed=1, outputs=outputs, train_seconds=5.0)]
    table = tables.trials({search: runs, taught: runs[:1]}, np.array([0, 0]))
    same = {"with mirror images": "100.00", "loss": "0.6931"}
    augment, teacher = "augment alternate, translate 2, cutmix 0.5", "teacher search_teacher 3 0.5"
    assert table.to_dict("records") == [
        {
            "trial": "search",
            "what differs": "",
            "validation": "94.50",
            **same,
            "seconds": "4.0",
            "machine": "a machine",
            "n": 2,
        },
        {
            "trial": "search_cutmix_taught",
            "what differs": f"label smoothing 0.0; {augment}; {teacher}",
            "validation": "94.00",
            **same,
            "seconds": "3.0",
            "machine": "a machine",
            "n": 1,
        },
    ]


def test_ablations_are_compared_on_the_same_seeds():
    labels = np.arange(6)
    base = [
        a_run(93.0, seed=0, train_accuracy=90.0, predictions=labels + 1),
        a_run(94.0, seed=1, train_accuracy=92.0, predictions=labels),
    ]
    changed = [a_run(93.5, seed=1, train_accuracy=97.0, predictions=labels + 1)]
    table = tables.ablations({"`fast`": base, "no flip": changed, "not yet": []}, labels)
    assert table.to_dict("records") == [
        {"recipe": "`fast`", "validation": "93.50", "gap": "", "n": 2, "train": "91.00"},
        {"recipe": "no flip", "validation": "93.50", "gap": "-0.50", "n": 1, "train": "97.00"},
    ]


def test_losses_stand_beside_ablations_that_keep_their_outputs():
    labels = np.array([0, 1])
    sure, unsure = np.zeros((2, 2, 10), np.float16), np.full((2, 2, 10), -20, np.float16)
    unsure[:, :, :2] = 0  # half of the probability for either class, at every temperature
    sure[:, [0, 1], [0, 1]] = 20
    base = [a_run(95.0, seed=seed, outputs=sure, predictions=labels) for seed in range(3)]
    changed = [a_run(94.0, seed=seed, outputs=unsure, predictions=labels) for seed in range(3)]
    first, second = tables.ablations({"`base`": base, "changed": changed}, labels).to_dict("records")
    assert (first["loss"], first["gap in loss"]) == ("0.0000", "")
    assert (second["loss"], second["gap in loss"]) == ("0.6931", "+0.6931 ± 0.0000")
