"""Who did what when, as a picture: a bar a worker over virtual time, and a line above it while it has something in the air."""

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.report.figures.palette import BUCKET_COLOURS, BUCKET_EDGES, BUCKET_HATCHES
from bench.tape import Interval
from bench.timeline import BUCKETS, Timeline
from bench.trace.air import Flight, flights
from bench.units import TIME, fitting_unit, seconds_text

MOST_RECTANGLES = 2000
"""Of a panel."""
_HEIGHT = 0.66  # of a bar
_FIRST_ROUNDS = 3
_LONG = 0.4  # share of a run below which its first rounds are enlarged
_Piece = tuple[str, float, float, float, float]  # bucket, from when to when, from where to where of a bar's height


def timeline_figure(timeline: Timeline, names: Sequence[str], title: str) -> Figure:
    """The picture of a timeline with intervals, whose workers have devices of these `names`.

    Where a run is long, its first rounds are enlarged in a panel of their own.
    """
    assert timeline.intervals is not None
    until = timeline.intervals.until
    ends = [until]
    if len(timeline.round_end) > _FIRST_ROUNDS and timeline.round_end[_FIRST_ROUNDS - 1] < _LONG * until:
        ends.append(float(timeline.round_end[_FIRST_ROUNDS - 1]))
    workers = len(timeline.intervals.of)
    height = 0.9 + len(ends) * (0.75 + 0.3 * workers)
    figure = Figure(figsize=(11, height), layout="constrained")
    panels = figure.subplots(len(ends), 1, squeeze=False)[:, 0]
    air = flights(timeline)
    for panel, end in zip(panels, ends, strict=True):
        _draw(panel, timeline, air, names, end)
    panels[0].set_title(title)
    if len(ends) > 1:
        panels[1].set_title(f"the first {_FIRST_ROUNDS} rounds, enlarged", fontsize=9)
    _legend(figure, timeline, any(air))
    return figure


def pieces(line: Iterable[Interval], end: float, cell: float) -> list[_Piece]:
    """What of a worker's intervals lies before `end`, as parts of its bar.

    Intervals shorter than a `cell` of so many seconds that follow each other lie above each other, each as high as its share of
    the seconds that they take together, at least a cell: what they were is kept, the order in which is not.
    """
    found: list[_Piece] = []
    short: list[Interval] = []
    for bucket, begin, over in (*line, Interval("", end, end)):
        one = Interval(bucket, begin, min(over, end))
        reached = begin >= end
        if short and (reached or one.end - one.begin >= cell or one.begin - short[0].begin >= cell):
            found += _stacked(short)
            short = []
        if reached:
            break
        if one.end - one.begin >= cell:
            found.append((bucket, begin, one.end, 0.0, 1.0))
        else:
            short.append(one)
    return found


def _stacked(short: list[Interval]) -> list[_Piece]:
    begin, end, low = short[0].begin, short[-1].end, 0.0
    stacked = []
    for bucket in BUCKETS:
        share = sum(one.end - one.begin for one in short if one.bucket == bucket) / (end - begin)
        if share > 0:
            stacked.append((bucket, begin, end, low, low + share))
            low += share
    return stacked


def _draw(panel: Axes, timeline: Timeline, air: Sequence[Sequence[Flight]], names: Sequence[str], end: float) -> None:
    assert timeline.intervals is not None
    of, unit = timeline.intervals.of, fitting_unit(end, TIME)
    scale = TIME.units[unit]
    cell, bars = 0.0, [pieces(line, end, 0.0) for line in of]
    while sum(map(len, bars)) > MOST_RECTANGLES:
        cell = max(1.3 * cell, end / 1000)  # a pixel
        bars = [pieces(line, end, cell) for line in of]
    for bucket in BUCKETS:
        rectangles = [
            (begin / scale, rank - _HEIGHT / 2 + _HEIGHT * low, (over - begin) / scale, _HEIGHT * (high - low))
            for rank, bar in enumerate(bars)
            for name, begin, over, low, high in bar
            if name == bucket
        ]
        _rectangles(panel, bucket, rectangles)
    for rank, own in enumerate(air):
        for begin, over in _joined(own, end / 1000):
            if begin < end:
                at = rank - _HEIGHT / 2 - 0.09
                panel.plot(
                    [begin / scale, min(over, end) / scale], [at, at], color="black", linewidth=1.3, solid_capstyle="butt"
                )
    for mark in timeline.intervals.marks:
        if mark.word == "failure" and mark.at <= end:
            panel.axvline(mark.at / scale, color="black", linestyle=":", linewidth=1)
    labels = [f"{rank}: {names[rank]}" for rank in range(len(of))]
    panel.set(yticks=range(len(of)), yticklabels=labels, xlim=(0, end / scale), ylim=(len(of) - 0.5, -0.6))
    panel.set(xlabel=f"virtual time ({unit})", ylabel="worker")
    panel.tick_params(axis="y", labelsize=8)
    if cell:
        note = f"what is shorter than {seconds_text(cell)} is drawn as shares of the bar's height"
        panel.text(1, 1.01, note, transform=panel.transAxes, ha="right", va="bottom", fontsize=7)


def _rectangles(panel: Axes, bucket: str, rectangles: list[tuple[float, float, float, float]]) -> None:
    """Rectangles (left, top, width, height) of one bucket."""
    corners = [[(x, y), (x + dx, y), (x + dx, y + dy), (x, y + dy)] for x, y, dx, dy in rectangles]
    if corners:
        panel.add_collection(PolyCollection(corners, linewidth=0, **_look(bucket)))


def _look(bucket: str) -> dict[str, Any]:
    """Colour and hatch, so that it can be read in grey."""
    return {"facecolor": BUCKET_COLOURS[bucket], "edgecolor": BUCKET_EDGES[bucket], "hatch": BUCKET_HATCHES[bucket]}


def _joined(own: Sequence[Flight], gap: float) -> list[tuple[float, float]]:
    """From when to when something is in the air, ascending; gaps that nobody could see are closed."""
    joined: list[tuple[float, float]] = []
    for flight in own:
        if joined and flight.begin <= joined[-1][1] + gap:
            joined[-1] = joined[-1][0], max(joined[-1][1], flight.end)
        else:
            joined.append((flight.begin, flight.end))
    return joined


def _legend(figure: Figure, timeline: Timeline, flies: bool) -> None:
    """Of what is there."""
    assert timeline.intervals is not None
    there = {one.bucket for line in timeline.intervals.of for one in line}
    shown: list[Patch | Line2D] = [
        Patch(label=bucket.replace("_", " "), linewidth=0, **_look(bucket)) for bucket in BUCKETS if bucket in there
    ]
    if flies:
        shown.append(Line2D([], [], color="black", linewidth=1.3, label="an operation is in the air"))
    if any(mark.word == "failure" for mark in timeline.intervals.marks):
        shown.append(Line2D([], [], color="black", linestyle=":", linewidth=1, label="failures stop all"))
    figure.legend(handles=shown, loc="outside lower center", ncol=min(len(shown), 6), fontsize=8, frameon=False)
