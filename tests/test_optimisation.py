from dataclasses import replace

import pytest
import torch
from torch import nn

from fashion import Experiment, FashionError
from fashion.devices import place
from fashion.models import build
from fashion.muon import Muon
from fashion.optimisation import build_average, build_optimiser, build_scheduler

RECIPE = Experiment("recipe", "NeuralNetwork_v1", epochs=2, lr=0.5, momentum=0.9)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 26 * 26, 10))


def test_only_matrices_and_filters_decay():
    network = model()
    optimiser = build_optimiser(replace(RECIPE, weight_decay=1e-3, nesterov=True), network)
    decaying, others = optimiser.param_groups
    assert [weights.shape for weights in decaying["params"]] == [network[0].weight.shape, network[3].weight.shape]
    assert len(others["params"]) == 4
    assert (decaying["weight_decay"], others["weight_decay"]) == (1e-3, 0)
    assert all(
        group["nesterov"] and group["lr"] == 0.5 and group["momentum"] == 0.9 for group in optimiser.param_groups
    )


def test_a_plain_recipe_is_plain_sgd():
    (group,) = build_optimiser(RECIPE, model()).param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]) == (0.5, 0.9, 0, False)
    assert build_scheduler(RECIPE, build_optimiser(RECIPE, model()), 10) is None
    assert build_average(RECIPE, model()) is None


@pytest.mark.parametrize("precision, dtype", [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_muon_is_for_convolutions_of_more_than_one_channel(precision, dtype):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(2 * 24 * 24, 10))
    placed = place(network, "FastNetwork_32", torch.device("cpu"), precision)
    recipe = replace(RECIPE, schedule="one_cycle", nesterov=True, weight_decay=1e-3, muon=0.1)
    optimiser = build_optimiser(recipe, placed)
    assert isinstance(optimiser, Muon) and optimiser.dtype == dtype
    decaying, others, filters = optimiser.param_groups
    assert [len(group["params"]) for group in (decaying, others, filters)] == [2, 3, 1]
    assert filters["params"][0] is network[1].weight and filters["momentum"] == 0.6
    assert [group["orthogonal"] for group in optimiser.param_groups] == [False, False, True]
    assert (decaying["weight_decay"], others["weight_decay"]) == (1e-3, 0)
    assert decaying["momentum"] == others["momentum"] == 0.9
    assert build_scheduler(recipe, optimiser, 100)
    assert [group["max_lr"] for group in optimiser.param_groups] == [0.5, 0.5, 0.1]
    with pytest.raises(FashionError, match="NeuralNetwork_v1 has no convolution of more than one channel"):
        build_optimiser(recipe, build("NeuralNetwork_v1"))


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("steps", range(1, 7))
def test_one_cycle_takes_any_number_of_steps(steps):
    optimiser = build_optimiser(RECIPE, model())
    scheduler = build_scheduler(replace(RECIPE, schedule="one_cycle"), optimiser, steps)
    for _ in range(steps - 1):
        scheduler.step()
        assert 0 <= optimiser.param_groups[0]["lr"] <= RECIPE.lr


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_one_cycle_rises_for_a_fifth_and_falls_to_zero():
    recipe = replace(RECIPE, schedule="one_cycle")
    optimiser = build_optimiser(recipe, model())
    scheduler = build_scheduler(recipe, optimiser, 105)
    rates = []
    for _ in range(105):
        rates.append(optimiser.param_groups[0]["lr"])
        scheduler.step() if len(rates) < 105 else None
    assert rates[0] == pytest.approx(0.05) and max(rates) == pytest.approx(0.5) and rates[-1] < 1e-4
    peak = rates.index(max(rates))
    assert peak == 20 and rates[:peak] == sorted(rates[:peak])
    assert rates[peak + 40] == pytest.approx(0.5 * (1 - 40 / 84), rel=1e-3)
    assert optimiser.param_groups[0]["momentum"] == 0.9
    with pytest.raises(FashionError, match=r"no schedule 'linear': fashion/optimisation.py has constant, one_cycle"):
        build_scheduler(replace(recipe, schedule="linear"), optimiser, 10)


def test_the_average_is_exponential_and_includes_normalisation():
    network = model()
    averaged = build_average(replace(RECIPE, averaging=0.75), network)
    averaged.update_parameters(network)
    weights = network[3].weight.detach().clone()
    with torch.no_grad():
        network[3].weight.add_(1)
        network[1].running_mean.fill_(8)
    averaged.update_parameters(network)
    torch.testing.assert_close(averaged.module[3].weight, weights + 0.25)
    torch.testing.assert_close(averaged.module[1].running_mean, torch.full((2,), 2.0))
