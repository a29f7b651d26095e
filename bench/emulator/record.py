"""Emulations on record: one file each, with the prediction, and every measurement as it came."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import RecordError
from bench.record import digest
from bench.record.store import as_json, write_whole

SCHEMA = 1
"""Raised when what a record holds changes its meaning; part of every key."""

Record = dict[str, Any]
"""schema, key, command; names: presets by group; workers, seed, settings: as resolved; emulate: what it adds to a run;
status: done or skipped, and its reason; links: shaped or throttled; prediction; measurements: of the same, one after the other;
versions."""

FIELDS = (
    *("schema", "key", "command", "names", "workers", "seed", "settings", "emulate", "status", "reason", "links"),
    *("prediction", "measurements", "versions"),
)


def record_path(folder: str | Path, key: str) -> Path:
    """Where the record of that key is."""
    return Path(folder) / "emulations" / f"{key}.json"


def record_key(settings: Mapping[str, Any], names: Mapping[str, str], emulate: Mapping[str, Any], links: str) -> str:
    """Equal settings, equal key; how often it is measured is none."""
    asked = {name: value for name, value in emulate.items() if name not in ("repeats", "links")}
    return digest(emulation=SCHEMA, settings=settings, names=dict(names), emulate=asked, links=links)[:32]


def write_record(folder: str | Path, record: Record) -> Path:
    """Write a record whole; returns where. Raises RecordError."""
    assert record.keys() == set(FIELDS), record.keys() ^ set(FIELDS)
    path = record_path(folder, record["key"])
    write_whole(path, as_json(record, indent=None) + "\n")
    return path


def read_record(path: Path) -> Record:
    """Raises RecordError for what is no whole record of this schema."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is not a readable emulation: {error}") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or record.keys() != set(FIELDS):
        raise RecordError(f"{path} is not a whole emulation of schema {SCHEMA}")
    return record


def read_records(folder: str | Path) -> tuple[list[Record], list[str]]:
    """All records of a results folder, and a line for each file that is none; those are left out."""
    records, broken = [], []
    for path in sorted((Path(folder) / "emulations").glob("*.json")):
        try:
            records.append(read_record(path))
        except RecordError as error:
            broken.append(str(error))
    return records, broken


def in_order(records: Sequence[Record]) -> list[Record]:
    """As tables have them: by algorithm, number of workers, and command."""
    return sorted(records, key=lambda record: (record["names"]["algorithm"], record["workers"], record["command"]))
