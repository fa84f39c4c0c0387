import os
from dataclasses import replace

import pytest
from helpers import LEARNER

from fashion import EXPERIMENTS, FashionError, experiments
from fashion.recipes import chosen


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        ({"epochs": 0}, "learner: epochs must be a positive whole number, not 0"),
        ({"epochs": 2.5}, "epochs must be a positive whole number, not 2.5"),
        ({"batch_size": 0}, "batch_size must be a positive whole number, not 0"),
        ({"lr": "1e-3"}, "lr must be a positive number, not '1e-3'"),
        ({"lr": -0.1}, "lr must be a positive number, not -0.1"),
        ({"weight_decay": -1}, "weight_decay must be a number from 0 on, not -1"),
        ({"averaging": 1.5}, "averaging must be from 0 to below 1, not 1.5"),
        ({"label_smoothing": 2}, "label_smoothing must be from 0 to below 1, not 2"),
        ({"momentum": 0.0, "nesterov": True}, "nesterov needs a momentum"),
        ({"optimiser": 0.05}, r"optimiser must be a name, .* such as \('muon', 0.05\), not 0.05"),
        ({"optimiser": (0.05,)}, r"optimiser must be a name, .* not \(0.05,\)"),
        ({"changes": ("logits")}, "changes must be a tuple of names, .* not 'logits'"),
        ({"augment": ["flip"]}, r"augment must be a tuple of names, .* not \['flip'\]"),
        ({"augment": ("flip", 8)}, r"augment must be a tuple of names, .* not \('flip', 8\)"),
        ({"augment": ((),)}, r"augment must be a tuple of names, .* not \(\(\),\)"),
        ({"teacher": ("fast", 3, 0.5)}, r"teacher must be \(\), or an experiment, .* not \('fast', 3, 0.5\)"),
        ({"group": "varaints"}, "group must be one of published, variants, .*, not 'varaints'"),
        ({"published": "92.1"}, "published must be an accuracy in percent, or None, not '92.1'"),
    ],
)
def test_a_slip_in_a_recipe_is_told_at_once(slip, message):
    with pytest.raises(ValueError, match=message):
        replace(LEARNER, **slip)


def test_no_two_experiments_share_a_name_or_a_recipe():
    with pytest.raises(ValueError, match="two experiments are called learner"):
        experiments._by_name(LEARNER, EXPERIMENTS["v1"], replace(LEARNER, lr=1.0))
    with pytest.raises(ValueError, match="learner and again are the same recipe"):
        experiments._by_name(LEARNER, EXPERIMENTS["v1"], replace(LEARNER, name="again"))


def test_no_two_experiments_share_a_folder():
    stems = [experiment.stem for experiment in EXPERIMENTS.values()]
    assert len(set(stems)) == len(stems)
    assert len({os.path.normcase(stem) for stem in stems}) == len(stems)


def test_a_folder_is_called_as_its_experiment_or_as_it_was_published():
    assert LEARNER.stem == "model_learner"
    assert replace(LEARNER, published_stem="published_test").stem == "published_test"
    assert EXPERIMENTS["resnet18"].stem == "resnet18_test"


def test_the_recipe_of_a_teacher_is_part_of_a_recipe():
    taught, teacher = (replace(LEARNER, teacher=(each, 3, 0.5)) for each in (LEARNER, replace(LEARNER, lr=0.5)))
    assert taught != teacher and taught.differences(teacher) == ["teacher's lr 0.5, not 0.05"]
    other = replace(LEARNER, teacher=(replace(LEARNER, name="b"), 2, 0.5))
    assert taught.differences(other) == ["teacher ('b', 2, 0.5), not ('learner', 3, 0.5)"]
    assert taught == replace(LEARNER, teacher=(replace(LEARNER, name="b"), 3, 0.5))
    assert taught.differences(replace(LEARNER, teacher=(replace(LEARNER, name="b"), 3, 0.5))) == []
    assert taught.differences(LEARNER) == ["teacher (), not ('learner', 3, 0.5)"]


def test_what_decides_no_outcome_is_no_part_of_a_recipe():
    same = replace(LEARNER, name="b", keep=True, group="fast", published=10.0, published_stem="c")
    assert same == LEARNER and hash(same) == hash(LEARNER)
    assert same.recipe == LEARNER.recipe and LEARNER.differences(same) == []


def test_differences_are_what_the_other_has_and_not_this_one():
    other = replace(LEARNER, epochs=2, optimiser=("muon", 0.05))
    assert LEARNER.differences(other) == ["epochs 2, not 4", "optimiser ('muon', 0.05), not sgd"]
    assert other.differences(LEARNER) == ["epochs 4, not 2", "optimiser sgd, not ('muon', 0.05)"]


TABLE = {"plain": lambda network: network, "scaled": lambda network, factor, offset: network}


@pytest.mark.parametrize("choice", ["plain", ("plain",), ("scaled", 2, 3)])
def test_a_choice_is_found_in_its_table_with_its_parameters(choice):
    name, *parameters = (choice,) if isinstance(choice, str) else choice
    assert chosen(choice, TABLE, "change", "there.py", given=1) == (TABLE[name], parameters)


@pytest.mark.parametrize(
    ("choice", "given", "message"),
    [
        ("plane", 1, "there is no change 'plane': there.py has plain, scaled"),
        (("plane", 2), 1, "there is no change 'plane': there.py has plain, scaled"),
        (("plain", 2), 1, "the change 'plain' takes (), not (2,)"),
        ("scaled", 1, "the change 'scaled' takes (factor, offset), not ()"),
        (("scaled", 2), 1, "the change 'scaled' takes (factor, offset), not (2,)"),
        (("scaled", 2, 3), None, "the change 'scaled' takes (), not (2, 3)"),
    ],
)
def test_a_choice_that_there_is_not_is_named(choice, given, message):
    with pytest.raises(FashionError) as error:
        chosen(choice, TABLE, "change", "there.py", given)
    assert str(error.value) == message
