import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fashion import Dataset, Loader, Phase, build, evaluate, evaluation_step, fit, train_epoch, training, training_step
from fashion.training import infer


def learner(seed=0):
    torch.manual_seed(seed)
    return build("NeuralNetwork_v1", ("logits", "identity"))


def sgd(network, lr=0.1):
    return torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)


def phases(network, train, test, loss_fn=functional.cross_entropy, lr=0.1):
    """Both halves of an epoch: training with SGD, and the test."""
    step = training_step(network, loss_fn, sgd(network, lr))
    return Phase(network, train, step), Phase(network, test, evaluation_step(network, loss_fn))


def measured(network, loader):
    return evaluate(network, loader, evaluation_step(network, nn.CrossEntropyLoss()))


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
    network = learner()
    whole = network(noise.images)
    metrics = measured(network, Loader(noise, batch_size=64))  # batches of 64, 64, 22
    assert metrics.loss == pytest.approx(functional.cross_entropy(whole, noise.labels).item(), rel=1e-5)
    assert metrics.accuracy == pytest.approx(100 * (whole.argmax(1) == noise.labels).float().mean().item())


def test_evaluate_and_infer_leave_the_network_as_it_is(noise):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Dropout(), nn.Linear(784, 10))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = measured(network, Loader(noise))
    outputs = infer(network, Loader(noise))
    assert measured(network, Loader(noise)) == first
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert outputs.shape == (150, 10) and not outputs.requires_grad
    assert 100 * (outputs.argmax(dim=1) == noise.labels).double().mean().item() == pytest.approx(first.accuracy)


def test_infer_takes_mirror_images_too(noise):
    network = learner()
    mirrored = Dataset(noise.images.flip(3), noise.labels)
    assert torch.equal(infer(network, Loader(noise), mirrored=True), infer(network, Loader(mirrored)))
    assert not torch.equal(infer(network, Loader(noise), mirrored=True), infer(network, Loader(noise)))


def test_train_epoch_trains_in_training_mode(noise):
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10)).eval()
    train_epoch(network, Loader(noise), training_step(network, nn.CrossEntropyLoss(), sgd(network)))
    assert network.training and network[1].num_batches_tracked == 3


def test_a_mixed_label_counts_as_the_class_with_the_largest_share(noise):
    shares = 0.6 * functional.one_hot(noise.labels, 10) + 0.4 * functional.one_hot((noise.labels + 1) % 10, 10)
    plain, mixed = (measured(learner(), Loader(Dataset(noise.images, labels))) for labels in (noise.labels, shares))
    assert mixed.accuracy == plain.accuracy > 0 and mixed.loss != plain.loss


def test_fit_returns_one_line_an_epoch_and_goes_on_from_a_history(small):
    train, test = small

    def run(epochs, history=(), after_epoch=lambda history: None):
        halves = phases(learner(), Loader(train, seed=0), Loader(test))
        return fit(*halves, epochs, history=history, after_epoch=after_epoch)

    told = []
    history = run(3, after_epoch=lambda history: told.append(len(history)))
    assert [epoch.epoch for epoch in history] == told == [1, 2, 3]
    assert all(math.isfinite(value) for epoch in history for value in epoch)
    assert run(3, history) == history
    assert [epoch.epoch for epoch in run(4, history)] == [1, 2, 3, 4]
    assert len(history) == 3  # the one that was given stays as it is


def test_fit_calls_after_each_step_of_training(noise):
    steps, epochs = [], []
    halves = phases(learner(), Loader(noise), Loader(noise))
    fit(*halves, 2, after_step=lambda: steps.append(1), after_epoch=lambda history: epochs.append(len(steps)))
    assert epochs == [3, 6]


def test_fit_may_test_another_network_than_it_trains(noise):
    trained, tested = learner(0), learner(1)
    train, _ = phases(trained, Loader(noise), Loader(noise))
    _, test = phases(tested, Loader(noise), Loader(noise))
    before = measured(tested, Loader(noise))
    assert {(epoch.test_loss, epoch.test_accuracy) for epoch in fit(train, test, 2)} == {before}
    assert measured(trained, Loader(noise)) != measured(learner(0), Loader(noise))


def test_an_epoch_is_timed_with_its_test_and_without(small, monkeypatch):
    clock = SimpleNamespace(perf_counter=iter([10.0, 12.0, 15.0]).__next__)
    monkeypatch.setattr(training, "time", clock)
    (epoch,) = fit(*phases(learner(), *(Loader(part) for part in small)), 1)
    assert (epoch.train_seconds, epoch.seconds) == (2.0, 5.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_epoch_and_step(noise, bad):
    calls = 0

    def loss_fn(outputs, labels):
        nonlocal calls
        calls += 1
        # An epoch is 3 steps of training and 3 of testing: the 8th call is step 2 of epoch 2.
        return functional.cross_entropy(outputs, labels) * (bad if calls == 8 else 1)

    with pytest.raises(FloatingPointError, match=f"^epoch 2, step 2: the loss is {bad}$"):
        fit(*phases(learner(), Loader(noise, seed=0), Loader(noise), loss_fn), 5)


def test_an_exploding_run_stops(noise):
    with pytest.raises(FloatingPointError, match=r"^epoch \d+, step \d+: the loss is (nan|inf)$"):
        fit(*phases(learner(), Loader(noise, seed=0), Loader(noise), lr=1e6), 20)
