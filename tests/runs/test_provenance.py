import shutil
import subprocess

import pytest
import torch

from fashion.runs import provenance as module
from fashion.runs.provenance import continued, provenance
from fashion.runs.record import Provenance


def test_what_a_run_went_through_is_told_in_order():
    first, second = (Provenance("cpu", name, {"torch": "2"}, "abc") for name in ("a", "b"))
    assert continued(first, first) == first
    both = continued(first, second)
    assert both == continued(both, second) == Provenance("cpu", "a, then b", {"torch": "2"}, "abc")
    assert continued(both, first).hardware == "a, then b, then a"


def test_each_part_of_a_provenance_may_change():
    first, second = Provenance("cpu", "a", {"torch": "2"}, None), Provenance("cuda", "b", {"torch": "3"}, "abc")
    expected = Provenance("cpu, then cuda", "a, then b", {"torch": "2, then 3"}, "None, then abc")
    assert continued(first, second) == expected


def test_a_provenance_has_the_versions_and_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    here = provenance(torch.device("cpu"))
    assert here.device == "cpu" and here.hardware.endswith(", 3 threads")
    assert list(here.versions) == ["python", "torch", "torchvision"]
    assert {type(version) for version in here.versions.values()} == {str}


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        ("fashion/training.py", True),
        ("fashion/new.py", True),
        ("fashion/runs/record.py", True),
        ("fashion/runs/new.py", True),
        ("benchmarks/contenders/ours.py", True),
        ("fashion/inference/fast.safetensors", False),
        ("model_logs/run.json", False),
        ("README.md", False),
    ],
)
def test_a_commit_is_dirty_where_code_has_changed_and_not_where_records_have(tmp_path, monkeypatch, changed, dirty):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)

    code = ("benchmarks/contenders/ours.py", "fashion/training.py", "fashion/runs/record.py")
    for name in (*code, "fashion/inference/fast.safetensors", "model_logs/run.json", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as committed")
    for arguments in (("init",), ("add", "."), ("commit", "-m", "all")):
        git(*arguments)
    commit = git("rev-parse", "HEAD").stdout.strip()
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    assert module.git_commit() == commit
    (tmp_path / changed).write_text("changed")
    assert module.git_commit() == commit + "-dirty" * dirty


def test_a_run_names_the_commit_of_the_code_that_was_imported_and_not_of_the_files_since(monkeypatch):
    before = provenance(torch.device("cpu")).git_commit
    monkeypatch.setattr(module, "git_commit", lambda: "another")
    assert provenance(torch.device("cpu")).git_commit == before != "another"


def test_a_package_that_runs_from_no_checkout_has_no_commit(monkeypatch):
    monkeypatch.setattr(module, "CHECKOUT", None)
    assert module.git_commit() is None


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_what_leads_git_elsewhere_does_not_lead_us(monkeypatch, tmp_path):
    commit = module.git_commit()
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    assert commit is not None and module.git_commit() == commit
