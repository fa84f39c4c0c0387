"""No file that the project writes or holds tells whose machine it was written on."""

import base64
import getpass
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import helpers
import pytest
from helpers import private
from PIL import Image

from fashion import EXPERIMENTS, run
from fashion.inference.classifier import pack
from fashion.runs.running import Pace
from fashion.settings import ROOT, SHIPPED, Paused
from fashion.study.figure_files import save_curves

FAST = replace(EXPERIMENTS["fast"], epochs=2, batch_size=50)


def contents(path):
    """Yield what a file says: its bytes, and what is packed in them."""
    content = path.read_bytes()
    yield content[:1000] if path.suffix == ".npy" else content  # after which there are numbers
    if path.suffix == ".png":
        with Image.open(path) as image:
            yield repr(image.info).encode()
    if path.suffix == ".ipynb":
        for cell in json.loads(content)["cells"]:
            for output in cell.get("outputs", ()):
                yield base64.b64decode("".join(output.get("data", {}).get("image/png", "")))


def telling(paths):
    return {path.name: found for path in paths for each in contents(path) if (found := private(each))}


def test_the_look_finds_what_is_there(tmp_path, monkeypatch):
    for told in (ROOT, ROOT / "fashion", f"in {ROOT}", Path.home() / "photo.png"):
        (tmp_path / "run.json").write_text(json.dumps(str(told)))
        assert telling([tmp_path / "run.json"])
    (tmp_path / "run.json").write_text(f"{ROOT}s and a{ROOT}, the root of vm")
    assert not telling([tmp_path / "run.json"])
    monkeypatch.setattr(getpass, "getuser", lambda: "adalovelace")
    monkeypatch.setattr("helpers._PRIVATE", helpers._private())
    assert private(b"by adalovelace@engine") and not private(b"by adalovelaces")
    monkeypatch.setattr(getpass, "getuser", lambda: "runs")
    monkeypatch.setattr("helpers._PRIVATE", helpers._private())
    assert not private(b"mean of five runs")


def test_what_a_run_writes(tmp_path, small):
    recorded = run(FAST, 0, logs=tmp_path / "logs", data=small, precision="fp32")
    with pytest.raises(Paused):
        run(FAST, 1, logs=tmp_path / "logs", data=small, precision="fp32", pace=Pace(1, 0))
    save_curves(FAST, [recorded], tmp_path / "logs")
    (weights,) = tmp_path.rglob("weights.safetensors")
    pack(weights, 1.5, tmp_path / "packed.safetensors")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in written}
    assert kinds >= {".json", ".csv", ".bin", ".npy", ".safetensors", ".png", ".pt"}
    assert telling(written) == {}


def test_what_the_project_holds():
    folders = [str(ROOT / name) for name in ("model_logs", "benchmarks", "notebooks")]
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True)
    if not listed.stdout:
        pytest.skip("only a clone says which files are the project's")
    held = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name and not name.endswith(b".py")]
    assert len(held) > 1000 and {".ipynb", ".png", ".json", ".npy"} <= {path.suffix for path in held}
    assert telling([path for path in (*held, SHIPPED) if path.exists()]) == {}
