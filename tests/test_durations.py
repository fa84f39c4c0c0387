import importlib.util
import json

import pytest

from fashion.settings import ROOT


def test_every_notebook_is_executed_in_earnest_and_timed(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbconvert")
    path = ROOT / "notebooks" / "durations.py"
    spec = importlib.util.spec_from_file_location("durations", path)
    durations = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(durations)
    assert durations.FOUND == ROOT / "notebooks" / "durations.json"
    monkeypatch.setattr(durations, "HERE", tmp_path)
    monkeypatch.setattr(durations, "FOUND", tmp_path / "durations.json")
    monkeypatch.setenv("FASHION_QUICK", "1")
    code = "import os, time\nassert 'FASHION_QUICK' not in os.environ\ntime.sleep(1)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, tmp_path / "08_sleep.ipynb")
    before = (tmp_path / "08_sleep.ipynb").read_bytes()
    durations.main()
    found = json.loads(durations.FOUND.read_text())
    assert list(found["seconds"]) == ["08_sleep"] and 1 <= found["seconds"]["08_sleep"] < 60
    assert found["hardware"] and (tmp_path / "08_sleep.ipynb").read_bytes() == before
