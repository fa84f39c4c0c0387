import pytest

from benchmarks import __main__ as command
from benchmarks import harness, measurements, report
from fashion import FashionError


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        command.main(list(arguments))
    output = capsys.readouterr()
    return stop.value.code, output.out, output.err


@pytest.fixture
def measured(monkeypatch, result):
    """Let `time` measure nothing; what it was asked for is appended to the list."""
    asked = []
    made = result("A machine", ours=[1.0, 2.0, 4.0]) | {"steps": measurements.EPOCH}
    made["contenders"]["limit"] |= {"flop_per_second": [3.6e8], "bytes_per_second": [938e2]}
    monkeypatch.setattr(harness, "measure", lambda *arguments, **options: asked.append((arguments, options)) or made)
    return asked


def test_time_says_what_it_measured(capsys, tmp_path, measured):
    code, out, _ = call(capsys, "time", "NeuralNetwork_v1", "--device", "cpu", "--output", str(tmp_path))
    assert code == 0
    assert out.splitlines() == [
        "NeuralNetwork_v1: ours 2 s an epoch",
        "NeuralNetwork_v1: limit 2 s an epoch",  # 1 s of multiply-adds and 1 s of copying
        str(tmp_path / "speed" / "a-machine.json"),
    ]
    ((model, _, contenders), options) = measured[0]
    assert (model, contenders) == ("NeuralNetwork_v1", harness.CONTENDERS["cpu"])
    assert options["rounds"] == 5 and options["steps"] is None


def test_time_takes_all_networks_and_the_contenders_it_is_given(capsys, tmp_path, measured):
    arguments = ("--contenders", "ours,plain", "--rounds", "2", "--steps", "7", "--output", str(tmp_path))
    assert call(capsys, "time", *arguments)[0] == 0
    assert [arguments[0] for arguments, _ in measured] == list(harness.CPU_STEPS)
    assert all(arguments[2] == ["ours", "plain"] for arguments, _ in measured)
    assert all((options["rounds"], options["steps"]) == (2, 7) for _, options in measured)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["time", "v1"], "there is no model 'v1'"),
        (["time", "--device", "tpu"], "there is no device 'tpu' here"),
        (["time", "--rounds", "0"], "Invalid value for '--rounds'"),
        (["tiem"], "No such command 'tiem'"),
    ],
)
def test_what_the_user_can_put_right_is_one_line_and_code_2(capsys, arguments, message):
    code, out, err = call(capsys, *arguments)
    assert code == 2 and out == ""
    assert err.startswith("benchmarks: ") and err.count("\n") == 1 and message in err


def test_report_writes_or_checks(capsys, monkeypatch):
    monkeypatch.setattr(report, "write", lambda: [measurements.FOLDER / "README.md"])
    assert call(capsys, "report")[:2] == (0, "benchmarks/README.md\n")
    monkeypatch.setattr(report, "check", lambda: None)
    assert call(capsys, "report", "--check")[:2] == (0, "Both READMEs and the figure are as measured.\n")

    def stale():
        raise FashionError("not as measured: README.md")

    monkeypatch.setattr(report, "check", stale)
    assert call(capsys, "report", "--check") == (2, "", "benchmarks: not as measured: README.md\n")


def test_without_arguments_the_help_is_shown(capsys):
    code, out, err = call(capsys)
    assert code == 2 and "Usage: " in out and err == ""


def test_interrupted_is_code_130(capsys, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "write", interrupt)
    assert call(capsys, "report")[0] == 130
