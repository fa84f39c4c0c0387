import json
import shutil

import pytest

from benchmarks import measurements, tables
from fashion.settings import ROOT


@pytest.fixture
def folder(result, tmp_path):
    """A folder of benchmarks with the results of two machines."""
    xeon = "Intel(R) Xeon(R) Processor (AMX), 2 threads"
    small = result(xeon, ours=[1.0, 2.0, 4.0], plain=[8.0, 8.0, 9.0], lightning=[10.0], fastai=[5.0])
    large = result(xeon, ours=[4.0], plain=[4.0])
    large["contenders"]["ours"]["precision"] = "bf16"
    large["git_commit"] = "fedcba98765-dirty"
    h200 = result("NVIDIA H200", ours=[2.0], ours_compiled=[1.0], plain=[6.0])
    for measured in ({"NeuralNetwork_v1": small, "resnet18": large}, {"NeuralNetwork_v1": h200}):
        one = measured["NeuralNetwork_v1"]
        measurements.write(measured, measurements.path_for(one, tmp_path / "benchmarks" / "results"))
    return tmp_path / "benchmarks"


def cells(table, row):
    """Return the cells of a row of the first table in a text, counted from 0, by column."""
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return dict(zip(map(str.strip, lines[0]), map(str.strip, lines[row + 2]), strict=True))


def test_performance_has_a_row_for_each_network_and_machine(folder):
    text = tables.performance(folder)
    names = ["network", "machine", "s/epoch", "× plain", "× Lightning", "× fastai", "of limit"]  # noqa: RUF001
    rows = [list(cells(text, row).values()) for row in range(3)]
    assert list(cells(text, 0)) == names
    assert rows == [
        ["v1", "Xeon AMX", "188", "4.0", "5.0", "2.5", "85.3%"],  # 160 s at the limit, 187.5 s ours
        ["v1", "H200", "188, compiled 93.8", "3.0", "", "", "85.3%"],
        ["resnet18", "Xeon AMX", "375", "1.0", "", "", "42.7%"],
    ]
    assert (
        "**Xeon AMX**: Intel(R) Xeon(R) Processor (AMX), 2 threads, fp32 (v1) and bf16 (resnet18); python 3, torch 2."
        in text
    )
    assert "**H200**: NVIDIA H200, fp32; python 3" in text
    assert "](benchmarks/results/speed.png)" in text


def test_the_committed_table_fits_a_page():
    rows = [line for line in tables.performance().splitlines() if line.startswith("|")]
    assert len(rows) == 14 and max(map(len, rows)) < 115


def test_the_answer_has_the_least_and_the_most_of_each_machine(folder):
    assert tables.answer(folder) == (
        "Our training loop reaches 1.0 to 4.0 times the speed of plain PyTorch on the Xeon AMX and 3.0 times on the "
        "H200."
    )


def test_contenders_have_every_measurement_and_its_commit(folder):
    text = tables.contenders(folder)
    assert cells(text, 0) == {
        "network": "v1",
        "machine": "Xeon AMX",
        "loop": "ours, fp32",
        "turns": "3 of 640 images",
        "s/epoch": "188",
        "least to most": "93.8 to 375",
        "times plain": "4.00",
        "of the limit": "85.3%",
        "peak memory, MB": "1,000",
        "first step, s": "2.0",
    }
    assert [cells(text, row)["loop"] for row in range(1, 7)] == [
        *("plain", "lightning", "fastai", "ours, fp32", "ours, compiled", "plain"),
    ]
    assert text.endswith("Code of commits: Xeon AMX 0123456 (v1) and fedcba9 (resnet18); H200 0123456.")


def test_a_choice_is_shown_without_and_with_it(folder, result):
    archived = folder / "archive" / "results" / "choices"
    archived.mkdir(parents=True)
    models = {model for _, model, *_ in tables.CHOICES}
    measured = result(eager=[0.1, 0.2, 0.3], fused=[0.1])
    measured["contenders"] = {f"choice:{name}": each for name, each in measured["contenders"].items()}
    (archived / "one.json").write_text(json.dumps(dict.fromkeys(models, measured)))
    text = tables.choices(folder)
    assert cells(text, 0) == {"choice": "fused optimiser", "network": "v1_5_5_BN", "A": "20 → 10"}  # ms a step of ten
    assert cells(text, 1)["A"] == ""


