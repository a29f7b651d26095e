"""One attribution as a picture: from ideal, 1x, down to the slowdown, a bar a factor, on a logarithmic axis."""

import math
from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.attribute.colours import COLOURS, EDGES, HATCHES
from bench.attribute.record import Record, ranked, spread
from bench.attribute.tell import factor_text
from bench.report.figure import write_figure
from bench.units import three_digits


def waterfall(record: Record) -> Figure:
    """The factors, the largest first, each from where the one above it ends; below them the slowdown.

    Bars are medians over seeds, whose product is that of each seed only about; whiskers go from the lowest to the highest.
    """
    names = ranked(record)
    figure = Figure(figsize=(8.0, 0.42 * (len(names) + 1) + 1.5), layout="constrained")
    panel = figure.subplots()
    reached, ends = 1.0, [1.0]
    for place, name in enumerate(names):
        middle, low, high = spread(record["factors"][name])
        _bar(panel, place, reached, reached * middle, COLOURS[name], HATCHES[name], EDGES[name])
        _whisker(panel, place, reached * low, reached * high)
        panel.plot([reached * middle] * 2, [place, place + 1], color="0.4", linewidth=0.8, linestyle=":")
        ends += [reached * low, reached * high, reached * middle]
        reached *= middle
    middle, low, high = spread(record["total"])
    _bar(panel, len(names), 1.0, middle, "0.55")
    _whisker(panel, len(names), low, high)
    least, most = min(*ends, low, middle), max(*ends, high, middle)
    _scale(panel, least, most)
    if len(record["seeds"]) > 1:
        panel.set_xlabel("slowdown against ideal (x); medians over seeds, whose product is about that of the slowdown")
    values = [*((name, record["factors"][name]) for name in names), ("slowdown", record["total"])]
    edge = panel.get_xlim()[1]
    for place, (_, shown) in enumerate(values):
        panel.annotate(factor_text(shown), (edge, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9)
    labels = [f"{name} (helps)" if spread(shown)[0] < 1 else name for name, shown in values]
    panel.set_yticks(range(len(values)), labels)
    panel.set_ylim(len(values) - 0.4, -0.6)
    panel.set_title(_title(record), fontsize=10)
    return figure


def write_waterfall(record: Record, folder: Path) -> list[Path]:
    """Write figures/attribution_<scenario>_<algorithm>_<key>.svg and .png; returns both."""
    names = record["names"]
    name = f"attribution_{names['scenario']}_{names['algorithm']}_{record['key'][:8]}"
    return write_figure(waterfall(record), folder / "figures" / name)


def _bar(panel: Axes, place: int, begin: float, end: float, colour: str, hatch: str = "", edge: str = "none") -> None:
    """From `begin` to `end`, which lies to the left of it where something helps."""
    panel.barh(
        place,
        end - begin,
        left=begin,
        height=0.6,
        color=colour,
        hatch=hatch,
        edgecolor=edge,
        linewidth=0,
    )


def _whisker(panel: Axes, place: int, low: float, high: float) -> None:
    if high > low:
        panel.plot([low, high], [place, place], color="black", linewidth=1.2, marker="|", markersize=7)


def _scale(panel: Axes, least: float, most: float) -> None:
    """A logarithmic axis of slowdowns with the ideal line, and room at both ends."""
    room = max(most / least, 1.2) ** 0.04
    panel.set(xscale="log", xlim=(least / room, most * room), xlabel="slowdown against ideal (x)")
    panel.axvline(1.0, color="black", linewidth=1.2)
    ticks_as_factors(panel, most / least)
    panel.grid(axis="x", alpha=0.25)
    panel.set_axisbelow(True)


def ticks_as_factors(panel: Axes, span: float) -> None:
    """Factors in plain digits; where the axis spans little, also between powers of ten."""
    plain = FuncFormatter(
        lambda value, _: f"{three_digits(value).rstrip('0').rstrip('.') if value < 100 else f'{value:,.0f}'}x"
    )
    panel.xaxis.set_major_formatter(plain)
    digits = range(1, 10) if span < 5 else (2, 3, 5) if span < 20 else ()  # those of all would touch

    def between(value: float, place: int | None) -> str:
        return plain(value, place) if round(value / 10 ** math.floor(math.log10(value) + 1e-9)) in digits else ""

    panel.xaxis.set_minor_formatter(FuncFormatter(between))


def _title(record: Record) -> str:
    names, seeds = record["names"], record["seeds"]
    parts: Iterable[str] = (
        f"{names['scenario']}, {names['algorithm']}, {record['workers']} workers",
        f"{len(seeds)} seed{'s' * (len(seeds) > 1)}",
        "the clock alone" if record["clock_alone"] else "",
    )
    return "; ".join(filter(None, parts))
