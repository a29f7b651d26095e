"""A folder of rows and curves: each is written whole to a temporary file and renamed, and owned by one launcher at a time.

runs/<key>.json         one row
curves/<digest>.csv     one training: steps, held-out loss
errors/<key>.txt        the traceback of an `error` row
.locks/                 who is at work on what; released by the system when a process ends, however it ends
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from bench.errors import RecordError
from bench.record.row import COLUMNS, MAPPINGS, SCHEMA, STATUSES, TEXTS, Row


class Store:
    """A results folder. Raises RecordError if it cannot be made or written."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            for name in ("runs", "curves", ".locks"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise RecordError(f"results must be a folder that can be written, got '{folder}': {error.strerror}") from error

    def row_path(self, key: str) -> Path:
        return self.folder / "runs" / f"{key}.json"

    def read(self, key: str) -> Row | None:
        """The row of `key`, or None. Raises RecordError for one that is broken or of another schema."""
        path = self.row_path(key)
        return read_row(path) if path.exists() else None

    def write(self, row: Row) -> Path:
        """Record a row; an older row with its key is replaced in one move."""
        assert row.keys() == COLUMNS.keys(), f"columns differ: {row.keys() ^ COLUMNS.keys()}"
        assert row["status"] in STATUSES
        path = self.row_path(row["key"])
        write_whole(path, as_json(row, indent=1) + "\n")
        return path

    def set_aside(self, key: str) -> Path:
        """Move a row that cannot be read out of the way, keeping its text; returns where to."""
        path = self.row_path(key)
        kept = path.with_suffix(".broken")
        os.replace(path, kept)
        return kept

    def write_trace(self, key: str, text: str) -> Path:
        """Record the traceback of an `error` row."""
        path = self.folder / "errors" / f"{key}.txt"
        write_whole(path, text)
        return path

    def read_curve(self, name: str) -> tuple[list[int], list[float]] | None:
        """Steps and losses of the training `name`, or None if there is none. Raises RecordError for one that is damaged."""
        path = self._curve_path(name)
        if not path.exists():
            return None
        first, _, table = path.read_text(errors="replace").partition("\n")
        if first != _seal(table):
            raise RecordError(f"{path} is damaged")
        pairs = [line.split(",") for line in table.splitlines()[1:]]
        return [int(step) for step, _ in pairs], [float(loss) for _, loss in pairs]

    def write_curve(self, name: str, steps: list[int], losses: list[float]) -> None:
        """Record a training; repr keeps every bit of a loss."""
        lines = [f"{step},{loss!r}" for step, loss in zip(steps, losses, strict=True)]
        table = "\n".join(["steps,loss", *lines]) + "\n"
        write_whole(self._curve_path(name), f"{_seal(table)}\n{table}")

    def _curve_path(self, name: str) -> Path:
        return self.folder / "curves" / f"{name}.csv"

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        """Be the only launcher at work on `name`; waits for another that is."""
        try:
            lock = FileLock(self.folder / ".locks" / f"{name}.lock")
            lock.acquire()
        except OSError as error:
            raise RecordError(f"cannot lock {name} in '{self.folder}': {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()


def read_row(path: Path) -> Row:
    """The row in a file. Raises RecordError, naming the file, if it is not a whole row of this schema."""
    try:
        row = json.loads(path.read_text(), parse_constant=_no_number)
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is not a readable row: {error}") from error
    if not isinstance(row, dict) or row.get("schema") != SCHEMA:
        found = row.get("schema") if isinstance(row, dict) else None
        raise RecordError(f"{path} is a row of schema {found!r}; this version reads schema {SCHEMA}")
    if row.keys() != COLUMNS.keys() or row["status"] not in STATUSES:
        raise RecordError(f"{path} is not a whole row: its columns or its status are not those of schema {SCHEMA}")
    if row["key"] != path.stem:
        raise RecordError(f"{path} is not named after its row, whose key is {row['key']!r}")
    for name, value in row.items():
        if not isinstance(value, _kind(name)) or isinstance(value, bool):
            raise RecordError(f"{path} is not a row of ours: its {name} is {value!r}")
    curve = row["curve"]
    lengths = {len(values) if isinstance(values, list) else -1 for values in curve.values()}
    if curve.keys() != {"steps", "virtual_seconds", "loss"} or len(lengths) != 1 or -1 in lengths:
        raise RecordError(f"{path} is not a row of ours: its curve has no equal lists of steps, virtual_seconds and loss")
    row["curve"] = {name: [_nan_for_null(value) for value in values] for name, values in row["curve"].items()}
    return {name: _nan_for_null(value) for name, value in row.items()}


def _no_number(text: str) -> None:
    """JSON has no NaN and no infinities: a file that has one is not ours."""
    raise ValueError(f"it contains {text}")


def _kind(column: str) -> Any:
    """What may stand in a column of a row's file."""
    if column in TEXTS:
        return str
    return dict if column in MAPPINGS else int | float | None


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one and nothing between."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
            temporary = file.name
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise RecordError(f"cannot write {path}: {error.strerror}") from error


def as_json(row: Row, indent: int | None = None) -> str:
    """A row as JSON text."""
    return json.dumps(_null_for_nan(row), indent=indent, allow_nan=False)


def _seal(table: str) -> str:
    """The first line of a curve's file: half a file must not pass for a short training."""
    return f"# sha256 {hashlib.sha256(table.encode()).hexdigest()}"


def _null_for_nan(value: Any) -> Any:
    """JSON has no NaN: unknown numbers become null, also inside lists and mappings."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _null_for_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_null_for_nan(item) for item in value]
    return value


def _nan_for_null(value: Any) -> Any:
    return math.nan if value is None else value
