"""The command line: `fashion list`, `run`, `predict`, `export`, `report` and `bench`."""

import json
import math
import sys
import time
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from tqdm.auto import tqdm

from fashion import bench, inference, plotting, report, runs, tables
from fashion.data import load, split
from fashion.devices import choose_device
from fashion.experiments import EXPERIMENTS, Experiment
from fashion.settings import MODEL_LOGS, ROOT, RUNS, FashionError, quick, writable
from fashion.training import Epoch

app = typer.Typer(
    help="A small, honest, reproducible deep-learning study of Fashion-MNIST.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_UsageError = typer.BadParameter.__base__  # click's, which newer typers carry inside


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; what the user can put right ends it with one line and exit code 2."""
    try:
        code = app(arguments, standalone_mode=False)
        if code == 130:  # how newer typers pass an interrupt on
            raise KeyboardInterrupt
    except runs.Paused as paused:
        code = 0
        typer.echo(f"{paused}; the same command continues it")
    except FashionError as error:
        code = _complain(str(error), 2)
    except _UsageError as error:
        code = _complain(error.format_message(), 2)
    except FloatingPointError as error:
        code = _complain(f"training failed at {error}", 1)
    except (KeyboardInterrupt, typer.Abort):
        code = _complain("interrupted; the same command continues from the last checkpoint, where there is one", 130)
    sys.exit(code)


@app.command("list")
def list_command(
    logs: Annotated[Path, typer.Option(help="Folder of the record.", show_default="model_logs")] = MODEL_LOGS,
) -> None:
    """List every experiment: its model, epochs and learning rate, the recorded seeds, and their mean accuracies."""
    if not logs.is_dir():
        raise FashionError(f"there is no folder {logs}")
    rows = []
    for experiment in EXPERIMENTS.values():
        tested, validated = (runs.recorded(experiment, logs, validation) for validation in (False, True))
        recipe = f"{experiment.epochs} epochs, lr {experiment.lr:g}"
        recipe += f", momentum {experiment.momentum:g}" if experiment.momentum else ""
        recipe += f", Muon {experiment.muon:g}" if experiment.muon else ""
        rows.append(
            {
                "experiment": experiment.name,
                "model": " + ".join((experiment.model, *experiment.changes)),
                "recipe": recipe,
                "seeds": tables.seeds(tested),
                "test, %": tables.percent(tested),
                "validation, %": tables.percent(validated),
            }
        )
    _show(pd.DataFrame(rows))


@app.command("run")
def run_command(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Experiments; `fashion list` names them.")],
    seeds: Annotated[str, typer.Option(help="Such as 0-4 or 0,2.")] = "0",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images.", show_default="the recipe's")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda.", show_default="an accelerator, else cpu")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the dataset.", exists=True, show_default="$FASHION_DATA, else data"),
    ] = None,
    logs: Annotated[
        Path, typer.Option(help="Folder to record in; model_logs is the study's.", show_default="runs")
    ] = RUNS,
    validation: Annotated[
        bool, typer.Option("--validation", help="Hold 6,000 training images out to evaluate on, not the test set.")
    ] = False,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: as begun, else the faster one.")] = "auto",
    compile_model: Annotated[
        bool, typer.Option("--compile", help="Compile the network first: pays on a GPU, in several long runs.")
    ] = False,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train again what is recorded.")] = False,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Epochs from one checkpoint to the next.")] = 1,
    max_minutes: Annotated[
        float,
        typer.Option(min=0, help="Stop after an epoch, one at least, before this time is up.", show_default="no limit"),
    ] = math.inf,
) -> None:
    """Train experiments, or load what is recorded of them, and compare them with the study's record.

    An interrupted run continues from its last checkpoint when the same command is given again: on another machine, too,
    if it has the folder checkpoints/.
    """
    until = time.monotonic() + 60 * max_minutes
    experiments = [_experiment(name, epochs) for name in dict.fromkeys(names)]
    numbers = _numbers(seeds)
    train, test = load(data, choose_device(device))
    options = {"logs": logs, "validation": validation, "precision": precision, "retrain": retrain}
    options |= {"compile_model": compile_model, "checkpoint_every": checkpoint_every, "until": until}
    options["data"] = split(train) if validation else (train, test)
    rows, figures = [], []
    unit = "% of validation" if validation else "%"
    end = (experiments[-1], numbers[-1])
    for experiment in experiments:
        trained = [_run_seed(experiment, seed, options, last=(experiment, seed) == end) for seed in numbers]
        mine = runs.recorded(experiment, writable(logs), validation) or trained
        figures += plotting.save_curves(experiment, mine, logs / "validation" if validation else logs)
        as_recorded = experiment == EXPERIMENTS[experiment.name]  # not with another number of epochs
        study = runs.recorded(experiment, MODEL_LOGS, validation) if as_recorded else []
        rows.append(
            {
                "experiment": experiment.name,
                "epochs": experiment.epochs,
                "your seeds": tables.seeds(mine),
                f"yours, {unit}": tables.percent(mine),
                f"recorded, {unit}": tables.percent(study),
                "n": len(study),
                "published, %": f"{experiment.published:.1f}" if experiment.published else "",
            }
        )
    _show(pd.DataFrame(rows))
    if quick():
        typer.echo(
            "\nA rehearsal on 256 images (FASHION_QUICK is set): it says nothing, and the project keeps none of it."
        )
    typer.echo("\nPlots:")
    for figure in figures:
        typer.echo(f"  {figure.relative_to(Path.cwd()) if figure.is_relative_to(Path.cwd()) else figure}")


@app.command("predict")
def predict_command(
    paths: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every probability, as JSON.")] = False,
    weights: Annotated[
        Path, typer.Option(help="Of a run that keeps them.", show_default="the network that is shipped")
    ] = inference.SHIPPED,
) -> None:
    """Say which of the ten classes each picture shows: one garment, photo or drawing, on a plain background."""
    classifier = inference.load(weights)
    found: list[dict] = []
    failed = 0
    for path in paths:
        files = _files(path)
        if not files:
            failed = _complain(f"there is no file in {path}", 2)
        for file in files:
            try:
                label, probabilities = inference.predict(file, classifier)
            except FashionError as error:
                failed = _complain(str(error), 2)
                continue
            found.append({"file": str(file), "class": label, "probabilities": probabilities})
            if not as_json:
                likely = list(probabilities.items())[:3]
                typer.echo(f"{file}  " + ", ".join(f"{name} {100 * share:.1f}%" for name, share in likely))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    if failed:
        raise typer.Exit(failed)


@app.command("export")
def export_command(
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("fast.onnx"),
    form: Annotated[str, typer.Option("--format", help="Of the file; onnx is the only one.")] = "onnx",
    weights: Annotated[
        Path, typer.Option(help="Of a run that keeps them.", show_default="the network that is shipped")
    ] = inference.SHIPPED,
) -> None:
    """Write a trained network to a file that other programs run, and compare the two; needs the extra "export"."""
    if form != "onnx":
        raise FashionError(f"there is no format {form!r}, only onnx")
    difference = inference.export_onnx(output, inference.load(weights))
    typer.echo(f"{output}: at most {difference:.1e} from PyTorch, in any probability of the first 1,000 test images")


@app.command("report")
def report_command(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if something is stale.")] = False,
) -> None:
    """Write the generated parts of both READMEs, and every figure, from the records and the measurements."""
    if check:
        report.check()
        typer.echo("Both READMEs and all figures are as the records and the measurements have them.")
        return
    for path in report.write():
        typer.echo(path.relative_to(ROOT))


@app.command("bench")
def bench_command(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Networks to time.", show_default="all")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contender is timed.")] = 5,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Minibatches in each turn.", show_default="an epoch, or less on a CPU")
    ] = None,
    suite: Annotated[str, typer.Option(help=f"What to time: {', '.join(bench.SUITES)}.")] = "speed",
    contenders: Annotated[
        str | None, typer.Option(help="Modules of benchmarks/contenders.", show_default="the suite's")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda.", show_default="an accelerator, else cpu")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder to write to.", show_default="benchmarks/results")
    ] = bench.RESULTS,
) -> None:
    """Time the training loop beside plain PyTorch, Lightning, fastai, and the machine's limit, in turns.

    Needs the extra "bench", and a machine that does nothing else.
    """
    where = choose_device(device)
    if suite not in bench.SUITES:
        raise FashionError(f"there is no suite {suite!r}, only {', '.join(bench.SUITES)}")
    names = contenders.split(",") if contenders else bench.contenders_of(suite, where)
    for model in models or bench.CPU_STEPS:
        result = bench.bench(model, where, names, rounds=rounds, steps=steps, tell=typer.echo)
        path = bench.path_for(result, suite, output)
        bench.write({model: result}, path)
        for name, seconds in bench.epoch_medians(result).items():
            typer.echo(f"{model}: {name} {seconds:.3g} s an epoch")
        typer.echo(path)


def _experiment(name: str, epochs: int | None) -> Experiment:
    if name not in EXPERIMENTS:
        names = {each.lower(): each for each in EXPERIMENTS}
        close = get_close_matches(name.lower(), names, n=1)
        hint = f"did you mean {names[close[0]]}?" if close else "`fashion list` names them all"
        raise FashionError(f"there is no experiment {name!r}: {hint}")
    experiment = EXPERIMENTS[name]
    if epochs in (None, experiment.epochs):
        return experiment
    if epochs < 1:
        raise FashionError(f"--epochs must be at least 1, not {epochs}: leave it out for the recipe's own")
    return replace(experiment, epochs=epochs, published=None)


def _files(path: Path) -> list[Path]:
    """Return a file, or list those in a folder, in order of their names."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))


def _numbers(seeds: str) -> list[int]:
    numbers: set[int] = set()
    for part in seeds.split(","):
        first, _, last = part.partition("-") if "-" in part else (part, "", part)
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < 1_000_000):
            raise FashionError(f"--seeds takes numbers from 0 to 999999, such as 0-4 or 0,2: not {seeds!r}")
        numbers.update(range(int(first), int(last) + 1))
    return sorted(numbers)


