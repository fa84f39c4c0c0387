"""Tables of runs, as the README, the notebooks and the command line show them."""

from collections.abc import Iterable, Mapping
from statistics import fmean, median

import numpy as np
import pandas as pd

from fashion.estimates import McNemar, epochs_to, mcnemar
from fashion.experiments import Experiment
from fashion.runs.record import Run, short_name
from fashion.study.measures import by_machine, difference, on_one_machine, paired
from fashion.study.probabilities import accuracy, calibrated_loss, ensemble, mirrored
from fashion.study.writing import choice_in_words, one_more, percent, with_interval


def results(groups: Mapping[Experiment, list[Run]]) -> pd.DataFrame:
    """Tabulate runs of experiments, one row each; one that has neither runs nor a published accuracy is left out.

    Accuracies are in percent, after the last epoch; the gap is the mean of ours minus the published one, in points;
    "one more run" is where 95% of further runs would end. Seconds are medians over the epochs on each machine.
    """
    rows = [
        {
            "experiment": experiment.name,
            "published": "" if experiment.published is None else f"{experiment.published:.1f}",
            "ours": percent(runs),
            "gap": ""
            if experiment.published is None or not runs
            else f"{fmean(run.accuracy for run in runs) - experiment.published:+.2f}",
            "one more run": one_more(runs),
            "n": len(runs),
            "epochs": experiment.epochs,
            "s/epoch": _seconds(runs),
        }
        for experiment, runs in groups.items()
        if runs or experiment.published is not None
    ]
    table = pd.DataFrame(rows)
    return table.loc[:, (table != "").any()]


def ends(groups: Mapping[str, list[Run]]) -> list[dict]:
    """Tabulate how groups of runs end, one row each: accuracies in percent, seconds as in `results`."""
    return [
        {
            "experiment": name,
            "n": len(runs),
            "epochs": runs[0].record.experiment.epochs,
            f"{runs[0].record.evaluated_on}, %": percent(runs),
            "s/epoch": _seconds(runs),
        }
        for name, runs in groups.items()
    ]


def by_seed(groups: Mapping[str, list[Run]]) -> pd.DataFrame:
    """Tabulate last-epoch accuracies in percent: a row for each group of runs, a column for each seed, their mean."""
    table = pd.DataFrame({name: {f"seed {run.seed}": run.accuracy for run in runs} for name, runs in groups.items()}).T
    return table.assign(mean=table.mean(axis=1)).round(2)