def test_the_archive_has_every_choice_that_is_shown():
    rows = [line for line in tables.choices().splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(tables.CHOICES)
    assert any("| 383 → 352 " in row and "channels last" in row and "v1_5_5_BN" in row for row in rows)
    assert all(row.strip("| ").endswith(tuple("0123456789")) for row in rows)  # the Xeon was timed with all


def test_profile_has_the_medians_of_a_steps_parts():
    row = cells(tables.profile(), 0)
    assert (
        row["loop"] == "plain"
        and row["data"] == "10.95"
        and list(row)[3:]
        == [
            *("data", "forward", "backward", "optimiser", "metrics"),
        ]
    )


def test_threads_have_a_column_for_each_scenario_and_nothing_without_a_file(folder):
    assert tables.threads(folder) == ""
    rows = [
        ("NeuralNetwork_v1", "1 thread", "alone", [1.0, 2.0, 9.0]),
        ("NeuralNetwork_v1", "1 thread", "two at once", [4]),
    ]
    rows += [("FastNetwork_32", "2 threads", "two at once", [1234.5])]
    names = ("network", "setting", "scenario", "seconds")
    (folder / "results" / "threads.json").write_text(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
    text = tables.threads(folder)
    assert cells(text, 0) == {"network": "v1", "setting": "1 thread", "alone": "2", "two at once": "4"}
    assert cells(text, 1) == {
        "network": "FastNetwork_32",
        "setting": "2 threads",
        "alone": "",
        "two at once": "1,230",
    }


def test_cost_is_told_for_each_image(folder):
    (path,) = (folder / "results" / "speed").glob("intel*")
    results = json.loads(path.read_text())
    results["NeuralNetwork_v1"]["linear"] = [{"steps": 94, "epochs": 20, "seconds": [1.0, 2.4064, 9.0]}]
    path.write_text(json.dumps(results))
    row = cells(tables.linear(folder), 0)
    assert row == {"network": "v1", "machine": "Xeon AMX", "images": "6,016", "epochs": "20", "µs per image": "20.00"}


def test_equivalence_pairs_the_seeds_of_both_ways(folder):
    shutil.copytree(measurements.FOLDER / "equivalence", folder / "equivalence")
    row = cells(tables.equivalence(folder), 2)
    assert row == {
        "experiment": "v1_fixed",
        "epochs": "5",
        "fast path": "fp32",
        "seeds": "0-4",
        "eager fp32, %": "83.44 ± 1.09",
        "fast, %": "83.55 ± 0.89",
        "fast - eager, points": "+0.12 ± 0.30",
        "machine": "EPYC",
    }
    shutil.rmtree(folder / "equivalence" / "eager" / "model_v1_fixed_logs" / "seed_3")
    assert cells(tables.equivalence(folder), 2)["seeds"] == "0,1,2,4"


def test_how_far_the_fast_path_may_move_accuracies_is_told():
    reach = {}
    for line in tables.equivalence().splitlines()[2:]:
        name, gap = (line.split("|")[at].strip() for at in (1, 7))
        middle, half = map(float, gap.split(" ± "))
        reach[name] = max(reach.get(name, 0), abs(middle) + half)
    readme = " ".join((ROOT / "benchmarks" / "README.md").read_text().split())
    assert f"to within {reach['v1_fixed']:.2f} points for `v1_fixed` and {reach['resnet18']:.2f} for" in readme
    assert f"end where eager PyTorch does, to within {max(reach.values()):.2f} points" in readme


def test_numbers_have_three_digits():
    assert [tables.three_digits(value) for value in (0.18651, 12.6, 131.2, 9723.0)] == ["0.187", "12.6", "131", "9,720"]
