"""Tables of the benchmarks' measurements, as the two READMEs show them."""

from itertools import chain
from pathlib import Path
from statistics import median

from fashion import bench
from fashion.runs import load
from fashion.statistics import paired_difference
from fashion.tables import markdown, percent, seeds


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
            markdown(rows),
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
            for name in dict.fromkeys(chain(*bench.CHOICES.values()))
            if any(name in result["contenders"] for result in results.values())
        ]
        parts += [f"{next(iter(results.values()))['hardware']}, milliseconds a step of 64:", markdown(rows)]
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
    return markdown(rows)


def profile(folder: Path = bench.FOLDER) -> str:
    """Tabulate where a step's time goes, as benchmarks/results/profile/ has it."""
    rows = []
    for results in bench.read("profile", folder / "results").values():
        for model, result in results.items():
            for name, contender in result["contenders"].items():
                turns = contender["milliseconds"]
                parts = {part: f"{median(turn[part] for turn in turns):.2f}" for part in turns[0]}
                rows.append(
                    {"network": model, "loop": name.removeprefix("profile:"), **parts, "hardware": result["hardware"]}
                )
    return markdown(rows)


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
    return markdown(rows)


def _speed_row(model: str, name: str, result: dict) -> dict:
    seconds, plain = (bench.epoch_seconds(result, each) for each in (name, "plain"))
    contender = result["contenders"][name]
    return {
        "network": model,
        "loop": ", ".join([*name.split(":"), *([contender["precision"]] if "precision" in contender else [])]),
        "images/s": f"{bench.IMAGES / median(seconds):,.0f}",
        "s/epoch": _three_digits(median(seconds)),
        "least to most": f"{_three_digits(min(seconds))} to {_three_digits(max(seconds))}",
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
    size = "an epoch" if result["steps"] == bench.EPOCH else f"{bench.BATCH_SIZE * result['steps']:,} images"
    return f"{rounds} turns of {size}"


def _milliseconds(result: dict, name: str) -> str:
    values = [1000 * seconds / result["steps"] for seconds in result["contenders"][name]["seconds"]]
    middle, least, most = map(_three_digits, (median(values), min(values), max(values)))
    return f"{middle} ({least} to {most})"


def _three_digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 1000 else f"{value:.3g}"
