"""The best algorithm of each scenario: the shortest time to the target loss for its peak FLOP/s, and who ties with it."""

import math
from collections import Counter
from collections.abc import Mapping

import pandas as pd

from bench.report.cell import Cell, Form
from bench.report.formats import Table
from bench.report.groups import Group, groups, number_of, spoken
from bench.report.keys import printed
from bench.units import seconds_text, three_digits

VALUES: dict[str, tuple[str, str, Form]] = {
    "versus_cluster": (
        "versus cluster",
        "time to target over that of h100_cluster with ddp and the same total peak FLOP/s",
        lambda value: f"{three_digits(value)}x",
    ),
    "target_seconds": (
        "time to target",
        "time to target, for want of a cluster; in a scenario all have one peak",
        seconds_text,
    ),
}
"""What algorithms are ranked by, the first that any row of a group knows: the head of its column, what it is, and its form."""


def best(frame: pd.DataFrame, shown: Mapping[str, str]) -> tuple[list[Table], pd.DataFrame]:
    """A table for each group of rows with at least two algorithms, and every algorithm's figures for programs."""
    found = [
        (group, value, {scenario: group.line(scenario, number_of(value)) for scenario in group.scenarios})
        for group in groups(frame)
        for value in _known(group)
        if len(group.algorithms) > 1
    ]
    figures = pd.DataFrame(
        {
            "settings": group.settings,
            "workers": group.workers,
            "workload": group.workload,
            "scenario": scenario,
            "algorithm": algorithm,
            "value": value,
            **cell.flat(),
            "best": algorithm in tied(line),
            "over_best": cell.median / next(iter(ranked(line).values())).median if ranked(line) else math.nan,
        }
        for group, value, lines in found
        for scenario, line in lines.items()
        for algorithm, cell in line.items()
    )
    return [_table(group, value, lines, shown) for group, value, lines in found], figures


def _known(group: Group) -> list[str]:
    """The value that algorithms of a group are ranked by; none where nothing reaches the target."""
    return [value for value in VALUES if any(math.isfinite(row[value]) for row in group.rows if row["status"] == "done")][:1]


def ranked(line: Mapping[str, Cell]) -> dict[str, Cell]:
    """The algorithms of a scenario by their median, the lowest first, less those that have a row without a number."""
    whole = [(algorithm, cell) for algorithm, cell in line.items() if cell.whole]
    return dict(sorted(whole, key=lambda pair: (pair[1].median, pair[0])))


def tied(line: Mapping[str, Cell]) -> list[str]:
    """The best algorithm, and those whose seeds' interval meets its."""
    order = ranked(line)
    if not order:
        return []
    first = next(iter(order.values()))
    return [algorithm for algorithm, cell in order.items() if cell.meets(first)]


def _table(group: Group, value: str, lines: Mapping[str, Mapping[str, Cell]], shown: Mapping[str, str]) -> Table:
    name, says, form = VALUES[value]
    return Table(
        title=f"best algorithm: {group.name}",
        head=("scenario", "best", name, "next best", "takes", "seeds", "not ranked"),
        lines=[[scenario, *_cells(line, form)] for scenario, line in lines.items()],
        left=("scenario", "best", "next best", "seeds", "not ranked"),
        notes=[
            f"best: the lowest median {says}",
            "=: a tie, the seeds' intervals meet; one seed has no interval, and ties only with its equal",
            "takes: the median time of the next best over that of the best; not ranked: a seed of it has no such time",
            *spoken(cell for line in lines.values() for cell in line.values()),
            *group.notes(),
        ],
        behind=[
            (f"{scenario}, {algorithm}", printed(cell.keys, shown))
            for scenario, line in lines.items()
            for algorithm, cell in line.items()
            if cell.keys
        ],
    )


def _cells(line: Mapping[str, Cell], form: Form) -> list[str]:
    """All columns but the scenario's."""
    order, first = ranked(line), tied(line)
    others = [f"{algorithm}: {_instead(cell)}" for algorithm, cell in line.items() if algorithm not in order and cell.keys]
    if not first:
        return ["-", "-", "-", "-", "-", ", ".join(others) or "-"]
    after = [algorithm for algorithm in order if algorithm not in first][:1]
    takes = f"{three_digits(order[after[0]].median / order[first[0]].median)}x" if after else "-"
    return [
        " = ".join(first),
        " = ".join(order[algorithm].text(form) for algorithm in first),
        *(after or ["-"]),
        takes,
        _seeds(Counter(len(order[algorithm].values) for algorithm in (*first, *after))),
        ", ".join(others) or "-",
    ]


def _instead(cell: Cell) -> str:
    return " ".join(f"{word} ({count})" for word, count in cell.others) or "-"


def _seeds(counts: Counter[int]) -> str:
    low, high = min(counts), max(counts)
    if high == 1:
        return "one seed"
    return f"{low}" if low == high else f"{low} to {high}"
