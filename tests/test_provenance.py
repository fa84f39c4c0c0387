import subprocess

import pytest
import torch

from fashion import provenance
from fashion.provenance import continued


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of a module and a plot, both committed."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "code.py").write_text("pass\n")
    (tmp_path / "plot.png").write_bytes(b"plot")
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_a_commit_is_dirty_if_code_has_changed(repository):
    commit = provenance.provenance(torch.device("cpu"))["git_commit"]
    assert len(commit) == 40
    (repository / "plot.png").write_bytes(b"another")
    assert provenance.provenance(torch.device("cpu"))["git_commit"] == commit
    (repository / "package" / "code.py").write_text("1\n")
    assert provenance.provenance(torch.device("cpu"))["git_commit"] == f"{commit}-dirty"


def test_what_a_run_went_through_is_told_in_order():
    first, second = ({"hardware": name, "versions": {"torch": "2"}} for name in ("a", "b"))
    assert continued({}, first) == continued(first, first) == first
    both = continued(first, second)
    assert both == continued(both, second) == {"hardware": "a, then b", "versions": {"torch": "2"}}
    assert continued(both, first)["hardware"] == "a, then b, then a"
