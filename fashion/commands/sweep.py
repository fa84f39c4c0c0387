"""`fashion sweep`: a grid of runs, each in a process of its own, on this machine or on a cluster.

submitit (https://github.com/facebookincubator/submitit) starts the processes, and requeues those whose time is up.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashion.commands.jobs import Code, Job
from fashion.commands.terminal import (
    Data,
    Epochs,
    Logs,
    Names,
    Precision,
    Seeds,
    Validation,
    named,
    numbers,
    print_table,
    tell_of_rehearsal,
)
from fashion.experiments import Experiment
from fashion.settings import RUNS, FashionError, cores, writable

if TYPE_CHECKING:
    import submitit

_NO_LIMIT = 60 * 24 * 365  # minutes
_REQUEUED = 1000  # times, at most, by a time limit


class Where(str, Enum):
    """What starts the processes of a sweep."""

    LOCAL = "local"
    SLURM = "slurm"


def sweep_command(
    names: Names,
    seeds: Seeds = "0-4",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time. Default: one a GPU, else one a core; on Slurm, all.")
    ] = None,
    executor: Annotated[Where, typer.Option(help="Processes of this machine, or jobs of a cluster.")] = Where.LOCAL,
    minutes: Annotated[int, typer.Option(min=1, help="Time limit of a job on Slurm, which then requeues it.")] = 60,
    print_commands: Annotated[
        bool, typer.Option("--print", help="Print the commands of the runs, a line each.")
    ] = False,
    epochs: Epochs = None,
    data: Data = None,
    logs: Logs = RUNS,
    validation: Validation = False,
    precision: Precision = "auto",
) -> None:
    """Train a grid of experiments and seeds, several runs at a time; needs the extra "sweep".

    What is recorded is skipped. A run that fails is tried once more, and the others go on; one that is stopped goes on
    from its last checkpoint when the same command is given. Slurm's own options are read from its variables, such as
    SBATCH_PARTITION and SBATCH_GPUS; the folder of the runs has to be one that its nodes share.
    """
    # On a rehearsal, a scratch folder for all processes; a command finds its own
    folder = logs.absolute() if print_commands else writable(logs)
    data = data and data.absolute()
    experiments = [named(name, epochs) for name in dict.fromkeys(names)]
    grid = [Job(each, seed, folder, validation, data, precision) for each in experiments for seed in numbers(seeds)]
    from fashion.runs.refusals import require_free

    for experiment in experiments:
        require_free(experiment, numbers(seeds), folder, validation)
    found = {job: run for job in grid if (run := job.recorded())}
    missing = [job for job in grid if job not in found]
    if print_commands:
        for job in missing:
            typer.echo(job.command)
        if not missing:
            typer.echo(f"fashion: {len(grid)} runs, all recorded", err=True)
        return
    for job, run in found.items():
        typer.echo(f"{job.title}  recorded already, {run.accuracy:.2f}%")
    failed = _train(missing, executor, workers, minutes) if missing else {}
    _show(experiments, grid, failed)
    if failed:
        raise typer.Exit(1)


def _train(missing: list[Job], where: Where, workers: int | None, minutes: int) -> dict[Job, Path]:
    """Train the runs of jobs, and tell; return the logs of those that failed twice."""
    logs, data = missing[0].logs, missing[0].data
    executor = _executor(where, logs, minutes, workers)

    from fashion.data import load_data
    from fashion.hardware.placement import choose_device

    load_data(data)  # what is wrong with it is said once, and not by every process
    gpus, share = [], None
    if where is Where.LOCAL:
        device = choose_device().type
        gpus = _gpus() if device == "cuda" else []
        workers = min(workers or len(gpus) or (cores() if device == "cpu" else 1), len(missing))
        share = max(1, cores() // workers)
    _let_processes_be_interrupted()
    code = Code.here()
    jobs = {replace(job, code=code, cores=share): job for job in missing}
    at_a_time = workers if where is Where.LOCAL else len(jobs)  # Slurm itself holds the others back
    typer.echo(
        f"{len(jobs)} run{'s' * (len(jobs) > 1)} to train, {workers or 'all'} at a time; logs in {executor.folder}"
    )
    failed = _run_all(list(jobs), executor.submit_array, at_a_time, gpus)
    return {jobs[job]: path for job, path in failed.items()}


def _executor(where: Where, logs: Path, minutes: int, workers: int | None) -> "submitit.AutoExecutor":
    """Return what starts processes; their logs lie beside the runs, in a folder that every node can see.

    Raises:
        FashionError: the extra is not installed, there is no Slurm, or it keeps no accounts.
    """
    try:
        import submitit
    except ImportError as error:
        raise FashionError(f'{error.name} is not installed: pip install -e ".[sweep]"; --print does without') from error
    from fashion.runs.refusals import require_writable

    require_writable(logs / "sweep")
    # A folder of its own: a number of a process, by which submitit calls its files, comes again
    folder = Path(tempfile.mkdtemp(prefix=time.strftime("%Y-%m-%d_%H%M%S_"), dir=logs / "sweep"))
    try:
        executor = submitit.AutoExecutor(folder, cluster=where.value, slurm_max_num_timeout=_REQUEUED)
    except RuntimeError as error:
        raise FashionError(f"there is no Slurm here: {error}") from error
    if where is Where.LOCAL:
        executor.update_parameters(timeout_min=_NO_LIMIT, stderr_to_stdout=True)
    else:
        if subprocess.run(["sacct", "--noheader"], capture_output=True).returncode:  # noqa: S607 - the cluster's own
            raise FashionError("this Slurm keeps no accounts, which tell how a job ended (sacct fails): use --print")
        executor.update_parameters(
            name="fashion", timeout_min=minutes, stderr_to_stdout=True, slurm_array_parallelism=workers
        )
    return executor


def _let_processes_be_interrupted() -> None:
    """Let SIGINT, by which submitit stops a process, reach those of a sweep that a script runs in the background.

    Its shell lets the sweep ignore that signal, and processes would inherit it; of a handler they inherit nothing.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)


