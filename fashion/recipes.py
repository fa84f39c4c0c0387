"""What an experiment is: a recipe, as data, and what it chooses by name."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from inspect import signature
from typing import TypeVar

from fashion.settings import FashionError

# What is chosen by name from a table, alone or with parameters: "flip", ("cutout", 8).
Choice = str | tuple

_Entry = TypeVar("_Entry")


def _plain(value: object) -> object:
    """Turn numbers of other libraries into Python's: what is recorded is what is read again."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if type(value).__module__ != "builtins" and getattr(value, "shape", None) == ():
        return value.item()
    return value


def whole(value: object) -> bool:
    """Say whether a value is a whole number, which True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: object) -> bool:
    """Say whether a value is a number, neither infinite nor nan."""
    return (whole(value) or isinstance(value, float)) and abs(value) < 1e308


def _share(value: object) -> bool:
    return number(value) and 0 <= value < 1


def _choice(value: object) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, tuple) and len(value) > 0 and isinstance(value[0], str) and all(map(_parameter, value[1:]))


def _parameter(value: object) -> bool:
    return isinstance(value, bool | str) or number(value) or (isinstance(value, tuple) and all(map(_parameter, value)))


def _teacher(value: object) -> bool:
    if value == ():
        return True
    if not (isinstance(value, tuple) and len(value) == 3):
        return False
    teacher, parts, share = value
    return isinstance(teacher, Experiment) and whole(parts) and parts > 1 and number(share) and 0 < share <= 1


def _choices(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_choice, value))


_NAME = re.compile(r"[\w.+-]*\w[\w.+-]*")

# Which table of the README shows an experiment; "inside" is for notebook 08.
GROUPS = ("published", "variants", "fast", "ablations", "search", "final", "inside")

# What the fields of a recipe can be, and in words.
_VALUES = (
    (("name",), lambda value: isinstance(value, str) and _NAME.fullmatch(value), "the name of a file"),
    (("model", "pretrained", "schedule"), lambda value: isinstance(value, str), "a name"),
    (("nesterov", "keep"), lambda value: isinstance(value, bool), "True or False"),
    (("epochs", "batch_size"), lambda value: whole(value) and value > 0, "a positive whole number"),
    (("lr",), lambda value: number(value) and value > 0, "a positive number"),
    (("weight_decay",), lambda value: number(value) and value >= 0, "a number from 0 on"),
    (("momentum", "label_smoothing", "averaging"), _share, "from 0 to below 1"),
    (("optimiser",), _choice, "a name, or a name and its parameters, such as ('muon', 0.05)"),
    (("teacher",), _teacher, "(), or an experiment, a number of parts and a share, such as (_FAST, 3, 0.5)"),
    (("changes", "augment"), _choices, "a tuple of names, such as ('flip', ('cutout', 8))"),
    (("group",), lambda value: isinstance(value, str) and value in GROUPS, f"one of {', '.join(GROUPS)}"),
    (("published",), lambda value: value is None or number(value), "an accuracy in percent, or None"),
)


def require(
    values: Mapping[str, object], rules: Iterable[tuple[Iterable[str], Callable[[object], object], str]]
) -> None:
    """Hold values to rules: the names of some of them, a function that allows a value, and what it allows, in words.

    Raises:
        ValueError: one is not allowed.
    """
    for names, allows, what in rules:
        for name in names:
            if not allows(values[name]):
                raise ValueError(f"{name} must be {what}, not {values[name]!r}")


@dataclass(frozen=True)
class Experiment:
    """One recipe, and what it is called. Two experiments are equal if their recipes are.

    Every recipe trains with `CrossEntropyLoss`. What it chooses by name may have parameters: `("cutout", 8)`.

    Attributes:
        name: what the command line calls it.
        model: a key of `fashion.models.MODELS`.
        epochs: passes over the training images.
        lr: the learning rate, or the highest where it follows a schedule.
        momentum: of the optimiser.
        batch_size: images of a minibatch.
        changes: keys of `fashion.changes.CHANGES`, applied to the network in order.
        pretrained: the weights to start from, a key of `fashion.changes.PRETRAINED`; "" for random ones.
        optimiser: a key of `fashion.optimisation.OPTIMISERS`.
        schedule: of the learning rate, a key of `fashion.optimisation.SCHEDULES`.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: for weights of more than one dimension; biases and normalisation have none.
        label_smoothing: the share of every training label that is spread over all classes.
        augment: keys of `fashion.augment.AUGMENTATIONS`, applied to the training images in order, anew in each epoch.
        averaging: the decay, for each step, of an exponential average of the weights, which is then what is tested; 0
            for none.
        teacher: an experiment, n, and a share: each training label gives up this share to the probabilities of a
            network that learned by that experiment from the other n - 1 of n parts of the images; () for none.
        keep: whether its runs keep the weights of the network, and what it returns for the evaluated images.
        group: the table that shows it, one of `GROUPS`.
        published: test accuracy after the last epoch in the published study, one run, in percent.
        published_stem: what its folder and files are called there, where that is not `model_<name>`.

    Raises:
        ValueError: a value cannot be what it is for.
    """

    name: str = field(compare=False)
    model: str
    epochs: int
    lr: float = 1e-3
    momentum: float = 0.0
    batch_size: int = 64
    changes: tuple[str, ...] = ()
    pretrained: str = ""
    optimiser: Choice = "sgd"
    schedule: str = "constant"
    nesterov: bool = False
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    augment: tuple[Choice, ...] = ()
    averaging: float = 0.0
    teacher: tuple = ()
    keep: bool = field(default=False, compare=False)
    group: str = field(default="variants", compare=False)
    published: float | None = field(default=None, compare=False)
    published_stem: str = field(default="", compare=False)

    def __post_init__(self):
        for each in fields(self):
            object.__setattr__(self, each.name, _plain(getattr(self, each.name)))
        try:
            require(vars(self), _VALUES)
        except ValueError as error:
            raise ValueError(" ".join(f"{self.name}: {error}".split())) from None
        if self.nesterov and not self.momentum:
            raise ValueError(f"{self.name}: nesterov needs a momentum")

    @property
    def stem(self) -> str:
        """What its folder and files are called: `model_logs/<stem>_logs/<stem>_accuracy.png`."""
        return self.published_stem or f"model_{self.name}"

    @property
    def recipe(self) -> dict:
        """What decides the outcome, next to the seed: the fields that equal experiments share."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.compare}

    def differences(self, other: "Experiment") -> list[str]:
        """Say where another recipe differs from this one: `["epochs 2, not 5"]`."""
        ours, theirs = self.recipe, other.recipe
        differing = {name: (_named(theirs[name]), _named(ours[name])) for name in ours if theirs[name] != ours[name]}
        found = [f"{name} {there}, not {here}" for name, (there, here) in differing.items() if there != here]
        if self.teacher and other.teacher:
            found += [f"teacher's {each}" for each in self.teacher[0].differences(other.teacher[0])]
        return found


def _named(value: object) -> object:
    """Put the name of an experiment in its place in a tuple."""
    if not isinstance(value, tuple):
        return value
    return tuple(each.name if isinstance(each, Experiment) else each for each in value)


def chosen(
    choice: Choice, table: Mapping[str, _Entry], kind: str, module: str, given: int | None = None
) -> tuple[_Entry, list]:
    """Return what a table has under the name of a choice, and the parameters of the choice.

    Raises:
        FashionError: the table, of a kind of things and in a module, has no such name, or the entry takes other
            parameters after the arguments that it is given; None stands for an entry that takes no parameters.
    """
    name, *parameters = (choice,) if isinstance(choice, str) else choice
    if name not in table:
        raise FashionError(f"there is no {kind} {name!r}: {module} has {', '.join(table)}")
    places = [] if given is None else signature(table[name]).parameters.values()
    takes = [each.name for each in places if each.kind is not each.KEYWORD_ONLY][given:]
    if len(takes) != len(parameters):
        raise FashionError(f"the {kind} {name!r} takes ({', '.join(takes)}), not {tuple(parameters)}")
    return table[name], parameters
