import pytest
import torch
from torch import nn

from fashion.muon import Muon, orthogonalise


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
    found = orthogonalise(matrix.to(dtype), steps=5).float()
    assert found.shape == matrix.shape
    turned = left.T @ found @ right.T  # diagonal: the singular vectors are those of the matrix
    assert ((turned.diagonal() > 0.6) & (turned.diagonal() < 1.3)).all()
    assert (turned - turned.diagonal().diag()).abs().max() < 0.05
    assert values.max() / values.min() > 1.5


def test_no_gradient_is_no_step():
    assert torch.equal(orthogonalise(torch.zeros(3, 4)), torch.zeros(3, 4))
