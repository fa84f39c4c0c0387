"""Several seeds of one experiment at the same time, in one process."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from threading import Event

import torch

from fashion.data import Dataset
from fashion.experiments import Experiment
from fashion.history import Epoch
from fashion.runs.record import Run
from fashion.runs.running import Company, default_data, run
from fashion.settings import RUNS, FashionError, Paused, writable


def run_together(
    experiment: Experiment,
    seeds: Sequence[int],
    *,
    logs: Path | str = RUNS,
    data: tuple[Dataset, Dataset] | None = None,
    validation: bool = False,
    compile_model: bool = False,
    after_epoch: Callable[[int, list[Epoch]], object] = lambda seed, history: None,
    **options: object,
) -> list[Run]:
    """Train an experiment with each of several seeds, all at the same time, or load what is recorded, as `run` does.

    Each run has a thread, and on a CUDA device a stream, so that the device computes several minibatches side by side.
    Histories are those of runs alone, to the digit; seconds are longer, and the record says why. A network that draws
    random numbers as it trains, as dropout does, is not for it. Ten seeds are the most for a CUDA device: PyTorch has
    32 streams, of which a run takes three.

    `after_epoch` is called in the thread of a run, with its seed and the history so far; the rest is as in `run`.

    Raises:
        FashionError: the networks are to be compiled.
        Exception: what `run` raises. If one run fails, the others are trained to their end first.
    """
    options |= {"logs": logs, "validation": validation}
    if len(seeds) == 1:
        (seed,) = seeds
        tell = partial(after_epoch, seed)
        return [run(experiment, seed, data=data, compile_model=compile_model, after_epoch=tell, **options)]
    if compile_model:
        raise FashionError("networks are compiled one at a time: leave out --compile or --together")
    data = data or default_data(validation)
    device = data[0].images.device
    writable(Path(logs))  # a rehearsal makes its scratch folder, which is for all
    streams = [torch.cuda.Stream(device) if device.type == "cuda" else None for _ in seeds]
    for stream in filter(None, streams):
        stream.wait_stream(torch.cuda.current_stream(device))  # which may be loading the data still
    interrupted, threads = Event(), torch.get_num_threads()

    def train(seed: int, stream: torch.cuda.Stream | None) -> Run:
        torch.set_num_threads(threads)  # a new thread has PyTorch's default
        company, tell = Company(len(seeds), interrupted.is_set), partial(after_epoch, seed)
        try:
            with torch.cuda.stream(stream):
                return run(experiment, seed, data=data, company=company, after_epoch=tell, **options)
        except FloatingPointError as error:
            raise FloatingPointError(f"{experiment.name} seed {seed}, {error}") from None

    with ThreadPoolExecutor(len(seeds)) as pool:
        futures = [pool.submit(train, seed, stream) for seed, stream in zip(seeds, streams, strict=True)]
        try:
            wait(futures)
        except (KeyboardInterrupt, SystemExit):  # which the main thread alone gets
            interrupted.set()
            raise
    errors = [error for error in (future.exception() for future in futures) if error]
    if errors:
        raise min(errors, key=lambda error: isinstance(error, Paused))  # a failure before a pause
    return [future.result() for future in futures]
