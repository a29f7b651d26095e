"""The Emulator's study: every prediction beside its measurement, and how often they agree, as tables and a figure."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.emulator.record import read_records
from bench.errors import RecordError
from bench.record.store import write_whole
from bench.report.figure import write_figure
from bench.report.formats import folded
from bench.report.judged import COMMUNICATION, QUANTITIES, Errors, Judged, judge
from bench.report.keys import short_keys
from bench.report.validation_figure import figure
from bench.units import rate_text, seconds_text


def markdown(judged: Sequence[Judged], others: Sequence[tuple[str, str]] = ()) -> str:
    """Summaries, every cell, and `others` that were not judged, each a command and its reason."""
    parts = [
        f"### Cells in which the links set the pace\n\n{summary(_by_links(judged))}",
        f"### All cells\n\n{summary(judged)}",
        f"### Communication, by algorithm\n\n{_by_algorithm(judged)}",
        "### Communication, by bandwidth\n\n"
        + _by("slowest line", judged, lambda one: one.slowest, lambda one: rate_text(one.slowest)),
        "### Communication, by round trip\n\n"
        + _by("round trip", judged, _round_trip_order, lambda one: seconds_text(one.round_trip)),
        f"### Every cell\n\n{_cells(judged)}",
        "\n".join(f"- {note}" for note in _notes(judged)),
    ]
    shown = short_keys(one.key for one in judged)
    parts.append(folded([(f"`{one.command}`", shown[one.key]) for one in judged]))
    if others:
        parts.append("### Not judged\n\n" + "\n".join(f"- `{command}`: {reason}" for command, reason in others))
    return "\n\n".join(parts) + "\n"


def in_short(judged: Sequence[Judged]) -> str:
    """What a page can show: the summary of the cells in which the links set the pace, and the algorithms' errors."""
    saturated = len(judged) - len(_by_links(judged))
    note = f"- {len(judged)} cells; without the {saturated} in which 90 % or more of this machine's processors were in use"
    return (
        f"{summary(_by_links(judged))}\n\n{note}\n\n{_by_algorithm(judged)}\n\n- communication, all seconds of all operations\n"
    )


def _by_links(judged: Sequence[Judged]) -> list[Judged]:
    """The cells whose pace the links set."""
    return [one for one in judged if not one.cell.saturated]


def _by_algorithm(judged: Sequence[Judged]) -> str:
    return _by("algorithm", judged, lambda one: one.name, lambda one: one.name)


def summary(judged: Sequence[Judged]) -> str:
    """A line for each quantity: how far off it is, how far it may be, and whether that is met."""
    lines = []
    for quantity in QUANTITIES:
        errors = Errors.of(judged, quantity)
        met = {True: "yes", False: "no", None: "-"}[errors.meets(quantity)]
        shares = [_share(share) for share in (errors.median, errors.high, errors.most)]
        lines.append([quantity.name, f"{errors.cells}", *shares, quantity.target, met])
    head = ["", "cells", "median abs. error", "95th percentile", "largest", "target", "met"]
    return _table(head, lines, left=("", "target", "met"))


def _by(name: str, judged: Sequence[Judged], order: Callable[[Judged], Any], text: Callable[[Judged], str]) -> str:
    """The errors of communication in groups; of cells in which links set the pace, then of all."""
    groups: dict[str, list[Judged]] = {}
    for one in sorted(judged, key=order):
        groups.setdefault(text(one), []).append(one)
    lines = []
    for label, group in groups.items():
        links = Errors.of(_by_links(group), COMMUNICATION)
        every = Errors.of(group, COMMUNICATION)
        figures = [(f"{errors.cells}", _share(errors.median), _share(errors.high)) for errors in (links, every)]
        lines.append([label, *figures[0], *figures[1]])
    head = [name, "cells", "median", "95th percentile", "of all: cells", "median", "95th percentile"]
    return _table(head, lines, left=(name,))


def _round_trip_order(one: Judged) -> tuple[bool, float]:
    """Those that are not known come last."""
    return math.isnan(one.round_trip), one.round_trip


