"""The figure of what would help: a bar a knob, from 1x to what it buys, with the seeds' lowest and highest."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from bench.attribute.helps import Help, told
from bench.report.figure import write_figure

BUYS, COSTS, TIE = "#0072B2", "#D55E00", "#BBBBBB"
"""Okabe & Ito's blue and vermilion; hatches tell them apart in grey."""

FINE = (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3)
COARSE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
"""Ticks of an axis that spans a factor of 4 at most, and of a longer one."""


def helps_figure(helps: Sequence[Help], title: str = "") -> Figure:
    """Horizontal bars on a logarithmic axis, in the order of `helps`; those without a finite factor above 0 are named only."""
    shown = [each for each in helps if not each.reason]
    drawn = [factor for each in shown for factor in each.buys if _drawable(factor)]
    figure = Figure(figsize=(10.0, 0.36 * len(shown) + 1.3), layout="constrained")
    panel: Axes = figure.subplots()
    for place, each in enumerate(shown):
        middle = median(each.buys)
        finite = [factor for factor in each.buys if _drawable(factor)]
        if _drawable(middle):
            colour, hatch = (TIE, "") if each.is_tie else (BUYS, "") if middle > 1 else (COSTS, "///")
            panel.barh(place, middle - 1, left=1, height=0.62, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
            panel.plot([min(finite), max(finite)], [place, place], color="black", linewidth=1.2, marker="|", markersize=6)
        panel.text(1.01, place, told(each).partition("  (")[0], transform=panel.get_yaxis_transform(), va="center", fontsize=8)
    low, high = min([*drawn, 1 / 1.2]), max([*drawn, 1.2])
    panel.set(xscale="log", xlim=(low / 1.06, high * 1.06), ylim=(max(len(shown), 1) - 0.4, -0.6))
    panel.axvline(1, color="black", linewidth=1)
    panel.xaxis.set_major_locator(FixedLocator(FINE if high / low <= 4 else COARSE))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set(yticks=range(len(shown)), yticklabels=[each.text for each in shown])
    clock = any(math.isnan(factor) for each in shown for factor in each.learning)
    panel.set_xlabel(
        "tokens/s, over those of the run as it is" if clock else "time to the same loss as it is, over that with the knob"
    )
    panel.set_title(title or "what the next step at each knob buys", fontsize=10)
    panel.grid(axis="x", alpha=0.25)
    panel.set_axisbelow(True)
    return figure


def write_figure_of_helps(helps: Sequence[Help], path: Path, title: str = "") -> list[Path]:
    """Write the figure as `path` with .svg and .png behind its name; returns both."""
    return write_figure(helps_figure(helps, title), path)


def _drawable(factor: float) -> bool:
    return 0 < factor < math.inf
