"""A table of two settings: one value for each pair of them, over seeds. A pure function of rows."""

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from bench.errors import RecordError, did_you_mean
from bench.record import Row
from bench.record.row import COLUMNS, MAPPINGS, TEXTS
from bench.record.store import write_whole
from bench.report.frame import load

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


@dataclass(frozen=True)
class Cell:
    """What the rows of one pair say: the values of those that are done, and how many have which other status."""

    values: tuple[float, ...] = ()
    others: tuple[tuple[str, int], ...] = ()

    @property
    def whole(self) -> bool:
        return bool(self.values) and not self.others

    def meets(self, other: "Cell") -> bool:
        """Whether the intervals of the two have a value in common."""
        return min(self.values) <= max(other.values) and min(other.values) <= max(self.values)

    def text(self) -> str:
        """`median [lowest–highest] (seeds)`, and what is not done; `-` where nothing was measured."""
        parts = [f"{status} ({count})" for status, count in self.others]
        if self.values:
            low, middle, high = map(_number, (min(self.values), median(self.values), max(self.values)))
            interval = f" [{low}–{high}]" if len(self.values) > 1 else ""
            parts.insert(0, f"{middle}{interval} ({len(self.values)})")
        return ", ".join(parts) or "-"


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
    lines, columns = (list(dict.fromkeys(pair[place] for pair in found)) for place in (0, 1))
    return {line: {column: _cell(found.get((line, column), {}).values(), matrix.value) for column in columns} for line in lines}


def _cell(rows: Iterable[Row], value: str) -> Cell:
    done = [row for row in rows if row["status"] == "done"]
    others = Counter(row["status"] for row in rows if row["status"] != "done")
    values = sorted(float(row[value]) for row in done if math.isfinite(row[value]))
    return Cell(tuple(values), tuple(sorted(others.items())))


def label(row: Row, name: str) -> str:
    """What a row has for a column, a group or a setting; `default` for a group that its command does not set."""
    if name in row and name not in MAPPINGS:
        return str(row[name])
    for text in reversed(shlex.split(row["command"])[3:]):  # after: python -m bench
        key, _, value = text.lstrip("+~").partition("=")
        if key == name:
            return value
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
    first = min(whole.values(), key=lambda cell: sign * median(cell.values))
    return {column for column, cell in whole.items() if cell.meets(first)}


def markdown(rows: Sequence[Row], matrix: Matrix) -> str:
    """The matrix as Markdown, with what must be said beside it."""
    table = cells(rows, matrix)
    columns = list(next(iter(table.values())))
    lines = [[f"{matrix.rows} \\ {matrix.columns}", *columns], ["---", *["---:"] * len(columns)]]
    for name, line in table.items():
        bold = leading(line, matrix.best)
        lines.append([name, *(f"**{cell.text()}**" if column in bold else cell.text() for column, cell in line.items())])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([text, "", *(f"- {note}" for note in notes(rows, matrix))]) + "\n"


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
        {
            matrix.rows: name,
            matrix.columns: column,
            "seeds": len(cell.values),
            "median": median(cell.values) if cell.values else math.nan,
            "lowest": min(cell.values, default=math.nan),
            "highest": max(cell.values, default=math.nan),
            "not_done": " ".join(f"{status}:{count}" for status, count in cell.others),
            "leading": column in leading(line, matrix.best),
        }
        for name, line in cells(rows, matrix).items()
        for column, cell in line.items()
    )


def write_matrix(files: Sequence[Path], folder: Path, name: str, matrix: Matrix) -> list[Path]:
    """Write tables/<name>_matrix.md and .csv of the rows in `files`; returns both, or nothing where no row can be read."""
    rows, _ = load(files)
    if not rows:
        return []
    paths = [folder / "tables" / f"{name}_matrix{suffix}" for suffix in (".md", ".csv")]
    write_whole(paths[0], markdown(rows, matrix))
    write_whole(paths[1], flat(rows, matrix).to_csv(index=False))
    return paths


def _number(value: float) -> str:
    return f"{value:.3f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"
