"""Every experiment of the study, as data: to change a recipe, change or add a line of `EXPERIMENTS`."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from fashion.recipes import Experiment

_V1 = "NeuralNetwork_v1"
_PLAIN = "NeuralNetwork_v1_5_5"
_BN = "NeuralNetwork_v1_5_5_BN"


_V1_FIXED = ("logits", "identity", "momentum")  # the fewest that bring every seed above 80% on the validation split


def _v1_variants() -> Iterator[Experiment]:
    """Yield v1 with each of four changes, and with each combination of them; one is `v1_fixed`."""
    for size in (1, 2, 3, 4):
        for made in combinations(("logits", "identity", "lrx10", "momentum"), size):
            yield Experiment(
                "v1_fixed" if made == _V1_FIXED else "_".join(("v1", *made)),
                _V1,
                epochs=5,
                lr=1e-2 if "lrx10" in made else 1e-3,
                momentum=0.9 if "momentum" in made else 0.0,
                changes=tuple(change for change in made if change in ("logits", "identity")),
            )


V1_COMBINATIONS = ("v1", *(experiment.name for experiment in _v1_variants()))


def _by_name(*experiments: Experiment) -> dict[str, Experiment]:
    table = {experiment.name: experiment for experiment in experiments}
    if len(table) < len(experiments):
        names = [experiment.name for experiment in experiments]
        raise ValueError(f"two experiments are called {max(names, key=names.count)}")
    for one, other in combinations(experiments, 2):
        if one == other:
            raise ValueError(f"{one.name} and {other.name} are the same recipe")
    return table


_FAST = Experiment(
    "fast",
    "FastNetwork_32",
    epochs=16,
    lr=0.2,
    momentum=0.9,
    batch_size=256,
    schedule="one_cycle",
    nesterov=True,
    weight_decay=5e-4,
    label_smoothing=0.1,
    augment=("flip", ("cutout", 8)),
    keep=True,
    group="fast",
)
_FAST_94 = replace(_FAST, name="fast_94", epochs=10, augment=("alternate", ("cutout", 8)))
_FAST_94_MUON = replace(_FAST_94, name="fast_94_muon", optimiser=("muon", 0.1), augment=("alternate",))
_FAST_95 = replace(
    _FAST, name="fast_95", model="FastNetwork_64", epochs=28, augment=("flip", ("translate", 2), ("cutout", 8))
)
_FINAL_WIDE = replace(
    _FAST,
    name="final_wide",
    model="WideResNet_28_10",
    epochs=100,
    lr=0.1,
    batch_size=128,
    augment=("flip", ("translate", 2), ("cutmix", 0.5)),
    averaging=0.999,
    group="final",
)

_SEARCH = replace(
    _FAST,
    name="search",
    model="FastNetwork_128_3",
    epochs=60,
    batch_size=512,
    optimiser=("muon", 0.05),
    augment=("alternate", ("translate", 2)),
    group="search",
)
_MOVED = _SEARCH.augment
_ERASED = (*_MOVED, ("erase", 0.5))
_LARGE = {"batch_size": 1024, "optimiser": ("muon", 0.1)}

_TEACHER = {"model": "FastNetwork_64_3", "epochs": 40, "augment": (*_MOVED, ("cutmix", 0.5))}
_SEARCH_TEACHER = replace(_SEARCH, name="search_teacher", **_TEACHER)
_FINAL_TEACHER = replace(
    _SEARCH, name="final_teacher", model="FastNetwork_64_3", epochs=60, augment=(*_ERASED, ("cutmix", 0.5))
)
_SHORT = {"model": "FastNetwork_32", "epochs": 10, "batch_size": 256, "augment": ("alternate", ("cutout", 8))}

# What was tried on the validation split for the final model, for a GPU, and for a CPU, as it differs from `search`.
SEARCH = {
    "search": {},
    "search_erase": {"augment": _ERASED},
    "search_cutmix": {"augment": (*_MOVED, ("cutmix", 0.5))},
    "search_cutmix_erase": {"augment": (*_ERASED, ("cutmix", 0.5))},
    "search_cutmix_affine": {
        "augment": ("alternate", ("affine", 10.0, 0.1, 0.1), ("translate", 2), ("cutmix", 0.5)),
    },
    "search_teacher": _TEACHER,
    "search_cutmix_taught": {
        "augment": (*_MOVED, ("cutmix", 0.5)),
        "label_smoothing": 0.0,
        "teacher": (_SEARCH_TEACHER, 3, 0.5),
    },
    "search_cutmix_erase_taught": {
        "augment": (*_ERASED, ("cutmix", 0.5)),
        "label_smoothing": 0.0,
        "teacher": (_SEARCH_TEACHER, 3, 0.5),
    },
    "search_64_8": {"model": "FastNetwork_64", "epochs": 8, "augment": ("alternate", ("cutout", 8))},
    "search_128_5": {"model": "FastNetwork_128", "epochs": 5, "augment": ("alternate", ("cutout", 8))},
    "search_64_3_24": {"model": "FastNetwork_64_3", "epochs": 24, "augment": (*_MOVED, ("cutout", 8))},
    "search_128_3_12": {"epochs": 12, "augment": (*_MOVED, ("cutout", 8))},
    "search_128_3_14_large": {"epochs": 14, "augment": (*_MOVED, ("cutout", 8)), **_LARGE},
    "search_64_3_30": {"model": "FastNetwork_64_3", "epochs": 30, "augment": _ERASED},
    "search_128_3_20": {"epochs": 20, "augment": _ERASED},
    "search_32_10": _SHORT,
    "search_32_10_flips": {**_SHORT, "augment": ("alternate",)},
    "search_32_10_sgd_flips": {**_SHORT, "optimiser": "sgd", "augment": ("alternate",)},
    "search_32_10_sgd_faster": {**_SHORT, "optimiser": "sgd", "lr": 0.4},
    "search_32_10_cutout_4": {**_SHORT, "augment": ("alternate", ("cutout", 4))},
    "search_32_10_erase": {**_SHORT, "augment": ("alternate", ("erase", 0.5))},
    "search_32_10_flips_slower": {**_SHORT, "optimiser": ("muon", 0.03), "augment": ("alternate",)},
    "search_32_10_flips_plain": {**_SHORT, "label_smoothing": 0.0, "augment": ("alternate",)},
    "search_32_10_sgd_cutout_4": {**_SHORT, "optimiser": "sgd", "augment": ("alternate", ("cutout", 4))},
    "search_32_10_flips_fastest": {**_SHORT, "optimiser": ("muon", 0.2), "augment": ("alternate",)},
    "search_32_10_cutout_4_faster": {**_SHORT, "optimiser": ("muon", 0.1), "augment": ("alternate", ("cutout", 4))},
}
_FAST_94_GPU = replace(
    _SEARCH,
    name="fast_94_gpu",
    model="FastNetwork_64",
    epochs=10,
    augment=("alternate", ("cutout", 8)),
    group="fast",
    **_LARGE,
)
_FAST_95_GPU = replace(_FAST_94_GPU, name="fast_95_gpu", epochs=40, augment=_ERASED)
_FINAL = replace(
    _SEARCH,
    name="final",
    epochs=110,
    label_smoothing=0.0,
    augment=(*_ERASED, ("cutmix", 0.5)),
    teacher=(_FINAL_TEACHER, 3, 0.5),
    group="final",
)
_FINAL_SMALL = replace(_FINAL, name="final_small", model="FastNetwork_64_3_3", epochs=54, augment=_ERASED)

# The fast recipe with one ingredient taken out, exchanged or put in.
ABLATIONS = {
    "without the flip": {"augment": (("cutout", 8),)},
    "without cutout": {"augment": ("flip",)},
    "without label smoothing": {"label_smoothing": 0.0},
    "without weight decay": {"weight_decay": 0.0},
    "without Nesterov": {"nesterov": False},
    "at a constant rate": {"schedule": "constant", "lr": 0.02},
    "with translation": {"augment": ("flip", ("translate", 2), ("cutout", 8))},
    "with averaged weights": {"averaging": 0.99},
    "with Muon": {"optimiser": ("muon", 0.05)},
}

# The final recipe on the smaller network, in fewer epochs, and that with one ingredient taken out.
_FINAL_SHORT = replace(
    _FINAL,
    name="final_short",
    model="FastNetwork_64_3_3",
    epochs=30,
    teacher=(_SEARCH_TEACHER, 3, 0.5),
    group="ablations",
)
FINAL_ABLATIONS = {
    "with early maxima": {"model": "FastNetwork_64_3"},
    "without CutMix": {"augment": _ERASED},
    "without teachers": {"teacher": (), "label_smoothing": 0.1},
}


def ablation(title: str, of: str = "fast") -> str:
    """Return what the experiment of a key of `ABLATIONS` is called, or of `FINAL_ABLATIONS` with `of="final_short"`."""
    return f"{of}_" + title.replace(" the ", " ").replace(" a ", " ").replace(" ", "_")


EXPERIMENTS: dict[str, Experiment] = _by_name(
    # The published study
    Experiment("v1", _V1, epochs=5, group="published", published=10.0),
    Experiment("v1_5_5", _PLAIN, epochs=25, group="published", published=72.8),
    Experiment("v1_5_5_BN", _BN, epochs=40, group="published", published=92.1),
    Experiment("v1_5_5_lrx2", _BN, epochs=10, lr=2e-3, group="published", published=91.6),
    Experiment("v1_5_5_lrx4", _BN, epochs=18, lr=4e-3, group="published", published=92.2),
    Experiment("v1_5_5_lrx8", _BN, epochs=10, lr=8e-3, group="published", published=92.1),
    Experiment(
        "resnet18",
        "resnet18",
        epochs=14,
        momentum=0.9,
        pretrained="imagenet",
        group="published",
        published=89.9,
        published_stem="resnet18_test",
    ),
    # Why v1 does not learn: four suspects, in every combination
    *_v1_variants(),
    # What does batch normalisation add once the doubled softmax is gone?
    Experiment("v1_5_5_logits", _PLAIN, epochs=25, changes=("logits",)),
    Experiment("v1_5_5_BN_logits", _BN, epochs=40, changes=("logits",)),
    # Do higher learning rates need batch normalisation?
    Experiment("v1_5_5_noBN_lrx2", _PLAIN, epochs=10, lr=2e-3),
    Experiment("v1_5_5_noBN_lrx4", _PLAIN, epochs=10, lr=4e-3),
    Experiment("v1_5_5_noBN_lrx8", _PLAIN, epochs=10, lr=8e-3),
    # What does ResNet-18 owe to ImageNet?
    Experiment("resnet18_scratch", "resnet18", epochs=14, momentum=0.9),
    # The shortest time to 93, 94 and 95 percent, and what each ingredient is worth
    replace(_FAST, name="fast_93", epochs=5, augment=()),
    _FAST_94,
    _FAST_94_MUON,
    _FAST,
    _FAST_95,
    replace(_FAST_95, name="fast_95_muon", epochs=34, optimiser=("muon", 0.05)),
    _FAST_94_GPU,
    _FAST_95_GPU,
    *(
        replace(_FAST, name=ablation(title), keep=False, group="ablations", **changes)
        for title, changes in ABLATIONS.items()
    ),
    # What do flips and cutout teach, beside accuracy?
    replace(_FAST, name="fast_unaugmented", augment=(), group="inside"),
    # The highest accuracy
    _FINAL_WIDE,
    _FINAL_TEACHER,
    _FINAL,
    _FINAL_SMALL,
    *(replace(_SEARCH, name=name, **changes) for name, changes in SEARCH.items()),
    _FINAL_SHORT,
    *(
        replace(_FINAL_SHORT, name=ablation(title, of="final_short"), **changes)
        for title, changes in FINAL_ABLATIONS.items()
    ),
)

# Whose runs on the validation split calibrate a network that has none there: the same recipe in fewer epochs.
CALIBRATED_BY = {"final_small": ablation("without CutMix", of="final_short")}

# The learning-rate question: each of these at 1, 2, 4 and 8 times 1e-3, over as many epochs as all of them have.
LEARNING_RATES = {
    "with batch normalisation": ("v1_5_5_BN", "v1_5_5_lrx2", "v1_5_5_lrx4", "v1_5_5_lrx8"),
    "without batch normalisation": ("v1_5_5", "v1_5_5_noBN_lrx2", "v1_5_5_noBN_lrx4", "v1_5_5_noBN_lrx8"),
}
LEARNING_RATE_EPOCHS = 10
