"""The recorded runs of the study and the images they were evaluated on: the one module of this room that loads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from fashion.data import Dataset, load_data, split
from fashion.experiments import ABLATIONS, EXPERIMENTS, FINAL_ABLATIONS, LEARNING_RATES, Experiment, ablation
from fashion.runs.record import Run, experiment_folder, part_folder, recorded
from fashion.settings import MODEL_LOGS, RUNS, writable

Groups = Mapping[Experiment, list[Run]]

_FOUND_BY_TRIAL = ("fast_94", "fast_94_muon", "fast_94_gpu", "fast_95_gpu")


@dataclass(frozen=True)
class Study:
    """Every recorded run of `EXPERIMENTS`, by experiment, and the groups of them that belong together.

    Attributes:
        tested: evaluated on the test set.
        validated: evaluated on the validation split.
        on_gpu: the fast recipes as a GPU repeated them, evaluated on the test set.
        teachers: of `final`, each evaluated on the part of the training images that it labels.
        trial_teachers: the same of its trials.
    """

    tested: Groups
    validated: Groups
    on_gpu: Groups
    teachers: Sequence[Run] = ()
    trial_teachers: Sequence[Run] = ()

    def __getitem__(self, name: str) -> list[Run]:
        """Return the runs of an experiment on the test set."""
        return self.tested[EXPERIMENTS[name]]

    def group(self, *names: str) -> Groups:
        """Return the runs on the test set of the experiments of some groups."""
        return {each: runs for each, runs in self.tested.items() if each.group in names}

    @property
    def learners(self) -> Groups:
        """The runs on the test set of each experiment that ends above 50% accuracy with every seed."""
        return {each: runs for each, runs in self.tested.items() if runs and min(run.accuracy for run in runs) > 50}

    @property
    def learner_runs(self) -> list[Run]:
        """The same in one list."""
        return [run for runs in self.learners.values() for run in runs]

    @property
    def learning_rates(self) -> dict[str, dict[str, list[Run]]]:
        """The runs of `LEARNING_RATES`, by learning rate, with batch normalisation and without."""
        return {
            title: {f"{EXPERIMENTS[name].lr:g}": self[name] for name in names}
            for title, names in LEARNING_RATES.items()
        }

    @property
    def fast(self) -> list[tuple[Experiment, list[Run]]]:
        """The fast recipes with their runs: first on CPUs, then on a GPU."""
        return [(each, runs) for groups in (self.group("fast"), self.on_gpu) for each, runs in groups.items() if runs]

    @property
    def ablations(self) -> dict[str, list[Run]]:
        """The validation runs of `fast`, and of each change to it by what it changes."""
        return self._taken_apart("fast", ABLATIONS)

    @property
    def final_ablations(self) -> dict[str, list[Run]]:
        """The same of `final_short`."""
        return self._taken_apart("final_short", FINAL_ABLATIONS)

    def _taken_apart(self, name: str, titles: Iterable[str]) -> dict[str, list[Run]]:
        changed = {title: self.validated[EXPERIMENTS[ablation(title, of=name)]] for title in titles}
        return {f"`{name}`": self.validated[EXPERIMENTS[name]], **changed}

    @property
    def trials(self) -> Groups:
        """The validation runs of what was tried for the final model and for a GPU."""
        tried = [each for each in EXPERIMENTS.values() if each.group == "search"]
        tried += [EXPERIMENTS[name] for name in _FOUND_BY_TRIAL]
        return {each: self.validated[each] for each in tried if self.validated[each]}

    @property
    def best(self) -> Experiment:
        """The experiment of the published study with the highest mean accuracy in our record."""
        groups = self.group("published")
        return max(groups, key=lambda each: np.mean([run.accuracy for run in groups[each]] or [0]))


def load_study(logs: Path | str = MODEL_LOGS) -> Study:
    """Load every recorded run of `EXPERIMENTS`."""
    experiments = EXPERIMENTS.values()
    return Study(
        {each: recorded(each, logs) for each in experiments},
        {each: recorded(each, logs, validation=True) for each in experiments},
        {each: recorded(each, Path(logs) / "gpu") for each in experiments if each.group == "fast"},
        _teachers(EXPERIMENTS["final"], Path(logs)),
        _teachers(EXPERIMENTS["final_short"], Path(logs) / "validation"),
    )


def _teachers(taught: Experiment, logs: Path) -> list[Run]:
    teacher, parts, _ = taught.teacher
    places = (part_folder(logs, part, parts) for part in range(parts))
    return [run for place in places for run in recorded(teacher, place, validation=True)]


def runs_of(name: str, retrain: bool = False, validation: bool = False) -> list[Run]:
    """Load the study's runs of an experiment; with `retrain`, train seeds 0 to 4 again first, and replace them."""
    if retrain:
        from fashion.runs.running import run

        for seed in range(5):
            run(EXPERIMENTS[name], seed, logs=MODEL_LOGS, validation=validation, retrain=True)
    return recorded(EXPERIMENTS[name], MODEL_LOGS, validation)


def trained_again(name: str) -> Path:
    """Train seed 0 of an experiment again, below `runs/inside/`, and return the file of its weights."""
    from fashion.runs.running import run

    experiment, logs = replace(EXPERIMENTS[name], keep=True), RUNS / "inside"
    run(experiment, 0, logs=logs, retrain=True)
    return experiment_folder(experiment, writable(logs)) / "seed_0" / "weights.safetensors"


@cache
def test_images() -> Dataset:
    """Load the test set, once."""
    return load_data()[1]


@cache
def test_labels() -> np.ndarray:
    """Return the classes of the test images: integers, shape (10000,)."""
    return test_images().labels.numpy()


@cache
def validation_labels() -> np.ndarray:
    """Return the classes of the images of the validation split: integers, shape (6000,)."""
    return split(load_data()[0])[1].labels.numpy()
