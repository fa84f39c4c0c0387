from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW

from fashion import Experiment, FashionError
from fashion.models import build
from fashion.optimisation import (
    OPTIMISERS,
    Muon,
    _prepare_for_graphs,
    build_average,
    build_optimiser,
    build_scheduler,
    orthogonalise,
)

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
    optimiser = build_optimiser(RECIPE, model())
    (group,) = optimiser.param_groups
    assert type(optimiser) is SGD and group["fused"]
    assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]) == (0.5, 0.9, 0, False)
    assert build_scheduler(RECIPE, build_optimiser(RECIPE, model()), 10) is None
    assert build_average(RECIPE, model()) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_muon_is_for_convolutions_of_more_than_one_channel(dtype):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(2 * 24 * 24, 10))
    recipe = replace(RECIPE, schedule="one_cycle", nesterov=True, weight_decay=1e-3, optimiser=("muon", 0.1))
    optimiser = build_optimiser(recipe, network, dtype)
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
    with pytest.raises(FashionError, match="recipe: muon needs nesterov=True"):
        build_optimiser(replace(recipe, nesterov=False), network)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("adam", r"no optimiser 'adam': fashion/optimisation.py has sgd, "),
        ("muon", r"the optimiser 'muon' takes \(rate\), not \(\)"),
        (("sgd", 0.1), r"the optimiser 'sgd' takes \(\), not \(0.1,\)"),
    ],
)
def test_an_optimiser_that_there_is_not_is_named(choice, message):
    with pytest.raises(FashionError, match=message):
        build_optimiser(replace(RECIPE, optimiser=choice), model())


def test_an_optimiser_that_is_added_takes_the_parameters_of_the_recipe(monkeypatch):
    def adamw(groups, recipe, dtype, beta):
        return AdamW(groups, betas=(recipe.momentum, beta))

    monkeypatch.setitem(OPTIMISERS, "adamw", adamw)
    recipe = replace(RECIPE, optimiser=("adamw", 0.99), weight_decay=1e-3, schedule="one_cycle")
    optimiser = build_optimiser(recipe, model())
    assert [(group["betas"], group["weight_decay"]) for group in optimiser.param_groups] == [
        ((0.9, 0.99), 1e-3),
        ((0.9, 0.99), 0.0),
    ]
    build_scheduler(recipe, optimiser, 100)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.05, 0.05])


@pytest.mark.parametrize("changes", [True, False])
def test_a_recorded_graph_finds_what_changes_on_the_device(changes):
    sgd, adamw = SGD(model().parameters(), lr=0.5), AdamW(model().parameters(), lr=0.5)
    for optimiser in (sgd, adamw):
        _prepare_for_graphs(optimiser, torch.device("cpu"), changes)
        (group,) = optimiser.param_groups
        assert group["lr"] == 0.5 and isinstance(group["lr"], Tensor) == changes
    assert "capturable" not in sgd.param_groups[0] and adamw.param_groups[0]["capturable"]


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
    with pytest.raises(FashionError, match=r"no schedule 'linear': fashion/optimisation.py has constant, "):
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


def gradients(weights, number=4):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(weights.shape, generator=generator) for _ in range(number)]


def orthogonal(filters, weight_decay=0.0):
    return [{"params": [filters], "orthogonal": True, "weight_decay": weight_decay}]


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (32, 1, 3, 3)], ids=["wide", "tall"])
def test_convolutions_move_as_torch_moves_matrices(shape):
    torch.manual_seed(0)
    filters = nn.Parameter(torch.randn(shape))
    matrix = nn.Parameter(filters.detach().flatten(1).clone())
    rows, columns = matrix.shape
    ours = Muon(orthogonal(filters), lr=0.1, momentum=0.8)
    # torch moves a tall matrix further, by the root of its rows for each column
    rate = 0.1 / max(1, rows / columns) ** 0.5
    theirs = torch.optim.Muon([matrix], lr=rate, momentum=0.8, nesterov=True, weight_decay=0, ns_steps=3)
    for gradient in gradients(filters):
        filters.grad, matrix.grad = gradient, gradient.flatten(1)
        with torch.no_grad():
            matrix.mul_(min(rows, columns) ** 0.5 / matrix.norm())
        ours.step()
        theirs.step()
        torch.testing.assert_close(filters.flatten(1), matrix, atol=5e-3, rtol=0)  # steps of about 0.03, in bfloat16


