"""Tables of the measurements, as README.md and benchmarks/README.md show them."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import measurements
from fashion.runs.record import read_runs
from fashion.study.measures import difference, paired
from fashion.study.tables import markdown
from fashion.study.writing import percent, seed_list

# In the folder of the benchmarks
SPEED, FIGURE, THREADS = Path("results", "speed"), Path("results", "speed.png"), Path("results", "threads.json")
ARCHIVE = Path("archive", "results")

_V1, _BN, _FAST = "NeuralNetwork_v1", "NeuralNetwork_v1_5_5_BN", "FastNetwork_32"

# What is shown of the choices in our own step: its name, a network, and the step without and with it in the archive.
CHOICES = (
    ("fused optimiser", _BN, "eager", "fused"),
    ("freed memory kept", _BN, "fused", "fused+kept"),
    ("stacked convolutions", _V1, "fused+kept", "fused+kept+stacked"),
    ("short convolutions", "resnet18", "fused+kept", "fused+kept+short"),
    ("channels last", "resnet18", "fused+kept", "fused+kept+channels-last"),
    ("channels last", _BN, "fused+kept", "fused+kept+channels-last"),
    ("channels last", _FAST, "fused+kept", "fused+kept+channels-last"),
    ("bf16", _BN, "fused+kept+channels-last", "fused+kept+channels-last+bf16"),
    ("bf16", _FAST, "fused+kept+channels-last", "fused+kept+channels-last+bf16"),
    ("bf16", "resnet18", "fused+kept+short", "fused+kept+short+bf16"),
    ("bf16", _V1, "fused+kept+channels-last", "fused+kept+channels-last+bf16"),
    ("flatten", _BN, "fused+kept+channels-last+bf16", "fused+kept+channels-last+bf16+flatten"),
    ("flatten", _FAST, "fused+kept+channels-last+bf16", "fused+kept+channels-last+bf16+flatten"),
    ("torch.compile", _BN, "fused+kept+channels-last", "fused+kept+channels-last+compile"),
    ("torch.compile", _FAST, "fused+kept+channels-last", "fused+kept+channels-last+compile"),
)
_OTHERS = {"plain": "plain", "Lightning": "lightning", "fastai": "fastai"}


def answer(folder: Path = measurements.FOLDER) -> str:
    """Say in a sentence how fast our loop is, on each machine."""
    parts = []
    for machine, results in measurements.read_compared(folder / SPEED).items():
        times = [medians["plain"] / medians["ours"] for medians in map(measurements.epoch_medians, results.values())]
        ends = dict.fromkeys(f"{value:.1f}" for value in (min(times), max(times)))
        parts.append(f"{' to '.join(ends)} times on the {machine}")
    listed = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
    return f"Our training loop reaches {listed.replace('times', 'times the speed of plain PyTorch', 1)}."


def performance(folder: Path = measurements.FOLDER) -> str:
    """Tabulate our loop beside the others, a row for each network and machine, and explain the machines' names."""
    measured = measurements.read_compared(folder / SPEED)
    rows = [
        {
            "network": short(model),
            "machine": machine,
            "s/epoch": _ours(result),
            **{f"× {title}": _times(result, name) for title, name in _OTHERS.items()},  # noqa: RUF001
            "of limit": f"{_of_limit(result):.1%}",
        }
        for model, machine, result in _by_network(measured)
    ]
    figure = (folder / FIGURE).relative_to(folder.parent).as_posix()
    image = f"![speed of each training loop, by network and machine]({figure})"
    return "\n\n".join([answer(folder), markdown(rows), _where(measured), image])


def contenders(folder: Path = measurements.FOLDER) -> str:
    """Tabulate all that was measured of each contender, and name the commits whose code was measured."""
    measured = measurements.read_compared(folder / SPEED)
    rows = [
        _contender_row(model, machine, name, result)
        for model, machine, result in _by_network(measured)
        for name in result["contenders"]
        if name != "limit"
    ]
    commits = [
        f"{name} {_with_networks({model: str(result['git_commit'])[:7] for model, result in results.items()})}"
        for name, results in measured.items()
    ]
    return f"{markdown(rows)}\n\nCode of commits: {'; '.join(commits)}."


def choices(folder: Path = measurements.FOLDER) -> str:
    """Tabulate what each choice in our own step is worth on each CPU: milliseconds without it, and with it."""
    measured = measurements.read(folder / ARCHIVE / "choices")
    return markdown(
        [
            {"choice": choice, "network": short(model)}
            | {machine: _change(results[model], steps) for machine, results in measured.items()}
            for choice, model, *steps in CHOICES
        ]
    )


def profile(folder: Path = measurements.FOLDER) -> str:
    """Tabulate the milliseconds that each part of a step takes, in the plain loop and in ours."""
    measured = measurements.read(folder / ARCHIVE / "profile")
    return markdown(
        [
            {"network": short(model), "machine": machine, "loop": name.removeprefix("profile:")}
            | {part: f"{median(turn[part] for turn in turns):.2f}" for part in turns[0]}
            for model, machine, result in _by_network(measured)
            for name, turns in ((each, values["milliseconds"]) for each, values in result["contenders"].items())
        ]
    )


def threads(folder: Path = measurements.FOLDER) -> str:
    """Tabulate seconds per epoch, a row for each network and rule for threads, a column for each neighbour; or nothing.

    `THREADS` lists them, each with "network", "setting", "scenario" and "seconds", of which the median is shown.
    """
    path = folder / THREADS
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in json.loads(path.read_text()) if path.exists() else []:
        row = {"network": short(each["network"]), "setting": each["setting"]}
        rows.setdefault(tuple(row.values()), row)[each["scenario"]] = three_digits(median(each["seconds"]))
    return markdown(list(rows.values())) if rows else ""


