import sys

import numpy as np
import pytest
import torch
from helpers import private

from fashion.cli import run_command_line
from fashion.inference.classifier import load_classifier


def call(*arguments):
    return run_command_line([str(each) for each in arguments])


@pytest.mark.filterwarnings("default")  # of the exporter
def test_the_export_gives_what_pytorch_gives(tmp_path, full, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "fast.onnx"
    assert call("export", "--output", path) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"{path}: at most ") and float(line.split()[3]) < 1e-4
    pixels = ((full[1].images[:7] * 0.5 + 0.5) * 255).round().to(torch.uint8)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(["probabilities"], {"pixels": pixels.numpy()})
    with torch.no_grad():
        ours = load_classifier()(full[1].images[:7]).numpy()
    assert theirs.shape == (7, 10) and np.abs(theirs - ours).max() < 1e-4
    assert private(path.read_bytes()) == [] and b".py" not in path.read_bytes()


@pytest.mark.filterwarnings("default")  # of the exporter
def test_an_export_that_cannot_be_written_is_said(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    assert call("export", "--output", tmp_path / "no" / "folder.onnx") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"fashion: cannot write {tmp_path / 'no' / 'folder.onnx'}: No such file or directory"


@pytest.mark.parametrize("missing", ["onnxruntime", "onnxscript"])
def test_without_the_extra_its_command_is_said(tmp_path, capsys, monkeypatch, missing):
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(sys.modules, missing, None)
    assert call("export", "--output", tmp_path / "fast.onnx") == 2
    assert capsys.readouterr().err == f'fashion: {missing} is not installed: pip install -e ".[export]"\n'
    assert not list(tmp_path.glob("*.onnx"))
