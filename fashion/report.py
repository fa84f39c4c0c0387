"""The README's generated parts, and the tables that the command line and the notebooks show."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from math import isnan
from pathlib import Path
from statistics import median

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from fashion import bench, plotting
from fashion.experiments import EXPERIMENTS, Experiment
from fashion.runs import Run, load, recorded
from fashion.settings import MODEL_LOGS, ROOT, FashionError
from fashion.statistics import mean_interval, paired_difference

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


def performance(folder: Path = bench.FOLDER) -> str:
    """Tabulate the contenders' times as benchmarks/results/speed/ has them, one section for each machine."""
    parts = []
    for path, results in bench.read("speed", folder / "results").items():
        rows = [_speed_row(model, name, result) for model, result in results.items() for name in _without_limit(result)]
        one = next(iter(results.values()))
        versions = {name: each for result in results.values() for name, each in _versions(result).items()}
        parts += [
            f"{one['hardware']}; {', '.join(f'{name} {version}' for name, version in versions.items())}; "
            + "; ".join(f"{model}: {_turns(result)}" for model, result in results.items())
            + ".",
            _markdown(rows),
            f"![seconds per epoch, by contender]({path.with_suffix('.png').relative_to(folder.parent).as_posix()})",
        ]
    return "\n\n".join(parts)


def choices(folder: Path = bench.FOLDER) -> str:
    """Tabulate what each choice in our own step is worth, as benchmarks/results/choices/ has it."""
    parts = []
    for results in bench.read("choices", folder / "results").values():
        rows = [
            {"step": name.removeprefix("choice:").replace("+", ", ")}
            | {model: _milliseconds(result, name) for model, result in results.items() if name in result["contenders"]}
            for name in bench.CHOICES
        ]
        parts += [f"{next(iter(results.values()))['hardware']}, milliseconds a step of 64:", _markdown(rows)]
    return "\n\n".join(parts)


def linear(folder: Path = bench.FOLDER) -> str:
    """Tabulate whether the cost of our loop grows linearly with images and epochs."""
    rows = []
    for results in bench.read("speed", folder / "results").values():
        for model, result in results.items():
            for size in result["linear"]:
                images = bench.images(size["steps"]) * size["epochs"]
                rows.append(
                    {
                        "network": model,
                        "images": f"{bench.images(size['steps']):,}",
                        "epochs": size["epochs"],
                        "microseconds per image": f"{1e6 * median(size['seconds']) / images:.2f}",
                        "hardware": result["hardware"],
                    }
                )
    return _markdown(rows)


def profile(folder: Path = bench.FOLDER) -> str:
    """Tabulate where a step's time goes, as benchmarks/results/profile/ has it."""
    rows = []
    for results in bench.read("profile", folder / "results").values():
        for model, result in results.items():
            for name, contender in result["contenders"].items():
                turns = contender["milliseconds"]
                parts = {part: f"{median(turn[part] for turn in turns):.2f}" for part in turns[0]}
                rows.append({"network": model, "loop": name.removeprefix("profile:"), **parts})
    return _markdown(rows)


def equivalence(folder: Path = bench.FOLDER) -> str:
    """Tabulate how far last-epoch accuracies move, in points, where the same seeds are run the fast way."""
    rows = []
    for arm in sorted((folder / "equivalence").glob("*/*_logs")):
        if arm.parent.name == "eager":
            continue
        eager, fast = (
            {run.seed: run for path in logs.glob("seed_*") if (run := load(path))}
            for logs in (folder / "equivalence" / "eager" / arm.name, arm)
        )
        mean, half = paired_difference(*({seed: run.accuracy for seed, run in runs.items()} for runs in (eager, fast)))
        one = next(iter(fast.values())).info
        rows.append(
            {
                "experiment": one["experiment"],
                "epochs": one["recipe"]["epochs"],
                "fast path": one["precision"],
                "seeds": seeds([run for seed, run in sorted(fast.items()) if seed in eager]),
                "eager fp32, %": percent(list(eager.values())),
                "fast, %": percent(list(fast.values())),
                "difference": f"{mean:+.2f} ± {half:.2f}",
                "hardware": one["hardware"],
            }
        )
    return _markdown(rows)


def write(readme: Path = README, logs: Path | str = MODEL_LOGS, benchmarks: Path = bench.FOLDER) -> list[Path]:
    """Draw every figure and write every table that records or measurements have changed; return the files."""
    texts = {path: _with_blocks(path, blocks) for path, blocks in _documents(readme, logs, benchmarks).items()}
    figures = [plotting.save(draw(), path, source) for path, source, draw in _figures(logs, benchmarks)]
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return [*figures, *texts]


