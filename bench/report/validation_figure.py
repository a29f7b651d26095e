"""The Emulator's study as a picture: communication predicted against measured, a panel an algorithm; and the errors of all."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report.figure import look, tip
from bench.report.judged import Judged
from bench.units import seconds_text

_MARKERS = "osD^vP*X"
_BAND = 0.1
"""Of error, either way, that is drawn."""
_LEAST_SHOWN = 0.25
"""Of error, to which the axis of errors goes at least."""


def figure(judged: Sequence[Judged]) -> Figure:
    """Predicted against measured in small panels, with the ideal line and a band; beside them every cell's error.

    Colour = algorithm, marker = round trip, hollow = processors set the pace; bars are the spread of measurements.
    """
    shown = [one for one in judged if one.least > 0 and one.cell.predicted_communication > 0]  # logarithms have no zero
    names = list(dict.fromkeys(one.name for one in shown))
    trips = sorted({one.round_trip for one in shown if not math.isnan(one.round_trip)})
    markers = {trip: _MARKERS[number % len(_MARKERS)] for number, trip in enumerate(trips)}
    columns = max(1, math.ceil(len(names) / 2))
    picture = Figure(figsize=(2.3 * columns + 4.2, 5.0), layout="constrained")
    grid = picture.add_gridspec(2, columns + 1, width_ratios=[*[1.0] * columns, 1.7])
    first: Axes | None = None
    for number, name in enumerate(names):
        line, column = divmod(number, columns)
        panel = picture.add_subplot(grid[line, column], sharex=first, sharey=first)
        first = first or panel
        _compare(panel, [one for one in shown if one.name == name], markers)
        panel.set_title(name, fontsize=9)
        below = number + columns < len(names)
        panel.tick_params(labelsize=8, labelbottom=not below, labelleft=column == 0)
        if not below:
            panel.set_xlabel("measured (s)", fontsize=8)
        if column == 0:
            panel.set_ylabel("predicted (s)", fontsize=8)
    if first is not None:
        seconds = [edge for one in shown for edge in (one.least, one.most, one.cell.predicted_communication)]
        ends = min(seconds) / 1.5, max(seconds) * 1.5
        first.set(xlim=ends, ylim=ends)
    _errors(picture.add_subplot(grid[:, columns]), shown, names, markers)
    picture.legend(handles=_legend(markers), fontsize=8, loc="outside lower center", ncol=6, frameon=False)
    picture.suptitle("Communication of emulations: predicted against measured", fontsize=10)
    return picture


def _compare(panel: Axes, shown: Sequence[Judged], markers: Mapping[float, str]) -> None:
    """One algorithm's cells on logarithmic axes."""
    line = [1e-6, 1e6]
    panel.fill_between(
        line, [(1 - _BAND) * end for end in line], [(1 + _BAND) * end for end in line], color="0.85", linewidth=0
    )
    panel.plot(line, line, color="black", linewidth=0.8)
    for one in shown:
        middle = one.cell.measured_communication
        _point(panel, one, (middle, one.cell.predicted_communication), (middle - one.least, one.most - middle), markers)
    panel.set(xscale="log", yscale="log")
    panel.grid(alpha=0.25)


def _errors(panel: Axes, shown: Sequence[Judged], names: Sequence[str], markers: Mapping[float, str]) -> None:
    """Every cell's error, a row an algorithm; in a row by rate, the slowest above, then by round trip."""
    panel.axvspan(-100 * _BAND, 100 * _BAND, color="0.85", linewidth=0)
    panel.axvline(0, color="black", linewidth=0.8)
    lines = sorted({_line(one) for one in shown})
    for one in shown:
        predicted, error = one.cell.predicted_communication, 100 * one.cell.communication_error
        # Of the longest measurement the prediction is the smallest share.
        low, high = 100 * (predicted / one.most - 1), 100 * (predicted / one.least - 1)
        place = names.index(one.name) + 0.8 * ((lines.index(_line(one)) + 0.5) / len(lines) - 0.5)
        _point(panel, one, (error, place), (error - low, high - error), markers)
    farthest = max([abs(one.cell.communication_error) for one in shown], default=0.0)
    edge = 100 * max(_LEAST_SHOWN, 1.1 * farthest)
    panel.set(xlim=(-edge, edge), ylim=(len(names) - 0.5, -0.5))
    panel.set_xlabel("error (%)", fontsize=8)
    panel.set_yticks(range(len(names)), names)
    panel.tick_params(labelsize=8)
    panel.set_title("error, slower lines above", fontsize=9)
    panel.grid(axis="x", alpha=0.25)
    for between in range(1, len(names)):
        panel.axhline(between - 0.5, color="0.6", linewidth=0.5)


def _line(one: Judged) -> tuple[float, float]:
    """What cells of an algorithm are ordered by: the rate and the round trip; what is not known comes last."""
    return one.slowest, math.inf if math.isnan(one.round_trip) else one.round_trip


def _point(
    panel: Axes, one: Judged, place: tuple[float, float], spread: tuple[float, float], markers: Mapping[float, str]
) -> None:
    """A cell's marker, with the spread of its measurements to the left and to the right."""
    own = look(one.algorithm).colour
    drawn = panel.errorbar(
        *place,
        xerr=[[spread[0]], [spread[1]]],
        marker=markers.get(one.round_trip, "."),
        markersize=4.5,
        color=own,
        markerfacecolor="white" if one.cell.saturated else own,
        elinewidth=0.8,
        linestyle="none",
    )
    words = f"predicted {seconds_text(one.cell.predicted_communication)}, measured"
    tip(drawn.lines[0], f"{one.name}: {words} {seconds_text(one.cell.measured_communication)}; {one.key[:8]}")


def _legend(markers: Mapping[float, str]) -> list[Line2D]:
    """What does not depend on the algorithm, in grey."""
    shapes = [(f"round trip {seconds_text(trip)}", marker, "0.3") for trip, marker in markers.items()]
    shapes.append(("processors set the pace", "o", "white"))
    lines = [
        Line2D([], [], label=label, marker=marker, markerfacecolor=face, color="0.3", linestyle="none", markersize=5.0)
        for label, marker, face in shapes
    ]
    lines.append(Line2D([], [], color="black", linewidth=0.8, label="ideal"))
    lines.append(Line2D([], [], color="0.85", linewidth=6, label="within ±10 %"))
    return lines
