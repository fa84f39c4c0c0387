import shutil
import subprocess

import pytest
import torch

from fashion import provenance as module
from fashion.provenance import continued, provenance


def test_what_a_run_went_through_is_told_in_order():
    first, second = ({"hardware": name, "versions": {"torch": "2"}} for name in ("a", "b"))
    assert continued({}, first) == continued(first, first) == first
    both = continued(first, second)
    assert both == continued(both, second) == {"hardware": "a, then b", "versions": {"torch": "2"}}
    assert continued(both, first)["hardware"] == "a, then b, then a"


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        ("fashion/training.py", True),
        ("fashion/new.py", True),
        ("benchmarks/contenders/ours.py", True),
        ("fashion/fast.safetensors", False),
        ("model_logs/run.json", False),
        ("README.md", False),
    ],
)
def test_a_commit_is_dirty_where_code_has_changed_and_not_where_records_have(tmp_path, monkeypatch, changed, dirty):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)

    committed = ("benchmarks/contenders/ours.py", "fashion/training.py", "fashion/fast.safetensors")
    for name in (*committed, "model_logs/run.json", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as committed")
    for arguments in (("init",), ("add", "."), ("commit", "-m", "all")):
        git(*arguments)
    commit = git("rev-parse", "HEAD").stdout.strip()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert provenance(torch.device("cpu"))["git_commit"] == commit
    (tmp_path / changed).write_text("changed")
    assert provenance(torch.device("cpu"))["git_commit"] == commit + "-dirty" * dirty
