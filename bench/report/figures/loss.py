"""Held-out loss against virtual time, tokens, and bytes a worker sent: a panel a scenario, seeds as a band."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter

from bench.report.figures.palette import DASH_DOT, DASHED, DOTTED, SOLID, look
from bench.report.figures.seeds import Variant, loss_band, variants
from bench.report.figures.write import plain, tip
from bench.report.frame import CLUSTER, is_cluster

_STYLES = (SOLID, DASHED, DASH_DOT, DOTTED)
_MOST_SETTINGS = 16
"""Of a sweep, that can be told apart by dashes and widths; the lines of a larger one are told by their algorithm alone."""
_MOST_BANDS = 12
"""Of a panel, that can be seen; with more lines than that there are none."""
_MOST_ALIGNED = 8
"""Lines of a panel that can be told apart on an axis that all panels have; with more, each has an axis of its own."""
_MOST_PANELS = 24
_ABREAST = 4
_MOST_POINTS = 240
"""Of a line; of a longer one every so many are left out."""
_MARKS = 5
"""Markers on a line, about."""


@dataclass(frozen=True)
class Axis:
    """What losses are drawn against: its label, and the place of each evaluation of a row on it."""

    label: str
    of: Callable[[pd.Series], Sequence[float]]


def _spread(row: pd.Series, whole: float) -> list[float]:
    """`whole` spread evenly over the steps of a row, as much as there is at each evaluation."""
    last = row["curve"]["steps"][-1] or math.nan
    return [whole * step / last for step in row["curve"]["steps"]]


SECONDS = Axis("virtual time (s)", lambda row: row["curve"]["virtual_seconds"])
TOKENS = Axis("tokens", lambda row: _spread(row, row["tokens"]))
SENT = Axis("sent by a worker (bytes)", lambda row: _spread(row, row["sent_bytes"]))


def loss_figure(frame: pd.DataFrame, axis: Axis = SECONDS) -> Figure:
    """Held-out loss along `axis`, which is logarithmic: the median of the seeds as a line, lowest to highest as a band.

    Each panel has one workload in one scenario; what has no place on the axis (nothing trained, no bytes sent) is left out.
    """
    trained = frame[[bool(curve["loss"]) and max(axis.of(row)) > 0 for curve, (_, row) in _rows(frame)]]
    shown = variants(trained)
    panels_of = list(dict.fromkeys((variant.workload, variant.scenario) for variant in shown))
    many, panels_of = len(panels_of), panels_of[:_MOST_PANELS]
    settings = list(dict.fromkeys(variant.settings for variant in shown))
    styles = {text: number for number, text in enumerate(settings)} if 1 < len(settings) <= _MOST_SETTINGS else {}
    columns = min(_ABREAST, max(1, len(panels_of)))
    lines = max(1, math.ceil(len(panels_of) / columns))
    figure = Figure(figsize=(max(3.2 * columns + 0.6, 5.5), 2.9 * lines + 0.4), layout="constrained")
    most = max((sum((one.workload, one.scenario) == of for one in shown) for of in panels_of), default=0)
    grid = figure.subplots(lines, columns, sharex=most <= _MOST_ALIGNED, sharey=True, squeeze=False)
    for number, panel in enumerate(grid.flat):
        if number >= len(panels_of):
            panel.set_axis_off()
            continue
        workload, scenario = panels_of[number]
        own = [variant for variant in shown if (variant.workload, variant.scenario) == (workload, scenario)]
        rows = trained[(trained["workload"] == workload) & (trained["scenario"] == scenario)]
        _ideal(panel, axis, trained[trained["workload"] == workload], rows["peak_flops"].max())
        for variant in own:
            crowd = not styles and sum(one.algorithm == variant.algorithm for one in own) > _MOST_SETTINGS
            _line(panel, axis, variant, styles, band=len(own) <= _MOST_BANDS, crowd=crowd)
        panel.axhline(rows["target_loss"].max(), color="0.6", linewidth=0.8, label="target loss")
        alone = sum(name == scenario for _, name in panels_of) == 1
        panel.set_title(plain(scenario) if alone else f"{plain(scenario)}, workload {workload[:8]}", fontsize=9)
        panel.set(xscale="log")
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.25)
        if number + columns >= len(panels_of) or most > _MOST_ALIGNED:
            panel.set_xlabel(axis.label, fontsize=8)
            panel.tick_params(labelbottom=True)
        if number % columns == 0:
            panel.set_ylabel("held-out loss (nats a token)", fontsize=8)
    if shown:
        for panel in grid.flat[: len(panels_of)]:
            _ticks(panel)
        _limits(grid.flat[0], trained)
        _legend(figure)
    if many > _MOST_PANELS:
        figure.suptitle(f"the first {_MOST_PANELS} of {many} scenarios", fontsize=8)
    return figure


def _rows(frame: pd.DataFrame) -> Any:
    return zip(frame["curve"], frame.iterrows(), strict=True)


def _line(panel: Axes, axis: Axis, variant: Variant, styles: dict[str, int], *, band: bool, crowd: bool) -> None:
    """One variant: where settings differ, their dashes and widths tell them, else the algorithm's own do.

    In a `crowd`, where an algorithm has more variants than can be told apart, lines are thin and have no markers.
    """
    own = look(variant.algorithm)
    found = loss_band(variant.rows, axis.of)
    kept = slice(None, None, math.ceil(len(found.x) / _MOST_POINTS) or 1)
    style = styles.get(variant.settings)
    label = " ".join(filter(None, (variant.algorithm, variant.settings if styles else "")))
    [line] = panel.plot(
        found.x[kept],
        found.middle[kept],
        linestyle=own.dash if style is None else _STYLES[style % len(_STYLES)],
        linewidth=(0.6 if crowd else 1.2) if style is None else 1 + 0.6 * (style // len(_STYLES) % 4),
        color=own.colour,
        marker="" if crowd else own.marker,
        markersize=3.5,
        markevery=max(1, len(found.x[kept]) // _MARKS),
        label=plain(label),
    )
    last = f"{found.middle[-1]:.3f}" if np.isfinite(found.middle[-1]) else "infinite"
    if len(variant.rows) > 1:
        last += f" [{found.low[-1]:.3f} to {found.high[-1]:.3f}]{variant.seeds()}"
    words = " ".join(filter(None, (variant.algorithm, variant.settings)))
    tip(line, f"{words}, {variant.scenario}: loss {last}; {variant.keys()}")
    if band and len(variant.rows) > 1:
        far = 10 * max(row["curve"]["loss"][0] for row in variant.rows)  # above any picture; what is infinite has no place
        low, high = (np.minimum(edge, far) for edge in (found.low[kept], found.high[kept]))
        panel.fill_between(found.x[kept], low, high, color=own.colour, alpha=0.18, linewidth=0)


def _ideal(panel: Axes, axis: Axis, rows: pd.DataFrame, peak: float) -> None:
    """The cluster with the same peak FLOP/s, unhindered: as if its devices never waited; of bytes there is no ideal."""
    clusters = [row for _, row in rows.iterrows() if is_cluster(row)]
    if not clusters or axis is SENT:
        return

    def at(row: pd.Series) -> list[float]:
        share = row["system_efficiency"] * row["peak_flops"] / peak if axis is SECONDS else 1.0
        return [share * place for place in axis.of(row)]

    found = loss_band(clusters, at)
    label, words = "synchronous cluster", f"{CLUSTER['algorithm']} on {CLUSTER['scenario']}"
    if axis is SECONDS:
        label, words = "ideal: unhindered cluster", f"ideal: {words} with as much peak FLOP/s, unhindered"
    [line] = panel.plot(found.x, found.middle, DOTTED, color="0.25", linewidth=1, zorder=1.5, label=label)
    tip(line, words)


def _limits(panel: Axes, trained: pd.DataFrame) -> None:
    """What gets worse than it began leaves the picture upwards."""
    begin = max(curve["loss"][0] for curve in trained["curve"])
    drawn = [loss for curve in trained["curve"] for loss in curve["loss"][1:] if math.isfinite(loss)]
    least = min(drawn, default=begin - 1)
    most = min(begin, max([*drawn, *trained["target_loss"].dropna()], default=begin))
    panel.set_ylim(least - 0.05 * (most - least or 1), most + 0.05 * (most - least or 1))


def _ticks(panel: Axes) -> None:
    """Powers of ten; on an axis of less than two of them, also twice and five times these."""
    low, high = panel.get_xlim()
    if high < 100 * low:
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(LogFormatterSciNotation(minor_thresholds=(math.inf, math.inf)))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _legend(figure: Figure) -> None:
    """Below the panels, each label once; one row of it is as high as a line of its letters."""
    drawn = [line for panel in figure.axes for line in panel.get_lines()]
    lines = {str(line.get_label()): line for line in drawn}
    lines |= {str(line.get_label()): line for line in drawn if line.get_marker()}  # not one of a crowd, if there is another
    last = [label for label in lines if label.startswith(("target", "ideal:", "synchronous cluster"))]
    labels = [*(label for label in lines if label not in last), *last]
    widest = max(map(len, labels))
    columns = max(1, min(len(labels), int(figure.get_figwidth() * 15 / (widest + 8))))
    if columns * 3 < len(labels) and figure.get_figwidth() < 9:
        figure.set_figwidth(9.0)
        columns = max(1, min(len(labels), int(9.0 * 15 / (widest + 8))))
    figure.set_figheight(figure.get_figheight() + 0.16 * math.ceil(len(labels) / columns))
    handles = [lines[label] for label in labels]
    figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncol=columns, frameon=False, handlelength=3.5)
