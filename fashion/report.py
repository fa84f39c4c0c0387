"""The README's generated parts, and the tables that the command line and the notebooks show."""

import re
from collections.abc import Iterable
from math import isnan
from pathlib import Path
from statistics import median

import pandas as pd
from PIL import Image

from fashion import plotting
from fashion.experiments import EXPERIMENTS, Experiment
from fashion.runs import Run, recorded
from fashion.settings import MODEL_LOGS, ROOT, FashionError
from fashion.statistics import mean_interval

README = ROOT / "README.md"


def percent(runs: list[Run]) -> str:
    """Write the mean last-epoch accuracy in percent, from three seeds on with its 95% interval: `10.00 ± 0.00`."""
    if not runs:
        return ""
    mean, half = mean_interval([run.accuracy for run in runs])
    return f"{mean:.2f}" if len(runs) < 3 or isnan(half) else f"{mean:.2f} ± {half:.2f}"


def seeds(runs: list[Run]) -> str:
    """Write the seeds of runs as the command line takes them: `0-4`, or `0,2,5` where one is missing."""
    numbers = [run.seed for run in runs]
    gapless = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}-{numbers[-1]}" if gapless else ",".join(map(str, numbers))


def results(experiments: Iterable[Experiment], logs: Path | str = MODEL_LOGS, validation: bool = False) -> pd.DataFrame:
    """Tabulate the recorded runs of experiments, one row each; an experiment without any is left out.

    Accuracies are in percent, after the last epoch; seconds are the median over all epochs of all seeds.
    """
    rows = []
    for experiment in experiments:
        runs = recorded(experiment, logs, validation)
        if runs:
            seconds = [epoch.seconds for run in runs for epoch in run.history]
            rows.append(
                {
                    "experiment": experiment.name,
                    "published": "" if experiment.published is None else f"{experiment.published:.1f}",
                    "ours": percent(runs),
                    "n": len(runs),
                    "epochs": experiment.epochs,
                    "s/epoch": f"{median(seconds):.1f}",
                    "hardware": "; ".join(sorted({f"{run.info['hardware']}, {run.info['precision']}" for run in runs})),
                    "command": f"`fashion run {experiment.name} --seeds {seeds(runs)}`",
                }
            )
    return pd.DataFrame(rows)


def by_seed(groups: dict[str, list[Run]]) -> pd.DataFrame:
    """Tabulate last-epoch accuracies in percent: a row for each group of runs, a column for each seed, their mean."""
    table = pd.DataFrame({name: {f"seed {run.seed}": run.accuracy for run in runs} for name, runs in groups.items()}).T
    return table.assign(mean=table.mean(axis=1)).round(2)


def write(readme: Path = README, logs: Path | str = MODEL_LOGS) -> list[Path]:
    """Redraw the curves of every recorded experiment, write the README's table, and return the files written."""
    text = _read(readme)
    figures = [
        path
        for experiment in EXPERIMENTS.values()
        if (runs := recorded(experiment, logs))
        for path in plotting.save_curves(experiment, runs, logs)
    ]
    readme.write_text(_with_results(text, logs), encoding="utf-8")
    return [*figures, readme]


def check(readme: Path = README, logs: Path | str = MODEL_LOGS) -> None:
    """Compare the README's table and the curves with the records.

    Raises:
        FashionError: one of them is stale or missing.
    """
    stale = []
    text = _read(readme)
    if text != _with_results(text, logs):
        stale.append(readme)
    for experiment in EXPERIMENTS.values():
        if runs := recorded(experiment, logs):
            stale += [
                path for path in plotting.curve_paths(experiment, logs) if _drawn_from(path) != plotting.digest(runs)
            ]
    if stale:
        raise FashionError(f"not as the records have it: {', '.join(map(str, stale))}; `fashion report` writes it anew")


def _read(readme: Path) -> str:
    if not readme.exists():
        raise FashionError(f"{readme} is missing: run this in a clone of the repository")
    return readme.read_text(encoding="utf-8")


def _with_results(text: str, logs: Path | str) -> str:
    table = results(EXPERIMENTS.values(), logs).to_markdown(index=False, disable_numparse=True)
    begin, end = "<!-- results: written by `fashion report` -->", "<!-- /results -->"
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise FashionError(f"the README has no place for the table: it lacks {begin} or {end}")
    return pattern.sub(lambda _: f"{begin}\n{table}\n{end}", text)


def _drawn_from(figure: Path) -> str | None:
    if not figure.exists():
        return None
    with Image.open(figure) as image:
        return image.info.get("Source")
