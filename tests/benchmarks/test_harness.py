import json
import os
from pathlib import Path

import pytest
import torch

from fashion import FashionError, bench, cli
from fashion.settings import data_directory

CPU = torch.device("cpu")


def result(**contenders):
    return {
        "hardware": "A CPU (R), 2 threads",
        "steps": 10,
        "multiply_adds": 64_000,  # 1,000 an image
        "optimiser_bytes": 100,
        "contenders": {name: {"seconds": seconds} for name, seconds in contenders.items()}
        | {"limit": {"flop_per_second": [1e6, 6e6, 9e9], "bytes_per_second": [938.0]}},
    }


def test_contenders_take_turns_and_each_turn_is_counted_but_the_first():
    lines = []
    measured = bench.bench("NeuralNetwork_v1", CPU, ("ours", "plain"), rounds=2, steps=3, tell=lines.append)
    assert [line.split(": ")[1][:5] for line in lines] == ["ours ", "plain", "round", "round", "round"]
    assert "warm-up" in lines[2]
    assert measured["steps"] == 3 and measured["linear"] == []
    assert measured["multiply_adds"] == 3_318_912  # 3.32 M in torchinfo's table
    for contender in measured["contenders"].values():
        assert len(contender["seconds"]) == 2
        assert 0 < min(contender["seconds"]) < contender["first_step_s"]
        assert contender["peak_mb"] > 100
        assert contender["versions"]["torch"] == torch.__version__
    assert measured["contenders"]["ours"]["precision"] == "fp32"


@pytest.mark.parametrize(
    "contender", ["limit", "profile:plain", "profile:ours", "choice:fused+kept+short+bf16", "choice:replayed+unfolded"]
)
def test_other_contenders_measure_what_they_are_for(contender):
    measured = bench.bench("NeuralNetwork_v1", CPU, (contender,), rounds=1, steps=2)["contenders"][contender]
    if contender == "limit":
        assert measured["flop_per_second"][0] > 1e9 and measured["bytes_per_second"][0] > 1e8
    if contender.startswith("profile"):
        assert list(measured["milliseconds"][0]) == ["data", "forward", "backward", "optimiser", "metrics"]


def test_a_cuda_device_has_choices_of_its_own():
    cpu, cuda = (set(bench.contenders_of("choices", torch.device(name))) for name in ("cpu", "cuda"))
    assert "choice:fused+kept" in cpu - cuda and "choice:fused+replayed" in cuda - cpu
    assert bench.contenders_of("speed", CPU) == bench.SPEED
    assert set(bench.contenders_of("speed", torch.device("cuda"))) - set(bench.SPEED) == {"ours:compiled"}


