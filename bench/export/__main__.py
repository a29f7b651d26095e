"""python -m bench.export --results DIR --to FILE: all rows of a folder as one table for pandas, in base units, or sent to what
people watch runs with.

FILE ends in .parquet, .csv or .json (a line a row); or is mlflow or tensorboard, which get each row once.
"""

import argparse
import importlib.util
import io
import sys
from pathlib import Path

import pandas as pd

from bench.errors import ConfError, FarbenchError, RecordError
from bench.export.frames import curves, frame
from bench.job import FINAL
from bench.record import as_json
from bench.record.store import write_whole
from bench.report.frame import load
from bench.sinks import SINKS, open_sinks, send

ENDINGS = (".parquet", ".csv", ".json")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", default="results/local", metavar="DIR", help="a results folder (default: %(default)s)")
    parser.add_argument("--to", required=True, metavar="FILE", help="FILE.parquet, FILE.csv, FILE.json, mlflow or tensorboard")
    parser.add_argument("--curves", action="store_true", help="instead of rows: a line for each evaluation of each row")
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it is there")
    arguments = parser.parse_args()
    try:
        _export(arguments)
    except FarbenchError as error:
        print(f"farbench: {error}", file=sys.stderr)
        return 1
    return 0


def _export(arguments: argparse.Namespace) -> None:
    folder, target = Path(arguments.results), Path(arguments.to)
    to_sink = arguments.to in SINKS
    if not to_sink:
        _check(target, arguments.force)
    elif arguments.curves:
        raise ConfError(f"--curves must go to a file, got --to {arguments.to}, which gets curves with the rows")
    paths = sorted((folder / "runs").glob("*.json"))
    if not paths:
        raise RecordError(f"--results must be a folder with rows in runs/, got '{folder}'")
    sinks = open_sinks([arguments.to], folder) if to_sink else []
    rows, broken = load(paths)
    for line in broken:
        print(f"left out: {line}", file=sys.stderr)
    if not rows:
        raise RecordError(f"no row of '{folder}' can be read")
    for sink in sinks:
        final = [row for row in rows if row["status"] in FINAL]
        sent = sum(send(sink, row) for row in final)
        failed = f"; not sent, for they are tried again: {len(rows) - len(final)}" if len(final) < len(rows) else ""
        print(f"sent to {arguments.to}: {sent} rows; there before: {len(final) - sent}{failed}; at {sink.place}")
    if not to_sink:
        made = curves(rows) if arguments.curves else frame(rows)
        _write(made, target)
        print(f"written: {target}, {len(made)} lines, {len(made.columns)} columns")


def _check(target: Path, force: bool) -> None:
    """Refuse what cannot be written, before anything is read."""
    if target.suffix not in ENDINGS:
        raise ConfError(f"--to must end in {', '.join(ENDINGS)}, or be one of {', '.join(SINKS)}, got '{target}'")
    if target.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ConfError("--to FILE.parquet needs: pip install 'farbench[parquet]'")
    if target.exists() and not force:
        raise ConfError(f"--to must be a new file, got '{target}', which exists (--force overwrites it)")


def _write(made: pd.DataFrame, target: Path) -> None:
    """The frame in the format that the file's ending names, whole or not at all."""
    if target.suffix == ".parquet":
        buffer = io.BytesIO()
        made.to_parquet(buffer, index=False, engine="pyarrow")
        write_whole(target, buffer.getvalue())
    elif target.suffix == ".csv":
        write_whole(target, made.to_csv(index=False, lineterminator="\n"))
    else:
        write_whole(target, "".join(as_json(line) + "\n" for line in made.to_dict(orient="records")))


if __name__ == "__main__":
    sys.exit(main())
