"""Rows in, table on the terminal and files below the results folder out."""

import sys
from pathlib import Path

from rich.console import Console

from bench.errors import RecordError
from bench.record import Row, as_json
from bench.report.frame import compared, is_cluster, load
from bench.report.table import flat, for_terminal, notes, write_tables


def publish(
    rows: list[Path], folder: Path, name: str, *, by_name: bool = False, json: bool = False, target: float | None = None
) -> None:
    """Print the table of the rows in these files, and write tables/<name>.* and figures/<name>_*.

    The rows come in the order of the files, or `by_name`: scenario, algorithm, command. With `json` the last line is one JSON
    object with the figures of all rows and the files written. `target` is the loss to which times are, if not what all reach.

    Rows that cannot be read are named and left out. Raises RecordError where none is left.
    """
    from bench.report.figure import write_figures  # matplotlib: half a second, only where it is drawn

    readable, broken = load(rows)
    for line in broken:
        print(f"left out: {line}", file=sys.stderr)
    if not readable:
        raise RecordError(f"no row in '{folder}' can be read")
    if by_name:
        readable.sort(key=lambda row: (row["scenario"], row["algorithm"], row["command"]))
    elsewhere: list[Row] = []
    if not any(map(is_cluster, readable)):
        elsewhere, _ = load(path for path in sorted((folder / "runs").glob("*.json")) if path not in rows)
    frame = compared(readable, elsewhere, target)
    # Where nobody watches there is no width to keep to.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(*for_terminal(frame, console.width))
    for line in notes(frame):
        console.print(f"{line}.", markup=False, soft_wrap=True)
    written = [str(path) for path in (*write_tables(frame, folder, name), *write_figures(frame, folder, name))]
    for path in written:
        console.print(f"written: {path}", soft_wrap=True)
    if json:
        print(as_json({"rows": flat(frame).to_dict("records"), "written": written}))