def _gpus() -> list[str]:
    import torch

    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return chosen.split(",") if chosen else [str(number) for number in range(torch.cuda.device_count())]


def _run_all(
    jobs: list[Job], submit: Callable[[list[Job]], list["submitit.Job"]], at_a_time: int, gpus: list[str]
) -> dict[Job, Path]:
    """Submit jobs, so many at a time, and each that fails once more; return the logs of those that failed twice."""
    waiting, running, again, failed = deque(jobs), {}, set(), {}
    done = 0
    try:
        while waiting or running:
            begun = []
            while waiting and len(running) + len(begun) < at_a_time:
                taken = [job.gpu for job in (*running, *begun)]
                begun.append(replace(waiting.popleft(), gpu=min(gpus, key=taken.count) if gpus else None))
            if begun:
                running |= zip(begun, submit(begun), strict=True)
            for job, process in [each for each in running.items() if each[1].done()]:
                del running[job]
                log, why = process.paths.stdout, _why_it_failed(job, process)
                if why and job not in again:
                    again.add(job)
                    waiting.append(job)
                    typer.echo(f"{job.title}  failed, and is tried once more: {why}; log: {log}")
                    continue
                done += 1
                if why:
                    failed[job] = log
                result = f"failed: {why}; log: {log}" if why else f"{job.recorded().accuracy:.2f}%"
                typer.echo(f"{job.title}  {result}  ({done} of {len(jobs)})")
            time.sleep(0.2)
    except (KeyboardInterrupt, SystemExit):
        for process in running.values():
            process.cancel(check=False)
        raise
    return failed


def _why_it_failed(job: Job, process: "submitit.Job") -> str:
    """Say in a line why a process that has ended failed; nothing if it recorded its run."""
    from submitit.core.utils import FailedJobError

    error = process.exception()
    if isinstance(error, FailedJobError):
        trace = str(error).split("-" * 22)[1].strip()
        return re.sub(r"^fashion\.[\w.]+: ", "", trace.splitlines()[-1])  # the name of a refusal
    if not process.paths.stdout.exists():
        return f"it left no log: the nodes have to share {process.paths.folder}"
    if error:
        return f"it ended without a result ({process.state})"
    return "" if job.recorded() else f"it left no record: the nodes have to share {job.logs}"


def _show(experiments: list[Experiment], grid: list[Job], failed: dict[Job, Path]) -> None:
    from fashion.study.writing import percent, seed_list

    rows = []
    for experiment in experiments:
        jobs = [job for job in grid if job.experiment == experiment]
        runs = [run for job in jobs if (run := job.recorded())]
        rows.append(
            {
                "experiment": experiment.name,
                "epochs": experiment.epochs,
                "seeds": seed_list(runs) if runs else "",
                f"{'validation' if grid[0].validation else 'test'}, %": percent(runs),
                "failed seeds": ",".join(str(job.seed) for job in jobs if job in failed),
            }
        )
    print_table(rows)
    tell_of_rehearsal()
    if failed:
        typer.echo("\nFailed twice:")
    for job, path in failed.items():
        typer.echo(f"  {job.title}, log: {path}")
