"""The command `python -m benchmarks`, from the root of a clone: `time` measures, `report` writes what was measured."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import harness, measurements, report
from fashion.hardware.placement import choose_device
from fashion.settings import ROOT, FashionError

app = typer.Typer(
    help="How fast the training loop is, beside what a user would otherwise write or pick.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_UsageError = typer.BadParameter.__base__  # click's, which newer typers carry inside


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; what the user can put right ends it with one line and exit code 2."""
    try:
        code = app(arguments, standalone_mode=False) or 0
    except FashionError as error:
        code = _complain(str(error))
    except _UsageError as error:
        code = _complain(error.format_message())
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code)


@app.command("time")
def time_command(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Networks to time.", show_default="all")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contender is timed.")] = 5,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Minibatches in each turn.", show_default="an epoch, or less on a CPU")
    ] = None,
    contenders: Annotated[
        str | None, typer.Option(help="Modules of benchmarks/contenders, such as ours,plain.", show_default="all")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda.", show_default="an accelerator, else cpu")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder to write to.", show_default="benchmarks/results")
    ] = measurements.RESULTS,
) -> None:
    """Time the training loop beside plain PyTorch, Lightning, fastai, and the machine's limit, in turns.

    Needs the extra "bench", and a machine that does nothing else.
    """
    where = choose_device(device)
    names = contenders.split(",") if contenders else harness.contenders_for(where)
    for model in models or harness.CPU_STEPS:
        result = harness.measure(model, where, names, rounds=rounds, steps=steps, tell=typer.echo)
        path = measurements.path_for(result, output)
        measurements.write({model: result}, path)
        for name, seconds in measurements.epoch_medians(result).items():
            typer.echo(f"{model}: {name} {seconds:.3g} s an epoch")
        typer.echo(path)


@app.command("report")
def report_command(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if something is stale.")] = False,
) -> None:
    """Write the figure and the generated parts of README.md and benchmarks/README.md from what was measured."""
    if check:
        report.check()
        typer.echo("Both READMEs and the figure are as measured.")
        return
    for path in report.write():
        typer.echo(path.relative_to(ROOT))


def _complain(message: str) -> int:
    if message:  # without arguments the help was shown
        typer.echo(f"benchmarks: {message}", err=True)
    return 2


if __name__ == "__main__":
    main()
