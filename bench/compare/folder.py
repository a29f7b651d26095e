"""A results folder as cells: rows that are equal but for their seed."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import RecordError
from bench.record import SCHEMA, Row
from bench.record.command import but_for_seed, overrides
from bench.report.frame import load


@dataclass(frozen=True)
class Folder:
    """The rows of one folder, and what of it is left out."""

    path: Path
    rows: Mapping[str, Row]  # by key
    cells: Mapping[str, Mapping[int, Row]]  # by name of the cell, then by seed
    left_out: tuple[str, ...]  # a line for each row that is broken or of another schema
    schemas: Mapping[str, int]  # how many rows are of which other schema

    @classmethod
    def read(cls, path: Path) -> "Folder":
        """The folder `path`. Raises RecordError if it has no rows, or none that this version reads."""
        files = sorted((path / "runs").glob("*.json"))
        if not files:
            raise RecordError(f"a results folder must have rows in runs/, got '{path}'")
        read, broken = load(files)
        schemas = Counter(filter(None, map(_other_schema, broken)))
        if not read:
            raise RecordError(f"no row of '{path}' can be compared: {_counted(schemas, len(broken))}")
        cells: dict[str, dict[int, Row]] = {}
        for row in read:
            cells.setdefault(but_for_seed(row), {})[int(row["seed"])] = row
        return cls(path, {row["key"]: row for row in read}, cells, tuple(broken), dict(sorted(schemas.items())))


def label(row: Row) -> str:
    """The words by which a person knows a cell: scenario, algorithm, and what else the command sets but the seed."""
    known = ("scenario=", "algorithm=", "seed=", "hydra.mode=", "+sweep=")
    others = [text for text in overrides(row["command"]) if not text.startswith(known)]
    return " ".join((row["scenario"], row["algorithm"], *others))


def _other_schema(line: str) -> str | None:
    """The schema that a line about a row left out names."""
    found = re.search(rf"is a row of schema (\S+); this version reads schema {SCHEMA}", line)
    return found[1] if found else None


def _counted(schemas: Mapping[str, int], broken: int) -> str:
    parts = [f"{count} of schema {schema}, this version reads {SCHEMA}" for schema, count in sorted(schemas.items())]
    rest = broken - sum(schemas.values())
    return "; ".join([*parts, *([f"{rest} broken"] if rest else [])])
