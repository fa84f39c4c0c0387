"""The READMEs' generated parts and the study's figures, from the records; and whether they are stale."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from fashion import models, plotting
from fashion.data import load_data
from fashion.experiments import EXPERIMENTS, LEARNING_RATE_EPOCHS
from fashion.runs.record import Run
from fashion.settings import MODEL_LOGS, ROOT, FashionError
from fashion.study import answers, gallery, tables
from fashion.study.diagnostics import summary
from fashion.study.figure_files import curve_paths, fingerprint, save, source_of
from fashion.study.figures import FIGURES
from fashion.study.findings import findings
from fashion.study.inside import INSIDE, read_all
from fashion.study.insights import load_looks
from fashion.study.leaderboard import claims, leaderboard
from fashion.study.loading import Study, load_study, test_labels, validation_labels
from fashion.study.mistakes import confusion, most_confused
from fashion.study.notebooks import notebooks
from fashion.study.views import robustness

README = ROOT / "README.md"
_FINAL = ("final_wide", "final", "final_small", "final_teacher")
_RATES = {"v1_5_5": "No BN", "v1_5_5_BN": "BN", "v1_5_5_lrx2": "lrx2", "v1_5_5_lrx4": "lrx4", "v1_5_5_lrx8": "lrx8"}


def _results(study: Study) -> str:
    runs = [run for each in study.tested.values() for run in each]  # for the tables without a legend, too
    table, answer = tables.results(study.group("published")), _answer(study, answers.reproduction, "00_results")
    return f"{tables.markdown(table)}\n\n{tables.machines(runs)}.\n\n{answer}"


def _answer(study: Study, answer: Callable[[Study], str], notebook: str) -> str:
    return f"{answer(study)} [{notebook}](notebooks/{notebook}.ipynb)"


def _epochs_of_rates(study: Study) -> str:
    arms = {f"{rate}, {title}": runs for title, rates in study.learning_rates.items() for rate, runs in rates.items()}
    return tables.markdown(tables.reach(arms, epochs=LEARNING_RATE_EPOCHS))


def _model(study: Study, name: str, answer: Callable[[Study], str], notebook: str, curves: bool = True) -> str:
    """Write what was found about a model, and its folded block: its source, its layers, its curves."""
    model = EXPERIMENTS[name].model
    network, factory = models.build(model), models.MODELS[model]
    classes = (each for part in network.modules() for each in type(part).__mro__ if each.__module__ == models.__name__)
    source = "\n\n".join(map(inspect.getsource, dict.fromkeys([getattr(factory, "func", factory), *classes])))
    title = "source, layers, curves" if curves else "source, layers"
    text = f"{_answer(study, answer, notebook)}\n\n<details>\n<summary><b>{name}</b>: {title}</summary>\n\n"
    text += f"```python\n{source.rstrip()}\n```\n\n```text\n{summary(network)}\n```\n\n"
    return text + (f"{_curve_table(study, {name: ''})}\n\n" if curves else "") + "</details>"


def _times(study: Study) -> str:
    return tables.markdown(tables.times(study.group("fast").items(), test_labels()).drop(columns="network"))


def _ablations(groups: Mapping[str, list[Run]], answer: str) -> str:
    return f"{answer}\n\n{tables.markdown(tables.ablations(groups, validation_labels()))}"


def _curve_table(study: Study, titles: Mapping[str, str]) -> str:
    """Set accuracy and loss curves side by side, a row for each experiment, with its title where it has one."""
    rows = []
    for name, title in titles.items():
        row = {"": title} if title else {}
        for metric, path in curve_paths(EXPERIMENTS[name], MODEL_LOGS).items():
            image = f"![{name}, {metric}]({path.relative_to(ROOT).as_posix()})"
            row[metric] = image if study[name] else "no complete run yet"
        rows.append(row)
    return tables.markdown(rows)


# What stands between the markers of README.md, written from the study: a new part is one line here.
BLOCKS: dict[str, Callable[[Study], str]] = {
    "findings": lambda study: findings(study, load_looks()),
    "results": _results,
    "budget": answers.budget,
    "v1": partial(_model, name="v1", answer=answers.v1, notebook="01_v1"),
    "v1_5_5": partial(_model, name="v1_5_5", answer=answers.v1_5_5, notebook="02_v1_5_5", curves=False),
    "v1_5_5_BN": partial(
        _model, name="v1_5_5_BN", answer=answers.batch_normalisation, notebook="03_v1_5_5_BN", curves=False
    ),
    "curves": partial(_curve_table, titles=_RATES),
    "learning rates": partial(_answer, answer=answers.learning_rates, notebook="04_learning_rate"),
    "epochs": _epochs_of_rates,
    "variants": lambda study: tables.markdown(tables.results(study.group("variants"))),
    "missed": answers.missed_by_all,
    "shipped": answers.shipped,
    "resnet18": partial(_model, name="resnet18", answer=answers.resnet18, notebook="05_resnet18"),
    "times": _times,
    "fast recipes": lambda study: tables.markdown(tables.recipes(study.group("fast"))),
    "fast": partial(_model, name="fast", answer=answers.fast, notebook="06_fast_model"),
    "ablations": lambda study: _ablations(study.ablations, answers.ablations(study)),
    "confused": lambda study: tables.markdown(most_confused(confusion(test_labels(), study["fast"]))),
    "final": partial(_model, name="final", answer=answers.final, notebook="07_final_model"),
    "final recipes": lambda study: tables.markdown(tables.recipes([EXPERIMENTS[name] for name in _FINAL])),
    "final wide": answers.final_wide,
    "trials": lambda study: tables.markdown(tables.trials(study.trials, validation_labels())),
    "final ablations": lambda study: _ablations(study.final_ablations, answers.final_ablations(study)),
    "leaderboard": lambda study: tables.markdown(leaderboard(study.tested)),
    "claims": lambda _: tables.markdown(claims()),
}

# The same of other documents, by their paths from that of README.md.
PAGES: dict[str, dict[str, Callable[[Study], str]]] = {"notebooks/README.md": {"notebooks": notebooks}}


def write(readme: Path = README, logs: Path | str = MODEL_LOGS) -> list[Path]:
    """Draw every figure and write every generated part of the README and of `PAGES`; return the files."""
    study, texts = _rendered(readme, logs)
    figures = [save(draw(), path, source) for path, source, draw in _figures(study, logs)]
    for document, text in texts.items():
        document.write_text(text, encoding="utf-8")
    return [*figures, *texts]


def check(readme: Path = README, logs: Path | str = MODEL_LOGS) -> None:
    """Compare the README, `PAGES` and the figures with the records, and the figures with the code that draws them.

    Raises:
        FashionError: one of them is stale or missing.
    """
    study, texts = _rendered(readme, logs)
    stale = [document for document, text in texts.items() if document.read_text(encoding="utf-8") != text]
    stale += [path for path, source, _ in _figures(study, logs) if source_of(path) != source]
    if stale:
        raise FashionError(f"not as the records have it: {', '.join(map(str, stale))}; `fashion report` writes it anew")


def _rendered(readme: Path, logs: Path | str) -> tuple[Study, dict[Path, str]]:
    study = load_study(logs)
    documents = {readme: BLOCKS} | {readme.parent / name: blocks for name, blocks in PAGES.items()}
    return study, {
        document: with_blocks(document, {name: partial(block, study) for name, block in blocks.items()})
        for document, blocks in documents.items()
    }


def with_blocks(document: Path, blocks: Mapping[str, Callable[[], str]], command: str = "fashion report") -> str:
    """Return the text of a document with its blocks, by name, written anew by a command.

    Each stands between `<!-- name: written by `command` -->` and `<!-- /name -->`.

    Raises:
        FashionError: the document, or a marker, is missing.
    """
    if not document.exists():
        raise FashionError(f"{document} is missing: run this in a clone of the repository")
    text = document.read_text(encoding="utf-8")
    for name, content in blocks.items():
        begin, end = f"<!-- {name}: written by `{command}` -->", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise FashionError(f"{document} has no place for its {name}: it lacks {begin} or {end}")
        text = f"{before}{begin}\n{content()}\n{end}{after}"
    return text


def _figures(study: Study, logs: Path | str) -> Iterator[tuple[Path, str, Callable[[], Figure]]]:
    """Yield each figure's path, the fingerprint of what it is drawn from, and the function that draws it."""
    for experiment, runs in study.tested.items():
        for metric, path in curve_paths(experiment, logs).items() if runs else ():
            draw = partial(plotting.curves, experiment, runs, metric)
            yield path, fingerprint(plotting.curves, runs, experiment), draw
    folder = Path(logs) / "figures"
    yield folder / "samples.png", fingerprint(gallery.samples, []), lambda: gallery.samples(load_data()[0])
    if networks := read_all(Path(logs) / INSIDE.name):
        drawn = {name: inside.perturbed.tolist() for name, inside in networks.items()}
        yield folder / "robustness.png", fingerprint(robustness, [], drawn), lambda: robustness(networks)
    for name, (draw, runs_of) in FIGURES.items():
        if runs := runs_of(study):
            code, options = getattr(draw, "func", draw), getattr(draw, "keywords", {})
            yield folder / f"{name}.png", fingerprint(code, runs, options), partial(draw, study)
