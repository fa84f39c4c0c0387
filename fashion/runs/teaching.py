"""Labels that teachers have a share in."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from scipy.special import softmax
from torch.nn.functional import one_hot

from fashion.data import CLASSES, Dataset, parted
from fashion.estimates import temperature
from fashion.experiments import Experiment
from fashion.runs.files import BusyError, say
from fashion.runs.record import Run, experiment_folder, part_folder
from fashion.settings import writable

_one_at_a_time = Lock()  # of several seeds that begin together, the first trains the teachers


def taught(train: Dataset, experiment: Experiment, logs: Path, run: Callable[..., Run]) -> Dataset:
    """Let the teachers of an experiment, which all its seeds share, into the labels of images.

    Hinton et al., 2015, https://arxiv.org/abs/1503.02531, with teachers that have not seen the images they teach:
    Dao et al., 2021, https://arxiv.org/abs/2104.09732.

    Args:
        train: all images to train on, with their classes.
        experiment: its field `teacher` says who teaches, in how many parts, and how much.
        logs: the folder of runs to record the teachers below.
        run: trains a teacher, or loads it: takes an experiment, a seed, `logs` and `data`.

    Returns:
        The same images, part by part, and the share of each class in their labels: float32, shape (N, 10).
    """
    teacher, parts, share = experiment.teacher
    images, labels = [], []
    for part in range(parts):
        others, unseen = parted(train, first=part, every=parts)
        with _one_at_a_time:
            place = writable(part_folder(logs, part, parts))  # a rehearsal has too few images for recorded teachers
            if not experiment_folder(teacher, place, validation=True).exists():
                first = f"{teacher.name} is trained first, part {part + 1} of {parts}, in {place}"
                say(f"{experiment.name} has teachers: {first}")
            found = _patiently(partial(run, replace(teacher, keep=True), part, logs=place, data=(others, unseen)))
        divisor = temperature(found.outputs[0], unseen.labels.numpy(force=True))
        probabilities = softmax(found.outputs.astype(np.float32) / divisor, axis=2).mean(axis=0)
        given = torch.from_numpy(probabilities).to(unseen.images)
        images.append(unseen.images)
        labels.append((1 - share) * one_hot(unseen.labels, len(CLASSES)) + share * given)
    return Dataset(torch.cat(images), torch.cat(labels))


def _patiently(run: Callable[[], Run]) -> Run:
    """Train a teacher, or wait for another process that does: the seeds of a sweep share their teachers."""
    told = False
    while True:
        try:
            return run()
        except BusyError as busy:
            if not told:
                say(f"waiting for a teacher: {busy}")
            told = True
            time.sleep(1)
