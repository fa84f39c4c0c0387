"""Numbers of groups of runs: what tables and sentences are made of."""

from collections.abc import Sequence
from statistics import fmean

from fashion.runs.record import Run
from fashion.study.writing import duration, with_interval


def mean(runs: Sequence[Run], epoch: int = 0) -> float:
    """Return the mean accuracy of runs in percent after an epoch; 0 is the last."""
    return fmean(run.history[epoch - 1].test_accuracy for run in runs)


def spread(runs: Sequence[Run]) -> float:
    """Return how far the best of some runs ends above the worst, in points."""
    return max(run.accuracy for run in runs) - min(run.accuracy for run in runs)


def span(runs: Sequence[Run]) -> str:
    """Write where runs end: `between 18 and 74%`."""
    accuracies = [run.accuracy for run in runs]
    return f"between {min(accuracies):.0f} and {max(accuracies):.0f}%"


def paired(first: Sequence[Run], second: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Pair the runs of two recipes that have the same seed, in the order of the seeds."""
    others = {run.seed: run for run in second}
    return [(run, others[run.seed]) for run in first if run.seed in others]


def gaps(first: Sequence[Run], second: Sequence[Run], epoch: int = 0) -> list[float]:
    """List how far the second is above the first on each of their common seeds, in points, after an epoch."""
    return [mean([other], epoch) - mean([one], epoch) for one, other in paired(first, second)]


def difference(first: Sequence[Run], second: Sequence[Run], epoch: int = 0) -> str:
    """Write how far the second is above the first on their common seeds, in points, after an epoch: `+2.31 ± 0.44`."""
    found = gaps(first, second, epoch)
    return with_interval(found, "+.2f") if found else ""


def on_one_machine(runs: Sequence[Run]) -> list[Run]:
    """Return those of some runs whose seconds compare: alone if any ran alone, where and in the way that most did."""
    alone = [run for run in runs if run.record.together == 1]
    return max((each for _, each in by_machine(alone or runs)), key=len)


def by_machine(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """Group runs by hardware, company, precision and compilation, within which seconds compare; name what differs.

    That is the machine's short name, but where two share it, all of its hardware.
    """
    hardware = {run.record.machine: set() for run in runs}
    for run in runs:
        hardware[run.record.machine].add(run.record.provenance.hardware)
    groups: dict[tuple[str, str, bool], list[Run]] = {}
    for record, run in ((run.record, run) for run in runs):
        machine = record.machine if len(hardware[record.machine]) == 1 else record.provenance.hardware
        machine += f" {record.together} at once" * (record.together > 1)
        groups.setdefault((machine, record.precision, record.compiled), []).append(run)
    machines = [machine for machine, _, _ in groups]
    names = [m if machines.count(m) == 1 else f"{m} {p}{' compiled' * c}" for m, p, c in groups]
    return list(zip(names, groups.values(), strict=True))


def machine(runs: Sequence[Run]) -> str:
    """Return the short name of the machine that most of some runs ran on."""
    return on_one_machine(runs)[0].record.machine


def took(runs: Sequence[Run]) -> str:
    """Write how long some runs train on that machine, on average: `18 min`."""
    return duration(fmean(run.train_seconds for run in on_one_machine(runs)))
