"""The best algorithm of each scenario: the shortest time to the target loss for its peak FLOP/s, and who ties with it."""

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from bench.report.cell import Cell
from bench.report.formats import Table
from bench.report.groups import Group, groups, number_of, spoken
from bench.report.keys import printed
from bench.units import three_digits

HEAD = ("scenario", "best", "versus cluster", "next best", "takes", "seeds", "not ranked")


def best(frame: pd.DataFrame, shown: Mapping[str, str]) -> tuple[list[Table], pd.DataFrame]:
    """A table for each group of rows with at least two algorithms, and every algorithm's figures for programs."""
    number = number_of("versus_cluster")
    found = [
        (group, {scenario: group.line(scenario, number) for scenario in group.scenarios})
        for group in groups(frame)
        if len(group.algorithms) > 1
    ]
    found = [(group, lines) for group, lines in found if any(ranked(line) for line in lines.values())]
    figures = pd.DataFrame(
        {
            "settings": group.settings,
            "workers": group.workers,
            "workload": group.workload,
            "scenario": scenario,
            "algorithm": algorithm,
            **cell.flat(),
            "best": algorithm in tied(line),
            "over_best": cell.median / next(iter(ranked(line).values())).median if ranked(line) else float("nan"),
        }
        for group, lines in found
        for scenario, line in lines.items()
        for algorithm, cell in line.items()
    )
    return [_table(group, lines, shown) for group, lines in found], figures


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


def _table(group: Group, lines: Mapping[str, Mapping[str, Cell]], shown: Mapping[str, str]) -> Table:
    return Table(
        title=f"best algorithm: {group.name}",
        head=HEAD,
        lines=[[scenario, *_cells(line)] for scenario, line in lines.items()],
        left=("scenario", "best", "next best", "seeds", "not ranked"),
        notes=[
            "best: the lowest median time to target over that of h100_cluster with ddp and the same total peak FLOP/s; =: a "
            "tie, the seeds' intervals meet; one seed has no interval, and ties only with its equal",
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


def _cells(line: Mapping[str, Cell]) -> list[str]:
    """All columns but the scenario's."""
    order, first = ranked(line), tied(line)
    others = [f"{algorithm}: {_instead(cell)}" for algorithm, cell in line.items() if algorithm not in order and cell.keys]
    if not first:
        return ["-", "-", "-", "-", "-", ", ".join(others) or "-"]
    after = [algorithm for algorithm in order if algorithm not in first][:1]
    takes = f"{three_digits(order[after[0]].median / order[first[0]].median)}x" if after else "-"
    return [
        " = ".join(first),
        " = ".join(order[algorithm].text(lambda value: f"{three_digits(value)}x") for algorithm in first),
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
