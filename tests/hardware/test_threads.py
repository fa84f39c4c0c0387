import os
import subprocess
import sys

import pytest
import torch
from helpers import LEARNER

from fashion import run
from fashion.hardware.threads import keep_to, threads_for, wait_briefly
from fashion.settings import cores

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    """PyTorch's default number of threads on a machine with four cores, where the user chose none."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_a_network_with_little_work_trains_with_one_thread():
    with threads_for(CPU, wide=False):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 4


def test_the_threads_come_back_after_an_error():
    with pytest.raises(FloatingPointError), threads_for(CPU, wide=False):
        raise FloatingPointError
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize(("device", "wide"), [("cpu", True), ("cuda", False)])
def test_other_networks_and_devices_have_all_threads(device, wide):
    with threads_for(torch.device(device), wide):
        assert torch.get_num_threads() == 4


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_a_users_number_from_the_environment_stays(monkeypatch, name):
    monkeypatch.setenv(name, "4")
    with threads_for(CPU, wide=False):
        assert torch.get_num_threads() == 4


@pytest.mark.parametrize(("number", "trains_with"), [(3, 3), (2, 1)])
def test_a_users_number_stays_that_is_not_one_for_each_core_or_two(number, trains_with):
    torch.set_num_threads(number)
    with threads_for(CPU, wide=False):
        assert torch.get_num_threads() == trains_with
    assert torch.get_num_threads() == number


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_process_that_shares_the_cores_has_its_part_of_the_threads(monkeypatch, number):
    monkeypatch.setenv("FASHION_CORES", "")  # which it sets
    keep_to(number)
    assert cores() == torch.get_num_threads() == number
    for wide, trains_with in ((False, 1), (True, number)):
        with threads_for(CPU, wide):
            assert torch.get_num_threads() == trains_with


def test_a_users_number_stays_where_processes_share_the_cores(monkeypatch):
    monkeypatch.setenv("FASHION_CORES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    keep_to(2)
    assert torch.get_num_threads() == 4


def test_a_run_has_the_threads_of_its_network_and_says_so(tmp_path, small):
    seen = []
    trained = run(LEARNER, 0, logs=tmp_path, data=small, after_epoch=lambda _: seen.append(torch.get_num_threads()))
    assert seen == [1] * 4 and trained.record.provenance.hardware.endswith(", 1 thread")
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("chosen", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "5"}])
def test_a_users_way_to_wait_stays(monkeypatch, chosen):
    monkeypatch.setattr(os, "environ", dict(chosen))
    wait_briefly()
    assert os.environ == chosen


def test_threads_wait_briefly_where_the_package_is_imported_before_torch():
    chosen = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in chosen}
    program = "import os, sys, fashion; print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    imported, spins = done.stdout.split()
    assert imported == "False" and 0 < int(spins) < 300_000  # the default of GNU's OpenMP
