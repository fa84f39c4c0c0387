"""What the looks into networks found, in sentences whose numbers are computed from their record."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from fashion.data import load_data
from fashion.study.inside import Inside, pixel_neighbours, read_all
from fashion.study.neighbours import Pair, alike, sides
from fashion.study.perturbations import LEVELS
from fashion.study.writing import choice_in_words


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

    def sides(self, rows: np.ndarray) -> dict[str, int]:
        """Count whose side training images, one for each test image, take where `fast` is mistaken."""
        return sides(self.labels, self["fast"].predictions, self.train_labels[rows])

    def mistaken(self, name: str) -> np.ndarray:
        """Return the numbers of the test images that a network gets wrong."""
        return np.flatnonzero(self[name].predictions != self.labels)


def load_looks() -> Looks:
    """Load the record of the looks, and the labels."""
    train, test = load_data()
    return Looks(read_all(), test.labels.numpy(), train.labels.numpy(), *pixel_neighbours())


def network_table(looks: Looks) -> pd.DataFrame:
    """Tabulate the networks that were looked into: their augmentation, their accuracy, and where their run ran."""
    rows = [
        {
            "network": name,
            "trained with": ", ".join(map(choice_in_words, inside.record.experiment.augment)) or "images as they are",
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
    best, smallest = ([looks.after(name, *level) for level in (("noise", 0), ("noise", 0.1), ("shift", 6))]
                      for name in ("final_small", "v1_fixed"))  # fmt: skip
    return (
        "**The most accurate network is not the most robust**: Gaussian noise of 10% of the range takes `final_small` "
        f"from {best[0]:.1f} to {best[1]:.1f}%, `v1_fixed` from {smallest[0]:.1f} to {smallest[1]:.1f}%; moves of 6 "
        f"pixels to {best[2]:.1f} and {smallest[2]:.1f}% (one seed each)"
    )


def insights(looks: Looks) -> str:
    """List what the looks find, in Markdown."""
    pixels = looks.sides(looks.rows)
    total, given, own, neither = sum(pixels.values()), *pixels.values()
    p_value = binomtest(given, given + own).pvalue
    noise = [f"`{name}` from {looks.after(name, 'noise', 0):.1f} to {looks.after(name, 'noise', 0.1):.1f}%"
             for name in looks.networks]  # fmt: skip
    agreement = {name: looks[name].agreement for name in looks.networks}
    compared = ("final_small", "fast_95_gpu", "fast")  # of which training moved the images of the first two
    shifted, turned = (
        [f"{looks.after(name, *each):.1f}" for name in compared] for each in (("shift", 6), ("rotation", 20))
    )
    lines = [
        headline(looks),
        f"**Noise**, Gaussian, of 10% of the range takes {', '.join(noise[:-1])} and {noise[-1]}",
        f"**Moved by two pixels in training**, `final_small` is right on {shifted[0]}% of images moved by six and "
        f"`fast_95_gpu` on {shifted[1]}%, `fast` on {shifted[2]}%; of images turned by 20 degrees they are right on "
        f"{turned[0]}, {turned[1]} and {turned[2]}%",
        "**Flips and cutout** hardly matter where images are moved, turned or lose contrast: with them `fast` stays "
        f"within {_gap(looks, 'fast_unaugmented', 'shift', 'rotation', 'contrast'):.1f} points of the network without; "
        f"noise sets the two up to {_gap(looks, 'fast_unaugmented', 'noise'):.0f} points apart",
        "**Two maps of where a network looks hardly agree**: over the pixels of an image, Spearman's correlation of "
        "the effect of a grey square with the size of the gradient is "
        f"{', '.join(f'{with_deviation(each)} for `{name}`' for name, each in agreement.items())} (mean and standard "
        f"deviation over {len(looks['fast'].agreement)} test images)",
        f"**Pixels hardly take sides**: of the {total} test images that `fast` gets wrong, the training image "
        f"whose pixels are nearest has the class that the network gave {given / total:.0%} of the time, the image's "
        f"own label {own / total:.0%}, and neither {neither / total:.0%} (p = {p_value:.2f} that the two are equal)",
    ]
    return "\n".join(f"- {line}." for line in lines)


def with_deviation(values: np.ndarray) -> str:
    """Write a mean and a standard deviation: `0.07 ± 0.13`."""
    return f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"


def on_labels(looks: Looks) -> str:
    """Say how far the neighbours support that a label is mistaken."""
    right = looks["fast"].predictions == looks.labels
    neighbours = looks.train_labels[looks.rows]
    same, same_right = (100 * float(np.mean(each)) for each in (neighbours == looks.labels,
                                                                (neighbours == looks.labels)[right]))  # fmt: skip
    pixels, seen = looks.sides(looks.rows), looks.sides(looks["fast"].nearest)
    total = sum(pixels.values())
    return (
        f"The nearest training image has the label of the test image {same:.1f}% of the time, and {same_right:.1f}% "
        f"where `fast` is right; where it is wrong, {pixels['label'] / total:.0%}, and the class that it gave "
        f"{pixels['network'] / total:.0%}. As the network itself sees the images, the nearest one sides with it in "
        f"{seen['network'] / total:.0%} of its mistakes: it was trained to see them so, and that proves nothing. "
        "Pixels were not: they support that many of its mistakes lie where two classes look alike at this size. They "
        "do not show that a label is mistaken: two garments may look alike and be sold as different things, and nobody "
        "here has looked at the originals."
    )


def _gap(looks: Looks, other: str, *names: str) -> float:
    """Return how far `fast` is from another network after some perturbations, in points, at most."""
    return max(abs(looks.after("fast", *each) - looks.after(other, *each)) for each in LEVELS if each[0] in names)
