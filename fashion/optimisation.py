"""The optimisers and schedules of the study, by name, and the average of the weights that they go through."""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fashion.recipes import Experiment, chosen
from fashion.settings import FashionError


class Muon(Optimizer):
    """SGD with Nesterov's momentum; `orthogonal` groups move by, roughly, the orthogonal matrix nearest to it.

    Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/, as in airbench94_muon of
    https://github.com/KellerJordan/cifar10-airbench. The weights of a convolution are a matrix of one filter a row.
    Before each step they are scaled to the norm of an orthogonal matrix of their shape, so that the learning rate is
    about the share of themselves by which they move, and weight decay would change nothing. It is meant for
    convolutions that a normalisation follows. `torch.optim.Muon` takes matrices alone.

    Args:
        groups: the weights: where `"orthogonal"` is true those of convolutions, elsewhere any.
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
            weights = [each for each in group["params"] if each.grad is not None]
            if weights:
                self._step(weights, group)

    def _step(self, weights: list[Tensor], group: dict) -> None:
        gradients = [each.grad for each in weights]
        for each in weights:
            if "momentum_buffer" not in self.state[each]:
                self.state[each]["momentum_buffer"] = torch.zeros_like(each)
        momenta = [self.state[each]["momentum_buffer"] for each in weights]
        if group["weight_decay"] and not group["orthogonal"]:
            gradients = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, gradients)
        directions = list(torch._foreach_add(gradients, momenta, alpha=group["momentum"]))
        if group["orthogonal"]:
            norms = torch._foreach_norm(weights)
            for each, norm in zip(weights, norms, strict=True):
                each.mul_(min(len(each), each[0].numel()) ** 0.5 / norm)
            directions = self._orthogonal(directions)
        torch._foreach_mul_(directions, group["lr"])
        torch._foreach_sub_(weights, directions)

    def _orthogonal(self, filters: list[Tensor]) -> list[Tensor]:
        """Orthogonalise filters, shape (M, N, height, width) each; those of one shape together."""
        shapes: dict[torch.Size, list[int]] = {}
        for index, each in enumerate(filters):
            shapes.setdefault(each.shape, []).append(index)
        for shape, members in shapes.items():
            # The columns of a matrix in the order of channels last, in which filters lie: any will do
            stacked = torch.stack([filters[index].movedim(1, 3).flatten(1) for index in members])
            found = orthogonalise(stacked.to(self.dtype)).view(-1, shape[0], *shape[2:], shape[1]).movedim(4, 2)
            for index, each in zip(members, found.to(filters[members[0]].dtype), strict=True):
                filters[index] = each
        return filters


def orthogonalise(matrices: Tensor, steps: int = 3) -> Tensor:
    """Bring the singular values of matrices, shape (B, M, N), near 1, and leave their singular vectors as they are.

    By a Newton-Schulz iteration whose polynomial is steep at 0: few steps take most singular values to between 0.7 and
    1.2, but not the smallest ones. Jordan et al., 2024.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    matrices = matrices.mT if tall else matrices
    matrices = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-7)
    for _ in range(steps):
        square = matrices @ matrices.mT
        square = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        matrices = torch.baddbmm(matrices, square, matrices, beta=3.4445)
    return matrices.mT if tall else matrices


def muon(groups: list[dict], recipe: Experiment, dtype: torch.dtype, rate: float) -> Muon:
    """Build Muon for the convolutions of several channels, with a rate of their own, and SGD for all other weights.

    Raises:
        FashionError: the recipe's momentum is not Nesterov's, as Muon's is, or there is no such convolution.
    """
    if not recipe.nesterov:
        raise FashionError(f"{recipe.name}: muon needs nesterov=True, since its momentum is Nesterov's")
    filters = [each for group in groups for each in group["params"] if each.ndim == 4 and each.shape[1] > 1]
    if not filters:
        raise FashionError(f"{recipe.model} has no convolution of more than one channel: leave out muon")
    taken = set(filters)
    others = [group | {"params": [each for each in group["params"] if each not in taken]} for group in groups]
    own = {"params": filters, "lr": rate, "momentum": 0.6, "orthogonal": True}
    return Muon([*others, own], lr=recipe.lr, momentum=recipe.momentum, dtype=dtype)


# Each entry builds an optimiser from (groups of weights with their "lr" and "weight_decay", recipe, dtype of matrix
# products) and the parameters that the recipe gives it.
OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda groups, recipe, _: SGD(groups, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True),
    "muon": muon,
}

# Each entry builds a scheduler from (optimiser, max_lr, total_steps); None keeps the rate constant.
SCHEDULES: dict[str, Callable[..., LRScheduler] | None] = {
    "constant": None,
    # Up from a tenth during the first fifth, then down to zero, in straight lines: Smith, https://arxiv.org/abs/1708.07120
    "one_cycle": partial(OneCycleLR, pct_start=0.2, anneal_strategy="linear", cycle_momentum=False, div_factor=10),
}


def build_optimiser(recipe: Experiment, network: nn.Module, dtype: torch.dtype = torch.float32) -> Optimizer:
    """Build the optimiser of a network on the device it trains on; its matrix products, if any, have a dtype.

    Raises:
        FashionError: there is no such optimiser, or it is not for this recipe or network.
    """
    make, parameters = chosen(recipe.optimiser, OPTIMISERS, "optimiser", "fashion/optimisation.py", given=3)
    weights = [each for each in network.parameters() if each.requires_grad]
    groups = [{"params": weights, "lr": recipe.lr, "weight_decay": recipe.weight_decay}]
    if recipe.weight_decay:
        decaying, others = ([each for each in weights if (each.ndim > 1) == decays] for decays in (True, False))
        groups = [groups[0] | {"params": decaying}, groups[0] | {"params": others, "weight_decay": 0.0}]
    optimiser = make(groups, recipe, dtype, *parameters)
    if weights[0].device.type == "cuda":
        _prepare_for_graphs(optimiser, weights[0].device, changes=recipe.schedule != "constant")
    return optimiser


def build_scheduler(recipe: Experiment, optimiser: Optimizer, steps: int) -> LRScheduler | None:
    """Build the schedule of an optimiser's learning rate over so many steps; None where it is constant.

    Raises:
        FashionError: there is no such schedule.
    """
    make, _ = chosen(recipe.schedule, SCHEDULES, "schedule", "fashion/optimisation.py")
    highest = [float(group["lr"]) for group in optimiser.param_groups]
    # A rise over a fifth of five steps has no length, by which OneCycleLR would divide.
    return make(optimiser, max_lr=highest, total_steps=max(steps, 6)) if make else None


def build_average(recipe: Experiment, network: nn.Module) -> AveragedModel | None:
    """Build the exponential average of a network's weights and of its batch normalisation; None without averaging."""
    if not recipe.averaging:
        return None
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging), use_buffers=True)


def _prepare_for_graphs(optimiser: Optimizer, device: torch.device, changes: bool) -> None:
    """Let a recorded CUDA graph find, in the same place each time, whatever changes from step to step."""
    for group in optimiser.param_groups:
        if "capturable" in group:  # where an optimiser counts its steps, it is to count them on the device
            group["capturable"] = True
        if changes:
            group["lr"] = torch.tensor(float(group["lr"]), device=device)
