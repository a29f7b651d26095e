"""How much of the devices' speed is left at which bandwidth: a line an algorithm, with the levels of utilisation asked for."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench.report.bandwidth import LINES, SHARES, first_at
from bench.report.figures.palette import look
from bench.report.figures.seeds import Variant, variants
from bench.report.figures.write import plain, tip
from bench.units import RATE, fitting_unit, parse, rate_text

LEVELS = tuple(round(100 * share) for share in SHARES)
"""Percent of utilisation."""
MARKED = 90
"""Percent, at which each line's bandwidth is marked."""
FEWEST = 3
"""Bandwidths that make a line."""
_ABREAST = 3
_MOST_PANELS = 15


def bandwidth_figure(frame: pd.DataFrame) -> Figure | None:
    """System efficiency against the slowest worker's uplink, a panel a scenario; None where too few bandwidths differ.

    A line is an algorithm with all settings alike but the links' speeds: the median of its seeds, lowest to highest as a band.
    """
    clocked = frame[(frame["status"] == "done") & frame["system_efficiency"].astype(float).map(math.isfinite)]
    shown = [(variant, found) for variant in variants(clocked, less=LINES) if len(found := by_uplink(variant)) >= FEWEST]
    if not shown:
        return None
    panels_of = list(dict.fromkeys((variant.workload, variant.scenario) for variant, _ in shown))[:_MOST_PANELS]
    ends = [math.log(rate) for _, found in shown for rate in found]
    unit = fitting_unit(math.exp((min(ends) + max(ends)) / 2), RATE)
    columns = min(_ABREAST, len(panels_of))
    lines = math.ceil(len(panels_of) / columns)
    highest = max(sum((one.workload, one.scenario) == of for one, _ in shown) for of in panels_of)
    figure = Figure(figsize=(4.0 * columns + 0.8, (3.4 + 0.16 * highest) * lines), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for number, panel in enumerate(grid.flat):
        if number >= len(panels_of):
            panel.set_axis_off()
            continue
        _levels(panel)
        own = [one for one in shown if (one[0].workload, one[0].scenario) == panels_of[number]]
        for place, (variant, found) in enumerate(own):
            # The first are the widest, so that one under another is still seen.
            _line(panel, variant, found, RATE.units[unit], wider=1 - place / len(own))
        workload, scenario = panels_of[number]
        alone = sum(name == scenario for _, name in panels_of) == 1
        panel.set_title(plain(scenario) if alone else f"{plain(scenario)}, workload {workload[:8]}", fontsize=9)
        panel.set(xscale="log", ylim=(0, 104))
        panel.set_xlabel(f"uplink of the slowest worker ({unit})", fontsize=8)
        panel.tick_params(labelsize=8, labelbottom=True)
        panel.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.grid(axis="x", alpha=0.25)
        panel.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.17), frameon=False, handlelength=3.5)
        if number % columns == 0:
            panel.set_ylabel("system efficiency (% of unhindered devices)", fontsize=8)
    return figure


def slowest(conf: Mapping[str, Any], line: str = "uplink") -> float:
    """Bytes/s of the slowest worker's line in a row's settings: one, a list, or a mixture; NaN where they name none."""
    network = conf.get("network")
    given = network.get(line) if isinstance(network, Mapping) else None
    if given is None:
        return math.nan
    try:
        rates = parse(given, RATE)
    except ValueError:
        return math.nan
    if isinstance(rates, Mapping):
        rates = [rate for rate, share in rates.items() if share > 0]
    return float(np.min(rates, initial=math.inf))


def by_uplink(variant: Variant) -> dict[float, list[pd.Series]]:
    """A variant's rows by the slowest worker's uplink, bytes/s, ascending; without those where it is none or unlimited.

    Where an uplink has downlinks of several speeds, which are no seeds, those rows count whose two are equal.
    """
    rows = [(row, slowest(row["conf"]), slowest(row["conf"], "downlink")) for row in variant.rows]
    rows = [(row, up, down) for row, up, down in rows if 0 < up < math.inf]
    if len({(up, str(down)) for _, up, down in rows}) > len({up for _, up, _ in rows}):  # as text: NaN equals NaN
        rows = [(row, up, down) for row, up, down in rows if up == down]
    found: dict[float, list[pd.Series]] = {}
    for row, up, _ in rows:
        found.setdefault(up, []).append(row)
    return dict(sorted(found.items()))


def _levels(panel: Axes) -> None:
    """The levels as lines with their names at the right, what is above the marked one shaded, and the ideal."""
    panel.axhspan(MARKED, 100, color="0.93", linewidth=0, zorder=0)
    for level in LEVELS:
        panel.axhline(level, color="0.6", linewidth=0.6, zorder=1)
        at = level + (1 if level == max(LEVELS) else 0)  # so that no name is on another
        panel.annotate(
            f"{level} %", (1.01, at), xycoords=("axes fraction", "data"), fontsize=5.5, color="0.35", va="center_baseline"
        )
    panel.axhline(100, color="black", linewidth=1, zorder=1, label="ideal: 100 %")


def _line(panel: Axes, variant: Variant, found: Mapping[float, Sequence[pd.Series]], scale: float, wider: float) -> None:
    """The median at each rate, the seeds' band, and where the line crosses the marked level."""
    own = look(variant.algorithm)
    percents = [[100 * float(row["system_efficiency"]) for row in rows] for rows in found.values()]
    middle = [float(np.median(seeds)) for seeds in percents]
    rates = [rate / scale for rate in found]
    words = " ".join(filter(None, (variant.algorithm, variant.settings)))
    enough = first_at(list(zip(found, middle, strict=True)), MARKED).rate
    if math.isfinite(enough):
        words += f", {MARKED:g} % at {rate_text(enough)}"
    [line] = panel.plot(
        rates,
        middle,
        linestyle=own.dash,
        marker=own.marker,
        color=own.colour,
        linewidth=1 + 1.5 * wider,
        markersize=3 + 3 * wider,
        label=plain(words),
    )
    tip(line, f"{words}; {variant.scenario}; {variant.keys()}")
    for rate, height, rows in zip(rates, middle, found.values(), strict=True):
        [point] = panel.plot(rate, height, linestyle="none", marker=own.marker, color=own.colour, markersize=3 + 3 * wider)
        keys = " ".join(str(row["key"])[:8] for row in rows)
        tip(point, f"{variant.algorithm}: {height:.1f} % at {rate_text(rate * scale)}; {keys}")
    if any(len(seeds) > 1 for seeds in percents):
        low, high = [min(seeds) for seeds in percents], [max(seeds) for seeds in percents]
        panel.fill_between(rates, low, high, color=own.colour, alpha=0.18, linewidth=0)
    if math.isfinite(enough):
        panel.plot(
            enough / scale, MARKED, marker="o", markersize=7, color=own.colour, markerfacecolor="white", linestyle="none"
        )