def reach(
    groups: Mapping[str, list[Run]], thresholds: Iterable[float] = (85, 90), epochs: int | None = None
) -> pd.DataFrame:
    """Tabulate how many epochs groups of runs need to a test accuracy, one row each: `3.40 ± 0.68 (5 of 5)`.

    The mean is over the seeds that get there, which are counted beside it; its interval is shown from three on. A
    group without runs is left out; thresholds are in percent; of each history only the first `epochs` count.
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


def compare(pairs: Mapping[str, tuple[list[Run], list[Run]]], labels: np.ndarray) -> pd.DataFrame:
    """Tabulate how far pairs of groups of runs differ after the last epoch, on their common seeds; one row each.

    "only first" and "only second" count the images that just one of the two has right, one number a seed, and p is
    McNemar's: the probability of a split at least this uneven if both networks were equally good. `labels` are the
    actual classes of the images, shape (N,).
    """
    return pd.DataFrame(
        {
            "first, second": name,
            "n": len(tests),
            "second - first, points": difference(first, second),
            "only first": ", ".join(str(test.first_only) for test in tests),
            "only second": ", ".join(str(test.second_only) for test in tests),
            "p": ", ".join(map(_p, tests)),
        }
        for name, (first, second) in pairs.items()
        if (tests := _tests(first, second, labels))
    )


def recipes(experiments: Iterable[Experiment]) -> pd.DataFrame:
    """Tabulate what recipes set: a row for each setting that one of them has, a column for each experiment."""
    titles, recipes = zip(*((each.name, each.recipe) for each in experiments), strict=True)
    names = [name for name in recipes[0] if any(recipe[name] for recipe in recipes)]
    rows = ([name, *(_setting(name, recipe[name]) for recipe in recipes)] for name in names)
    return pd.DataFrame(rows, columns=["setting", *titles])


def times(rows: Iterable[tuple[Experiment, list[Run]]], labels: np.ndarray) -> pd.DataFrame:
    """Tabulate how long experiments train and how accurate they are then, one row for each machine.

    Seconds are of training alone, without imports, loading and tests; accuracies in percent after the last epoch, once
    from each image as it is, and once averaged with its mirror image; `labels` are the actual classes, shape (N,).
    Means over n seeds, with intervals from three on; "ensemble" is one number, of the probabilities of all seeds and
    both images averaged.
    """
    return pd.DataFrame(
        {
            "experiment": experiment.name,
            "network": experiment.model,
            "epochs": experiment.epochs,
            "seconds": with_interval([run.train_seconds for run in each], ".1f"),
            "accuracy": percent(each),
            "with mirror images": with_interval([accuracy(mirrored(run), labels) for run in each]),
            "ensemble": f"{accuracy(ensemble(each), labels):.2f}" if len(each) > 1 else "",
            "n": len(each),
            "machine": machine,
        }
        for experiment, runs in rows
        for machine, each in by_machine(runs)
    )


def ablations(groups: Mapping[str, list[Run]], labels: np.ndarray) -> pd.DataFrame:
    """Tabulate what changes to a recipe do to its accuracy on the validation split: in percent, and as gaps in points.

    The first group has the recipe's own runs. A gap is the mean over the seeds that both have; `labels` are the actual
    classes of the images of the validation split, shape (N,). Where all runs keep their outputs, the loss is the cross
    entropy at the temperature that is best for each of them.
    """
    base = next(iter(groups.values()))
    keep = all(run.outputs is not None for runs in groups.values() for run in runs)
    return pd.DataFrame(
        {
            "recipe": title,
            "validation": percent(runs),
            "gap": difference(base, runs) if runs is not base else "",
            **(_losses(base, runs, labels) if keep else {}),
            "n": len(runs),
            "train": with_interval([run.history[-1].train_accuracy for run in runs]),
        }
        for title, runs in groups.items()
        if runs
    )


def _losses(base: list[Run], runs: list[Run], labels: np.ndarray) -> dict[str, str]:
    pairs = paired(base, runs)
    gaps = [calibrated_loss(run, labels) - calibrated_loss(own, labels) for own, run in pairs]
    return {
        "loss": f"{fmean(calibrated_loss(run, labels) for run in runs):.4f}",
        "gap in loss": with_interval(gaps, "+.4f") if runs is not base and gaps else "",
    }


def trials(groups: Mapping[Experiment, list[Run]], labels: np.ndarray) -> pd.DataFrame:
    """Tabulate what was tried on the validation split, one row each: how it differs from the first, and what it gained.

    Accuracies in percent, of images as they are and averaged with their mirror images; the loss is the cross entropy at
    the best temperature; seconds are of training, without teachers. Means over n seeds; `labels` are the actual classes
    of the images of the validation split, shape (N,).
    """
    base = next(iter(groups)).recipe
    return pd.DataFrame(
        {
            "trial": experiment.name,
            "what differs": "; ".join(
                f"{name.replace('_', ' ')} {_setting(name, value)}"
                for name, value in experiment.recipe.items()
                if value != base[name]
            ),
            "validation": percent(runs),
            "with mirror images": with_interval([accuracy(mirrored(run), labels) for run in runs]),
            "loss": f"{fmean(calibrated_loss(run, labels) for run in runs):.4f}",
            "seconds": f"{fmean(run.train_seconds for run in on_one_machine(runs)):.1f}",
            "machine": on_one_machine(runs)[0].record.machine,
            "n": len(runs),
        }
        for experiment, runs in groups.items()
    )


def machines(runs: Iterable[Run]) -> str:
    """Explain the short names of the machines that runs ran on: "Xeon: Intel(R) Xeon(R) Processor (AMX), 2 threads"."""
    found: dict[str, dict[str, None]] = {}
    for hardware in (each for run in runs for each in run.record.provenance.hardware.split(", then ")):
        found.setdefault(short_name(hardware), {})[hardware] = None
    return "; ".join(f"**{name}**: {' or '.join(found[name])}" for name in sorted(found))


def markdown(rows: list[dict] | pd.DataFrame) -> str:
    """Write a table in Markdown."""
    return pd.DataFrame(rows).astype(object).fillna("").to_markdown(index=False, disable_numparse=True)


def _seconds(runs: list[Run]) -> str:
    """Write the median seconds of an epoch on each machine: `80 Xeon, 1.3 H200`."""
    medians = {name: median(epoch.seconds for run in each for epoch in run.history) for name, each in by_machine(runs)}
    return ", ".join(f"{value:.{'1' if value < 10 else '0'}f} {name}" for name, value in medians.items())


def _setting(name: str, value: object) -> str:
    """Write a setting of a recipe: `flip, cutout 8`."""
    if name == "teacher":
        return choice_in_words((value[0].name, *value[1:])) if value else "none"
    if isinstance(value, tuple) and name != "optimiser":
        return ", ".join(map(choice_in_words, value)) or "none"
    return choice_in_words(value) if name == "optimiser" else str(value)


def _tests(first: list[Run], second: list[Run], labels: np.ndarray) -> list[McNemar]:
    return [mcnemar(labels, one.predictions, other.predictions) for one, other in paired(first, second)]


def _p(test: McNemar) -> str:
    return f"{test.p:.2g}" if test.p else "< 1e-300"


def _epochs_to(accuracies: list[list[float]], threshold: float) -> str:
    found = [epochs_to(values, threshold) for values in accuracies]
    there = [epoch for epoch in found if epoch is not None]
    mean = with_interval(there) + " " if there else ""
    return f"{mean}({len(there)} of {len(found)})"