def _run_seed(experiment: Experiment, seed: int, options: dict, last: bool) -> runs.Run:
    title = f"{experiment.name} seed {seed}"
    trained = False

    def tell(history: list[Epoch]) -> None:
        nonlocal trained
        trained = True
        last = history[-1]
        tqdm.write(
            f"{title}  epoch {last.epoch}/{experiment.epochs}  "
            f"train {last.train_loss:.4f} {last.train_accuracy:.2f}%  "
            f"{evaluated_on} {last.test_loss:.4f} {last.test_accuracy:.2f}%  {last.seconds:.1f} s"
        )

    evaluated_on = "validation" if options["validation"] else "test"
    record = runs.run(experiment, seed, after_epoch=tell, **options)
    if not trained:
        typer.echo(f"{title}  recorded already, {record.accuracy:.2f}%; --retrain trains it again")
    elif not last and runs.Pace(1, options["until"]).stops_after(record.history[-1]):
        raise runs.Paused(f"{title} is trained, and the time is up before the next")
    return record


def _show(table: pd.DataFrame) -> None:
    typer.echo("\n" + table.to_markdown(index=False, tablefmt="simple", disable_numparse=True))


def _complain(message: str, code: int) -> int:
    if message:  # plain `fashion` has shown its help
        typer.echo(f"fashion: {message}", err=True)
    return code
