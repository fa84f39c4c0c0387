import contextlib
import signal
import threading
import time
from dataclasses import replace

import pytest
import torch
from helpers import LEARNER, first, outcome, seed_folder

from fashion import EXPERIMENTS, Dataset, FashionError, build, recorded, run
from fashion.hardware.placement import place
from fashion.runs import running
from fashion.runs.running import Pace
from fashion.runs.together import run_together
from fashion.settings import Paused


@pytest.fixture
def slow(monkeypatch):
    """Networks that take a while from the seed to their weights, and to their device: others might draw meanwhile."""
    manual_seed = torch.manual_seed

    def seed_slowly(seed):
        time.sleep(0.02)
        return manual_seed(seed)

    def build_slowly(*arguments):
        time.sleep(0.06)
        return build(*arguments)

    def place_slowly(*arguments):
        with torch.random.fork_rng(devices=[]):  # as where convolutions are looked for that can be shortened
            time.sleep(0.03)
        return place(*arguments)

    monkeypatch.setattr(torch, "manual_seed", seed_slowly)
    monkeypatch.setattr(running, "build", build_slowly)
    monkeypatch.setattr(running, "place", place_slowly)


@pytest.mark.parametrize("name", ["v1_fixed", "fast"])
@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
    ],
)
def test_runs_together_come_out_as_alone(tmp_path, full, slow, name, device):
    data = tuple(Dataset(*(tensor.to(device) for tensor in each)) for each in first(600, full))
    experiment = replace(EXPERIMENTS[name], epochs=5 if device == "cuda" else 2)  # a graph is recorded at a fourth call
    runs = run_together(experiment, [0, 1, 4], logs=tmp_path / "together", data=data)
    alone = [run_together(experiment, [seed], logs=tmp_path / "alone", data=data)[0] for seed in (0, 1, 4)]
    assert [each.seed for each in runs] == [0, 1, 4]
    assert [outcome(each) for each in runs] == [outcome(each) for each in alone]
    assert [each.record.together for each in runs + alone] == [3, 3, 3, 1, 1, 1]
    assert recorded(experiment, tmp_path / "together")[2].record == runs[2].record


def test_runs_that_continue_together_come_out_as_alone_and_say_so(tmp_path, small, slow):
    alone = [run(LEARNER, seed, logs=tmp_path / "alone", data=small) for seed in range(6)]
    with pytest.raises(Paused, match="learner seed 0 stopped after epoch 1 of 4"):
        run_together(LEARNER, [0, 1], logs=tmp_path, data=small, pace=Pace(until=0))
    with contextlib.suppress(Paused):
        run(LEARNER, 1, logs=tmp_path, data=small, pace=Pace(until=0))
    assert run(LEARNER, 1, logs=tmp_path, data=small).record.together == 2
    runs = run_together(LEARNER, range(6), logs=tmp_path, data=small)  # half trained, trained, and four not begun
    assert [outcome(each) for each in runs] == [outcome(each) for each in alone]
    assert [each.record.together for each in runs] == [6, 2, 6, 6, 6, 6]


def test_where_one_run_fails_the_others_are_trained(tmp_path, small):
    def fail(seed, history):
        if (seed, len(history)) == (1, 2):
            raise FloatingPointError("epoch 2, step 3: the loss is nan")

    with pytest.raises(FloatingPointError, match="learner seed 1, epoch 2, step 3: the loss is nan"):
        run_together(LEARNER, [0, 1, 2], logs=tmp_path, data=small, after_epoch=fail)
    assert [each.seed for each in recorded(LEARNER, tmp_path)] == [0, 2]


def test_a_failure_is_told_before_a_pause(tmp_path, small):
    def fail(seed, history):
        if seed == 1:
            raise FashionError("no")

    with pytest.raises(FashionError, match="no"):
        run_together(LEARNER, [0, 1], logs=tmp_path, data=small, pace=Pace(until=0), after_epoch=fail)


def test_interrupted_all_runs_stop_at_once_and_continue_to_the_same_end(tmp_path, small):
    epochs, long = [], replace(LEARNER, epochs=300)

    def interrupt(seed, history):
        epochs.append(len(history))
        if (seed, len(history)) == (1, 2):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            run_together(long, [0, 1, 2], logs=tmp_path, data=small, after_epoch=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert max(epochs) < 100 and not seed_folder(tmp_path).parent.joinpath("seed_1").exists()
    assert not [each for each in threading.enumerate() if each.name.startswith("ThreadPool")]


def test_all_runs_share_the_data(tmp_path, small, monkeypatch):
    loaded = []
    monkeypatch.setattr(running, "load_data", lambda device: loaded.append(device) or small)
    assert len(run_together(replace(LEARNER, epochs=1), [0, 1], logs=tmp_path)) == 2 and len(loaded) == 1


def test_the_number_of_threads_is_the_callers(tmp_path, small, monkeypatch):
    counts = []
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    other = threading.Thread(target=torch.set_num_threads, args=(1,))  # and so the default of later threads
    other.start()
    other.join()
    try:
        tell = lambda seed, history: counts.append(torch.get_num_threads())  # noqa: E731
        run_together(replace(LEARNER, epochs=1), [0, 1], logs=tmp_path, data=small, after_epoch=tell)
    finally:
        torch.set_num_threads(before)
    assert counts == [3, 3]


def test_networks_that_are_compiled_are_trained_one_at_a_time(tmp_path, small):
    with pytest.raises(FashionError, match="leave out --compile or --together"):
        run_together(LEARNER, [0, 1], logs=tmp_path, data=small, compile_model=True)
