import shutil

import pytest

from fashion import cli, report, runs
from fashion.settings import ROOT


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    output = capsys.readouterr()
    return stop.value.code or 0, output.out, output.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "v1_5_5_bn"], "there is no experiment 'v1_5_5_bn': did you mean v1_5_5_BN?"),
        (["run", "resnet"], "there is no experiment 'resnet': did you mean resnet18?"),
        (["run", "qqq"], "there is no experiment 'qqq': `fashion list` names them all"),
        (["run", "v1", "--seeds", "-1"], "--seeds takes numbers from 0 to 999999, such as 0-4 or 0,2: not '-1'"),
        (["run", "v1", "--seeds", "4-0"], "--seeds takes numbers from 0 to 999999, such as 0-4 or 0,2: not '4-0'"),
        (["run", "v1", "--seeds", "one"], "--seeds takes numbers from 0 to 999999, such as 0-4 or 0,2: not 'one'"),
        (["run", "v1", "--seeds", "9" * 20], "--seeds takes numbers from 0 to 999999"),
        (["run", "v1", "--epochs", "-2"], "--epochs must be at least 1, not -2: leave it out for the recipe's own"),
        (["run", "v1", "--epochs", "0"], "--epochs must be at least 1, not 0: leave it out for the recipe's own"),
        (["run", "v1", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["run", "v1", "--device", "tpu"], "there is no device 'tpu' here, only cpu"),
        (["run", "v1", "--data", "{file}"], "could not be"),
        (["run", "v1", "--data", "{file}.d"], "does not exist"),
        (["list", "--logs", "{file}.d"], "there is no folder"),
        (["run", "v1", "--logs", "{file}"], "choose another with --logs"),
        (
            ["run", "v1", "--epochs", "2", "--logs", str(ROOT / "model_logs"), "--seeds", "0"],
            "v1 has epochs 5, not 2",
        ),
        (["run"], "Missing argument"),
        (["run", "v1", "--sedes", "1"], "--seeds"),
        (["rnu", "v1"], "No such command 'rnu'"),
    ],
)
def test_what_the_user_can_put_right_is_one_line_and_code_2(capsys, tmp_path, arguments, message):
    file = tmp_path / "file"
    file.write_text("")
    code, out, err = call(capsys, *(argument.format(file=file) for argument in arguments))
    assert code == 2 and out == ""
    assert err.startswith("fashion: ") and err.count("\n") == 1 and message in err


