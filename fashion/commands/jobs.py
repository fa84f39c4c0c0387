"""One run as a job: a process of its own computes it, here or elsewhere, now or later."""

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fashion.commands.terminal import epoch_line
from fashion.experiments import EXPERIMENTS, Experiment
from fashion.settings import FashionError, cores

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

    from fashion.runs.record import Run


class Code(NamedTuple):
    """The code that a run is computed by: its commit, and a digest of its files, committed or not."""

    commit: str | None
    digest: str

    @classmethod
    def here(cls) -> "Code":
        """Return the code as it is now."""
        from fashion.runs.provenance import code_digest, git_commit

        return cls(git_commit(), code_digest())


@dataclass(frozen=True)
class Job:
    """One run of a grid, which submitit pickles, and calls in a process of its own.

    It names no checkpoint: `fashion.runs.running.run` finds the last one whenever the job starts, or starts again.

    Attributes:
        experiment, seed, logs, validation, precision: as `run` takes them.
        data: the folder of the dataset; None for the default.
        code: at the submission; no other computes the run.
        cores: how many the process has; None for as many as Slurm allots.
        gpu: the number of the one it has; None for any, or none.
    """

    experiment: Experiment
    seed: int
    logs: Path
    validation: bool = False
    data: Path | None = None
    precision: str = "auto"
    code: Code | None = None
    cores: int | None = None
    gpu: str | None = field(default=None, compare=False)
    name: str = field(init=False)  # two experiments are equal if their recipes are, and are two runs still

    def __post_init__(self):
        object.__setattr__(self, "name", self.experiment.name)

    @property
    def title(self) -> str:
        """What the user calls the run."""
        return f"{self.experiment.name} seed {self.seed}"

    @property
    def command(self) -> str:
        """The command that makes the same run."""
        words = ["fashion", "run", self.experiment.name, "--seeds", self.seed, "--logs", self.logs]
        if self.experiment != EXPERIMENTS[self.experiment.name]:
            words += ["--epochs", self.experiment.epochs]
        words += ["--validation"] if self.validation else []
        words += ["--data", self.data] if self.data else []
        words += ["--precision", self.precision] if self.precision != "auto" else []
        return shlex.join(map(str, words))

    def recorded(self) -> "Run | None":
        """Read the run if it is recorded; what is wrong with a record is for `run` to say."""
        from fashion.runs.record import experiment_folder, read_run

        try:
            found = read_run(experiment_folder(self.experiment, self.logs, self.validation) / f"seed_{self.seed}")
        except FashionError:
            return None
        same = found and found.record.experiment == self.experiment
        return found if same and self.precision in ("auto", found.record.precision) else None

    def checkpoint(self) -> "DelayedSubmission":
        """Return what submitit starts when the time of a job is up: the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def __call__(self) -> None:
        """Train the run, or go on with it.

        Raises:
            FashionError: the code is not the one it was submitted with, or `run` refuses.
        """
        if self.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu  # before torch is imported

        from fashion.data import load_data, split
        from fashion.hardware.placement import choose_device
        from fashion.hardware.threads import keep_to
        from fashion.runs.running import run

        now = Code.here()
        if self.code not in (None, now):
            edited = (
                f"commit {self.code.commit}, now {now.commit}" if self.code.commit != now.commit else "files differ"
            )
            raise FashionError(f"the code was edited after the run was submitted ({edited}): submit it again")
        keep_to(self.cores or int(os.environ.get("SLURM_CPUS_ON_NODE") or cores()))
        train, test = load_data(self.data, choose_device())
        evaluated_on = "validation" if self.validation else "test"
        run(
            self.experiment,
            self.seed,
            logs=self.logs,
            data=split(train) if self.validation else (train, test),
            validation=self.validation,
            precision=self.precision,
            after_epoch=lambda history: print(
                epoch_line(self.title, self.experiment.epochs, evaluated_on, history[-1]), flush=True
            ),
        )
