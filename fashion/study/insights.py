"""What the looks into networks found, in sentences whose numbers are computed from their record."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion.data import load_data
from fashion.study.inside import Inside, pixel_neighbours, read_all
from fashion.study.neighbours import Pair, alike, sides
from fashion.study.perturbations import LEVELS


@dataclass(frozen=True)
class Looks:
    """The looks into all networks, and what the images alone say.

    Attributes:
        networks: by the name of the experiment.
        labels, train_labels: of the test and the training images.
        rows, distances: the training image whose pixels are nearest to those of each test image, and how far it is.
    """

    networks: dict[str, Inside]
    labels: np.ndarray
    train_labels: np.ndarray
    rows: np.ndarray
    distances: np.ndarray

    def __getitem__(self, name: str) -> Inside:
        """Return the look into a network."""
        return self.networks[name]

    @property
    def pairs(self) -> list[Pair]:
        """Test images whose nearest training image has another label, the nearest first."""
        return alike(self.labels, self.train_labels, self.rows, self.distances)

    def after(self, name: str, what: str, level: float) -> float:
        """Return a network's test accuracy in percent after so much of a perturbation."""
        return float(self[name].perturbed[LEVELS.index((what, level))])

    def nearest_to_mistakes(self, name: str) -> list[Pair]:
        """Return the test images that a network gets wrong, each with the training image that it has nearest to it."""
        nearest = self[name].nearest
        return [Pair(int(each), int(nearest[each])) for each in self.mistaken(name)]

    def mistaken(self, name: str) -> np.ndarray:
        """Return the numbers of the test images that a network gets wrong."""
        return np.flatnonzero(self[name].predictions != self.labels)


def load_looks() -> Looks:
    """Load the record of the looks, and the labels."""
    train, test = load_data()
    return Looks(read_all(), test.labels.numpy(), train.labels.numpy(), *pixel_neighbours())


def network_table(looks: Looks) -> pd.DataFrame:
    """Tabulate the networks that were looked into: their accuracy, their mistakes, and where their run ran."""
    rows = [
        {
            "network": name,
            "epochs": inside.record.experiment.epochs,
            "seed": inside.record.seed,
            "test accuracy, %": f"{looks.after(name, 'shift', 0):.2f}",
            "mistakes": len(looks.mistaken(name)),
            "machine": inside.record.machine,
        }
        for name, inside in looks.networks.items()
    ]
    return pd.DataFrame(rows).set_index("network")


def headline(looks: Looks) -> str:
    """Say in a sentence, without its full stop, what the looks find."""
    return (
        "**Alike on clean images, not on others**: with noise of 10% `fast` keeps "
        f"{looks.after('fast', 'noise', 0.1):.1f}%, the same network trained without flips and cutout "
        f"{looks.after('fast_unaugmented', 'noise', 0.1):.1f}%"
    )


def insights(looks: Looks) -> str:
    """List what the looks find, in Markdown."""
    wrong = looks.mistaken("fast")
    agreement = {name: float(looks[name].agreement.mean()) for name in looks.networks}
    pixels = sides(looks.labels, looks["fast"].predictions, looks.train_labels[looks.rows])
    lines = [
        f"{headline(looks)}, and `v1_fixed`, the smallest, {looks.after('v1_fixed', 'noise', 0.1):.1f}%. On clean "
        f"images they are right on {_all(looks, 'noise', 0)}, in this order; one seed each",
        "**What flips and cutout teach** is small: `fast` is ahead of the same network without them when images are "
        f"moved by 3 pixels ({_two(looks, 'shift', 3)}) or turned by 15° ({_two(looks, 'rotation', 15)}), and far "
        f"behind when they are blurred by one pixel ({_two(looks, 'blur', 1)})",
        "**Two maps of where a network looks hardly agree**: over the pixels of an image, Spearman's correlation of "
        f"the effect of a grey square with the size of the gradient is {_join(agreement, '.2f')}, the mean over "
        f"{len(looks['fast'].agreement)} test images",
        f"**The neighbours lean to the network**: of the {len(wrong)} test images that `fast` gets wrong, the "
        f"training image whose pixels are nearest has the class that the network gave {pixels['network']:.0f}% of the "
        f"time, the image's own label {pixels['label']:.0f}%, and neither {pixels['neither']:.0f}%",
    ]
    return "\n".join(f"- {line}." for line in lines)


def on_labels(looks: Looks) -> str:
    """Say how far the neighbours support that a label is mistaken."""
    right = looks["fast"].predictions == looks.labels
    neighbours = looks.train_labels[looks.rows]
    same, same_right = (100 * float(np.mean(each)) for each in (neighbours == looks.labels,
                                                                (neighbours == looks.labels)[right]))  # fmt: skip
    pixels, seen = (sides(looks.labels, looks["fast"].predictions, each)
                    for each in (neighbours, looks.train_labels[looks["fast"].nearest]))  # fmt: skip
    return (
        f"The nearest training image has the label of the test image {same:.1f}% of the time, and {same_right:.1f}% "
        f"where `fast` is right; where it is wrong, {pixels['label']:.0f}%, and the class that it gave "
        f"{pixels['network']:.0f}%. As the network itself sees the images, the nearest one sides with it in "
        f"{seen['network']:.0f}% of its mistakes: it was trained to see them so, and that proves nothing. Pixels were "
        "not: they support that many of its mistakes lie where two classes look alike at this size, and that either "
        "label would do. They do not show that a label is mistaken: two garments may look alike and be sold as "
        "different things, and nobody here has looked at the originals."
    )


def _all(looks: Looks, what: str, level: float) -> str:
    first, second, third = (looks.after(name, what, level) for name in ("fast", "fast_unaugmented", "v1_fixed"))
    return f"{first:.1f}, {second:.1f} and {third:.1f}%"


def _two(looks: Looks, what: str, level: float) -> str:
    return f"{looks.after('fast', what, level):.1f} and {looks.after('fast_unaugmented', what, level):.1f}%"


def _join(values: dict[str, float], form: str) -> str:
    return ", ".join(f"{value:{form}} for `{name}`" for name, value in values.items())