def test_run_trains_compares_and_says_where_the_plots_are(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    arguments = ("run", "v1", "v1_logits", "--seeds", "0,2-3", "--logs", str(tmp_path))
    code, out, _ = call(capsys, *arguments)
    assert code == 0 and "A rehearsal on 256 images" in out
    assert [line for line in out.splitlines() if line.startswith("v1 seed 2  epoch")][4].startswith(
        "v1 seed 2  epoch 5/5  train "
    )
    header = next(line for line in out.splitlines() if "published" in line)
    assert [title.strip() for title in header.split("  ") if title.strip()] == [
        "experiment", "epochs", "your seeds", "yours, %", "recorded, %", "n", "published, %",
    ]  # fmt: skip
    row = next(line for line in out.splitlines() if line.startswith("v1 ") and " 0,2,3 " in line)
    assert row.rstrip().endswith("10.0")
    for name in ("v1", "v1_logits"):
        for metric in ("accuracy", "loss"):
            path = tmp_path / f"model_{name}_logs" / f"model_{name}_{metric}.png"
            assert path.exists() and str(path) in out

    code, out, _ = call(capsys, *arguments)
    assert code == 0 and "epoch 1/5" not in out and "v1 seed 0  recorded already" in out
    code, out, _ = call(capsys, *arguments, "--retrain")
    assert code == 0 and "v1 seed 0  epoch 1/5" in out


def test_a_run_on_the_validation_split_says_so(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    code, out, _ = call(capsys, "run", "v1", "--validation", "--logs", str(tmp_path))
    assert code == 0 and "yours, % of validation" in out and "recorded, % of validation" in out
    assert all("%  validation " in line for line in out.splitlines() if line.startswith("v1 seed 0  epoch"))


def test_to_compile_has_to_be_asked_for(capsys, tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setenv("FASHION_QUICK", "1")
    monkeypatch.setattr("torch.compile", lambda model, **_: compiled.append(model) or model)
    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", lambda: "g++")
    for arguments, expected in (((), 0), (("--compile",), 2)):
        code, _, _ = call(capsys, "run", "v1", "--seeds", "0-1", "--logs", str(tmp_path / str(expected)), *arguments)
        assert code == 0 and len(compiled) == expected


def test_a_run_that_diverges_is_one_line_and_code_1(capsys, tmp_path, monkeypatch):
    def diverge(*_, **__):
        raise FloatingPointError("epoch 2, step 7: the loss is nan")

    monkeypatch.setattr(runs, "fit", diverge)
    code, _, err = call(capsys, "run", "v1", "--logs", str(tmp_path))
    assert code == 1 and err == "fashion: training failed at epoch 2, step 7: the loss is nan\n"


def test_interrupted_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "fit", interrupt)
    code, _, err = call(capsys, "run", "v1", "--logs", str(tmp_path))
    assert code == 130
    assert err == "fashion: interrupted; the same command continues from the last checkpoint, where there is one\n"


def test_another_number_of_epochs_is_not_set_beside_the_record(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    code, out, _ = call(capsys, "run", "v1", "--epochs", "2", "--logs", str(tmp_path))
    row = next(line for line in out.splitlines() if line.startswith("v1 ") and "epoch" not in line)
    assert code == 0 and row.split()[1:3] == ["2", "0"] and row.split()[4:] == ["0"]


def test_a_run_whose_time_is_up_ends_well_and_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    arguments = ("run", "v1", "--logs", str(tmp_path), "--epochs", "2")
    code, out, err = call(capsys, *arguments, "--max-minutes", "0")
    assert code == 0 and err == ""
    assert out.splitlines()[-1] == "v1 seed 0 stopped after epoch 1 of 2; the same command continues it"
    code, out, _ = call(capsys, *arguments, "--max-minutes", "5", "--checkpoint-every", "3")
    assert code == 0 and "v1 seed 0  epoch 2/2" in out and "epoch 1/2" not in out
    assert call(capsys, *arguments, "--checkpoint-every", "0")[0] == 2


def test_no_other_seed_is_begun_when_the_time_is_up(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_QUICK", "1")
    arguments = ("run", "v1", "--logs", str(tmp_path), "--epochs", "1", "--seeds", "0-1", "--max-minutes", "0")
    code, out, _ = call(capsys, *arguments)
    assert code == 0 and "v1 seed 1" not in out
    assert out.splitlines()[-1] == (
        "v1 seed 0 is trained, and the time is up before the next; the same command continues it"
    )
    code, out, _ = call(capsys, *arguments)
    assert code == 0 and "v1 seed 1  epoch 1/1" in out and "Plots:" in out


def test_plain_fashion_shows_its_help(capsys):
    code, out, err = call(capsys)
    assert code == 2 and "Usage: " in out and err == ""


def test_list_shows_every_experiment(capsys):
    code, out, _ = call(capsys, "list")
    assert code == 0
    for name in cli.EXPERIMENTS:
        assert any(line.startswith(f"{name} ") for line in out.splitlines())
    assert "14 epochs, lr 0.001, momentum 0.9 " in out and "34 epochs, lr 0.2, momentum 0.9, Muon 0.05" in out


def test_the_committed_readme_and_curves_are_as_the_records_have_them():
    report.check()


def test_a_stale_readme_or_figure_is_found(tmp_path):
    places = readme, logs, benchmarks = [tmp_path / name for name in ("README.md", "model_logs", "benchmarks")]
    shutil.copytree(ROOT / "model_logs", logs)
    shutil.copytree(ROOT / "benchmarks", benchmarks)
    shutil.copy(ROOT / "README.md", readme)
    report.check(*places)

    text = readme.read_text()
    readme.write_text(text.replace("| v1_logits ", "| v1_logit "))
    with pytest.raises(report.FashionError, match=r"README.md; `fashion report`"):
        report.check(*places)
    report.write(*places)
    assert readme.read_text() == text
    report.check(*places)

    readme.write_text(text.replace("<!-- /results -->", ""))
    with pytest.raises(report.FashionError, match=r"lacks .*results"):
        report.check(*places)
    readme.write_text(text)

    shutil.rmtree(logs / "model_v1_logs" / "seed_4")
    with pytest.raises(report.FashionError, match=r"README.md.*model_v1_accuracy.png.*model_v1_loss.png"):
        report.check(*places)

    for measured in (benchmarks / "results" / "speed").glob("*.json"):
        measured.write_text(measured.read_text().replace('"steps": ', '"steps": 1', 1))
        with pytest.raises(report.FashionError, match=rf"{measured.stem}.png"):
            report.check(*places)
