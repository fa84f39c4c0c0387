"""The command line: `fashion list`, `run`, `sweep`, `show`, `compare`, `predict`, `demo`, `export` and `report`.

A command imports what it needs when it runs: torch takes seconds, and `--help` shows at once.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import fashion
from fashion.commands.demo import demo_command
from fashion.commands.listing import list_command
from fashion.commands.show import show_command
from fashion.commands.sweep import sweep_command
from fashion.commands.terminal import (
    Data,
    Epochs,
    Logs,
    Names,
    Precision,
    Recorded,
    Seeds,
    Validation,
    epoch_line,
    from_here,
    named,
    numbers,
    print_table,
    recorded_as,
    require_words,
    tell_of_rehearsal,
)
from fashion.experiments import Experiment
from fashion.settings import MODEL_LOGS, ROOT, RUNS, SHIPPED, FashionError, Paused, writable

if TYPE_CHECKING:
    from fashion.history import Epoch
    from fashion.runs.record import Run

app = typer.Typer(help=fashion.__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_UsageError = typer.BadParameter.__base__  # click's, which newer typers carry inside

Weights = Annotated[Path, typer.Option(help="Of a run that keeps them.", show_default="the network that is shipped")]


def run_command_line(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; what the user can put right is one line and exit code 2.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    try:
        require_words(sys.argv[1:] if arguments is None else arguments)
        code = app(arguments, standalone_mode=False)
    except Paused as paused:
        typer.echo(f"{paused}; the same command continues it")
        return 0
    except FashionError as error:
        return _complain(str(error), 2)
    except _UsageError as error:
        return _complain(error.format_message(), 2)
    except FloatingPointError as error:
        return _complain(f"training failed at {error}", 1)
    except OSError as error:
        return _complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 2)
    except typer.Abort:
        code = 130
    if code == 130:  # how newer typers pass an interrupt on
        raise KeyboardInterrupt
    return code or 0


app.command("list")(list_command)


@app.command("run")
def run_command(
    names: Names,
    seeds: Seeds = "0",
    together: Annotated[int, typer.Option(min=1, max=10, help="Seeds to train at the same time: pays on a GPU.")] = 1,
    epochs: Epochs = None,
    device: Annotated[str | None, typer.Option(help="Such as cpu or cuda. Default: an accelerator, else cpu.")] = None,
    data: Data = None,
    logs: Logs = RUNS,
    validation: Validation = False,
    precision: Precision = "auto",
    compile_model: Annotated[
        bool, typer.Option("--compile", help="Compile the network first: pays on a GPU, from two long runs on.")
    ] = False,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train again what is recorded.")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder to write curves to, for TensorBoard, as they grow.")
    ] = None,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Epochs from one checkpoint to the next.")] = 1,
    max_minutes: Annotated[float, typer.Option(min=0, help="Stop before then, after one epoch at least.")] = math.inf,
) -> None:
    """Train experiments, or load what is recorded of them, and compare them with the study's record.

    An interrupted run continues from its last checkpoint, which lies beside its record, when the same command is given.
    """
    until = time.monotonic() + 60 * max_minutes
    experiments, every = [named(name, epochs) for name in dict.fromkeys(names)], numbers(seeds)

    from fashion.data import load_data, split
    from fashion.hardware.placement import choose_device
    from fashion.runs.record import recorded
    from fashion.runs.refusals import require_free
    from fashion.runs.running import Pace
    from fashion.study.figure_files import save_curves
    from fashion.study.writing import percent, seed_list

    for experiment in () if retrain else experiments:
        require_free(experiment, every, logs, validation)
    train, test = load_data(data, choose_device(device))
    options = {"logs": logs, "data": split(train) if validation else (train, test), "validation": validation}
    options |= {"precision": precision, "compile_model": compile_model, "retrain": retrain}
    options["pace"] = Pace(checkpoint_every, until)
    rows, figures, unit = [], [], "% of validation" if validation else "%"
    parts = [every[first : first + together] for first in range(0, len(every), together)]
    end = (experiments[-1], parts[-1])
    for experiment in experiments:
        results = [
            each
            for part in parts
            for each in _run_seeds(experiment, part, options, tensorboard, (experiment, part) == end)
        ]
        mine = recorded(experiment, writable(logs), validation) or results  # a rehearsal may show the study's
        figures += save_curves(experiment, mine, logs / "validation" if validation else logs)
        study = recorded(experiment, MODEL_LOGS, validation)  # none, with another number of epochs
        rows.append(
            {
                "experiment": experiment.name,
                "epochs": experiment.epochs,
                "your seeds": seed_list(mine),
                f"yours, {unit}": percent(mine),
                f"recorded, {unit}": percent(study),
                "n": len(study),
                "published, %": f"{experiment.published:.1f}" if experiment.published and not validation else "",
            }
        )
    print_table(rows)
    tell_of_rehearsal()
    typer.echo("\nPlots:")
    for figure in figures:
        typer.echo(f"  {from_here(figure)}")


app.command("sweep")(sweep_command)
app.command("show")(show_command)


@app.command("compare")
def compare_command(
    first: Annotated[str, typer.Argument(help="An experiment, or a folder of runs such as runs/model_v1_logs.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    logs: Recorded = None,
    validation: Annotated[bool, typer.Option("--validation", help="Compare runs on the validation split.")] = False,
) -> None:
    """Compare two experiments' recorded runs: on the same seeds, and on the same test images.

    n counts the seeds that both have, on which the second is so many points of accuracy above the first. For each of
    them, "only first" and "only second" count the test images that just one of the two has right, and p (McNemar's) is
    how often two equally good networks would split these at least as unevenly: below 0.05, hardly by chance.
    """
    from fashion.study.loading import test_labels, validation_labels
    from fashion.study.tables import compare
    from fashion.study.writing import counted, percent

    labels, found = (validation_labels if validation else test_labels)(), recorded_as((first, second), logs, validation)
    groups = (found[first], found[second])
    for each, runs in found.items():
        if not runs or any(len(run.predictions) != len(labels) for run in runs):
            where = "all images of the validation split" if validation else "all test images"
            raise FashionError(f"{each} has no runs here that were evaluated on {where}")
    for each, runs in zip((first, second), groups, strict=True):
        epochs = counted(runs[0].record.experiment.epochs, "epoch")
        typer.echo(f"{each}: {percent(runs)}% after {epochs}, n = {len(runs)}")
    if not (rows := compare({f"{first}, {second}": groups}, labels).to_dict("records")):
        raise FashionError(f"{first} and {second} have no seed in common")
    print_table(rows)


@app.command("predict")
def predict_command(
    paths: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every probability, as JSON.")] = False,
    weights: Weights = SHIPPED,
) -> None:
    """Say which of the ten classes each picture shows: one garment, photo or drawing, on a plain background."""
    from fashion.inference.classifier import load_classifier, predict_files
    from fashion.inference.pictures import shown

    answers: list[dict] = []
    failed = 0
    for file, answer in predict_files(paths, load_classifier(weights)):
        if isinstance(answer, FashionError):
            failed = _complain(str(answer), 2)
            continue
        answers.append({"file": str(file), "class": answer.label, "probabilities": answer.probabilities})
        if not as_json:
            likely = list(answer.probabilities.items())[:3]
            typer.echo(f"{shown(file)}  " + ", ".join(f"{name} {100 * share:.1f}%" for name, share in likely))
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
    if failed:
        raise typer.Exit(failed)


app.command("demo")(demo_command)


@app.command("export")
def export_command(
    output: Annotated[Path, typer.Option(help="File to write, for onnxruntime.")] = Path("fashion.onnx"),
    weights: Weights = SHIPPED,
) -> None:
    """Write a trained network to an ONNX file, and compare it with PyTorch; needs the extra "export"."""
    from fashion.inference.classifier import load_classifier
    from fashion.inference.export import export_onnx

    difference = export_onnx(output, load_classifier(weights))
    typer.echo(f"{output}: at most {difference:.1e} from PyTorch, in any probability of the first 1,000 test images")


@app.command("report")
def report_command(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if something is stale.")] = False,
) -> None:
    """Write every figure and the generated parts of README.md from the records."""
    from fashion.study import report

    if check:
        report.check()
        return typer.echo("The README and all figures are as the records have them.")
    for path in report.write():
        typer.echo(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _run_seeds(
    experiment: Experiment, seeds: list[int], options: dict, tensorboard: Path | None, is_last: bool
) -> list["Run"]:
    from tqdm.auto import tqdm

    from fashion.commands.events import events
    from fashion.runs.together import run_together

    evaluated_on = "validation" if options["validation"] else "test"
    trained = set()

    with events(tensorboard, experiment, evaluated_on) as show_curves:

        def tell(seed: int, history: list["Epoch"]) -> None:
            trained.add(seed)
            tqdm.write(epoch_line(f"{experiment.name} seed {seed}", experiment.epochs, evaluated_on, history[-1]))
            show_curves(seed, history)

        results = run_together(experiment, seeds, after_epoch=tell, **options)
        for result in results:
            title = f"{experiment.name} seed {result.seed}"
            if result.seed not in trained:
                typer.echo(f"{title}  recorded already, {result.accuracy:.2f}%; --retrain trains it again")
                show_curves(result.seed, result.history)
            elif not is_last and options["pace"].stops_after(result.history[-1]):
                raise Paused(f"{title} is trained, and the time is up before the next")
    return results


def _complain(message: str, code: int) -> int:
    if message:  # plain `fashion` has shown its help
        typer.echo(f"fashion: {message}", err=True)
    return code
