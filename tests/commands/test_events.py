import os
import subprocess
import sys
import time

import pytest
from made_up import a_run
from test_cli import call

from fashion import EXPERIMENTS
from fashion.commands.events import events
from fashion.runs.record import read_runs

INTO = ("--epochs", "3", "--tensorboard")


@pytest.fixture(autouse=True)
def rehearsal(monkeypatch, no_rehearsal):
    monkeypatch.setenv("FASHION_QUICK", "1")


def shown(folder):
    """What TensorBoard shows of a run: by tag, its steps and its values."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder)).Reload()
    scalars = {tag: found.Scalars(tag) for tag in found.Tags()["scalars"]}
    return {tag: ([each.step for each in values], [each.value for each in values]) for tag, values in scalars.items()}


def wait_for_the_next_second():
    """TensorBoard reads the files of a run in the order of the seconds in their names."""
    time.sleep(1 - time.time() % 1)


def as_recorded(run, evaluated_on="test"):
    """What it has to show of a recorded run."""
    values = {
        "Loss/train": "train_loss",
        f"Loss/{evaluated_on}": "test_loss",
        "Accuracy/train": "train_accuracy",
        f"Accuracy/{evaluated_on}": "test_accuracy",
        "Seconds/epoch": "seconds",
    }
    steps = [epoch.epoch for epoch in run.history]
    return {
        tag: (steps, pytest.approx([getattr(epoch, name) for epoch in run.history])) for tag, name in values.items()
    }


@pytest.mark.parametrize("together", ["1", "3"])
def test_every_seed_has_a_folder_with_its_curves(capsys, tmp_path, together):
    pytest.importorskip("tensorboard")
    arguments = ("run", "v1", "--seeds", "0-2", "--logs", str(tmp_path / "runs"), "--together", together)
    code, _, err = call(capsys, *arguments, *INTO, str(tmp_path / "events"))
    assert code == 0 and err == ""
    runs = read_runs(tmp_path / "runs" / "model_v1_logs")
    assert len(runs) == 3
    for run in runs:
        assert shown(tmp_path / "events" / "v1_3_epochs" / f"seed_{run.seed}") == as_recorded(run)


def test_the_curves_of_a_validation_run_lie_elsewhere_and_say_so(capsys, tmp_path):
    pytest.importorskip("tensorboard")
    code, _, _ = call(capsys, "run", "v1", "--validation", "--logs", str(tmp_path), *INTO, str(tmp_path / "events"))
    (run,) = read_runs(tmp_path / "validation" / "model_v1_logs")
    assert code == 0 and shown(tmp_path / "events" / "validation" / "v1_3_epochs" / "seed_0") == as_recorded(
        run, "validation"
    )


def test_a_run_that_goes_on_shows_every_epoch_once(capsys, tmp_path):
    pytest.importorskip("tensorboard")
    arguments = ("run", "v1", "--logs", str(tmp_path / "runs"), *INTO, str(tmp_path / "events"))
    assert call(capsys, *arguments, "--max-minutes", "0")[0] == 0
    place = tmp_path / "events" / "v1_3_epochs" / "seed_0"
    assert shown(place)["Loss/train"][0] == [1]
    wait_for_the_next_second()
    assert call(capsys, *arguments)[0] == 0
    (run,) = read_runs(tmp_path / "runs" / "model_v1_logs")
    assert shown(place) == as_recorded(run)


# A run that is killed when its second epoch is shown
KILLED = """
import os, sys
from fashion import cli
from fashion.commands import events
write = events._write
def write_then_die(writer, epochs, evaluated_on):
    write(writer, epochs, evaluated_on)
    if epochs[-1].epoch == 2:
        os._exit(9)
