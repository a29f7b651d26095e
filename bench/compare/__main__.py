"""python -m bench.compare BASE NEW: two results folders, row by row. Exit code 0: no regression, 1: at least one,
2: nothing to compare.

Rows that are equal but for their seed are a cell; cells that both folders have are compared, figure by figure. A worsening is
a regression if it is beyond the tolerance (of the median over seeds) and beyond noise: if noise alone made one as large in
fewer than 0.001 / (number of tests) of all cases, a one-sided t test by either of two ways of measuring noise. First, where one
folder's seeds are all in the other too, by the differences between equal seeds, in which the seed's own effect cancels (three
or more). Second, by the spread of seeds within each folder. Variances are shrunk to what cells have in common; a cell with one
seed has the pooled spread of the others as its noise. One more test a figure is of all cells together, for a small change of
many. Where no cell has two seeds only the tolerance judges, and that is said. A row that was done and no longer is, is a
regression; rows that only one folder has, and broken ones, are named and change no exit code. Equal settings and
equal code give bit-equal rows on one machine: these are counted.

Error rates, by simulation (as in tests/compare/test_compare_trials.py; normal noise of the logarithms): noise alone made a
false regression in 0 % to 0.15 % of 2000 to 3000 comparisons of 1 to 12 cells; in 0.5 % of those of four cells with three seeds
whose noises lay from 0.05 % to 6 %. A throughput that is 10 % lower in one cell of eight was caught, of 200 each,
  where seeds keep their effect (equal seeds, the usual case):           in all
  where all noise is drawn anew, 1 % of spread, 3, 4 or 5 seeds:         in 100 %, 100 %, 100 %
                                 2 %:                                       93 %, 99.5 %, 100 %
                                 3 %:                                       43 %, 75 %, 92 %
and in all, where all cells are 10 % slower. More seeds, not a laxer rule, catch the rest. A cell of one seed is judged by the
others' noise: where its own is larger, it may be a false regression.
"""

import argparse
import os
import re
import sys
from pathlib import Path

from bench.compare import tell
from bench.compare.differs import differences
from bench.compare.figures import METRICS
from bench.compare.folder import Folder
from bench.compare.verdict import compare
from bench.errors import ConfError, FarbenchError, RecordError
from bench.record import as_json
from bench.record.store import write_whole

WIDE = 200
"""Letters a line where nobody watches, as in the log of a CI job: there is no width to keep to."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", metavar="BASE", help="a results folder, with runs/: what was")
    parser.add_argument("new", metavar="NEW", help="a results folder, with runs/: what is")
    parser.add_argument("--tolerance", default="1%", metavar="SHARE", help="of a median that may be lost (default: 1%%)")
    parser.add_argument("--metric", action="append", metavar="NAME", help=f"only this one, repeatable: {', '.join(METRICS)}")
    parser.add_argument("--markdown", metavar="FILE", help="also write it there, as for a comment")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object with everything")
    parser.add_argument("-v", "--verbose", action="store_true", help="what did not change, too, and whole lists")
    arguments = parser.parse_args()
    try:
        return _told(arguments)
    except FarbenchError as error:
        print(f"farbench: {error}", file=sys.stderr)
        return 2


def _told(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    tolerance, metrics = _tolerance(arguments.tolerance), tuple(dict.fromkeys(arguments.metric or METRICS))
    unknown = [metric for metric in metrics if metric not in METRICS]
    if unknown:
        raise ConfError(f"--metric must be one of {', '.join(METRICS)}, got '{unknown[0]}'")
    base, new = Folder.read(Path(arguments.base)), Folder.read(Path(arguments.new))
    for folder in (base, new):
        for line in folder.left_out:
            print(f"left out: {line}", file=sys.stderr)
    found, apart = compare(base, new, tolerance, metrics), differences(base, new)
    cells = len(base.cells.keys() & new.cells.keys())
    findings = tell.shown(found, arguments.verbose)
    line = tell.summary(found, apart, cells)
    beside = tell.notes(base, new, found, apart, tolerance, arguments.verbose)
    print(line)
    if findings:
        console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE)
        console.print(tell.table(findings, console.width))
    for note in beside:
        print(f"- {note}")
    if arguments.markdown:
        write_whole(Path(arguments.markdown), tell.markdown(line, findings, beside))
    if arguments.json:
        print(as_json(tell.for_programs(found, apart, base, new, cells)))
    if not cells:
        raise RecordError("no row in common: the folders have no settings that are equal but for the seed")
    return 1 if found.of("regression") else 0


def _tolerance(text: str) -> float:
    """A share, as '1%' or '0.01'."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else 1.0
    if not share < 1:
        raise ConfError(f"--tolerance must be a share from 0 to below 1, such as 1% or 0.01, got '{text}'")
    return share


if __name__ == "__main__":
    sys.exit(main())
