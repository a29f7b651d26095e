"""A table of text, written for people as Markdown, for papers as LaTeX and, with the numbers behind it, for programs as CSV."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.record.store import write_whole
from bench.report.latex import latex

_FOLD = "<details><summary>rows behind each cell</summary>"
SUFFIXES = (".md", ".csv", ".tex")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Lines of cells under a head, all of them text.

    title: empty where the file's name says enough. left: the columns whose text begins at the left; numbers end at the right.
    bold: the line and the column, both from 0, of each cell that stands out. notes: what must be said beside the table.
    behind: what stands in several lines or cells, and the keys of the rows that it was computed from, as they are printed.
    """

    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    title: str = ""
    left: Collection[str] = ()
    bold: Collection[tuple[int, int]] = ()
    notes: Sequence[str] = ()
    behind: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        for line in self.lines:
            if len(line) != len(self.head):
                raise ValueError(f"lines must have a cell for each of {len(self.head)} columns, got {list(line)}")


def markdown(table: Table) -> str:
    """The table as Markdown: title, cells, notes, and, folded away, the rows behind."""
    rule = ["---" if name in table.left else "---:" for name in table.head]
    lines = [
        [f"**{_plain(cell)}**" if (row, column) in table.bold else _plain(cell) for column, cell in enumerate(line)]
        for row, line in enumerate(table.lines)
    ]
    text = "\n".join("| " + " | ".join(line) + " |" for line in ([_plain(name) for name in table.head], rule, *lines))
    parts = [f"### {table.title}"] if table.title else []
    parts.append(text)
    if table.notes:
        parts.append("\n".join(f"- {note}" for note in table.notes))
    if table.behind:
        parts.append(folded(table.behind))
    return "\n\n".join(parts) + "\n"


def folded(behind: Sequence[tuple[str, str]]) -> str:
    """What a table's cells or lines are called, and the keys behind each: a list that a page folds away."""
    rows = "\n".join(f"- {name}: {keys}" for name, keys in behind)
    return f"{_FOLD}\n\n{rows}\n\n</details>"


def unfolded(text: str) -> str:
    """Markdown for a terminal, where nothing can be folded away: without the rows behind."""
    return re.sub(f"\n{re.escape(_FOLD)}.*?</details>\n", "", text, flags=re.DOTALL)


def write_formats(folder: Path, name: str, tables: Sequence[Table], figures: pd.DataFrame) -> list[Path]:
    """Write tables/<name>.md and .tex, as `tables` read, and .csv, `figures` in base units; returns the three."""
    texts = (
        "\n".join(markdown(table) for table in tables),
        figures.to_csv(index=False, lineterminator="\n"),
        "\n".join(latex(table.head, table.lines, table.title, table.left, table.bold, table.notes) for table in tables),
    )
    paths = [folder / "tables" / f"{name}{suffix}" for suffix in SUFFIXES]
    for path, text in zip(paths, texts, strict=True):
        write_whole(path, text)
    return paths


def _plain(cell: str) -> str:
    """A cell that ends where its column does."""
    return cell.replace("|", "\\|").replace("\n", " ")