COLUMNS: Mapping[str, Callable[[Judged], str]] = {
    "algorithm": lambda one: one.algorithm,
    "codec": lambda one: "-" if one.codec == "none" else one.codec,
    "workers": lambda one: f"{one.workers}",
    "uplink / downlink": lambda one: one.uplink if one.uplink == one.downlink else f"{one.uplink} / {one.downlink}",
    "round trip": lambda one: seconds_text(one.round_trip),
    "special": lambda one: ", ".join(one.special) or "-",
    "communication predicted": lambda one: seconds_text(one.cell.predicted_communication),
    "communication measured": lambda one: seconds_text(one.cell.measured_communication),
    "communication error": lambda one: _error(one.cell.communication_error),
    "whole run predicted": lambda one: seconds_text(one.cell.predicted_seconds),
    "whole run measured": lambda one: seconds_text(one.cell.measured_seconds),
    "whole run error": lambda one: _error(one.cell.seconds_error),
    "bytes error": lambda one: _error(one.cell.bytes_error),
    "parameters differ": lambda one: "-" if math.isnan(one.cell.parameters_differ) else f"{one.cell.parameters_differ:.1e}",
    "busy": lambda one: f"{one.cell.busy:.0%}".replace("%", " %") + (", processors" if one.cell.saturated else ""),
}
"""The columns of the table of every cell."""


def _cells(judged: Sequence[Judged]) -> str:
    lines = [[text(one) for text in COLUMNS.values()] for one in judged]
    return _table(list(COLUMNS), lines, left=("algorithm", "codec", "uplink / downlink", "special", "busy"))


def _notes(judged: Sequence[Judged]) -> list[str]:
    trained = [one.cell.parameters_differ for one in judged if not math.isnan(one.cell.parameters_differ)]
    farthest = f"; at most {max(trained):.1e} in {len(trained)} that were trained" if trained else "; nothing was trained"
    return [
        "error: predicted over measured, less one; measured: the median of a cell's measurements",
        "communication: seconds of all operations together, also of those during computing; whole run: until all is over",
        "bytes: frames that a worker sent, on the average",
        f"parameters differ: from the Trainer's after the same schedule, relative, the farthest rank's{farthest}",
        "busy: share of all processors' time in use; processors: 90 % or more, so that they and not the links set the pace",
    ]


def flat(judged: Sequence[Judged]) -> pd.DataFrame:
    """The cells for programs, a line each: seconds, bytes, bytes/s and shares; of unequal lines the slowest rate."""
    return pd.DataFrame(
        {
            "key": one.key,
            "algorithm": one.algorithm,
            "codec": one.codec,
            "model": one.model,
            "workers": one.workers,
            "steps": one.steps,
            "uplink_bytes_per_second": one.uplink_rate,
            "downlink_bytes_per_second": one.downlink_rate,
            "round_trip_seconds": one.round_trip,
            "special": ", ".join(one.special),
            "predicted_communication_seconds": one.cell.predicted_communication,
            "measured_communication_seconds": one.cell.measured_communication,
            "measured_communication_seconds_least": one.least,
            "measured_communication_seconds_most": one.most,
            "communication_error": one.cell.communication_error,
            "predicted_seconds": one.cell.predicted_seconds,
            "measured_seconds": one.cell.measured_seconds,
            "seconds_error": one.cell.seconds_error,
            "charged_bytes": one.cell.charged_bytes,
            "counted_bytes": one.cell.counted_bytes,
            "bytes_error": one.cell.bytes_error,
            "parameters_differ": one.cell.parameters_differ,
            "busy": one.cell.busy,
            "waited": one.cell.waited,
            "late_seconds": one.cell.late_seconds,
            "overruns": one.cell.overruns,
            "saturated": one.cell.saturated,
            "measurements": one.cell.measurements,
            "command": one.command,
        }
        for one in judged
    )


def write(folder: Path) -> tuple[list[Path], list[str]]:
    """Write tables/validation*.* and figures/validation.* from the emulations of a results folder.

    Returns the files, and a line for each record that is broken and so left out. Raises RecordError where none can be judged.
    """
    records, broken = read_records(folder)
    judged, others = judge(records)
    if not judged:
        found = [f"{len(records)} that cannot be judged"] if records else []
        found += [f"{len(broken)} broken: {broken[0]}"] if broken else []
        raise RecordError(f"'{folder}' must hold emulations on shaped links in emulations/, got {', '.join(found) or 'none'}")
    paths = [folder / "tables" / f"validation{suffix}" for suffix in (".md", "_summary.md", ".csv")]
    for path, content in zip(
        paths, (markdown(judged, others), in_short(judged), flat(judged).to_csv(index=False)), strict=True
    ):
        write_whole(path, content)
    return [*paths, *write_figure(figure(judged), folder / "figures" / "validation")], broken


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], left: Sequence[str]) -> str:
    rule = ["---" if name in left else "---:" for name in head]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


def _error(error: float) -> str:
    return "-" if math.isnan(error) else f"{100 * error:+.1f} %"
