import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch
from damage import one_line
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from made_up import a_run

from fashion import Experiment
from fashion.runs.record import Record

# What a name alone meant once: a record of it is read with its parameter.
RENAMED = {"translate", "cutout", "cutmix"}

NUMBERS = st.one_of(
    st.integers(-3, 200),
    st.integers(),
    st.floats(),
    st.floats(0, 1),
    st.floats(0, 1, width=32).map(np.float32),
    st.integers(1, 99).map(np.int64),
    st.floats(0, 1).map(np.float64),
    st.booleans(),
    st.booleans().map(np.bool_),
    st.integers(1, 9).map(lambda value: np.array(value / 10)),
    st.integers(1, 9).map(lambda value: torch.tensor(value / 8)),
    st.fractions(0, 1),
    st.decimals(0, 1, places=2),
    st.complex_numbers(),
)
TEXTS = st.one_of(
    st.sampled_from(["sgd", "adam", "muon", "flip", "cutout", "one_cycle", "fast", ""]), st.text(max_size=8)
)
PLAIN = st.one_of(NUMBERS, TEXTS, st.none(), st.binary(max_size=3), st.just(np.zeros((2, 2))), st.just(object))
VALUES = st.one_of(
    PLAIN,
    st.recursive(
        PLAIN, lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple), max_leaves=5
    ),
    st.dictionaries(TEXTS, PLAIN, max_size=2),
    st.sets(st.integers(), max_size=2),
)
TEACHER = Experiment("teacher", "NeuralNetwork_v1", epochs=2, augment=(("cutout", 8),))
PAIRS = st.tuples(TEXTS, st.one_of(NUMBERS, TEXTS))
LIKELY = {
    "name": TEXTS,
    "model": TEXTS,
    "epochs": st.integers(1, 9) | st.integers(1, 9).map(np.int64),
    "lr": NUMBERS,
    "momentum": NUMBERS,
    "batch_size": NUMBERS,
    "changes": st.lists(TEXTS, max_size=3).map(tuple),
    "pretrained": TEXTS,
    "optimiser": TEXTS | PAIRS | PAIRS.map(list),
    "schedule": TEXTS,
    "nesterov": st.booleans() | NUMBERS,
    "weight_decay": NUMBERS,
    "label_smoothing": NUMBERS,
    "augment": st.lists(TEXTS | PAIRS, max_size=3) | st.lists(TEXTS | PAIRS, max_size=3).map(tuple),
    "averaging": NUMBERS,
    "teacher": st.just(()) | st.tuples(st.just(TEACHER) | TEXTS, NUMBERS, NUMBERS),
    "keep": st.booleans() | NUMBERS,
    "group": TEXTS,
    "published": st.none() | NUMBERS,
    "published_stem": TEXTS,
}
REQUIRED = {"name": "mine", "model": "NeuralNetwork_v1", "epochs": 1}
RECIPES = st.fixed_dictionaries({}, optional=LIKELY) | st.dictionaries(
    st.sampled_from(list(LIKELY)), VALUES, max_size=3
)


@settings(max_examples=600)
@given(RECIPES)
@example({"lr": float("nan")})
@example({"lr": 10**400})
@example({"batch_size": True})
@example({"name": "two\nlines"})
@example({"name": "two\nlines", "epochs": 0})
@example({"lr": np.zeros((2, 2))})
@example({"lr": Fraction(1, 3)})
@example({"lr": Decimal("0.1")})
@example({"optimiser": ["muon", np.float32(0.1)]})
@example({"optimiser": ("muon", {1})})
@example({"teacher": (TEACHER, 3, np.float64(0.5))})
@example({"augment": (("cutout", [8]),)})
@example({"momentum": 0.9, "nesterov": np.bool_(True)})
def test_a_recipe_is_refused_or_read_as_it_was_written(values):
    try:
        experiment = Experiment(**REQUIRED | values)
    except (TypeError, ValueError) as error:
        assert one_line(error)
        return
    assume(not RENAMED & set(map(str, experiment.augment)))
    record = replace(a_run(10.0).record, experiment=experiment)
    again = Record.from_json(json.loads(json.dumps(record.to_json())))
    assert again == record and again.experiment.name == experiment.name
    assert hash(again.experiment) == hash(experiment) and not experiment.differences(again.experiment)
