"""The report of some rows: their table and figures are written to a results folder, and the table is printed."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from bench.errors import RecordError
from bench.record import Row, as_json
from bench.report.frame import compared, is_cluster, load, task_of
from bench.report.keys import keys_in
from bench.report.overview import write_overview
from bench.report.table import flat, for_terminal, notes, write_tables


@dataclass(frozen=True)
class Published:
    """Rows of a folder side by side, the files written of them, and a line for each row that cannot be read."""

    folder: Path
    frame: pd.DataFrame
    written: list[Path]
    broken: list[str]


def publish(rows: Sequence[Path], folder: Path, name: str, *, by_name: bool = False, target: float | None = None) -> Published:
    """Write tables/<name>.*, tables and figures/<name>_* of the rows in these files.

    The rows come in the order of the files, or `by_name`: scenario, algorithm, command. `target` is the loss to which times
    are, if not what all reach. Rows that cannot be read are left out. Raises RecordError where none is left.
    """
    from bench.report.figure import write_figures  # matplotlib: half a second, only where it is drawn

    readable, broken = load(rows)
    if not readable:
        raise RecordError(f"no row of '{folder}' can be read: {broken[0]}" if broken else f"'{folder}' has no row")
    if by_name:
        readable.sort(key=lambda row: (row["scenario"], row["algorithm"], row["command"]))
    elsewhere: list[Row] = []
    clusters = {task_of(row) for row in readable if is_cluster(row)}
    if any(row["curve"]["loss"] and task_of(row) not in clusters for row in readable):
        elsewhere, _ = load(path for path in sorted((folder / "runs").glob("*.json")) if path not in rows)
    frame = compared(readable, elsewhere, target)
    written = [
        *write_tables(frame, folder, name),
        *write_overview(readable, folder, name, elsewhere=elsewhere, target=target),
        *write_figures(frame, folder, name),
    ]
    return Published(folder, frame, written, broken)


def tell(published: Published, *, json: bool = False) -> None:
    """Print the table, what must be said beside it, and where the files are.

    With `json` the last line is one JSON object with the figures of all rows and the files written.
    """
    for line in published.broken:
        print(f"left out: {line}", file=sys.stderr)
    # Where nobody watches there is no width to keep to.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(*for_terminal(published.frame, console.width, keys_in(published.folder)))
    for line in notes(published.frame):
        console.print(f"{line}.", markup=False, soft_wrap=True)
    for path in published.written:
        console.print(f"written: {path}", soft_wrap=True)
    if json:
        written = [str(path) for path in published.written]
        print(as_json({"rows": as_figures(published), "written": written}))


def as_figures(published: Published) -> list[dict[str, Any]]:
    """The figures of all rows for a program, a mapping of columns each."""
    return [{str(name): value for name, value in row.items()} for row in flat(published.frame).to_dict("records")]
