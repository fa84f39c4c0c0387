"""A clone has the same bytes on every system."""

import os
import subprocess

import pytest

from fashion.settings import ROOT


def git(*arguments, cwd=ROOT, given=None):
    # A hook of git sets variables that lead to another repository than the folder's
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], cwd=cwd, env=surroundings, input=given, capture_output=True, check=True)
    return done.stdout


def committed(repository):
    """Return the hash of each file that is committed, by its name."""
    lines = (line.split(b"\t") for line in git("ls-tree", "-r", "-z", "HEAD", cwd=repository).split(b"\0") if line)
    return {name: told.split()[2] for told, name in lines}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_a_clone_on_windows_has_the_bytes_that_are_committed(tmp_path):
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--config", "core.autocrlf=true", str(ROOT), str(clone))
    files = committed(clone)
    found = git("hash-object", "--no-filters", "--stdin-paths", cwd=clone, given=b"\n".join(files)).split()
    assert len(files) > 1000
    assert [name for name, here in zip(files, found, strict=True) if files[name] != here] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_no_text_is_committed_with_other_line_ends():
    lines = git("ls-files", "--eol").decode().splitlines()
    assert [line for line in lines if line.startswith(("i/crlf", "i/mixed"))] == []
