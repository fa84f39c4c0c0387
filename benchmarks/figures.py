"""The figure of the measurements."""

from collections.abc import Mapping
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks import measurements
from benchmarks.tables import short
from fashion.plotting import plainly, subplots

# How contenders are drawn: name, marker, colour (of Okabe and Ito's), and how far below the middle of the row.
STYLES = {
    "ours": ("ours", "o", "#D55E00", -0.24),
    "ours:compiled": ("ours, compiled", "D", "#D55E00", -0.08),
    "lightning": ("Lightning", "^", "#0072B2", 0.08),
    "fastai": ("fastai", "v", "#0072B2", 0.24),
}
_TICKS, _RIGHT = (1, 3, 10, 30, 100), 250  # times as fast as the plain loop


@plainly
def speed(measured: Mapping[str, Mapping[str, dict]]) -> Figure:
    """Draw how many times as fast as plain PyTorch each contender is: a panel for each machine, a row for each network.

    Markers are medians, whiskers the least and the most; a bar is the machine's limit, and an arrow points to one that
    lies further to the right.

    Args:
        measured: by the name of a machine, the results of networks as files of measurements have them.
    """
    networks = list(dict.fromkeys(model for results in measured.values() for model in results))
    figure, grid = subplots(9, 0.7 * len(networks) + 1.5, 1, len(measured))
    panels = np.atleast_1d(grid)
    for axes, (machine, results) in zip(panels, measured.items(), strict=True):
        axes.axvline(1, color="#0072B2", label="plain")
        for row, model in enumerate(networks):
            if model in results:
                _draw_row(axes, row, results[model])
            else:
                axes.annotate("not timed", (0.5, row), xycoords=("axes fraction", "data"), ha="center", va="center")
        axes.set(title=machine, xscale="log", xlim=(0.5, _RIGHT), ylim=(len(networks) - 0.5, -0.5))
        axes.set_xticks(_TICKS, map(str, _TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks(range(len(networks)), map(short, networks) if axes is panels[0] else [""] * len(networks))
        axes.grid(axis="x", alpha=0.3)
    panels[len(panels) // 2].set_xlabel("times as fast as plain PyTorch")
    handles = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return figure


def _draw_row(axes: Axes, row: int, result: dict) -> None:
    """Draw the limit and the contenders of one network."""
    plain = median(measurements.epoch_seconds(result, "plain"))
    limit = plain / measurements.limit_seconds(result)
    marker, size = ("|", 14) if limit < _RIGHT else (">", 8)
    style = {"color": "black", "markersize": size, "clip_on": False, "label": "the machine's limit"}
    axes.plot(min(limit, _RIGHT), row, marker, **style)
    for name, (label, marker, colour, below) in STYLES.items():
        if name in result["contenders"]:
            times = [plain / seconds for seconds in measurements.epoch_seconds(result, name)]
            middle = median(times)
            whisker = [[middle - min(times)], [max(times) - middle]]
            style = {"fmt": marker, "color": colour, "markersize": 6, "label": label}
            axes.errorbar(middle, row + below, xerr=whisker, **style)
