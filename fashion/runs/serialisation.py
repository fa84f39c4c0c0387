"""A recipe as `run.json` has it, and as older versions of this package wrote it."""

from collections.abc import Mapping

from fashion.experiments import EXPERIMENTS, Experiment

# What a name alone meant before a recipe gave its parameters.
_PARAMETERS = {"translate": 2, "cutout": 8, "cutmix": 0.5}


def recipe_to_json(experiment: Experiment) -> dict:
    """Return what `run.json` has of a recipe, that of a teacher included."""
    recipe = experiment.recipe
    if recipe["teacher"]:
        teacher, *others = recipe["teacher"]
        recipe["teacher"] = [{"experiment": teacher.name, "recipe": recipe_to_json(teacher)}, *others]
    return recipe


def experiment_from_json(name: str, recipe: Mapping) -> Experiment:
    """Return the experiment of a recorded recipe; what an older one lacks or calls otherwise is put right here.

    Raises:
        KeyError, TypeError, ValueError: something is missing, or cannot be what it is for.
    """
    recipe = dict(recipe)
    if rate := recipe.pop("muon", 0):
        recipe["optimiser"] = ["muon", rate]
    if "pretrained" not in recipe:
        recipe["pretrained"] = "imagenet" if recipe["model"] == "resnet18" else ""
        recipe["model"] = recipe["model"].removesuffix("_scratch")
    if recipe.get("teacher"):
        teacher, *others = recipe["teacher"]
        recipe["teacher"] = [_teacher(teacher), *others]
    recipe = {key: _tuple(value) for key, value in recipe.items()}
    augment = tuple((each, _PARAMETERS[each]) if each in _PARAMETERS else each for each in recipe.pop("augment", ()))
    return Experiment(name, augment=augment, **recipe)


def _teacher(value: str | dict) -> Experiment:
    """Return the experiment that teaches, of which older records have the name alone."""
    return EXPERIMENTS[value] if isinstance(value, str) else experiment_from_json(value["experiment"], value["recipe"])


def _tuple(value: object) -> object:
    """Turn JSON's lists into tuples, which can be compared and hashed."""
    return tuple(map(_tuple, value)) if isinstance(value, list) else value
