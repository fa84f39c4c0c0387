"""The generated parts of README.md and benchmarks/README.md, and the figure, from the measurements."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import figures, measurements, sweeps, tables
from fashion.settings import ROOT, FashionError
from fashion.study.figure_files import fingerprint, save, source_of
from fashion.study.report import with_blocks

COMMAND = "python -m benchmarks report"
README = ROOT / "README.md"

# What stands between the markers of benchmarks/README.md, written from the folder of the benchmarks.
BLOCKS: dict[str, Callable[[Path], str]] = {
    "answer": tables.answer,
    "contenders": tables.contenders,
    "choices": tables.choices,
    "profile": tables.profile,
    "threads": tables.threads,
    "sweep": sweeps.measured,
    "nodes": lambda _: sweeps.simulated(),
    "linear": tables.linear,
    "equivalence": tables.equivalence,
}


def write(readme: Path = README, folder: Path = measurements.FOLDER) -> list[Path]:
    """Draw the figure and write every generated part of both READMEs; return the files."""
    texts = _texts(readme, folder)
    measured = measurements.read_compared(folder / tables.SPEED)
    figure = save(figures.speed(measured), folder / tables.FIGURE, _source(folder))
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return [figure, *texts]


def check(readme: Path = README, folder: Path = measurements.FOLDER) -> None:
    """Compare both READMEs and the figure with the measurements, and the figure with the code that draws it.

    Raises:
        FashionError: one of them is stale or missing.
    """
    stale = [path for path, text in _texts(readme, folder).items() if path.read_text(encoding="utf-8") != text]
    stale += [folder / tables.FIGURE] if source_of(folder / tables.FIGURE) != _source(folder) else []
    if stale:
        raise FashionError(f"not as measured: {', '.join(map(str, stale))}; `{COMMAND}` writes it anew")


def _texts(readme: Path, folder: Path) -> dict[Path, str]:
    documents = {readme: {"performance": tables.performance}, folder / "README.md": BLOCKS}
    return {
        path: with_blocks(path, {name: partial(block, folder) for name, block in blocks.items()}, COMMAND)
        for path, blocks in documents.items()
    }


def _source(folder: Path) -> str:
    return fingerprint(figures.speed, [], measurements.read_compared(folder / tables.SPEED))