def test_filters_move_together_as_they_move_alone():
    shapes = [(8, 4, 3, 3), (4, 8, 3, 3), (8, 4, 3, 3), (16, 1, 3, 3), (8, 4, 3, 3)]
    generator = torch.Generator().manual_seed(0)
    together = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    together[0].data = together[0].data.to(memory_format=torch.channels_last)
    alone = [nn.Parameter(each.detach().clone()) for each in together]
    optimisers = [Muon(orthogonal(each), lr=0.1, momentum=0.6, dtype=torch.float32) for each in alone]
    both = Muon([{"params": together, "orthogonal": True}], lr=0.1, momentum=0.6, dtype=torch.float32)
    for _ in range(3):
        for one, other in zip(together, alone, strict=True):
            one.grad = other.grad = torch.randn(one.shape, generator=generator)
        both.step()
        for optimiser in optimisers:
            optimiser.step()
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_other_weights_move_as_with_sgd():
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(5, 1, 3, 3))]
    theirs = [nn.Parameter(weights.detach().clone()) for weights in ours]
    groups = [[{"params": [one], "weight_decay": 0.01}, {"params": [other]}] for one, other in (ours, theirs)]
    optimisers = [Muon(groups[0], lr=0.1, momentum=0.9), torch.optim.SGD(groups[1], 0.1, 0.9, nesterov=True)]
    for drawn in zip(*(gradients(weights) for weights in ours), strict=True):
        for optimiser, weights in zip(optimisers, (ours, theirs), strict=True):
            for each, gradient in zip(weights, drawn, strict=True):
                each.grad = gradient.clone()
            optimiser.step()
    torch.testing.assert_close(ours, theirs)


def step(weight_decay=0.0, **options):
    """Take one step of a tenth; return the share of themselves by which the filters moved, and the filters."""
    torch.manual_seed(0)
    filters = nn.Conv2d(16, 8, kernel_size=3).to(memory_format=torch.channels_last).weight
    filters.grad = gradients(filters)[0]
    start = filters.detach() * 8**0.5 / filters.detach().norm()
    Muon(orthogonal(filters, weight_decay), lr=0.1, momentum=0.6, **options).step()
    assert filters.is_contiguous(memory_format=torch.channels_last)
    return float((filters.detach() - start).norm() / start.norm()), filters.detach()


def test_the_learning_rate_is_the_share_of_itself_by_which_a_convolution_moves():
    assert step()[0] == pytest.approx(0.1, rel=0.2)


def test_weight_decay_leaves_convolutions_alone():
    assert torch.equal(step()[1], step(weight_decay=1e3)[1])


def test_the_matrix_products_have_the_precision_that_is_asked_for():
    coarse, fine = (step(dtype=dtype)[1] for dtype in (torch.bfloat16, torch.float32))
    assert not torch.equal(coarse, fine)
    torch.testing.assert_close(coarse, fine, atol=2e-3, rtol=0)


def test_weights_without_a_gradient_stay():
    filters = nn.Parameter(torch.ones(2, 2, 1, 1))
    Muon(orthogonal(filters), lr=0.1, momentum=0.6).step()
    assert torch.equal(filters, torch.ones(2, 2, 1, 1))


@pytest.mark.parametrize("shape", [(6, 30), (30, 6), (8, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_come_near_one(shape, dtype):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    both = orthogonalise(torch.stack([torch.ones(shape), 9 * matrix]).to(dtype), steps=5).float()
    assert both.shape == (2, *shape)
    found = both[1]
    turned = left.T @ found @ right.T  # diagonal: the singular vectors are those of the matrix
    assert ((turned.diagonal() > 0.6) & (turned.diagonal() < 1.3)).all()
    assert (turned - turned.diagonal().diag()).abs().max() < 0.05
    assert values.max() / values.min() > 1.5


def test_no_gradient_is_no_step():
    assert torch.equal(orthogonalise(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))
