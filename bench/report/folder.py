"""All that can be shown of a results folder, made anew: equal rows and records give equal files."""

from collections.abc import Callable
from pathlib import Path

from bench.attribute import table as attributions
from bench.build import build
from bench.errors import FarbenchError, RecordError
from bench.record.sweeps import Swept, sweeps_of
from bench.report import orderings, projections, validation
from bench.report.matrix import Matrix, write_matrix
from bench.report.publish import publish

Written = tuple[list[Path], list[str]]
"""The files that were written, and a line for each file that is broken and so left out."""


def write(folder: Path) -> Written:
    """Write the tables and figures of a folder's sweeps, and of whatever records it has.

    Raises RecordError where there is nothing to make them of.
    """
    check(folder)
    written, broken, there = list[Path](), list[str](), _parts_of(folder)
    for name in there:
        try:
            paths, lines = PARTS[name](folder)
        except RecordError as error:
            if len(there) == 1:
                raise
            paths, lines = [], [str(error)]  # the others are shown nevertheless
        written += paths
        broken += lines
    return written, list(dict.fromkeys(broken))


def check(folder: Path) -> None:
    """Raises RecordError where a folder has nothing to show."""
    if not _parts_of(folder) and not (folder / "tables").is_dir():  # what published measurements give is there already
        raise RecordError(f"--results must be folders with rows in runs/, or records in {_others()}, got '{folder}'")


def of_rows(folder: Path) -> Written:
    """What rows give: each sweep's tables and figures, and what papers say of losses if its rows are there."""
    sweeps, broken = sweeps_of(folder)
    written = []
    for swept in sweeps:
        paths, lines = of_sweep(folder, swept)
        written += paths
        broken += lines
    try:
        written += orderings.write(folder)
    except RecordError as error:
        broken.append(str(error))
    return written, broken


def of_sweep(folder: Path, swept: Swept) -> Written:
    """The tables and figures of one sweep."""
    files = [folder / "runs" / f"{key}.json" for key in swept.keys]
    written, broken = list[Path](), list[str]()
    try:
        published = publish(files, folder, swept.name, target=swept.target_loss)
        written, broken = published.written, published.broken
        if swept.matrix:
            written += write_matrix(files, folder, swept.name, build(swept.matrix, "matrix", Matrix))
    except FarbenchError as error:
        broken.append(f"sweep {swept.name}: {error}")
    return written, broken


PARTS: dict[str, Callable[[Path], Written]] = {
    "runs": of_rows,
    "attributions": attributions.write,
    "emulations": validation.write,
    "projections": projections.write,
}
"""By the folder in which the records lie: what is made of them."""


def _parts_of(folder: Path) -> list[str]:
    return [name for name in PARTS if any((folder / name).glob("*.json"))]


def _others() -> str:
    *first, last = (f"{name}/" for name in PARTS if name != "runs")
    return f"{', '.join(first)} or {last}"
