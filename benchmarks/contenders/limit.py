"""The machine's limit: a large matrix product, and a large copy, at the rate that this device reaches in torch."""

import time

import torch
from contenders.common import Prepared, network, wait_for

from fashion.hardware.placement import choose_precision


def prepare(model: str, device: str) -> Prepared:
    precision = choose_precision("auto", network(model), torch.device(device))
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    size = 2048 if device == "cpu" else 8192
    a, b = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    product = torch.empty_like(a)
    source = torch.ones(2**26, device=device)  # 268 MB, more than a cache holds
    target = torch.empty_like(source)

    def seconds(function, repeats: int = 10) -> float:
        function()
        wait_for(device)
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        wait_for(device)
        return (time.perf_counter() - start) / repeats

    def train(steps: int) -> dict:
        return {
            "flop_per_second": 2 * size**3 / seconds(lambda: torch.mm(a, b, out=product)),
            "bytes_per_second": 2 * source.nbytes / seconds(lambda: target.copy_(source)),
        }

    return Prepared(train, {"torch": torch.__version__}, {"precision": precision})
