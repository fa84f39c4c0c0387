"""Muon: SGD whose steps for convolutions are orthogonal matrices."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


class Muon(Optimizer):
    """SGD with Nesterov's momentum; `orthogonal` groups move by, roughly, the orthogonal matrix nearest to it.

    Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/, as in airbench94_muon of
    https://github.com/KellerJordan/cifar10-airbench. The weights of a convolution are a matrix of one filter a row.
    Before each step these weights are scaled to the norm of an orthogonal matrix of their shape, so that the learning
    rate is about the share of themselves by which they move, and weight decay would change nothing. It is meant for
    convolutions that a normalisation follows. `torch.optim.Muon` takes matrices alone.

    Args:
        groups: the weights: where `"orthogonal"` is true those of convolutions, elsewhere any, perhaps with a
            `"weight_decay"`.
        lr: the learning rate of groups that do not have their own.
        momentum: the share of the momentum that is kept at each step, likewise.
        dtype: of the matrix products.
    """

    def __init__(
        self, groups: Iterable[dict], lr: float | Tensor, momentum: float, dtype: torch.dtype = torch.bfloat16
    ):
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "orthogonal": False})
        self.dtype = dtype

    @torch.no_grad()
    def step(self) -> None:
        """Take one step for all weights that have a gradient."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    self._step(weights, group)

    def _step(self, weights: Tensor, group: dict) -> None:
        gradient, state = weights.grad, self.state[weights]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weights)
        if not group["orthogonal"]:
            gradient = gradient.add(weights, alpha=group["weight_decay"])
        momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        direction = gradient.add(momentum, alpha=group["momentum"])
        if group["orthogonal"]:
            matrix = orthogonalise(direction.flatten(1).to(self.dtype))
            weights.mul_(min(matrix.shape) ** 0.5 / weights.norm())
            direction = matrix.view_as(weights)
        weights.sub_(direction * group["lr"])


def orthogonalise(matrix: Tensor, steps: int = 3) -> Tensor:
    """Bring the singular values of a matrix near 1, and leave its singular vectors as they are.

    By a Newton-Schulz iteration whose polynomial is steep at 0: few steps take most singular values to between 0.7 and
    1.2, but not the smallest ones. Jordan et al., 2024.

    Args:
        matrix: shape (M, N).
        steps: of the iteration.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    matrix = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(steps):
        square = matrix @ matrix.T
        matrix = 3.4445 * matrix + (-4.7750 * square + 2.0315 * square @ square) @ matrix
    return matrix.T if tall else matrix
