import shutil

import pytest

from benchmarks import measurements, report
from fashion import FashionError
from fashion.settings import ROOT


@pytest.fixture
def places(tmp_path):
    """A copy of the README and of the benchmarks."""
    shutil.copy(ROOT / "README.md", tmp_path / "README.md")
    shutil.copytree(measurements.FOLDER, tmp_path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "README.md", tmp_path / "benchmarks"


def test_the_committed_tables_and_figure_are_as_measured():
    report.check()


@pytest.mark.parametrize("number", [0, 1])
def test_a_stale_table_is_found_and_written_anew(places, number):
    document = (places[0], places[1] / "README.md")[number]
    text = document.read_text()
    document.write_text(text.replace("times the speed of plain", "times the price of plain"))
    with pytest.raises(FashionError, match=rf"not as measured: {document}; `python -m benchmarks report`"):
        report.check(*places)
    report.write(*places)
    assert document.read_text() == text
    report.check(*places)


def test_another_measurement_makes_all_of_them_stale(places):
    readme, folder = places
    path = next((folder / "results" / "speed").glob("nvidia*.json"))
    path.write_text(path.read_text().replace('"steps": ', '"steps": 1', 1))
    with pytest.raises(FashionError, match=rf"{readme}, {folder}/README.md, {folder}/results/speed.png;"):
        report.check(*places)
    assert report.write(*places) == [folder / "results" / "speed.png", readme, folder / "README.md"]
    report.check(*places)


def test_a_missing_figure_is_found(places):
    figure = places[1] / "results" / "speed.png"
    figure.unlink()
    with pytest.raises(FashionError, match=rf"not as measured: {figure};"):
        report.check(*places)


def test_a_missing_marker_is_named(places):
    readme = places[0]
    readme.write_text(readme.read_text().replace("<!-- /performance -->", ""))
    with pytest.raises(FashionError, match=r"no place for its performance: it lacks .*python -m benchmarks report"):
        report.check(*places)
