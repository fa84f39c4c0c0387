import json

import pytest

from benchmarks import measurements


def test_seconds_are_scaled_to_an_epoch(result):
    assert measurements.epoch_seconds(result(ours=[1.0, 2.0]), "ours") == [93.75, 187.5]  # 640 of 60,000 images
    whole = result(ours=[3.0]) | {"steps": measurements.EPOCH}
    assert measurements.epoch_seconds(whole, "ours") == [3.0]  # the last minibatch holds 32


def test_the_limit_by_hand(result):
    assert measurements.limit_seconds(result()) == pytest.approx(160)
    assert measurements.epoch_medians(result(ours=[1.0, 2.0, 4.0])) == {"ours": 187.5, "limit": pytest.approx(160)}


def test_a_file_is_called_after_the_hardware_and_keeps_other_networks(result, tmp_path):
    path = measurements.path_for(result(), tmp_path)
    assert path == tmp_path / "speed" / "a-cpu-r-2-threads.json"
    one, two = result(ours=[1.0]), result(ours=[2.0])
    measurements.write({"one": two}, path)
    measurements.write({"two": two}, path)
    measurements.write({"one": one}, path)
    assert json.loads(path.read_text()) == {"one": one, "two": two}
    assert measurements.read(tmp_path / "speed") == {"A": {"one": one, "two": two}}


def test_machines_have_short_names_unless_two_would_share_one(result, tmp_path):
    for hardware in ("AMD EPYC (AVX2), 2 threads", "AMD EPYC, 2 threads", "NVIDIA H200"):
        measured = result(hardware)
        measurements.write({"v1": measured}, measurements.path_for(measured, tmp_path))
    assert set(measurements.read(tmp_path / "speed")) == {"AMD EPYC (AVX2), 2 threads", "AMD EPYC, 2 threads", "H200"}


def test_only_what_has_plain_and_the_limit_beside_it_is_compared(result, tmp_path):
    alone = result("NVIDIA H200", ours=[1.0])
    both = result(ours=[1.0], plain=[2.0])
    measurements.write({"v1": alone}, tmp_path / "speed" / "one.json")
    measurements.write({"v1": both, "resnet18": result(ours=[1.0])}, tmp_path / "speed" / "two.json")
    assert measurements.read_compared(tmp_path / "speed") == {"A": {"v1": both}}
