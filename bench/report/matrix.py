"""A table of two settings: one value for each pair of them, over seeds. A pure function of rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import RecordError, did_you_mean
from bench.record import Row
from bench.record.command import overrides, setting_of
from bench.record.row import COLUMNS, MAPPINGS, TEXTS
from bench.report.cell import Cell
from bench.report.formats import Table, write_formats
from bench.report.frame import load
from bench.report.keys import keys_in, printed, short_keys

_SETTING = ("scenario", "algorithm", "codec", "feedback", "aggregator", "adversary", "model", "data", "workers", "steps")
"""Columns that are told once, where they are the same in all rows."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """What stands in a matrix: a line for each of `rows`, a column for each of `columns`, and the `value` of each pair.

    `rows` and `columns` are columns of a row, groups of presets or settings (such as adversary.fraction).
    """

    rows: str
    columns: str
    value: str = "final_loss"
    best: str = "lowest"

    def __post_init__(self) -> None:
        numbers = [name for name in COLUMNS if name not in (*TEXTS, *MAPPINGS)]
        if self.value not in numbers:
            raise ValueError(
                f"value must be a column that holds a number, got '{self.value}'{did_you_mean(self.value, numbers)}"
            )
        if self.rows == self.columns:
            raise ValueError(f"columns must be another setting than rows, got '{self.columns}'")
        if self.best not in ("lowest", "highest"):
            raise ValueError(f"best must be lowest or highest, got '{self.best}'")


def cells(rows: Sequence[Row], matrix: Matrix) -> dict[str, dict[str, Cell]]:
    """The cells by line and column, both in the order in which they first come.

    Raises RecordError where two rows of one pair have one seed: they differ in something that the matrix does not show.
    """
    found: dict[tuple[str, str], dict[int, Row]] = {}
    for row in rows:
        pair = label(row, matrix.rows), label(row, matrix.columns)
        if row["seed"] in found.setdefault(pair, {}):
            raise RecordError(
                f"a matrix of {matrix.rows} and {matrix.columns} cannot tell two rows apart: "
                f"{found[pair][row['seed']]['command']} and {row['command']}"
            )
        found[pair][row["seed"]] = row

    def cell(line: str, column: str) -> Cell:
        return Cell.of((_found(row, matrix.value), row["key"]) for row in found.get((line, column), {}).values())

    lines, columns = (list(dict.fromkeys(pair[place] for pair in found)) for place in (0, 1))
    return {line: {column: cell(line, column) for column in columns} for line in lines}


def _found(row: Row, value: str) -> float | str:
    return float(row[value]) if row["status"] == "done" else str(row["status"])


def label(row: Row, name: str) -> str:
    """What a row has for a column, a group or a setting; `default` for a group that its command does not set."""
    if name in row and name not in MAPPINGS:
        return str(row[name])
    for text in reversed(overrides(row["command"])):
        if setting_of(text) == name:
            return text.partition("=")[2]
    node: Any = row["conf"]
    for part in name.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return "default" if isinstance(node, Mapping) else "-" if node is None else str(node)


def leading(line: Mapping[str, Cell], best: str) -> set[str]:
    """The columns of a line that hold its best median, or whose seeds' interval meets that of the best."""
    whole = {column: cell for column, cell in line.items() if cell.whole}
    if len(whole) < 2:
        return set()
    sign = 1 if best == "lowest" else -1
    first = min(whole.values(), key=lambda cell: sign * cell.median)
    return {column for column, cell in whole.items() if cell.meets(first)}


def table(rows: Sequence[Row], matrix: Matrix, others: Iterable[str] = ()) -> Table:
    """The matrix to be read, with what must be said beside it. No key is printed so short that one of `others` begins so."""
    found = cells(rows, matrix)
    shown = short_keys([*others, *(row["key"] for row in rows)])
    columns = list(next(iter(found.values())))
    corner = f"{matrix.rows} \\ {matrix.columns}"
    return Table(
        head=[corner, *columns],
        lines=[[name, *(cell.text(_number) for cell in line.values())] for name, line in found.items()],
        left=[corner],
        bold=[
            (row, columns.index(column) + 1)
            for row, line in enumerate(found.values())
            for column in sorted(leading(line, matrix.best))
        ],
        notes=notes(rows, matrix),
        behind=[
            (f"{name}, {column}", printed(cell.keys, shown))
            for name, line in found.items()
            for column, cell in line.items()
            if cell.keys
        ],
    )


def notes(rows: Sequence[Row], matrix: Matrix) -> list[str]:
    """What the numbers are, what all rows share, and the settings of each preset on an axis."""
    same = [f"{name} {rows[0][name]}" for name in _SETTING if len({str(row[name]) for row in rows}) == 1]
    lines = [
        f"{matrix.value}: {COLUMNS[matrix.value]}; median [lowest–highest] over seeds (how many); -: not measured",
        f"bold: the {matrix.best} median of its line, and those whose interval meets its",
        f"of all: {', '.join(same)}",
    ]
    for name in (matrix.rows, matrix.columns):
        told: dict[str, str] = {}
        for row in rows:
            node = row["conf"].get(name)
            if isinstance(node, Mapping):
                settings = [f"{key} {value}" for key, value in node.items() if key != "_target_" and value is not None]
                told.setdefault(label(row, name), ", ".join(settings))
        lines += [f"{name} {preset}: {settings}" for preset, settings in told.items() if settings]
    return lines


def flat(rows: Sequence[Row], matrix: Matrix) -> pd.DataFrame:
    """The matrix for programs, a line a cell."""
    return pd.DataFrame(
        {matrix.rows: name, matrix.columns: column, **cell.flat(), "leading": column in leading(line, matrix.best)}
        for name, line in cells(rows, matrix).items()
        for column, cell in line.items()
    )


def write_matrix(files: Sequence[Path], folder: Path, name: str, matrix: Matrix) -> list[Path]:
    """Write tables/<name>_matrix.md, .csv and .tex of the rows in `files`; returns them: none where no row can be read."""
    rows, _ = load(files)
    if not rows:
        return []
    return write_formats(folder, f"{name}_matrix", [table(rows, matrix, keys_in(folder))], flat(rows, matrix))


def _number(value: float) -> str:
    return f"{value:.3f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"
