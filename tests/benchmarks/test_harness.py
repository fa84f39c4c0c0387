import os
from pathlib import Path

import pytest
import torch

from benchmarks import harness
from benchmarks.contenders import common
from fashion import FashionError
from fashion.hardware.threads import SPINS
from fashion.models import MODELS, build
from fashion.settings import data_directory

CPU = torch.device("cpu")


def test_contenders_take_turns_and_each_turn_is_counted_but_the_first():
    lines = []
    measured = harness.measure("NeuralNetwork_v1", CPU, ("ours", "plain"), rounds=2, steps=3, tell=lines.append)
    assert [line.split(": ")[1][:5] for line in lines] == ["ours ", "plain", "round", "round", "round"]
    assert "warm-up" in lines[2]
    assert measured["steps"] == 3 and measured["linear"] == []
    assert measured["multiply_adds"] == 3_318_912  # 3.32 M in torchinfo's table
    assert measured["device"] == "cpu" and "thread" in measured["hardware"] and "python" in measured["versions"]
    for contender in measured["contenders"].values():
        assert len(contender["seconds"]) == 2
        assert 0 < min(contender["seconds"]) < contender["first_step_s"]
        assert contender["peak_mb"] > 100
        assert contender["versions"]["torch"] == torch.__version__
    assert measured["contenders"]["ours"]["precision"] == "fp32"


def test_the_limit_is_two_rates():
    limit = harness.measure("NeuralNetwork_v1", CPU, ("limit",), rounds=1, steps=2)["contenders"]["limit"]
    assert limit["flop_per_second"][0] > 1e9 and limit["bytes_per_second"][0] > 1e8


def test_a_cuda_device_is_timed_compiled_too():
    cpu, cuda = (harness.contenders_for(torch.device(name)) for name in ("cpu", "cuda"))
    assert set(cuda) - set(cpu) == {"ours:compiled"}
    assert harness.contenders_for(torch.device("mps")) == cpu


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


def test_a_contender_sees_the_packages_that_the_harness_sees(mine):
    assert list(harness.measure("NeuralNetwork_v1", CPU, (mine,), rounds=1, steps=1)["contenders"]) == [mine]


def test_a_turn_is_so_many_epochs_after_a_step_that_is_not_counted(mine):
    worker = harness._Worker(mine, "NeuralNetwork_v1", CPU)
    assert worker.train(7, 3)["asked"] == [1, 1, 7, 7, 7]
    worker.close()


def test_the_peak_memory_is_the_contenders_own(mine):
    ballast = b"x" * 1_500_000_000  # which this process has, and the contender has not
    worker = harness._Worker(mine, "NeuralNetwork_v1", CPU)
    peak = worker.train(1, 1)["peak_mb"]
    worker.close()
    del ballast
    assert 100 < peak < 1_500


@pytest.fixture
def nothing_chosen(monkeypatch):
    """The environment of a user who has chosen nothing about threads, after `import fashion`."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", SPINS)


@pytest.mark.parametrize("contender", ["ours", "plain", "lightning", "fastai"])
def test_threads_wait_by_our_rule_in_ours_alone(nothing_chosen, monkeypatch, contender):
    if contender in ("lightning", "fastai"):
        pytest.importorskip(contender)
    monkeypatch.setenv("OMP_DISPLAY_ENV", "verbose")  # OpenMP then tells, when torch loads it, how threads will wait
    worker = harness._Worker(contender, "NeuralNetwork_v1", CPU)
    worker.process.communicate()
    worker.errors.seek(0)
    told = [line.split("'")[1] for line in worker.errors if "GOMP_SPINCOUNT" in line]
    worker.close()
    if not told:
        pytest.skip("torch has another OpenMP here")
    assert (told[0] == SPINS) == (contender == "ours")


def test_how_a_user_lets_threads_wait_holds_for_every_contender(monkeypatch):
    for contender in ("ours:compiled", "plain"):
        monkeypatch.setenv("GOMP_SPINCOUNT", "7")
        assert harness._environment(contender)["GOMP_SPINCOUNT"] == "7"


@pytest.mark.parametrize("model", ["NeuralNetwork_v1", "FastNetwork_32"])
def test_ours_trains_with_the_threads_of_a_run(nothing_chosen, monkeypatch, model):
    monkeypatch.syspath_prepend(harness.FOLDER)
    from contenders import ours

    threads = []
    monkeypatch.setattr(ours, "train_epoch", lambda *_: threads.append(torch.get_num_threads()))
    cores = len(os.sched_getaffinity(0))
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        ours.prepare(model, "cpu").train(1)
        assert torch.get_num_threads() == cores
    finally:
        torch.set_num_threads(before)
    assert threads == [1 if model == "NeuralNetwork_v1" else cores]


def test_plain_pytorch_unpacks_the_dataset_where_nobody_has_yet(monkeypatch, tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (data_directory() / "FashionMNIST" / "raw").glob("*.gz"):
        (raw / path.name).symlink_to(path)
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    assert len(common.torchvision_dataset()) == 60_000


def test_of_an_error_of_many_lines_the_first_is_told(mine):
    source = 'raise RuntimeError("CUDA error: out of memory\\nCompile with more assertions")'
    Path(os.environ["PYTHONPATH"], "contenders", f"{mine}.py").write_text(source)
    with pytest.raises(FashionError, match="failed: RuntimeError: CUDA error: out of memory"):
        harness.measure("NeuralNetwork_v1", CPU, (mine,), rounds=1, steps=1)


@pytest.mark.parametrize("contender", ["nobody", "ours:turbo"])
def test_a_contender_that_fails_says_why(contender):
    with pytest.raises(FashionError, match=rf"the contender {contender} failed: .*(nobody|turbo)"):
        harness.measure("NeuralNetwork_v1", CPU, (contender,), rounds=1, steps=1)


def test_a_contender_that_has_ended_says_why():
    worker = harness._Worker("ours", "NeuralNetwork_v1", CPU)
    worker.process.kill()
    worker.process.wait()
    with pytest.raises(FashionError, match="the contender ours failed"):
        worker.train(1, 1)


def test_what_is_not_installed_is_said_before_anything_is_timed(monkeypatch):
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    with pytest.raises(FashionError, match=r'fastai is not installed: pip install -e "\.\[bench\]"'):
        harness.measure("NeuralNetwork_v1", CPU, ("ours", "fastai"), rounds=1, steps=1)


def test_an_unknown_model_is_named():
    with pytest.raises(FashionError, match="no model 'v1'"):
        harness.measure("v1", CPU)


def test_the_published_momentum_is_resnet18s():
    assert {model: common.momentum(model) for model in MODELS if common.momentum(model)} == {"resnet18": 0.9}


def test_the_optimiser_moves_weights_gradients_and_momentum():
    assert harness.optimiser_bytes("NeuralNetwork_v1") == 39_358 * 3 * 4
    assert harness.optimiser_bytes("resnet18") == 11_175_370 * 5 * 4


def test_multiply_adds_are_torchinfos():
    assert harness.multiply_adds(build("NeuralNetwork_v1"), 1) == 3_318_912 / 64
