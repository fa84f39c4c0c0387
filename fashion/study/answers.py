"""What the study found, in sentences whose numbers are computed from its runs: for the README and the notebooks."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest

from fashion.estimates import epochs_to, mean_interval, prediction_interval
from fashion.experiments import CALIBRATED_BY, EXPERIMENTS, LEARNING_RATE_EPOCHS
from fashion.inference.classifier import load_classifier
from fashion.runs.record import Run
from fashion.study.leaderboard import best_mean
from fashion.study.loading import Study, test_labels, validation_labels
from fashion.study.measures import difference, gaps, machine, mean, on_one_machine, paired, span, took
from fashion.study.mistakes import missed, votes
from fashion.study.probabilities import accuracy, calibrated_loss, calibration_error, mirrored
from fashion.study.writing import percent, with_interval


def reproduction(study: Study) -> str:
    """Say which published accuracies lie where one more run of ours would end."""
    inside, outside, few = (", ".join(f"`{name}`" for name in names) for names in agreement(study))
    text = f"The published accuracy lies where 95% of further runs of ours would end: {inside or 'none'}."
    text += f" It lies outside: {outside}." if outside else ""
    text += f" Too few seeds to tell: {few}." if few else ""
    return f"{text} For `v1_5_5` that is a weak test: its seeds end {span(study['v1_5_5'])}."


def v1(study: Study) -> str:
    """Say why v1 stays at chance level, and what repairs it."""
    alone = [study[name] for name in ("v1_logits", "v1_identity", "v1_lrx10", "v1_momentum")]
    moved = [run.seed for runs in alone for run in runs if run.accuracy > 20]
    return (
        f"`v1` ends at {mean(study['v1']):.1f}%, as the published run did. Its two single filters, each before a "
        "ReLU, pass on almost nothing of an image, and its softmax, to which `CrossEntropyLoss` adds another, takes "
        "nine tenths of every gradient at the start. No change is enough alone: without the softmax, with filters "
        f"that start by passing images on, at ten times the rate, or with momentum, {len(moved)} of "
        f"{sum(map(len, alone))} runs pass 20%, those of seed {_counts(moved)}. Three of these together, all but the "
        f"rate, take every seed above 80%: `v1_fixed` ends at {percent(study['v1_fixed'])}%."
    )


def v1_5_5(study: Study) -> str:
    """Say what the published accuracy of v1_5_5 is worth, and why the network learns late."""
    experiment, runs = EXPERIMENTS["v1_5_5"], study["v1_5_5"]
    ends = ", ".join(f"{accuracy:.1f}" for accuracy in sorted(run.accuracy for run in runs))
    left = _epochs(runs, 11)  # a seed at chance level stays at 10%
    return (
        f"The published {experiment.published}% is one draw from a wide range: our seeds end at {ends}%. Each stays at "
        f"chance level for {min(left) - 1} to {max(left) - 1} of the {experiment.epochs} epochs, and the recipe ends "
        "while some are still on their way. "
        "The model's softmax before a loss that applies its own holds them there: without it, as `v1_5_5_logits`, the "
        f"same network ends at {percent(study['v1_5_5_logits'])}%. It acts much as a lower rate would: after "
        f"{LEARNING_RATE_EPOCHS} epochs the network with it is at {_after(study['v1_5_5_noBN_lrx8'])}% at eight times "
        f"the rate, without it at {_after(study['v1_5_5_logits'])}% at the plain one."
    )


def batch_normalisation(study: Study) -> str:
    """Say how much of the gain of batch normalisation is its own."""
    bn, logits, both = (study[name] for name in ("v1_5_5_BN", "v1_5_5_logits", "v1_5_5_BN_logits"))
    return (
        f"With batch normalisation the network ends at {percent(bn)}%, without it at {percent(study['v1_5_5'])}%. "
        "Taking the softmax out of the model closes most of that gap, too: after 25 epochs batch normalisation is "
        f"{_points(logits, bn, 25)} ahead of it. Both together reach 90% after {_counts(_epochs(both, 90))} epochs, "
        f"batch normalisation alone after {_counts(_epochs(bn, 90))}; after 40 they are at {percent(both)}% (n = "
        f"{len(both)}) and {percent(bn)}%."
    )


def learning_rates(study: Study) -> str:
    """Say what higher learning rates do with batch normalisation and without."""
    with_bn, without = study.learning_rates.values()
    gain = _points(with_bn["0.001"], with_bn["0.008"], LEARNING_RATE_EPOCHS)
    left = {rate: _epochs(runs, 25, LEARNING_RATE_EPOCHS) for rate, runs in without.items()}
    best = max(mean(runs, LEARNING_RATE_EPOCHS) for runs in without.values())
    worst = min(mean(runs, LEARNING_RATE_EPOCHS) for runs in with_bn.values())
    counts = ", ".join(f"{len(epochs)} of {len(without[rate])} at {rate}" for rate, epochs in left.items())
    return (
        f"With batch normalisation a higher rate learns faster and is still ahead after ten epochs: 0.008 is {gain} "
        f"above 0.001, and {_points(with_bn['0.002'], with_bn['0.008'])} above 0.002. Without it a higher rate leaves "
        f"chance level sooner: within ten epochs {counts} pass 25%. So the gain needs no batch normalisation, but the "
        f"best rate without it ends at {best:.1f}% on average, the worst with it at {worst:.1f}%."
    )


def resnet18(study: Study) -> str:
    """Say what ResNet-18 owes to ImageNet."""
    pretrained, scratch = study["resnet18"], study["resnet18_scratch"]
    ahead, published = gaps(scratch, pretrained), EXPERIMENTS["resnet18"].published
    trained = [fmean(run.history[-1].train_accuracy for run in runs) for runs in (pretrained, scratch)]
    return (
        f"From ImageNet weights ResNet-18 ends at {percent(pretrained)}% (published: {published}%), from random "
        f"ones at {percent(scratch)}%. The pretrained network is ahead with {sum(gap > 0 for gap in ahead)} of "
        f"{len(ahead)} seeds, by {min(ahead):.1f} to {max(ahead):.1f} points, {median(ahead):.1f} in the median. Both "
        f"overfit: in training they end at {trained[0]:.1f} and {trained[1]:.1f}%."
    )


def fast(study: Study) -> str:
    """Say how soon an accuracy is reached."""
    cpu = {each.name: runs for each, runs in study.group("fast").items()}
    gpu = [on_one_machine(study[name]) for name in ("fast_94_gpu", "fast_95_gpu")]
    muon, short = cpu["fast_95_muon"], cpu["fast_94"]
    slower = _per_epoch(short) / _per_epoch(cpu["fast"])
    above, cores = sum(run.accuracy >= 95 for run in muon), machine(cpu["fast"])
    return (
        f"`fast_94_gpu` ends at {percent(gpu[0])}% after {took(gpu[0])} of an {machine(gpu[0])} (n = "
        f"{len(gpu[0])}), `fast_95_gpu` at {percent(gpu[1])}% after {took(gpu[1])} (n = {len(gpu[1])}). On two "
        f"{cores} cores `fast_93` ends at {percent(cpu['fast_93'])}% after {took(cpu['fast_93'])}, `fast` at "
        f"{percent(cpu['fast'])}% after {took(cpu['fast'])}, and `fast_95_muon` at {percent(muon)}% after {took(muon)} "
        f"of two {machine(muon)} cores, at 95% or above with {above} of {len(muon)} seeds; `fast_95`, with fewer "
        f"epochs and without Muon, ends at {percent(cpu['fast_95'])}%. Ten epochs end at {percent(short)}% as "
        f"`fast_94`, after {took(short)} of two {machine(short)} cores, where an epoch takes {slower:.1f} times as "
        f"long as on the {cores}, and at {percent(cpu['fast_94_muon'])}% as `fast_94_muon`, with Muon and nothing cut "
        f"out: {difference(short, cpu['fast_94_muon'])} points."
    )


def ablations(study: Study) -> str:
    """Say which ingredients of the fast recipe the seeds on the validation split show to matter."""
    base, *others = study.ablations.values()
    found = dict(zip(list(study.ablations)[1:], (gaps(base, runs) for runs in others), strict=True))
    strict = 1 - 0.05 / len(found)  # Bonferroni's

    def beyond(confidence: float) -> str:
        intervals = {title: mean_interval(each, confidence) for title, each in found.items() if each}
        return ", ".join(title for title, (middle, half) in intervals.items() if abs(middle) > half) or "none"

    return (
        f"Gaps beyond their 95% interval over {len(base)} seeds: {beyond(0.95)}. Beyond that of {strict:.1%}, which "
        f"{len(found)} comparisons ask for: {beyond(strict)}. On the test images `fast_unaugmented`, without flips and "
        f"cutout, ends at {percent(study['fast_unaugmented'])}% (n = {len(study['fast_unaugmented'])}), `fast` at "
        f"{percent(study['fast'])}%."
    )


def final(study: Study) -> str:
    """Say how far the final model gets, and what it owes to its teachers."""
    runs, labels = study["final"], test_labels()
    averaged = with_interval([accuracy(mirrored(run), labels) for run in runs])
    text = (
        f"`final` ends at {percent(runs)}% (n = {len(runs)}) after {took(runs)} of an {machine(runs)}, "
        f"{against_best(runs)}, and at {averaged}% if each image is averaged with its mirror image."
    )
    if study.teachers:
        text += f" Its {len(study.teachers)} teachers, which all seeds share, take {took(study.teachers)} each."
    if small := study["final_small"]:
        text += (
            f" `final_small`, with a quarter of the parameters, ends at {percent(small)}% (n = {len(small)}) after "
            f"{took(small)}."
        )
    return text


def final_ablations(study: Study) -> str:
    """Say what the ingredients of the final recipe are worth."""
    (_, base), *others = study.final_ablations.items()
    plain, smoothed = (study.validated[EXPERIMENTS[f"search_32_10_flips{end}"]] for end in ("_plain", ""))
    higher = [_loss([run]) > _loss([own]) for own, run in paired(plain, smoothed)]
    ends = sorted(mean(runs) for runs in (base, *(runs for _, runs in others)))
    worse = {title: [_loss([run]) > _loss([own]) for own, run in paired(base, runs)] for title, runs in others}
    changed = ", ".join(
        f"{title} {_loss(runs):.4f} (higher with {sum(worse[title])} of {len(runs)} seeds)" for title, runs in others
    )
    return (
        "`final_short` trains the network of `final_small` for 30 epochs with all ingredients of `final`. On the "
        f"validation split its loss, after a temperature has calibrated the network, is {_loss(base):.4f}; {changed}. "
        "What teachers are worth is open: without them labels are smoothed, and smoothing raises the loss by itself, "
        f"in ten epochs of the network of `fast` from {_loss(plain):.4f} to {_loss(smoothed):.4f} (higher with "
        f"{sum(higher)} of {len(higher)} seeds). "
        f"The accuracies are {ends[0]:.2f} to {ends[-1]:.2f}%. Over {len(base)} seeds no gap, "
        "in accuracy or in loss, exceeds its 95% interval."
    )


def shipped(study: Study) -> str:
    """Say which network `fashion predict` asks, and how sure it may be of its answers."""
    classifier = load_classifier()
    name, seed = classifier.record.experiment.name, classifier.record.seed
    (run,) = (run for run in study[name] if run.seed == seed)
    probabilities = softmax(run.outputs[0].astype(float) / classifier.temperature, axis=1)
    error, right = calibration_error(probabilities, test_labels()), run.predictions == test_labels()
    about = right[np.abs(probabilities.max(axis=1) - 0.8) <= 0.05]
    low, high = binomtest(int(about.sum()), len(about)).proportion_ci(method="wilson")
    by = EXPERIMENTS[CALIBRATED_BY.get(name, name)]
    how = f", by its recipe in {by.epochs} epochs" if by.name != name else ""
    return (
        f"`fashion predict` asks seed {seed} of `{name}`, right on {run.accuracy:.1f}% of the test images. Its "
        f"probabilities are calibrated on held-out images{how}, so that they say how often it is right: they miss by "
        f"{error:.1f} points on average; where it is about 80% sure it is right with {about.sum()} of {len(about)} "
        f"images, {about.mean():.0%} (95% interval {low:.0%} to {high:.0%}). It knows product photos of ten kinds of "
        'garment; it has no answer for "none of these".'
    )


def final_wide(study: Study) -> str:
    """Say how the recipe before the final one overfits."""
    runs = study["final_wide"]
    history = runs[0].history
    least, best = min(history, key=lambda each: each.test_loss), max(history, key=lambda each: each.test_accuracy)
    return (
        f"`final_wide` ends at {percent(runs)}% (n = {len(runs)}) after {took(runs)} of an "
        f"{machine(runs)}. It overfits: after epoch {least.epoch} its test loss "
        f"rises from {least.test_loss:.3f} to {history[-1].test_loss:.3f} and its test accuracy falls from "
        f"{best.test_accuracy:.2f}% (epoch {best.epoch}) to {history[-1].test_accuracy:.2f}%, while the accuracy on "
        f"training images, moved and mixed as they are, rises from {least.train_accuracy:.1f} to "
        f"{history[-1].train_accuracy:.1f}%."
    )


def missed_by_all(study: Study) -> str:
    """Say how many test images every run of every network that learns gets wrong."""
    runs, labels = study.learner_runs, test_labels()
    wrong = missed(labels, runs)
    agreed = int((votes(runs)[wrong].max(axis=1) == len(runs)).sum())
    return (
        f"{len(wrong)} of the {len(labels):,} test images are given a wrong class by every one of {len(runs)} runs of "
        f"{len(study.learners)} recipes, and {agreed} of them the same wrong class by all."
    )


def budget(study: Study) -> str:
    """Say how many runs there are, and how long they trained and tested, by kind of machine."""
    groups = (runs for part in (study.tested, study.validated, study.on_gpu) for runs in part.values())
    runs = [*(run for group in groups for run in group), *study.teachers, *study.trial_teachers]
    hours: Counter[str] = Counter()
    for run in runs:
        cores = re.search(r"(\d+) threads?", run.record.provenance.hardware)
        alone = sum(epoch.seconds for epoch in run.history) / run.record.together / 3600
        hours["core"] += alone * int(cores[1]) if cores else 0
        hours[run.record.machine] += 0 if cores else alone
    tested = sum(run.record.evaluated_on == "test" for run in runs)
    on_gpus = " and ".join(
        f"{60 * each:.0f} minutes of an {name}" for name, each in hours.items() if name != "core" and each
    )
    return (
        f"{len(runs)} runs, of which {tested} were evaluated on the test images, trained and tested for "
        f"{hours['core']:.0f} core-hours of CPUs, {on_gpus}."
    )


def agreement(study: Study) -> tuple[list[str], list[str], list[str]]:
    """Sort the published experiments: inside the range of one more run, outside it, or with too few seeds to tell."""
    places: tuple[list[str], list[str], list[str]] = ([], [], [])
    for experiment, runs in study.group("published").items():
        low, high = prediction_interval([run.accuracy for run in runs]) if len(runs) >= 3 else (0, 0)
        place = 2 if len(runs) < 3 else 0 if low <= experiment.published <= high else 1
        places[place].append(experiment.name)
    return places


def _points(first: list[Run], second: list[Run], epoch: int = 0) -> str:
    """Write how far the second is above the first, where that is above zero: `2.31 ± 0.44 points`."""
    return difference(first, second, epoch).removeprefix("+") + " points"


def against_best(runs: list[Run]) -> str:
    """Say on which side of the best published mean the mean of some runs is."""
    best = best_mean()
    side = "above" if mean(runs) > best.percent else "below"
    return f"{side} the best published mean of several runs, {best.percent}% ([{best.by}]({best.source}))"


def _after(runs: list[Run]) -> str:
    """Write the mean accuracy after `LEARNING_RATE_EPOCHS` epochs, in percent, with its interval."""
    return with_interval([run.history[LEARNING_RATE_EPOCHS - 1].test_accuracy for run in runs])


def _loss(runs: list[Run]) -> float:
    return fmean(calibrated_loss(run, validation_labels()) for run in runs)


def _epochs(runs: list[Run], threshold: float, epochs: int | None = None) -> list[int]:
    """List the epochs after which runs pass a threshold in percent, those left out that do not."""
    found = (epochs_to([each.test_accuracy for each in run.history[:epochs]], threshold) for run in runs)
    return [epoch for epoch in found if epoch]


def _counts(numbers: list[int]) -> str:
    return " to ".join(map(str, sorted({min(numbers), max(numbers)})))


def _per_epoch(runs: Sequence[Run]) -> float:
    return fmean(run.train_seconds / len(run.history) for run in on_one_machine(runs))