def check(readme: Path = README, logs: Path | str = MODEL_LOGS, benchmarks: Path = bench.FOLDER) -> None:
    """Compare the tables and figures with the records and measurements.

    Raises:
        FashionError: one of them is stale or missing.
    """
    documents = _documents(readme, logs, benchmarks).items()
    stale = [path for path, blocks in documents if _read(path) != _with_blocks(path, blocks)]
    stale += [path for path, source, _ in _figures(logs, benchmarks) if _drawn_from(path) != source]
    if stale:
        raise FashionError(f"not as the records have it: {', '.join(map(str, stale))}; `fashion report` writes it anew")


def _documents(readme: Path, logs: Path | str, benchmarks: Path) -> dict[Path, dict[str, Callable[[], str]]]:
    """Say what goes between the markers of each document."""
    tables = {"choices": choices, "linear": linear, "profile": profile, "equivalence": equivalence}
    return {
        readme: {
            "results": lambda: _markdown(results(EXPERIMENTS.values(), logs)),
            "performance": partial(performance, benchmarks),
        },
        benchmarks / "README.md": {name: partial(table, benchmarks) for name, table in tables.items()},
    }


def _figures(logs: Path | str, benchmarks: Path) -> Iterator[tuple[Path, str, Callable[[], Figure]]]:
    """Yield each figure's path, the fingerprint of what it is drawn from, and the function that draws it."""
    for experiment in EXPERIMENTS.values():
        if runs := recorded(experiment, logs):
            for metric, path in zip(("accuracy", "loss"), plotting.curve_paths(experiment, logs), strict=True):
                yield path, plotting.digest(runs), partial(plotting.curves, experiment, runs, metric)
    for path, measured in bench.read("speed", benchmarks / "results").items():
        yield path.with_suffix(".png"), sha256(path.read_bytes()).hexdigest(), partial(plotting.speed, measured)


def _read(document: Path) -> str:
    if not document.exists():
        raise FashionError(f"{document} is missing: run this in a clone of the repository")
    return document.read_text(encoding="utf-8")


def _with_blocks(document: Path, blocks: dict[str, Callable[[], str]]) -> str:
    text = _read(document)
    for name, content in blocks.items():
        begin, end = f"<!-- {name}: written by `fashion report` -->", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise FashionError(f"{document} has no place for its {name}: it lacks {begin} or {end}")
        text = f"{before}{begin}\n{content()}\n{end}{after}"
    return text


def _markdown(rows: list[dict] | pd.DataFrame) -> str:
    return pd.DataFrame(rows).fillna("").to_markdown(index=False, disable_numparse=True)


def _speed_row(model: str, name: str, result: dict) -> dict:
    seconds, plain = (bench.epoch_seconds(result, each) for each in (name, "plain"))
    contender = result["contenders"][name]
    return {
        "network": model,
        "loop": f"{name}, {contender['precision']}" if "precision" in contender else name,
        "images/s": f"{bench.IMAGES / median(seconds):,.0f}",
        "s/epoch": f"{median(seconds):.3g}",
        "least to most": f"{min(seconds):.3g} to {max(seconds):.3g}",
        "times plain": f"{median(plain) / median(seconds):.2f}",
        "of the limit": f"{bench.limit_seconds(result) / median(seconds):.1%}",
        "peak memory, MB": f"{contender['peak_mb']:,.0f}",
        "first step, s": f"{contender['first_step_s']:.1f}",
    }


def _without_limit(result: dict) -> list[str]:
    return [name for name in result["contenders"] if name != "limit"]


def _versions(result: dict) -> dict[str, str]:
    return {"python": result["versions"]["python"]} | {
        name: version for each in result["contenders"].values() for name, version in each["versions"].items()
    }


def _turns(result: dict) -> str:
    rounds = len(result["contenders"]["ours"]["seconds"])
    size = "an epoch" if result["steps"] == bench.EPOCH else f"{result['steps']} minibatches of {bench.BATCH_SIZE}"
    return f"{rounds} turns of {size}"


def _milliseconds(result: dict, name: str) -> str:
    values = [1000 * seconds / result["steps"] for seconds in result["contenders"][name]["seconds"]]
    return f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def _drawn_from(figure: Path) -> str | None:
    if not figure.exists():
        return None
    with Image.open(figure) as image:
        return image.info.get("Source")
