"""The Emulator's study as a picture: communication predicted against measured, a panel an algorithm; and the errors of all."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report.figure import colour, places
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
    shown = [one for one in judged if one.cell.measured_communication > 0 and one.cell.predicted_communication > 0]
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
        seconds = [edge for one in shown for edge in (one.least, one.most, one.cell.predicted_communication) if edge > 0]
        ends = min(seconds) / 1.5, max(seconds) * 1.5
        first.set(xlim=ends, ylim=ends)
    _errors(picture.add_subplot(grid[:, columns]), shown, names, markers)
    picture.legend(handles=_legend(markers), fontsize=8, loc="outside lower center", ncol=6, frameon=False)
    picture.suptitle("Communication of emulations: predicted against measured", fontsize=10)
    return picture


def _compare(panel: Axes, shown: Sequence[Judged], markers: dict[float, str]) -> None:
    """One algorithm's cells on logarithmic axes."""
    line = [1e-6, 1e6]
    panel.fill_between(
        line, [(1 - _BAND) * end for end in line], [(1 + _BAND) * end for end in line], color="0.85", linewidth=0
    )
    panel.plot(line, line, color="black", linewidth=0.8)
    for one in shown:
        middle = one.cell.measured_communication
        panel.errorbar(
            middle,
            one.cell.predicted_communication,
            xerr=[[middle - one.least], [one.most - middle]],
            **_style(one, markers),
        )
    panel.set(xscale="log", yscale="log")
    panel.grid(alpha=0.25)


def _errors(panel: Axes, shown: Sequence[Judged], names: Sequence[str], markers: dict[float, str]) -> None:
    """Every cell's error, a row an algorithm; within a row from the slowest lines, above, to the fastest."""
    panel.axvspan(-100 * _BAND, 100 * _BAND, color="0.85", linewidth=0)
    panel.axvline(0, color="black", linewidth=0.8)
    rates = sorted({one.slowest for one in shown})
    for one in shown:
        middle, predicted = one.cell.measured_communication, one.cell.predicted_communication
        error = 100 * one.cell.communication_error
        # The longest measurement is the one that the prediction is farthest below.
        low, high = 100 * (predicted / one.most - 1), 100 * (predicted / one.least - 1) if one.least > 0 else error
        place = names.index(one.name) + 0.7 * ((rates.index(one.slowest) + 0.5) / len(rates) - 0.5)
        assert middle > 0
        panel.errorbar(error, place, xerr=[[error - low], [high - error]], **_style(one, markers))
    farthest = max([abs(one.cell.communication_error) for one in shown], default=0.0)
    edge = 100 * max(_LEAST_SHOWN, 1.1 * farthest)
    panel.set(xlim=(-edge, edge), ylim=(len(names) - 0.5, -0.5), xlabel="error (%)")
    panel.set_yticks(range(len(names)), names)
    panel.tick_params(labelsize=8)
    panel.xaxis.label.set_fontsize(8)
    panel.set_title("error, slower lines above", fontsize=9)
    panel.grid(axis="x", alpha=0.25)
    for between in range(1, len(names)):
        panel.axhline(between - 0.5, color="0.6", linewidth=0.5)


def _style(one: Judged, markers: dict[float, str]) -> dict[str, Any]:
    own = colour(places([one.algorithm])[one.algorithm])
    return {
        "marker": markers.get(one.round_trip, "."),
        "markersize": 4.5,
        "color": own,
        "markerfacecolor": "white" if one.cell.saturated else own,
        "elinewidth": 0.8,
        "linestyle": "none",
    }


def _legend(markers: dict[float, str]) -> list[Line2D]:
    """What does not depend on the algorithm, in grey."""
    grey: dict[str, Any] = {"color": "0.3", "linestyle": "none", "markersize": 5.0}
    lines = [
        Line2D([], [], marker=marker, label=f"round trip {seconds_text(trip)}", **grey) for trip, marker in markers.items()
    ]
    lines.append(Line2D([], [], marker="o", markerfacecolor="white", label="processors set the pace", **grey))
    lines.append(Line2D([], [], color="black", linewidth=0.8, label="ideal"))
    lines.append(Line2D([], [], color="0.85", linewidth=6, label="within ±10 %"))
    return lines
