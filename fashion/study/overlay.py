"""The curves of several experiments in one figure, which `fashion show` writes."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, PercentFormatter

from fashion.plotting import _COLOURS, _cut_spikes, _legend_outside, _mean_and_seeds, plainly, subplots
from fashion.runs.record import Run

_TICKS = (0, 10, 30, 50, 60, 70, 80, 85, 88, 90, 92, 94, 95, 96, 97, 98, 99)  # of a wide range, in percent


@plainly
def overlay(groups: Mapping[str, Sequence[Run]]) -> Figure:
    """Draw accuracy and loss on the images evaluated on over the epochs, in a colour for each group of runs.

    Seeds are thin lines, their mean is a thick one, from three seeds on its 95% interval is a band. Ten groups are told
    apart, those at 10% and those above 90% alike: accuracies stand at the logarithm of the error, losses at their own.
    """
    figure, panels = subplots(10, 4.5 + len(groups) / 12, 1, 2)
    of = {"accuracy": " of the error", "loss": ""}
    for axes, metric in zip(panels, of, strict=True):
        styles = zip(cycle(("-", "--", ":")), cycle(_COLOURS), strict=False)
        drawn = []
        for name, runs in groups.items():
            values = np.array([[getattr(epoch, f"test_{metric}") for epoch in run.history] for run in runs])
            line, colour = next(styles)
            _mean_and_seeds(axes, np.arange(1, values.shape[1] + 1), values, colour, line, f"{name}, n={len(runs)}")
            drawn += values.flat
        axes.set(xlabel="epoch", ylabel=f"{runs[0].record.evaluated_on} {metric}, log scale{of[metric]}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", alpha=0.3)
        if metric == "accuracy":
            _by_error(axes, min(drawn), max(drawn))
        else:
            axes.set_yscale("log")
            _cut_spikes(axes, np.array(drawn))
            low, high = axes.get_ylim()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)) if high > 3 * low else MaxNLocator(8))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
    return _legend_outside(figure, panels[0], ncols=3, handlelength=4)


def _by_error(axes: Axes, low: float, high: float) -> None:
    """Let accuracies from `low` to `high`, in percent, rise as the logarithm of their error falls."""
    axes.set_yscale("function", functions=(lambda percent: -np.log(np.maximum(100 - percent, 0.1)),
                                           lambda height: 100 - np.exp(-height)))  # fmt: skip
    axes.set_ylim(100 - min(1.05 * max(100 - low, 0.1), 100), 100 - 0.95 * max(100 - high, 0.1))
    axes.yaxis.set_major_locator(FixedLocator(_TICKS if high - low > 9 else range(100)))
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
