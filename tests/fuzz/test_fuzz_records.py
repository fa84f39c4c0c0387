import json
import re
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from damage import damaged, one_line
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_up import a_run

from fashion import EXPERIMENTS, FashionError
from fashion.runs.record import Record, Run, read_run, write_run

EXPERIMENT = replace(EXPERIMENTS["fast"], epochs=3)
IMAGES = 12
NAMES = ("run.json", "history.csv", "predictions.bin", "outputs.npy")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for a run, and the content of the files of a whole one."""
    predictions = np.arange(IMAGES).astype(np.uint8) % 10
    outputs = np.linspace(-3, 3, 2 * IMAGES * 10).reshape(2, IMAGES, 10).astype(np.float16)
    run = a_run(50.0, 60.0, 70.0, experiment=EXPERIMENT, predictions=predictions, outputs=outputs)
    folder = tmp_path_factory.mktemp("records") / "seed_0"
    write_run(run, folder, None)
    return folder, {name: (folder / name).read_bytes() for name in NAMES}


def read(place, **changed):
    """Read a run of which some files have another content, or are missing: None, or a run, or an error of one line."""
    folder, contents = place
    for name, content in (contents | changed).items():
        (folder / name).unlink(missing_ok=True)
        if content is not None:
            (folder / name).write_bytes(content)
    try:
        run = read_run(folder)
    except FashionError as error:
        assert one_line(error) and str(folder) in str(error)
        return
    require_consistent(run)


def require_consistent(run):
    assert isinstance(run, Run)
    record = run.record
    assert type(record.seed) is int and record.seed == 0
    assert record.evaluated_on in ("test", "validation") and record.precision in ("fp32", "bf16")
    assert type(record.train_images) is type(record.test_images) is type(record.together) is int
    assert type(record.compiled) is bool and record.together >= 1
    where = record.provenance
    assert isinstance(where.device, str) and isinstance(where.hardware, str) and isinstance(record.machine, str)
    assert where.git_commit is None or isinstance(where.git_commit, str)
    assert all(isinstance(each, str) for each in (*where.versions, *where.versions.values()))
    assert [epoch.epoch for epoch in run.history] == list(range(1, record.experiment.epochs + 1))
    for epoch in run.history:  # whose losses may be infinite
        assert 0 <= epoch.train_accuracy <= 100 and 0 <= epoch.test_accuracy <= 100
        assert 0 <= epoch.seconds < inf and not (epoch.train_seconds < 0 or epoch.train_seconds == inf)
    assert run.predictions.dtype == np.uint8 and run.predictions.shape == (record.test_images,)
    assert run.predictions.max(initial=0) <= 9
    if run.outputs is not None:
        assert run.outputs.dtype == np.float16 and run.outputs.shape == (2, record.test_images, 10)
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    json.dumps(run.to_json())


def test_a_whole_run_is_read(place):
    read(place)
    assert read_run(place[0]).accuracy == 70.0


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_told_or_does_no_harm(place, name):
    @settings(max_examples=120)
    @given(damaged(place[1][name]))
    def check(content):
        read(place, **{name: content})

    check()
    read(place, **{name: None})


@settings(max_examples=150)
@given(data=st.data(), value=ANYTHING, remove=st.booleans())
def test_another_field_is_told_or_does_no_harm(place, data, value, remove):
    run = json.loads(place[1]["run.json"])
    inner = data.draw(st.sampled_from([run, run["recipe"], run["versions"]]))
    key = data.draw(st.sampled_from([*inner, "new"]))
    if remove:
        inner.pop(key, None)
    else:
        inner[key] = value
    read(place, **{"run.json": json.dumps(run).encode()})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("compiled", 0), ("compiled", "yes"), ("seed", False), ("seed", "0"), ("together", 0), ("together", 1.0),
        ("precision", "fp8"), ("precision", ["fp32"]), ("device", 5), ("hardware", None), ("versions", {"python": 3}),
        ("versions", []), ("git_commit", 7), ("test_images", 12.0), ("train_images", -1), ("evaluated_on", "tset"),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_is_told(place, key, value):
    run = json.loads(place[1]["run.json"]) | {key: value}
    with pytest.raises(FashionError, match="is not a whole run"):
        for name in NAMES:
            (place[0] / name).write_bytes(place[1][name])
        (place[0] / "run.json").write_text(json.dumps(run))
        read_run(place[0])


@settings(max_examples=60)
@given(ANYTHING)
@example([])
@example("run")
def test_a_record_of_another_form_is_told(place, value):
    read(place, **{"run.json": json.dumps(value).encode()})


def test_a_record_nested_without_end_is_told(place):
    read(place, **{"run.json": b"[" * 100_000})
    read(place, **{"run.json": b'{"recipe": ' * 100_000})


CELLS = st.sampled_from(["1", "2", "0.5", "nan", "inf", "-1", "", "1e999", "one", '"', "\0", "epoch", "9" * 400, "1_0"])


@settings(max_examples=100)
@given(data=st.data())
def test_other_rows_are_told_or_do_no_harm(place, data):
    rows = [line.split(",") for line in place[1]["history.csv"].decode().splitlines()]
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.sampled_from(rows))
        how = data.draw(st.sampled_from(["change", "add", "drop", "repeat"]))
        if how == "repeat":
            rows.insert(data.draw(st.integers(0, len(rows))), list(row))
        elif how == "add":
            row.append(data.draw(CELLS))
        elif row:
            at = data.draw(st.integers(0, len(row) - 1))
            row[at : at + 1] = [] if how == "drop" else [data.draw(CELLS)]
    read(place, **{"history.csv": "\n".join(map(",".join, rows)).encode()})


@settings(max_examples=60)
@given(
    version=st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x04\x00", b"\xff\xff"]),
    kind=st.sampled_from(["<f2", ">f2", "<f4", "|O", "|u1", "<M8[s]", "|S3", "<f99", "f2,f2", "[('a', '<f2')]"]),
    shape=st.sampled_from(
        ["(2, 12, 10)", "(12,)", "()", "(2, -12, 10)", "(2, 12, 10**9)", f"({2**60}, 2)", "12", "(1,)" * 9]
    ),
    order=st.sampled_from(["True", "False", "None"]),
)
def test_outputs_of_another_form_are_told_or_do_no_harm(place, version, kind, shape, order):
    header = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    length = len(header).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    read(place, **{"outputs.npy": b"\x93NUMPY" + version + length + header + bytes(480)})


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04" + bytes(40), b"PK\x05\x06" + bytes(18), b"\x80\x04]\x94.", b"\x93NUMPY"]
)
def test_outputs_that_are_no_array_are_told(place, content):
    with pytest.raises(FashionError, match=re.escape(str(place[0]))):
        folder, contents = place
        for name in NAMES:
            (folder / name).write_bytes(content if name == "outputs.npy" else contents[name])
        read_run(folder)
