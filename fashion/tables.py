"""Tables of recorded runs, as the README, the notebooks and the command line show them."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from fashion.experiments import Experiment
from fashion.probabilities import accuracy, ensemble, mirrored
from fashion.runs import Run, by_hardware, recorded
from fashion.settings import MODEL_LOGS
from fashion.statistics import McNemar, epochs_to, mcnemar, mean_interval


def with_interval(values: list[float], form: str = ".2f") -> str:
    """Write the mean of measurements, one a seed, from three on with its 95% t-interval: `10.00 ± 0.00`."""
    mean, half = mean_interval(values)
    return f"{mean:{form}} ± {half:.2f}" if len(values) >= 3 else f"{mean:{form}}"


def percent(runs: list[Run]) -> str:
    """Write the mean last-epoch accuracy in percent, from three seeds on with its 95% interval: `10.00 ± 0.00`."""
    return with_interval([run.accuracy for run in runs]) if runs else ""


def seeds(runs: list[Run]) -> str:
    """Write the seeds of runs as the command line takes them: `0-4`, or `0,2,5` where one is missing."""
    numbers = [run.seed for run in runs]
    gapless = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}-{numbers[-1]}" if gapless else ",".join(map(str, numbers))


def results(experiments: Iterable[Experiment], logs: Path | str = MODEL_LOGS, validation: bool = False) -> pd.DataFrame:
    """Tabulate the recorded runs of experiments, one row each; one that is neither recorded nor published is left out.

    Accuracies are in percent, after the last epoch; the gap is ours minus the published one, in points; seconds are
    the median over all epochs of all seeds, one number for each hardware, in the same order.
    """
    rows = []
    for experiment in experiments:
        runs = recorded(experiment, logs, validation)
        if runs or experiment.published is not None:
            machines = by_hardware(runs).values()
            seconds = [median(epoch.seconds for run in each for epoch in run.history) for each in machines]
            rows.append(
                {
                    "experiment": experiment.name,
                    "published": "" if experiment.published is None else f"{experiment.published:.1f}",
                    "ours": percent(runs),
                    "gap": _gap(experiment, runs),
                    "n": len(runs),
                    "epochs": experiment.epochs,
                    "s/epoch": "; ".join(f"{each:.1f}" for each in seconds),
                    "hardware": _hardware(runs),
                    "command": f"`fashion run {experiment.name} --seeds {seeds(runs) or '0-4'}`",
                }
            )
    table = pd.DataFrame(rows)
    return table.loc[:, (table != "").any()]


def agreement(experiments: Iterable[Experiment], logs: Path | str = MODEL_LOGS) -> str:
    """Say for which published experiments the published accuracy lies within our 95% interval, and for which not."""
    rows: dict[str, list[str]] = {"within": [], "outside": [], "too few": []}
    for experiment in experiments:
        accuracies = [run.accuracy for run in recorded(experiment, logs)]
        place = "too few"
        if len(accuracies) >= 3:
            mean, half = mean_interval(accuracies)
            place = "within" if abs(mean - experiment.published) <= half else "outside"
        rows[place].append(f"`{experiment.name}`")
    within, outside, few = (", ".join(names) or "none" for names in rows.values())
    text = f"The published accuracy lies within our interval: {within}. It lies outside: {outside}."
    return text + (f" Too few seeds for an interval: {few}." if rows["too few"] else "")


def by_seed(groups: dict[str, list[Run]]) -> pd.DataFrame:
    """Tabulate last-epoch accuracies in percent: a row for each group of runs, a column for each seed, their mean."""
    table = pd.DataFrame({name: {f"seed {run.seed}": run.accuracy for run in runs} for name, runs in groups.items()}).T
    return table.assign(mean=table.mean(axis=1)).round(2)


def reach(
    groups: dict[str, list[Run]], thresholds: Iterable[float] = (85, 90), epochs: int | None = None
) -> pd.DataFrame:
    """Tabulate how many epochs groups of runs need to a test accuracy, one row each: `3.40 ± 0.68 (5 of 5)`.

    The mean is over the seeds that get there, which are counted beside it; its interval is shown from three on.

    Args:
        groups: runs of one recipe by name; one without runs is left out.
        thresholds: in percent.
        epochs: look at the first so many only. Default: all.
    """
    rows = []
    for name, runs in groups.items():
        if runs:
            accuracies = [[epoch.test_accuracy for epoch in run.history[:epochs]] for run in runs]
            last = [values[-1] for values in accuracies]
            row = {"recipe": name, "n": len(runs)}
            row |= {f"epochs to {level:g}%": _epochs_to(accuracies, level) for level in thresholds}
            rows.append(row | {f"after {len(accuracies[0])} epochs, %": with_interval(last)})
    return pd.DataFrame(rows)


def compare(pairs: dict[str, tuple[list[Run], list[Run]]], labels: np.ndarray) -> pd.DataFrame:
    """Tabulate how far pairs of groups of runs differ after the last epoch, on their common seeds; one row each.

    "only first" and "only second" count the test images that just one of the two has right, one number a seed, and p is
    McNemar's: the probability of a split at least this uneven if both networks were equally good.

    Args:
        pairs: first and second by name; a pair without a common seed is left out.
        labels: the actual classes of the test images, shape (N,).
    """
    rows = []
    for name, groups in pairs.items():
        first, second = ({run.seed: run for run in runs} for runs in groups)
        common = sorted(first.keys() & second.keys())
        if common:
            tests = [mcnemar(labels, first[seed].predictions, second[seed].predictions) for seed in common]
            rows.append(
                {
                    "first, second": name,
                    "n": len(common),
                    "second - first, points": with_interval(
                        [second[seed].accuracy - first[seed].accuracy for seed in common], "+.2f"
                    ),
                    "only first": ", ".join(str(test.first_only) for test in tests),
                    "only second": ", ".join(str(test.second_only) for test in tests),
                    "p": ", ".join(map(_p, tests)),
                }
            )
    return pd.DataFrame(rows)


def times(experiments: Iterable[Experiment], labels: np.ndarray, logs: Path | str = MODEL_LOGS) -> pd.DataFrame:
    """Tabulate how long recorded experiments train and how accurate they are then; one without a record is left out.

    Seconds are of training alone, without imports, loading and tests, with a mean for each hardware, in the same order;
    accuracies in percent after the last epoch, once from each image as it is, and once averaged with its mirror image.
    Means over n seeds, with intervals from three on; "ensemble" is one number, of the probabilities of all seeds and
    both images averaged.

    Args:
        experiments: whose runs keep outputs.
        labels: the actual classes of the test images, shape (N,).
        logs: the folder of the record.
    """
    rows = []
    for experiment in experiments:
        if runs := recorded(experiment, logs):
            rows.append(
                {
                    "experiment": experiment.name,
                    "network": experiment.model,
                    "epochs": experiment.epochs,
                    "seconds": "; ".join(
                        with_interval([run.info["train_seconds"] for run in each], ".1f")
                        for each in by_hardware(runs).values()
                    ),
                    "accuracy": percent(runs),
                    "with mirror images": with_interval([accuracy(mirrored(run), labels) for run in runs]),
                    "ensemble": f"{accuracy(ensemble(runs), labels):.2f}" if len(runs) > 1 else "",
                    "n": len(runs),
                    "hardware": _hardware(runs),
                    "command": f"`fashion run {experiment.name} --seeds {seeds(runs)}`",
                }
            )
    return pd.DataFrame(rows)


def ablations(
    base: Experiment, changed: dict[str, Experiment], labels: np.ndarray, logs: Path | str = MODEL_LOGS
) -> pd.DataFrame:
    """Tabulate what changes to a recipe do to its accuracy on the validation split: in percent, and as gaps in points.

    A gap is the mean over the seeds that both have; p is McNemar's, one number a seed: the probability of a split at
    least this uneven if both networks were equally good.

    Args:
        base: the recipe.
        changed: by what was changed about it; one that is not recorded is left out.
        labels: the actual classes of the images of the validation split, shape (N,).
        logs: the folder of the record.
    """
    groups = {title: recorded(each, logs, True) for title, each in {f"`{base.name}`": base, **changed}.items()}
    first = {run.seed: run for run in groups[f"`{base.name}`"]}
    rows = []
    for title, runs in groups.items():
        if runs:
            pairs = [(first[run.seed], run) for run in runs if run is not first.get(run.seed, run)]
            gaps = [run.accuracy - other.accuracy for other, run in pairs]
            tests = [mcnemar(labels, other.predictions, run.predictions) for other, run in pairs]
            rows.append(
                {
                    "recipe": title,
                    "validation": percent(runs),
                    "gap": with_interval(gaps, "+.2f") if gaps else "",
                    "p": ", ".join(map(_p, tests)),
                    "n": len(runs),
                    "train": with_interval([run.history[-1].train_accuracy for run in runs]),
                }
            )
    return pd.DataFrame(rows)


def _p(test: McNemar) -> str:
    return f"{test.p:.2g}" if test.p else "< 1e-300"


def markdown(rows: list[dict] | pd.DataFrame) -> str:
    """Write a table in Markdown."""
    return pd.DataFrame(rows).astype(object).fillna("").to_markdown(index=False, disable_numparse=True)


def _hardware(runs: list[Run]) -> str:
    """Name what runs ran on, and where that is not one thing, which seeds ran on each."""
    groups = by_hardware(runs)
    if len(groups) == 1:
        return next(iter(groups))
    return "; ".join(f"{name} (seed{'s' * (len(each) > 1)} {seeds(each)})" for name, each in groups.items())


def _epochs_to(accuracies: list[list[float]], threshold: float) -> str:
    found = [epochs_to(values, threshold) for values in accuracies]
    there = [epoch for epoch in found if epoch is not None]
    mean = with_interval(there) + " " if there else ""
    return f"{mean}({len(there)} of {len(found)})"


def _gap(experiment: Experiment, runs: list[Run]) -> str:
    if not runs or experiment.published is None:
        return ""
    return f"{mean_interval([run.accuracy for run in runs])[0] - experiment.published:+.2f}"
