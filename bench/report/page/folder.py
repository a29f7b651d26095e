"""What lies in a results folder, as the page shows it: rows, tables as HTML, figures as elements; and what is left out."""

import csv
import os
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.errors import RecordError
from bench.report.page.drawings import inline
from bench.report.page.markdown import Find, as_html, size, table
from bench.report.page.rows import Line, read

_RECORDS = {"runs": "rows", "attributions": "attributions", "emulations": "emulations", "projections": "projections"}
"""Folders of records, and what these are called."""


@dataclass(frozen=True)
class Folder:
    """`link` leads from the page to what is in the folder; `records` says how many of what it has, `left_out` what is not
    on the page."""

    name: str
    link: str
    records: dict[str, int]
    rows: list[Line]
    tables: dict[str, str]
    figures: dict[str, str]
    left_out: list[str]


def read_folder(folder: Path, name: str, page: Path, prefix: str) -> Folder:
    """What is in a folder for a page at `page`; ids of its figures begin with `prefix`.

    Raises RecordError if there is no such folder.
    """
    if not folder.is_dir():
        raise RecordError(f"a page is of results folders, got '{folder}'")
    way = Path(os.path.relpath(folder, page.parent)).as_posix()
    link = "" if way == "." else f"{quote(way)}/"
    rows, left_out = read(folder)
    counts = {what: len(list((folder / records).glob("*.json"))) for records, what in _RECORDS.items()}
    counts["rows"] = len(rows)
    records = {what: count for what, count in counts.items() if count}
    find = _finder(folder, link)
    tables: dict[str, str] = {}
    figures: dict[str, str] = {}
    for path in _tables(folder):
        try:
            tables[path.stem] = _shown(path, find)
        except (OSError, ValueError, csv.Error) as error:
            left_out.append(f"{path.relative_to(folder).as_posix()} is not a readable table: {error}")
    for path in sorted((folder / "figures").glob("*.svg")):
        try:
            figures[path.stem] = inline(path, f"{prefix}-{len(figures)}-")
        except RecordError as error:
            left_out.append(str(error))
    return Folder(name, link, records, rows, tables, figures, [line.replace(f"{folder}/", "") for line in left_out])


def _tables(folder: Path) -> list[Path]:
    """Tables for people, and those for programs that have no other."""
    people = sorted((folder / "tables").glob("*.md"))
    stems = {path.stem for path in people}
    return people + [path for path in sorted((folder / "tables").glob("*.csv")) if path.stem not in stems]


def _shown(path: Path, find: Find) -> str:
    if path.suffix == ".md":
        return as_html(path.read_text(), find)
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    numbers = [
        all(size(row[column]) is not None for row in rows if row[column : column + 1] != [""]) for column in range(len(names))
    ]
    return table(names, numbers, rows, find)


def _finder(folder: Path, link: str) -> Find:
    """Finds records of the folder by the first digits of their keys, where these are those of one record only."""
    files = dict(sorted((path.stem, f"{link}{kind}/{quote(path.name)}") for kind, path in _records(folder)))
    stems = list(files)

    def find(key: str) -> str | None:
        at = bisect_left(stems, key)
        found = [stem for stem in stems[at : at + 2] if stem.startswith(key)]
        return files[found[0]] if len(found) == 1 else None

    return find


def _records(folder: Path) -> Iterator[tuple[str, Path]]:
    for kind in _RECORDS:
        for path in (folder / kind).glob("*.json"):
            yield kind, path


def group_of(figure: str, tables: dict[str, str]) -> str:
    """The table to which a figure belongs by its name, the longest such; its own name if there is none."""
    return max((name for name in tables if figure == name or figure.startswith(f"{name}_")), key=len, default=figure)
