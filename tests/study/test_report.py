import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_up import a_run

from fashion import EXPERIMENTS, FashionError, plotting
from fashion.runs.record import experiment_folder, write_run
from fashion.study import load_study, report
from fashion.study.inside import read_all, write
from fashion.study.loading import test_labels as load_labels

BLOCKS = {name: report.BLOCKS[name] for name in ("curves", "epochs", "missed")}

PAGES = {"pages/README.md": {"runs of v1": lambda study: f"{len(study['v1'])} runs"}}


def marked(*names, command="fashion report"):
    return "".join(f"# {name}\n<!-- {name}: written by `{command}` -->\nold\n<!-- /{name} -->\n" for name in names)


def record(logs, name, seed, accuracy, predictions):
    experiment = EXPERIMENTS[name]
    run = a_run(*[accuracy] * experiment.epochs, seed=seed, experiment=experiment, predictions=predictions)
    folder = experiment_folder(experiment, logs) / f"seed_{seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_run(run, folder, None)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A README of three blocks, and a record of two experiments; both written by the report."""
    folder = tmp_path_factory.mktemp("written")
    readme, logs = folder / "README.md", folder / "model_logs"
    readme.write_text(f"{marked(*BLOCKS)}the end\n")
    page = folder / "pages" / "README.md"
    page.parent.mkdir()
    page.write_text(marked("runs of v1"))
    labels = load_labels().astype(np.uint8)
    missing = np.where(np.arange(len(labels)) == 0, 7, labels).astype(np.uint8)
    for seed in (0, 1):
        record(logs, "v1", seed, 10.0, np.zeros_like(labels))
        record(logs, "v1_5_5_lrx2", seed, 91.0, missing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "BLOCKS", BLOCKS)
        patch.setattr(report, "PAGES", PAGES)
        return folder, report.write(readme, logs)


@pytest.fixture
def places(written, tmp_path, monkeypatch):
    """A copy of it, which the report finds in order."""
    monkeypatch.setattr(report, "BLOCKS", BLOCKS)
    monkeypatch.setattr(report, "PAGES", PAGES)
    folder = shutil.copytree(written[0], tmp_path / "copy")
    places = [folder / name for name in ("README.md", "model_logs")]
    report.check(*places)
    return places


def test_what_is_written_is_named(written):
    folder, paths = written
    names = [path.relative_to(folder).as_posix() for path in paths]
    drawn = ("samples", "results", "learning_rates", "confusion", "classes", "missed")
    curves = [(name, metric) for name in ("v1", "v1_5_5_lrx2") for metric in ("accuracy", "loss")]
    assert names == [
        *(f"model_logs/model_{name}_logs/model_{name}_{metric}.png" for name, metric in curves),
        *(f"model_logs/figures/{name}.png" for name in drawn),
        "README.md",
        "pages/README.md",
    ]
    assert all(path.exists() for path in paths)


def test_the_readme_has_what_the_runs_have(places):
    text = places[0].read_text()
    row = next(line for line in text.splitlines() if line.startswith("| 0.002, with batch normalisation "))
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["2", "1.00 (2 of 2)", "1.00 (2 of 2)", "91.00"]
    assert "\n1 of the 10,000 test images" in text
    assert "![v1_5_5_lrx2, loss](model_logs/model_v1_5_5_lrx2_logs/model_v1_5_5_lrx2_loss.png)" in text
    assert (
        "\nold\n" not in text
        and text.count("no complete run yet") == 8
        and text.endswith("<!-- /missed -->\nthe end\n")
    )


def test_a_stale_readme_is_found(places):
    readme, _ = places
    readme.write_text(readme.read_text().replace("| 91.00 ", "| 91.01 "))
    with pytest.raises(FashionError, match=r"as the records have it: \S*README.md; `fashion report` writes it anew"):
        report.check(*places)


def test_a_page_is_written_and_a_stale_one_found(places):
    page = places[0].parent / "pages" / "README.md"
    text = page.read_text()
    assert text == marked("runs of v1").replace("old", "2 runs")
    page.write_text(text.replace("2 runs", "3 runs"))
    with pytest.raises(FashionError, match=r"it: \S*pages.README.md; "):
        report.check(*places)


def test_a_readme_without_a_place_or_without_itself_is_named(places):
    readme, logs = places
    text = readme.read_text()
    for marker in ("<!-- /curves -->", "<!-- curves: written by `fashion report` -->"):
        readme.write_text(text.replace(marker, ""))
        with pytest.raises(FashionError, match=r"no place for its curves: it lacks <!-- curves"):
            report.check(*places)
    with pytest.raises(FashionError, match=r"OTHER.md is missing: run this in a clone"):
        report.check(readme.with_name("OTHER.md"), logs)


def test_what_a_lost_run_makes_stale_is_found(places):
    _, logs = places
    shutil.rmtree(logs / "model_v1_5_5_lrx2_logs" / "seed_1")
    with pytest.raises(FashionError) as found:
        report.check(*places)
    for name in ("README.md", "lrx2_accuracy.png", "lrx2_loss.png", "results.png", "learning_rates.png", "missed.png"):
        assert name in str(found.value)
    for name in ("v1_accuracy.png", "v1_loss.png", "samples.png"):
        assert name not in str(found.value)


def test_a_missing_figure_is_found(places):
    (places[1] / "figures" / "samples.png").unlink()
    with pytest.raises(FashionError, match=r"it: \S*samples.png; "):
        report.check(*places)


def test_a_figure_that_would_be_drawn_otherwise_is_found(places, monkeypatch):
    monkeypatch.setattr(plotting, "_STYLES", plotting._STYLES | {"train": ("black", ":")})
    with pytest.raises(FashionError) as found:
        report.check(*places)
    assert "v1_accuracy.png" in str(found.value) and "results.png" in str(found.value)
    assert "samples.png" not in str(found.value) and "README.md" not in str(found.value)


def test_looks_into_networks_that_are_others_make_their_figure_stale(places):
    logs = places[1]
    looks = read_all()
    write(looks["fast"], logs / "inside")
    with pytest.raises(FashionError, match=r"not as the records have it: \S*robustness.png;"):
        report.check(*places)
    assert logs / "figures" / "robustness.png" in report.write(*places)
    report.check(*places)
    write(replace(looks["fast"], perturbed=looks["fast"].perturbed - 1), logs / "inside")
    with pytest.raises(FashionError, match=r"not as the records have it: \S*robustness.png;"):
        report.check(*places)


def test_blocks_of_any_document_are_written_by_its_command(tmp_path):
    document = tmp_path / "any.md"
    document.write_text(marked("one", "two", command="make"))
    text = report.with_blocks(document, {"two": lambda: "2"}, "make")
    assert text == marked("one", "two", command="make").replace("old\n<!-- /two", "2\n<!-- /two")


def test_a_network_is_shown_by_its_source_its_layers_and_its_curves():
    text = report.BLOCKS["resnet18"](load_study())
    assert "def resnet18() -> ResNet:" in text and "Total params: 11,175,370" in text
    assert "![resnet18, accuracy](model_logs/resnet18_test_logs/resnet18_test_accuracy.png)" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_the_committed_readme_and_figures_are_as_the_records_have_them():
    report.check()
