"""What each notebook finds, in a sentence: the first screen of the README."""

from statistics import median

from fashion.experiments import EXPERIMENTS, LEARNING_RATE_EPOCHS
from fashion.study.answers import against_best, agreement
from fashion.study.insights import Looks, headline
from fashion.study.loading import Study
from fashion.study.measures import gaps, machine, mean, on_one_machine, span, spread, took
from fashion.study.writing import with_interval

_NOT_ON_THE_FIRST_PAGE = ("01_v1", "03_v1_5_5_BN")


def findings(study: Study, looks: Looks) -> str:
    """List what was found, a line each, with links to the notebooks that show it."""
    found = {name: line for name, line in headlines(study, looks).items() if name not in _NOT_ON_THE_FIRST_PAGE}
    return "\n".join(f"- {line}. [{name}](notebooks/{name}.ipynb)" for name, line in found.items())


def headlines(study: Study, looks: Looks) -> dict[str, str]:
    """Say in a sentence, without its full stop, what each notebook finds."""
    published = study.group("published")
    holds = [each for each in published if each.name in agreement(study)[0] and spread(published[each]) < 10]
    gap = max((abs(mean(published[each]) - each.published) for each in holds), default=0)
    lottery = EXPERIMENTS["v1_5_5"]
    bn, plain = study.learning_rates.values()
    rates = [mean(arm[rate], LEARNING_RATE_EPOCHS) for arm in (bn, plain) for rate in ("0.001", "0.008")]
    imagenet = gaps(study["resnet18_scratch"], study["resnet18"])
    muon = study["fast_95_muon"]
    gpu = [on_one_machine(study[name]) for name in ("fast_94_gpu", "fast_95_gpu")]
    return {
        "00_results": f"**{len(holds)} of {len(published)} published accuracies lie within {gap:.2f} points of our "
        f"means**; the other, {lottery.published}%, is a lottery: ours end "
        f"{span(published[lottery])}",
        "01_v1": "**No single change repairs `v1`; three together do**: `v1_fixed` ends at "
        f"{mean(study['v1_fixed']):.1f}%, not {mean(study['v1']):.1f}%",
        "02_v1_5_5": "**A doubled softmax stalls learning.** Without it `v1_5_5` ends at "
        f"{mean(study['v1_5_5_logits']):.1f}%, not {mean(study['v1_5_5']):.1f}%",
        "03_v1_5_5_BN": "**Batch normalisation makes up for the softmax, and more**: after 25 epochs the network is at "
        f"{mean(study['v1_5_5'], 25):.1f}%, without its softmax at {mean(study['v1_5_5_logits'], 25):.1f}%, with "
        f"batch normalisation at {mean(study['v1_5_5_BN'], 25):.1f}%",
        "04_learning_rate": f"**8 times the learning rate saves epochs**: ten reach {rates[1]:.1f}%, not "
        f"{rates[0]:.1f}%, with batch normalisation, and {rates[3]:.1f}%, not {rates[2]:.1f}%, without",
        "05_resnet18": f"**ImageNet is worth {median(imagenet):.1f} points** at 28 x 28 in the median of "
        f"{len(imagenet)} seeds, {with_interval(imagenet)} on average",
        "06_fast_model": f"**{mean(study['fast']):.1f}% takes {took(study['fast'])} of training** on two "
        f"{machine(study['fast'])} cores (`fast`), {mean(muon):.1f}% {took(muon)} on two {machine(muon)} cores "
        f"(`fast_95_muon`); an {machine(gpu[0])} takes {took(gpu[0])} to {mean(gpu[0]):.1f}% and {took(gpu[1])} to "
        f"{mean(gpu[1]):.1f}%",
        "07_final_model": f"**The final model ends at {mean(study['final']):.1f}%** (n = {len(study['final'])}), "
        f"{against_best(study['final'])}",
        "08_inside": headline(looks),
    }
