"""Many rows at a glance: slowdown, time against the cluster's and time to target of every scenario and algorithm."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.record import Row
from bench.report.bandwidth import bandwidth
from bench.report.best import best
from bench.report.cell import Cell, Form
from bench.report.formats import Table, write_formats
from bench.report.frame import compared
from bench.report.groups import Group, groups, number_of, place_of, spoken
from bench.report.keys import keys_in, printed, short_keys
from bench.report.matrix import leading
from bench.report.pareto import pareto
from bench.units import seconds_text, three_digits

Shown = Mapping[str, str]
"""Keys, and how they are printed."""


@dataclass(frozen=True)
class Value:
    """A number of each row: its column, what it is called, what it says, and how it is written."""

    column: str
    title: str
    says: str
    form: Form


VALUES = {
    "slowdown": Value(
        "slowdown",
        "slowdown",
        "1 / efficiency: how many times fewer tokens than the same devices would give if nothing held them up, and by how much "
        "less each teaches than a cluster's",
        three_digits,
    ),
    "versus_cluster": Value(
        "versus_cluster",
        "time to target over the cluster's",
        "seconds to the target loss over those of h100_cluster with ddp and the same total peak FLOP/s",
        three_digits,
    ),
    "time_to_target": Value(
        "target_seconds", "time to target", "virtual seconds until the held-out loss first is at the target", seconds_text
    ),
}
"""The matrices by the end of their file's name; in each of them less is better."""

OTHERS: Mapping[str, Callable[[pd.DataFrame, Shown], tuple[list[Table], pd.DataFrame]]] = {
    "best": best,
    "pareto": pareto,
    "bandwidth": bandwidth,
}
"""The other tables by the end of their file's name: what is read, and the figures for programs."""


def write_overview(
    rows: Sequence[Row], folder: Path, name: str, *, elsewhere: Sequence[Row] = (), target: float | None = None
) -> list[Path]:
    """Write tables/<name>_slowdown, _versus_cluster, _time_to_target, _best, _pareto and _bandwidth as .md, .csv and .tex.

    What the rows do not allow has no file. `elsewhere` and `target` are those of `bench.report.frame.compared`. The files do
    not depend on the order of `rows`.
    """
    if not rows:
        return []
    frame = compared(sorted(rows, key=place_of), sorted(elsewhere, key=place_of), target)
    shown = short_keys([*keys_in(folder), *frame["key"]])
    written = list[Path]()
    together = groups(frame)
    for end, value in VALUES.items():
        written += _write(folder, f"{name}_{end}", *matrices(together, value, shown))
    for end, make in OTHERS.items():
        written += _write(folder, f"{name}_{end}", *make(frame, shown))
    return written


def matrices(together: Iterable[Group], value: Value, shown: Shown) -> tuple[list[Table], pd.DataFrame]:
    """A matrix for each group of at least two scenarios and two algorithms; and all their cells for programs."""
    wide = [group for group in together if len(group.scenarios) > 1 and len(group.algorithms) > 1]
    found = [
        (group, {scenario: group.line(scenario, number_of(value.column)) for scenario in group.scenarios}) for group in wide
    ]
    return [_matrix(group, lines, value, shown) for group, lines in found], pd.DataFrame(
        {
            "settings": group.settings,
            "workers": group.workers,
            "workload": group.workload,
            "scenario": scenario,
            "algorithm": algorithm,
            **cell.flat(),
            "leading": algorithm in leading(line, "lowest"),
        }
        for group, lines in found
        for scenario, line in lines.items()
        for algorithm, cell in line.items()
    )


def _matrix(group: Group, lines: Mapping[str, Mapping[str, Cell]], value: Value, shown: Shown) -> Table:
    """Scenarios below each other and algorithms side by side, or the other way round where there are more of those."""
    scenarios, algorithms = group.scenarios, group.algorithms
    upright = len(algorithms) > len(scenarios) + 4
    corner = "algorithm \\ scenario" if upright else "scenario \\ algorithm"
    down, across = (algorithms, scenarios) if upright else (scenarios, algorithms)
    pairs = [[(second, first) if upright else (first, second) for second in across] for first in down]
    every = [lines[scenario][algorithm] for line in pairs for scenario, algorithm in line]
    return Table(
        title=f"{value.title}: {group.name}",
        head=[corner, *across],
        lines=[
            [name, *(lines[scenario][algorithm].text(value.form) for scenario, algorithm in line)]
            for name, line in zip(down, pairs, strict=True)
        ],
        left=[corner],
        bold=[
            (row, column + 1)
            for row, line in enumerate(pairs)
            for column, (scenario, algorithm) in enumerate(line)
            if algorithm in leading(lines[scenario], "lowest")
        ],
        notes=[
            f"{value.title}: {value.says}; median [lowest–highest] over seeds (how many); -: not measured",
            "bold: the lowest median of its scenario, and those whose seeds' interval meets its",
            *spoken(every),
            *group.notes(),
        ],
        behind=[
            (f"{scenario}, {algorithm}", printed(lines[scenario][algorithm].keys, shown))
            for scenario in scenarios
            for algorithm in algorithms
            if lines[scenario][algorithm].keys
        ],
    )


def _write(folder: Path, name: str, tables: Sequence[Table], figures: pd.DataFrame) -> list[Path]:
    return write_formats(folder, name, tables, figures) if tables else []
