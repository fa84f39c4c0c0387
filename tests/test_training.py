import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fashion import Dataset, Loader, build, evaluate, fit, train_epoch, training, training_step
from fashion.training import infer


def learner(seed=0):
    torch.manual_seed(seed)
    return build("NeuralNetwork_v1", ("logits", "identity"))


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def test_train_epoch_is_the_plain_loop(full):
    train = Dataset(full[0].images[: 20 * 64 - 10], full[0].labels[: 20 * 64 - 10])
    ours, plain = learner(), learner()

    metrics = train_epoch(ours, Loader(train, seed=7), training_step(ours, nn.CrossEntropyLoss(), sgd(ours)))

    optimiser = sgd(plain)
    order = torch.randperm(len(train.labels), generator=torch.Generator().manual_seed(7))
    loss_sum, correct, steps = 0.0, 0, 0
    plain.train()
    for start in range(0, len(order), 64):
        batch = order[start : start + 64]
        outputs = plain(train.images[batch])
        loss = functional.cross_entropy(outputs, train.labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += loss.item() * len(batch)
        correct += (outputs.argmax(1) == train.labels[batch]).sum().item()
        steps += 1

    assert steps == 20
    for (name, mine), theirs in zip(ours.named_parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, theirs), name
    assert metrics.loss == pytest.approx(loss_sum / len(order))
    assert metrics.accuracy == pytest.approx(100 * correct / len(order))


def test_evaluate_averages_over_images_not_batches(noise):
    model = learner()
    whole = model(noise.images)
    metrics = evaluate(model, Loader(noise, batch_size=64), nn.CrossEntropyLoss())  # batches of 64, 64, 22
    assert metrics.loss == pytest.approx(functional.cross_entropy(whole, noise.labels).item(), rel=1e-5)
    assert metrics.accuracy == pytest.approx(100 * (whole.argmax(1) == noise.labels).float().mean().item())


def test_evaluate_and_predict_leave_the_model_as_it_is(noise):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Dropout(), nn.Linear(784, 10))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = evaluate(model, Loader(noise), nn.CrossEntropyLoss())
    outputs = infer(model, Loader(noise))
    assert evaluate(model, Loader(noise), nn.CrossEntropyLoss()) == first
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert outputs.shape == (150, 10)
    assert 100 * (outputs.argmax(dim=1) == noise.labels).double().mean().item() == pytest.approx(first.accuracy)


def test_train_epoch_trains_in_training_mode(noise):
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10)).eval()
    train_epoch(model, Loader(noise), training_step(model, nn.CrossEntropyLoss(), sgd(model)))
    assert model.training and model[1].num_batches_tracked == 3


def test_fit_returns_one_line_an_epoch_and_goes_on_from_a_history(small):
    train, test = small

    def run(model, loader, epochs, history=()):
        return fit(model, loader, Loader(test), nn.CrossEntropyLoss(), sgd(model), epochs, history=history)

    told = []
    model = learner()
    history = fit(
        model,
        Loader(train, seed=0),
        Loader(test),
        nn.CrossEntropyLoss(),
        sgd(model),
        3,
        after_epoch=lambda history: told.append(len(history)),
    )
    assert [epoch.epoch for epoch in history] == told == [1, 2, 3]
    assert all(math.isfinite(value) for epoch in history for value in epoch)
    assert run(learner(), Loader(train, seed=0), 3, history) == history
    assert [epoch.epoch for epoch in run(learner(), Loader(train, seed=0), 4, history)] == [1, 2, 3, 4]


def test_an_epoch_is_timed_with_its_test_and_without(small, monkeypatch):
    clock = SimpleNamespace(perf_counter=iter([10.0, 12.0, 15.0]).__next__)
    monkeypatch.setattr(training, "time", clock)
    model = learner()
    loaders = (Loader(part) for part in small)
    (epoch,) = fit(model, *loaders, nn.CrossEntropyLoss(), sgd(model), 1)
    assert (epoch.train_seconds, epoch.seconds) == (2.0, 5.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_epoch_and_step(noise, bad):
    calls = 0

    def loss_fn(outputs, labels):
        nonlocal calls
        calls += 1
        # An epoch is 3 steps of training and 3 of testing: the 8th call is step 2 of epoch 2.
        return functional.cross_entropy(outputs, labels) * (bad if calls == 8 else 1)

    model = learner()
    with pytest.raises(FloatingPointError, match=f"^epoch 2, step 2: the loss is {bad}$"):
        fit(model, Loader(noise, seed=0), Loader(noise), loss_fn, sgd(model), 5)


def test_an_exploding_run_stops(noise):
    model = learner()
    with pytest.raises(FloatingPointError, match=r"^epoch \d+, step \d+: the loss is (nan|inf)$"):
        fit(model, Loader(noise, seed=0), Loader(noise), nn.CrossEntropyLoss(), sgd(model, lr=1e6), 20)
