from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fashion import Loader, Phase, build, evaluate, evaluation_step, fit, training_step
from fashion.hardware.graphs import Replayed, alone, replayed
from fashion.hardware.placement import place

CPU = torch.device("cpu")


@pytest.fixture
def recorder(monkeypatch):
    """CUDA's stream and graph, played on the CPU: a recording is a function that is called again."""

    class Stream:
        def __init__(self, device):
            self.device = device

        def wait_stream(self, stream):
            pass

    class Recorded(Replayed):
        def _on_side_stream(self, inputs):
            return self.function(*inputs)

        def _record(self, inputs):
            arguments, results = tuple(each.clone() for each in inputs), [torch.zeros(()), torch.zeros(())]

            def replay():
                graph.replays += 1
                for result, value in zip(results, self.function(*arguments), strict=True):
                    result.copy_(value)

            graph = SimpleNamespace(replay=replay, replays=0)
            return graph, arguments, results

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    return Recorded


def test_each_call_counts_whether_it_is_replayed_or_not(recorder):
    seen = []
    function = recorder(lambda a, b: (seen.append(float(a.sum())), (a.sum(), b.sum()))[1], CPU)
    batches = [torch.full((size,), float(i)) for i, size in enumerate([4, 4, 4, 2, 4, 4, 2, 4])]
    outcomes = [function(batch, -batch) for batch in batches]
    assert seen == [float(batch.sum()) for batch in batches]
    assert [(float(a), float(b)) for a, b in outcomes] == [(x, -x) for x in seen]  # kept, not overwritten
    assert {shapes[0]: graph.replays for shapes, (graph, _, _) in function.recordings.items()} == {(4,): 3}


def test_threads_wait_for_each_others_warm_ups_and_recordings_only(recorder, monkeypatch):
    held = []
    function = recorder(lambda a: (held.append(alone.locked()), (a.sum(), a.sum()))[1], CPU)
    record = recorder._record

    def told(self, inputs):
        held.append(alone.locked())
        return record(self, inputs)

    monkeypatch.setattr(recorder, "_record", told)
    for _ in range(6):
        function(torch.ones(4))
    assert held == [True, True, True, True, False, False, False]  # the fourth records, and is replayed then


def test_only_a_cuda_device_replays(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    assert replayed(len, CPU) is len
    assert type(replayed(len, torch.device("cuda"))) is Replayed


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_replayed_history_is_the_eager_one(full, monkeypatch, precision):
    cuda = torch.device("cuda")
    train, test = (type(each)(each.images[:1000].to(cuda), each.labels[:1000].to(cuda)) for each in full)

    def history(wrap):
        torch.manual_seed(0)
        network = place(build("NeuralNetwork_v1_5_5_BN"), cuda, precision)
        optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
        train_step = wrap(training_step(network, nn.CrossEntropyLoss(), optimiser), cuda)
        test_step = wrap(evaluation_step(network, nn.CrossEntropyLoss()), cuda)
        tested = Phase(network, Loader(test), test_step)
        done = fit(Phase(network, Loader(train, seed=0), train_step), tested, 5)
        return [epoch.metrics for epoch in done], evaluate(*tested)

    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    fast = history(replayed)
    assert history(replayed) == fast
    assert history(lambda function, device: function) == fast
