"""Efficiency against the speed of the lines, for rows that differ in nothing else, and the speed that a share of it needs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from bench.report.cell import Cell
from bench.report.formats import Table
from bench.report.groups import Group, groups, number_of, spoken
from bench.report.keys import printed
from bench.units import RATE, parse, rate_text, three_digits

SHARES = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Of unhindered devices, for which the speed is told: the levels of Streaming DiLoCo's tables (arXiv:2501.18512)."""

LINES = ("network.uplink", "network.downlink")


@dataclass(frozen=True)
class Needed:
    """Bytes/s that a share needs: at most `low` where the slowest lines have it, more than `high` where the fastest lack it."""

    rate: float = math.nan
    low: float = math.nan
    high: float = math.nan

    def text(self) -> str:
        if math.isfinite(self.rate):
            return rate_text(self.rate)
        if math.isfinite(self.low):
            return f"≤ {rate_text(self.low)}"
        return f"> {rate_text(self.high)}" if math.isfinite(self.high) else "-"


def bandwidth(frame: pd.DataFrame, shown: Mapping[str, str]) -> tuple[list[Table], pd.DataFrame]:
    """Two tables for each scenario with lines of at least two speeds: efficiencies, and what shares need; and the figures."""
    tables, figures = list[Table](), list[dict[str, Any]]()
    for group in groups(frame, ("scenario", "algorithm", *LINES)):
        for scenario in group.scenarios:
            found = cells(group, scenario)
            if not found:
                continue
            axis, lines = found
            tables += _tables(group, scenario, axis, lines, shown)
            figures += [
                {
                    "settings": group.settings,
                    "workers": group.workers,
                    "workload": group.workload,
                    "scenario": scenario,
                    "algorithm": algorithm,
                    f"{axis}_bytes_per_second": rate,
                    **cell.flat(),
                    **{f"needed_for_{100 * share:g}": needed(line, share).rate for share in SHARES},
                }
                for algorithm, line in lines.items()
                for rate, cell in line.items()
            ]
    return tables, pd.DataFrame(figures)


def cells(group: Group, scenario: str) -> tuple[str, dict[str, dict[float, Cell]]] | None:
    """Which lines differ, and system efficiencies by algorithm and bytes/s, the slowest first; None where none differ.

    Of rows whose uplinks and downlinks both differ, those count whose two are equal.
    """
    rows = [(row, *_rates(row["conf"])) for row in group.rows if row["scenario"] == scenario]
    rows = [(row, up, down) for row, up, down in rows if not math.isnan(up + down)]
    uplinks, downlinks = {up for _, up, _ in rows}, {down for _, _, down in rows}
    axis = "uplink_and_downlink"
    if len(uplinks) > 1 and len(downlinks) > 1:
        rows = [(row, up, down) for row, up, down in rows if up == down]
    elif len(uplinks) > 1 or len(downlinks) > 1:
        axis = "uplink" if len(uplinks) > 1 else "downlink"
    speeds = [(row, down if axis == "downlink" else up) for row, up, down in rows]
    across = sorted({rate for _, rate in speeds})
    if len(across) < 2:
        return None
    number = number_of("system_efficiency")
    return axis, {
        algorithm: {
            rate: Cell.of((number(row), row["key"]) for row, own in speeds if own == rate and row["algorithm"] == algorithm)
            for rate in across
        }
        for algorithm in group.algorithms
        if any(row["algorithm"] == algorithm for row, _ in speeds)
    }


def needed(line: Mapping[float, Cell], share: float) -> Needed:
    """The speed at which the medians first reach a share, linear between them over the logarithm of the speed."""
    return first_at([(rate, cell.median) for rate, cell in line.items() if cell.values], share)


def first_at(points: Sequence[tuple[float, float]], share: float) -> Needed:
    """The speed at which `points`, of a speed and a share each, the slowest first, first reach a share."""
    if not points:
        return Needed()
    if points[0][1] >= share:
        return Needed(low=points[0][0])
    for (slow, before), (fast, after) in pairwise(points):
        if after >= share:
            part = (share - before) / (after - before)
            return Needed(rate=slow * (fast / slow) ** part)
    return Needed(high=points[-1][0])


def _tables(
    group: Group, scenario: str, axis: str, lines: Mapping[str, Mapping[float, Cell]], shown: Mapping[str, str]
) -> Sequence[Table]:
    across = list(next(iter(lines.values())))
    spoken_axis = axis.replace("_", " ")
    title = f"{scenario}, {group.name}"
    every = [cell for line in lines.values() for cell in line.values()]
    behind = [
        (f"{algorithm}, {rate_text(rate)}", printed(cell.keys, shown))
        for algorithm, line in lines.items()
        for rate, cell in line.items()
        if cell.keys
    ]
    return [
        Table(
            title=f"system efficiency by {spoken_axis}: {title}",
            head=[spoken_axis, *lines],
            lines=[[rate_text(rate), *(line[rate].text(_percent) for line in lines.values())] for rate in across],
            notes=[
                "system efficiency: tokens/s over those of the same devices with free links, always up, nobody waiting; "
                "median [lowest–highest] over seeds (how many); -: not measured",
                *spoken(every),
                group.task,
            ],
            behind=behind,
        ),
        Table(
            title=f"{spoken_axis} needed: {title}",
            head=["algorithm", *(f"{100 * share:g} %" for share in SHARES)],
            lines=[[algorithm, *(needed(line, share).text() for share in SHARES)] for algorithm, line in lines.items()],
            left=["algorithm"],
            notes=[
                "of the medians above, linear over the logarithm of the speed; ≤: the slowest lines measured have as much; "
                ">: the fastest have not"
            ],
        ),
    ]


def _rates(conf: Mapping[str, Any]) -> tuple[float, float]:
    """Bytes/s of all hosts' uplinks and downlinks; NaN where they are not one speed for all."""
    network = conf.get("network")
    if not isinstance(network, Mapping) or not all(isinstance(network.get(name), str) for name in ("uplink", "downlink")):
        return math.nan, math.nan
    try:
        up, down = parse(network["uplink"], RATE), parse(network["downlink"], RATE)
    except ValueError:
        return math.nan, math.nan
    return (up, down) if math.isfinite(up + down) else (math.nan, math.nan)


def _percent(share: float) -> str:
    return f"{three_digits(100 * share)} %"