events._write = write_then_die
cli.run_command_line(sys.argv[1:])
"""


def test_a_killed_run_shows_the_epochs_that_it_repeats_once(capsys, tmp_path):
    pytest.importorskip("tensorboard")
    arguments = ("run", "v1", "--logs", str(tmp_path / "runs"), *INTO, str(tmp_path / "events"))
    arguments += ("--checkpoint-every", "3")  # none is there yet
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=os.environ, capture_output=True)
    place = tmp_path / "events" / "v1_3_epochs" / "seed_0"
    assert done.returncode == 9 and shown(place)["Loss/train"][0] == [1, 2]
    wait_for_the_next_second()
    assert call(capsys, *arguments)[0] == 0
    (run,) = read_runs(tmp_path / "runs" / "model_v1_logs")
    assert shown(place) == as_recorded(run)


def test_what_is_recorded_already_is_shown_too(capsys, tmp_path):
    pytest.importorskip("tensorboard")
    arguments = ("run", "v1", "--epochs", "3", "--logs", str(tmp_path / "runs"))
    assert call(capsys, *arguments)[0] == 0
    code, out, _ = call(capsys, *arguments, "--tensorboard", str(tmp_path / "events"))
    (run,) = read_runs(tmp_path / "runs" / "model_v1_logs")
    assert code == 0 and "recorded already" in out
    assert shown(tmp_path / "events" / "v1_3_epochs" / "seed_0") == as_recorded(run)


def test_a_tensorboard_that_is_open_drops_what_is_replaced(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first, second = (a_run(10.0, 20.0, last) for last in (30.0, 40.0))
    with events(tmp_path, EXPERIMENTS["v1"], "test") as show_curves:
        show_curves(0, first.history)
    is_open = accumulator.EventAccumulator(str(tmp_path / "v1" / "seed_0")).Reload()
    wait_for_the_next_second()
    with events(tmp_path, EXPERIMENTS["v1"], "test") as show_curves:
        show_curves(0, second.history[:2])
        show_curves(0, second.history)
    assert [each.value for each in is_open.Reload().Scalars("Accuracy/test")] == [10.0, 20.0, 40.0]


def test_epochs_stand_as_far_apart_as_they_took(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with events(tmp_path, EXPERIMENTS["v1"], "test") as show_curves:
        show_curves(0, a_run(10.0, 20.0, 30.0, seconds=7.0).history)
    found = accumulator.EventAccumulator(str(tmp_path / "v1" / "seed_0")).Reload().Scalars("Loss/train")
    times = [each.wall_time for each in found]
    assert [later - times[0] for later in times] == pytest.approx([0, 7, 14])


def test_a_run_of_as_many_epochs_as_its_recipe_has_its_name(capsys, tmp_path):
    pytest.importorskip("tensorboard")
    arguments = ("run", "v1", "--logs", str(tmp_path / "runs"), "--tensorboard", str(tmp_path / "events"))
    assert call(capsys, *arguments)[0] == 0
    assert [path.name for path in (tmp_path / "events").iterdir()] == ["v1"]


def test_without_a_folder_nothing_is_imported_or_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with events(None, EXPERIMENTS["v1"], "test") as show_curves:
        show_curves(0, a_run(10.0).history)


def test_a_folder_that_cannot_be_written_is_one_line_before_training(capsys, tmp_path):
    pytest.importorskip("tensorboard")
    file = tmp_path / "file"
    file.touch()
    code, out, err = call(capsys, "run", "v1", "--logs", str(tmp_path / "runs"), *INTO, str(file))
    assert (code, out) == (2, "") and err.count("\n") == 1 and not (tmp_path / "runs").exists()
    assert err.startswith(f"fashion: cannot write to {file / 'v1_3_epochs'} (") and "another with --tensorboard" in err


def test_a_missing_extra_is_one_line_before_training(capsys, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    arguments = ("run", "v1", "--logs", str(tmp_path / "runs"), *INTO)
    code, out, err = call(capsys, *arguments, str(tmp_path / "events"))
    assert (code, out) == (2, "")
    assert err == 'fashion: tensorboard is not installed: pip install -e ".[tensorboard]"\n'
    assert not (tmp_path / "runs").exists() and not (tmp_path / "events").exists()
