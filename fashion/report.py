"""The README's generated parts and the study's figures, from the records; and whether they are stale."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from fashion import bench, bench_tables, models, plotting, study, tables
from fashion.data import load
from fashion.errors import confusion, missed, most_confused, votes
from fashion.experiments import EXPERIMENTS, LEARNING_RATE_EPOCHS, Experiment
from fashion.runs import recorded
from fashion.settings import MODEL_LOGS, ROOT, FashionError

README = ROOT / "README.md"
_SHOWN = ("v1", "v1_5_5", "v1_5_5_BN", "resnet18", "fast", "final")  # the experiments whose models the README shows


def write(readme: Path = README, logs: Path | str = MODEL_LOGS, benchmarks: Path = bench.FOLDER) -> list[Path]:
    """Draw every figure and write every generated part of the READMEs; return the files."""
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
    rows = EXPERIMENTS.values()
    return {
        readme: {
            "results": lambda: tables.markdown(tables.results(study.published(logs), logs)),
            "agreement": lambda: tables.agreement(study.published(logs), logs),
            **{name: partial(_model, EXPERIMENTS[name], logs) for name in _SHOWN},
            "variants": lambda: tables.markdown(tables.results((e for e in rows if _is_variant(e)), logs)),
            "curves": partial(_curves_of_learning_rates, logs),
            "learning rates": partial(_learning_rates, logs),
            "missed": partial(_missed, logs),
            "times": partial(_times, logs),
            "confused": partial(_confused, logs),
            "ablations": partial(_ablations, logs),
            "performance": partial(bench_tables.performance, benchmarks),
        },
        benchmarks / "README.md": {
            name: partial(getattr(bench_tables, name), benchmarks)
            for name in ("choices", "linear", "profile", "equivalence")
        },
    }


def _figures(logs: Path | str, benchmarks: Path) -> Iterator[tuple[Path, str, Callable[[], Figure]]]:
    """Yield each figure's path, the fingerprint of what it is drawn from, and the function that draws it."""
    for experiment in EXPERIMENTS.values():
        if runs := recorded(experiment, logs):
            for metric, path in zip(("accuracy", "loss"), plotting.curve_paths(experiment, logs), strict=True):
                yield path, plotting.digest(runs), partial(plotting.curves, experiment, runs, metric)
    folder = Path(logs) / "figures"
    yield folder / "samples.png", "the training images", lambda: plotting.samples(load()[0])
    for name, (runs_of, draw) in study.FIGURES.items():
        if runs := runs_of(logs):
            yield folder / f"{name}.png", plotting.digest(runs), partial(draw, logs)
    for path, measured in bench.read("speed", benchmarks / "results").items():
        yield path.with_suffix(".png"), sha256(path.read_bytes()).hexdigest(), partial(plotting.speed, measured)


def _model(experiment: Experiment, logs: Path | str) -> str:
    """Write a model's folded block: its source, its layers, its curves."""
    network = models.resnet18(pretrained=False) if experiment.model == "resnet18" else models.build(experiment.model)
    factory = models.MODELS[experiment.model]
    classes = (type(part) for part in network.modules() if type(part).__module__ == models.__name__)
    parts = dict.fromkeys([getattr(factory, "func", factory), *classes])
    source = "\n\n".join(inspect.getsource(part) for part in parts)
    return "\n".join(
        [
            f"<details>\n<summary><b>{experiment.name}</b>: source, layers, curves</summary>\n",
            f"```python\n{source.rstrip()}\n```\n",
            f"```text\n{models.summary(network)}\n```\n",
            _curve_table([experiment], logs),
            "\n</details>",
        ]
    )


def _curves_of_learning_rates(logs: Path | str) -> str:
    shown = {"v1_5_5": "No BN", "v1_5_5_BN": "BN", "v1_5_5_lrx2": "lrx2", "v1_5_5_lrx4": "lrx4", "v1_5_5_lrx8": "lrx8"}
    return _curve_table([EXPERIMENTS[name] for name in shown], logs, list(shown.values()))


def _curve_table(experiments: list[Experiment], logs: Path | str, names: list[str] | None = None) -> str:
    """Set accuracy and loss curves side by side, a row for each experiment, with its name where there are several."""
    rows = []
    for experiment, name in zip(experiments, names or [""], strict=True):
        row = {"": name} if names else {}
        for metric, path in zip(("accuracy", "loss"), plotting.curve_paths(experiment, logs), strict=True):
            image = f"![{experiment.name}, {metric}]({path.relative_to(Path(logs).parent).as_posix()})"
            row[metric] = image if recorded(experiment, logs) else "no complete run yet"
        rows.append(row)
    return tables.markdown(rows)


def _is_variant(experiment: Experiment) -> bool:
    """Say whether an experiment is ours and goes with one of the published study."""
    return experiment.published is None and not experiment.name.startswith(("fast", "final"))


def _ablations(logs: Path | str) -> str:
    return tables.markdown(tables.ablations(EXPERIMENTS["fast"], study.ablated(), study.validation_labels(), logs))


def _times(logs: Path | str) -> str:
    return tables.markdown(study.fast_times(logs))


def _confused(logs: Path | str) -> str:
    matrix = confusion(study.test_images().labels.numpy(), recorded(EXPERIMENTS["fast"], logs))
    return tables.markdown(most_confused(matrix))


def _learning_rates(logs: Path | str) -> str:
    arms = {
        f"{rate}, {title}": runs for title, rates in study.learning_rates(logs).items() for rate, runs in rates.items()
    }
    return tables.markdown(tables.reach(arms, epochs=LEARNING_RATE_EPOCHS))


def _missed(logs: Path | str) -> str:
    runs = study.learner_runs(logs)
    if not runs:
        return "No run is recorded yet."
    labels = study.test_images().labels.numpy()
    wrong = missed(labels, runs)
    agreed = int((votes(runs)[wrong].max(axis=1) == len(runs)).sum())
    names = ", ".join(f"{experiment.name} ({len(each)})" for experiment, each in study.learners(logs).items())
    return (
        f"{len(wrong)} of the {len(labels):,} test images are given a wrong class by every one of {len(runs)} runs, "
        f"and {agreed} of them the same wrong class by all. The runs: {names}."
    )


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


def _drawn_from(figure: Path) -> str | None:
    if not figure.exists():
        return None
    with Image.open(figure) as image:
        return image.info.get("Source")
