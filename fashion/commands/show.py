"""`fashion show`: the curves of recorded experiments, beside each other in one figure."""

from pathlib import Path
from typing import Annotated

import typer

from fashion.commands.terminal import Recorded, from_here, print_table, recorded_as
from fashion.settings import RUNS, FashionError


def show_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Experiments, or folders of runs such as runs/model_v1_logs.")
    ],
    logs: Recorded = None,
    output: Annotated[Path, typer.Option(help="PNG file to write.", show_default="runs/curves.png")] = RUNS
    / "curves.png",
    validation: Annotated[bool, typer.Option("--validation", help="Show runs on the validation split.")] = False,
) -> None:
    """Show how recorded experiments learn, beside each other: their curves in one figure, and how they end."""
    if output.suffix.lower() != ".png":
        raise FashionError(f"--output takes a PNG file, not {output}")
    groups = recorded_as(names, logs, validation)
    for name, runs in groups.items():
        if not runs:
            raise FashionError(f"{name} has no runs here{' on the validation split' * validation}")

    from fashion.study.figure_files import fingerprint, save
    from fashion.study.overlay import overlay
    from fashion.study.tables import ends

    if len({(run.record.evaluated_on, run.record.test_images) for runs in groups.values() for run in runs}) > 1:
        raise FashionError(f"{', '.join(groups)} were not all evaluated on the same images")
    runs = [run for each in groups.values() for run in each]
    figure = save(overlay(groups), output, fingerprint(overlay, runs, list(groups)))
    print_table(ends(groups))
    typer.echo(f"\nPlot: {from_here(figure)}")