@pytest.fixture
def mine(monkeypatch, tmp_path):
    """A contender in a folder of its own, which says what it was asked for."""
    (tmp_path / "contenders").mkdir()
    source = """from contenders.common import Prepared

asked = []


def train(steps):
    asked.append(steps)
    return {"asked": asked}


def prepare(*_):
    return Prepared(train, {})
"""
    (tmp_path / "contenders" / "mine.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "mine"


def test_a_contender_sees_the_packages_that_the_bench_sees(mine):
    assert list(bench.bench("NeuralNetwork_v1", CPU, (mine,), rounds=1, steps=1)["contenders"]) == [mine]


def test_a_turn_is_so_many_epochs_after_a_step_that_is_not_counted(mine):
    worker = bench._Worker(mine, "NeuralNetwork_v1", CPU)
    assert worker.train(7, 3)["asked"] == [1, 1, 7, 7, 7]
    worker.close()


def test_the_peak_memory_is_the_contenders_own(mine):
    ballast = b"x" * 1_500_000_000  # which this process has, and the contender has not
    worker = bench._Worker(mine, "NeuralNetwork_v1", CPU)
    peak = worker.train(1, 1)["peak_mb"]
    worker.close()
    del ballast
    assert 100 < peak < 1_500


def test_plain_pytorch_unpacks_the_dataset_where_nobody_has_yet(monkeypatch, tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (data_directory() / "FashionMNIST" / "raw").glob("*.gz"):
        (raw / path.name).symlink_to(path)
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    monkeypatch.syspath_prepend(bench.FOLDER)
    from contenders.common import torchvision_dataset

    assert len(torchvision_dataset()) == 60_000


def test_of_an_error_of_many_lines_the_first_is_told(mine):
    source = 'raise RuntimeError("CUDA error: out of memory\\nCompile with more assertions")'
    Path(os.environ["PYTHONPATH"], "contenders", f"{mine}.py").write_text(source)
    with pytest.raises(FashionError, match="failed: RuntimeError: CUDA error: out of memory"):
        bench.bench("NeuralNetwork_v1", CPU, (mine,), rounds=1, steps=1)


@pytest.mark.parametrize("contender", ["nobody", "choice:turbo", "ours:turbo"])
def test_a_contender_that_fails_says_why(contender):
    with pytest.raises(FashionError, match=rf"the contender {contender} failed: .*(nobody|turbo)"):
        bench.bench("NeuralNetwork_v1", CPU, (contender,), rounds=1, steps=1)


def test_a_contender_that_has_ended_says_why():
    worker = bench._Worker("ours", "NeuralNetwork_v1", CPU)
    worker.process.kill()
    worker.process.wait()
    with pytest.raises(FashionError, match="the contender ours failed"):
        worker.train(1, 1)


def test_what_is_not_installed_is_said_before_anything_is_timed(monkeypatch):
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    with pytest.raises(FashionError, match=r'fastai is not installed: pip install -e "\.\[bench\]"'):
        bench.bench("NeuralNetwork_v1", CPU, ("ours", "fastai"), rounds=1, steps=1)


def test_an_unknown_model_is_named():
    with pytest.raises(FashionError, match="no model 'v1'"):
        bench.bench("v1", CPU)


def test_seconds_are_scaled_to_an_epoch():
    assert bench.epoch_seconds(result(ours=[1.0, 2.0]), "ours") == [93.75, 187.5]  # 640 of 60,000 images
    whole = result(ours=[3.0]) | {"steps": bench.EPOCH}
    assert bench.epoch_seconds(whole, "ours") == [3.0]  # the last minibatch holds 32


def test_the_command_says_what_it_measured(capsys, tmp_path, monkeypatch):
    measured = result(ours=[1.0, 2.0, 4.0], limit=[9.0]) | {"hardware": "A machine", "steps": bench.EPOCH}
    measured |= {"multiply_adds": 64_000, "optimiser_bytes": 100}
    measured["contenders"]["limit"] |= {"flop_per_second": [3.6e8], "bytes_per_second": [938e2]}
    monkeypatch.setattr(bench, "bench", lambda *_, **__: measured)
    with pytest.raises(SystemExit):
        cli.main(["bench", "NeuralNetwork_v1", "--output", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == [
        "NeuralNetwork_v1: ours 2 s an epoch",
        "NeuralNetwork_v1: limit 2 s an epoch",  # 1 s of multiply-adds and 1 s of copying
        str(tmp_path / "speed" / "a-machine.json"),
    ]


def test_the_limit_by_hand():
    # 60,000 images x 1,000 multiply-adds x 2 x 3 at 6e6 a second: 60 s; 938 steps x 100 bytes at 938 a second: 100 s.
    assert bench.limit_seconds(result()) == pytest.approx(160)


def test_the_optimiser_moves_weights_gradients_and_momentum():
    assert bench.optimiser_bytes("NeuralNetwork_v1") == 39_358 * 3 * 4
    assert bench.optimiser_bytes("resnet18") == 11_175_370 * 5 * 4


def test_a_file_is_called_after_the_hardware_and_keeps_other_networks(tmp_path):
    path = bench.path_for(result(), "choices", tmp_path)
    assert path == tmp_path / "choices" / "a-cpu-r-2-threads.json"
    bench.write({"one": {"steps": 1}}, path)
    bench.write({"two": {"steps": 2}}, path)
    bench.write({"one": {"steps": 3}}, path)
    assert json.loads(path.read_text()) == {"one": {"steps": 3}, "two": {"steps": 2}}
    assert bench.read("choices", tmp_path) == {path: {"one": {"steps": 3}, "two": {"steps": 2}}}
