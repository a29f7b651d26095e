"""python -m bench.report [--results DIR ...]: tables and figures of all that lies in results folders, and one page of them."""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from os.path import commonpath
from pathlib import Path
from typing import Any

from bench.errors import ConfError, FarbenchError
from bench.explain import tell as tell_error
from bench.record import as_json
from bench.report import folder as results
from bench.report.formats import unfolded
from bench.report.page import write_page
from bench.report.publish import as_figures, publish, tell

MOST_ROWS = 200
"""That are printed, and have a table of their own, unless it is given a name."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument(
        *("--results", "-r"),
        nargs="+",
        default=["results/local"],
        metavar="DIR",
        help="results folders (default: results/local); of several, the page lies in the folder that holds them",
    )
    parser.add_argument(
        "--name", help=f"the table of all rows is tables/NAME.md (default: all, if there are up to {MOST_ROWS})"
    )
    parser.add_argument(
        "--target", type=float, metavar="LOSS", help="the loss to which its times are (default: what all reach)"
    )
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object with all figures")
    arguments = parser.parse_args()
    try:
        _report([Path(folder) for folder in arguments.results], arguments.name, arguments.target, arguments.json)
    except (FarbenchError, OSError) as error:
        tell_error(error)
        return 1
    return 0


def _report(folders: Sequence[Path], name: str | None, target: float | None, json: bool) -> None:
    if name is not None and not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfError(f"--name must be made of letters, digits, '_', '-' and '.', got '{name}'")
    for folder in folders:
        results.check(folder)
    written, told, figures = list[Path](), list[Path](), list[dict[str, Any]]()
    for folder in folders:
        paths, broken = results.write(folder)
        for line in broken:
            print(f"left out: {line}", file=sys.stderr)
        written += paths
        rows = sorted((folder / "runs").glob("*.json"))
        for path in paths:
            if path.suffix == ".md" and not rows:  # of rows there are too many to read here
                print(unfolded(path.read_text()))
        if rows and (name or len(rows) <= MOST_ROWS):
            published = publish(rows, folder, name or "all", by_name=True, target=target)
            tell(replace(published, broken=[line for line in published.broken if line not in broken]))
            figures += as_figures(published)
            told += published.written
    written += write_page(Path(commonpath([folder.absolute() for folder in folders])) / "index.html", folders)
    for path in written:
        print(f"written: {path}")
    if json:
        print(as_json({"rows": figures, "written": list(dict.fromkeys(map(str, [*told, *written])))}))


if __name__ == "__main__":
    sys.exit(main())
