"""Attributions on record: results/…/attributions/<key>.json, one a run and number of seeds, whole or not at all."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.attribute.switches import SWITCHES
from bench.errors import RecordError
from bench.progress import Progress
from bench.record import as_json, digest
from bench.record.store import write_whole

SCHEMA = 1
"""Raised when what is computed for equal settings changes, or what a field means: it is part of every key."""

FIELDS = {
    "schema": "version of this list",
    "key": "sha256 of settings, preset names, text, seeds and schema, 32 hex digits",
    "command": "reproduces this attribution",
    "names": "presets by group",
    "settings": "as resolved, those of the first seed",
    "workers": "number of workers",
    "seeds": "of everything random, a list; other lists have a value for each of these, in this order",
    "status": "done; or skipped, timeout or does_not_fit, where a corner has no figures",
    "reason": "why it is not done, naming the corner; else empty",
    "clock_alone": "why learning is no part of it, else empty",
    "total": "slowdown against ideal, a list",
    "factors": "by switch, a list each: their product is the total; 1 of a switch that is off",
    "off": "by switch that is off, why",
    "corners": "seed, switches that are real (statistics is none), tokens_per_second, system_efficiency, "
    "statistical_efficiency, efficiency, and the digest of the curve, if it was trained",
    "helps": "what each knob would do, ranked, if that was asked for: throughput, learning, buys and efficiency, a list each; "
    "or why it is left out",
    "references": "the digest of the synchronous reference's curve, a list; empty where nothing was trained",
    "rows": "the key of the row that `python -m bench` has of the same settings, a list",
    "versions": "of farbench, python, torch and numpy",
}

Record = dict[str, Any]

STATUSES = ("done", "skipped", "timeout", "does_not_fit")


def record_path(folder: str | Path, key: str) -> Path:
    """Where the record of that key is."""
    return Path(folder) / "attributions" / f"{key}.json"


def record_key(settings: Mapping[str, Any], names: Mapping[str, str], text: str, seeds: int, helps: bool) -> str:
    """Equal settings, presets, text and number of seeds, and as much asked for: equal key."""
    return digest(attribution=SCHEMA, settings=settings, names=dict(names), text=text, seeds=seeds, helps=helps)[:32]


def write_record(folder: str | Path, record: Record) -> Path:
    """Write a record whole; returns where. Raises RecordError."""
    assert record.keys() == FIELDS.keys(), record.keys() ^ FIELDS.keys()
    path = record_path(folder, record["key"])
    write_whole(path, as_json(record, indent=1) + "\n")
    return path


def read_record(path: Path) -> Record:
    """Raises RecordError for what is no whole record of this schema."""
    try:
        record = json.loads(path.read_text(), parse_constant=_no_number)
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is not a readable attribution: {error}") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or record.keys() != FIELDS.keys():
        raise RecordError(f"{path} is not a whole attribution of schema {SCHEMA}")
    if not _is_whole(record):
        raise RecordError(f"{path} is not an attribution of ours: its status, total or factors are not what they must be")
    return record


def found(folder: str | Path, key: str, progress: Progress) -> Record | None:
    """The record of that key, or None; one that is broken is set aside, and said so."""
    path = record_path(folder, key)
    if not path.exists():
        return None
    try:
        return read_record(path)
    except RecordError as error:
        kept = path.with_suffix(".broken")
        with suppress(FileNotFoundError):  # another command may have moved it just now
            path.replace(kept)
        progress.say(f"{error}; kept as {kept} and attributed again")
        return None


def read_records(folder: str | Path) -> tuple[list[Record], list[str]]:
    """All records of a results folder, in the order of tables, and a line for each file that is none; those are left out."""
    records, broken = [], []
    for path in sorted((Path(folder) / "attributions").glob("*.json")):
        try:
            records.append(read_record(path))
        except RecordError as error:
            broken.append(str(error))
    return sorted(records, key=_order), broken


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, lowest and highest over seeds."""
    return statistics.median(values), min(values), max(values)


def ranked(record: Record) -> list[str]:
    """The switches that change something in at least one seed, the largest loss first."""
    changing = [name for name in SWITCHES if any(factor != 1 for factor in record["factors"][name])]
    return sorted(changing, key=lambda name: -statistics.median(record["factors"][name]))


def _order(record: Record) -> tuple[str, str, str]:
    return record["names"]["scenario"], record["names"]["algorithm"], record["command"]


def _is_whole(record: Record) -> bool:
    """Whether what tables and figures show is there: a value above 0 for each seed."""
    if record["status"] not in STATUSES or not isinstance(record["seeds"], list) or not isinstance(record["factors"], dict):
        return False
    if record["status"] != "done":
        return True
    if record["factors"].keys() != SWITCHES.keys() or not isinstance(record["helps"], list):
        return False
    lists = [record["total"], *record["factors"].values()]
    if not all(isinstance(values, list) and len(values) == len(record["seeds"]) > 0 for values in lists):
        return False
    return all(isinstance(value, int | float) and 0 < value < math.inf for values in lists for value in values)


def _no_number(text: str) -> None:
    """JSON has no NaN and no infinities: a file that has one is not ours."""
    raise ValueError(f"it contains {text}")
