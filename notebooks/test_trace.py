"""Collected before the first notebook runs, and run after the last: of all tests, this one comes at the end."""

import subprocess

from fashion.settings import ROOT


def status():
    return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout


BEFORE = status()


def test_tests_and_notebooks_leave_no_trace():
    assert status() == BEFORE