def linear(folder: Path = measurements.FOLDER) -> str:
    """Tabulate whether the cost of our loop grows linearly with images and epochs."""
    measured = measurements.read_compared(folder / SPEED)
    return markdown(
        [
            {
                "network": short(model),
                "machine": machine,
                "images": f"{measurements.images(size['steps']):,}",
                "epochs": size["epochs"],
                "µs per image": f"{_per_image(size):.2f}",
            }
            for model, machine, result in _by_network(measured)
            for size in result["linear"]
        ]
    )


def equivalence(folder: Path = measurements.FOLDER) -> str:
    """Tabulate how far last-epoch accuracies move, in points, where the same seeds are run the fast way."""
    rows = []
    for arm in sorted((folder / "equivalence").glob("*/*_logs")):
        if arm.parent.name != "eager":
            eager, fast = read_runs(folder / "equivalence" / "eager" / arm.name), read_runs(arm)
            record = fast[0].record
            rows.append(
                {
                    "experiment": record.experiment.name,
                    "epochs": record.experiment.epochs,
                    "fast path": record.precision,
                    "seeds": seed_list([run for _, run in paired(eager, fast)]),
                    "eager fp32, %": percent(eager),
                    "fast, %": percent(fast),
                    "fast - eager, points": difference(eager, fast),
                    "machine": record.machine,
                }
            )
    return markdown(rows)


def short(model: str) -> str:
    """Return a network's name in tables and figures: `v1_5_5_BN` of `NeuralNetwork_v1_5_5_BN`."""
    return model.removeprefix("NeuralNetwork_")


def three_digits(value: float) -> str:
    """Write a number with three significant digits, without an exponent: `0.187`, `9,720`."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 1000 else f"{value:.3g}"


def _by_network(measured: dict[str, dict[str, dict]]) -> Iterator[tuple[str, str, dict]]:
    """Yield each network with each machine and its result, in the order of the networks."""
    for model in dict.fromkeys(model for results in measured.values() for model in results):
        yield from ((model, machine, results[model]) for machine, results in measured.items() if model in results)


def _ours(result: dict) -> str:
    """Write the seconds that our loop takes for an epoch, compiled too where that was timed: `1.25, compiled 0.869`."""
    medians = measurements.epoch_medians(result)
    compiled = f", compiled {three_digits(medians['ours:compiled'])}" if "ours:compiled" in medians else ""
    return three_digits(medians["ours"]) + compiled


def _times(result: dict, other: str) -> str:
    medians = measurements.epoch_medians(result)
    return f"{medians[other] / medians['ours']:.1f}" if other in medians else ""


def _of_limit(result: dict, name: str = "ours") -> float:
    medians = measurements.epoch_medians(result)
    return medians["limit"] / medians[name]


def _where(measured: dict[str, dict[str, dict]]) -> str:
    """Explain the names of the machines: their hardware, the precision of our loop, and the versions."""
    parts = []
    for machine, results in measured.items():
        hardware = next(iter(results.values()))["hardware"]
        precision = _with_networks({model: each["contenders"]["ours"]["precision"] for model, each in results.items()})
        versions = {name: each for result in results.values() for name, each in _versions(result).items()}
        listed = ", ".join(f"{name} {version}" for name, version in versions.items())
        parts.append(f"**{machine}**: {hardware}, {precision}; {listed}.")
    return " ".join(parts)


def _with_networks(values: dict[str, str]) -> str:
    """Write the values of networks: once if all have the same, else `fp32 (v1) and bf16 (v1_5_5_BN, resnet18)`."""
    groups: dict[str, list[str]] = {}
    for model, value in values.items():
        groups.setdefault(value, []).append(short(model))
    return " and ".join(
        f"{value} ({', '.join(models)})" if len(groups) > 1 else value for value, models in groups.items()
    )


def _versions(result: dict) -> dict[str, str]:
    return {"python": result["versions"]["python"]} | {
        name: version for each in result["contenders"].values() for name, version in each["versions"].items()
    }


def _contender_row(model: str, machine: str, name: str, result: dict) -> dict:
    seconds, plain = (measurements.epoch_seconds(result, each) for each in (name, "plain"))
    contender = result["contenders"][name]
    return {
        "network": short(model),
        "machine": machine,
        "loop": ", ".join([*name.split(":"), *([contender["precision"]] if "precision" in contender else [])]),
        "turns": f"{len(seconds)} of {measurements.images(result['steps']):,} images",
        "s/epoch": three_digits(median(seconds)),
        "least to most": f"{three_digits(min(seconds))} to {three_digits(max(seconds))}",
        "times plain": f"{median(plain) / median(seconds):.2f}",
        "of the limit": f"{_of_limit(result, name):.1%}",
        "peak memory, MB": f"{contender['peak_mb']:,.0f}",
        "first step, s": f"{contender['first_step_s']:.1f}",
    }


def _per_image(size: dict) -> float:
    """Return the median microseconds that an image takes."""
    return 1e6 * median(size["seconds"]) / measurements.images(size["steps"]) / size["epochs"]


def _change(result: dict, steps: list[str]) -> str:
    """Write the median milliseconds of steps, `505 → 383`; nothing where the machine was not timed with one of them."""
    timed = [result["contenders"].get(f"choice:{name}") for name in steps]
    if not all(timed):
        return ""
    return " → ".join(three_digits(1000 * median(each["seconds"]) / result["steps"]) for each in timed)
