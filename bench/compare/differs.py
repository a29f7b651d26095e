"""What was changed between two folders: rows that only one has, paired with the nearest of the other, leaf by leaf."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.compare.folder import Folder
from bench.record import Row
from bench.record.leaves import leaves

ALIKE = ("scenario", "algorithm", "codec", "model", "timed_as", "workers", "seed", "adversary", "aggregator")
"""Columns in which two rows must agree to be thought of as one row with changed settings."""

OTHER = ("feedback", "data", "data_digest")
"""Columns that are no settings, and are told like these where paired rows differ in them."""

UNTOUCHED = ("wall_seconds", "command", "versions")
"""Columns in which rows may differ that are identical."""


@dataclass(frozen=True)
class Pair:
    """A row of BASE and a row of NEW that are one but for `changed`: by leaf, what it was and what it is."""

    base: Row
    new: Row
    changed: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Differences:
    """What the two folders do not share."""

    pairs: tuple[Pair, ...]  # of rows with other keys
    only_base: tuple[Row, ...]
    only_new: tuple[Row, ...]
    versions: Mapping[str, tuple[str, str]]  # by part, all that the rows of each folder were made with
    identical: int  # rows that both have, equal in every figure
    shared: int  # rows that both have


def differences(base: Folder, new: Folder) -> Differences:
    """What the two folders do not share."""
    shared = sorted(base.rows.keys() & new.rows.keys())
    left = [row for key, row in sorted(base.rows.items()) if key not in new.rows]
    right = [row for key, row in sorted(new.rows.items()) if key not in base.rows]
    pairs = _pairs(left, right)
    keys = {pair.base["key"] for pair in pairs} | {pair.new["key"] for pair in pairs}
    return Differences(
        tuple(pairs),
        tuple(row for row in left if row["key"] not in keys),
        tuple(row for row in right if row["key"] not in keys),
        _versions(base.rows.values(), new.rows.values()),
        sum(_figures(base.rows[key]) == _figures(new.rows[key]) for key in shared),
        len(shared),
    )


def changed(base: Row, new: Row) -> dict[str, tuple[Any, Any]]:
    """The leaves of two rows' settings, and what else makes them, that differ; None where one has no such leaf."""
    some, others = _leaves(base), _leaves(new)
    return {
        name: (some.get(name), others.get(name))
        for name in sorted(some.keys() | others.keys())
        if name not in some or name not in others or some[name] != others[name]
    }


def said(name: str, change: tuple[Any, Any]) -> str:
    """network.uplink: 30 Mbit/s → 10 Mbit/s"""
    was, now = ("-" if value is None else str(value) for value in change)
    return f"{name}: {was} → {now}"


def _pairs(left: Sequence[Row], right: Sequence[Row]) -> list[Pair]:
    """Rows that are each the other's nearest, by number of leaves that differ, with no second as near."""
    groups: dict[tuple[Any, ...], tuple[list[Row], list[Row]]] = {}
    for side, rows in enumerate((left, right)):
        for row in rows:
            groups.setdefault(tuple(row[name] for name in ALIKE), ([], []))[side].append(row)
    pairs = []
    for some, others in groups.values():
        found = [[changed(row, other) for other in others] for row in some]
        there = [_nearest([len(each) for each in line]) for line in found]
        back = [_nearest([len(line[number]) for line in found]) for number in range(len(others))]
        pairs += [
            Pair(some[place], others[number], found[place][number])
            for place, number in enumerate(there)
            if number is not None and back[number] == place
        ]
    return sorted(pairs, key=lambda pair: pair.base["key"])


def _nearest(distances: Sequence[int]) -> int | None:
    """The place of the only smallest number."""
    least = min(distances, default=0)
    return distances.index(least) if distances.count(least) == 1 else None


def _leaves(row: Row) -> dict[str, Any]:
    return leaves(row["conf"]) | {name: row[name] for name in OTHER}


def _versions(base: Iterable[Row], new: Iterable[Row]) -> dict[str, tuple[str, str]]:
    """Parts of which the rows of the two folders were not all made with one version."""
    some, others = (Counter(item for row in rows for item in row["versions"].items()) for rows in (base, new))
    found = {}
    for part in sorted({part for part, _ in (*some, *others)}):
        was, now = (", ".join(sorted(str(v) for name, v in seen if name == part)) or "-" for seen in (some, others))
        if was != now or "," in was:
            found[part] = was, now
    return found


def _figures(row: Row) -> str:
    """All of a row that its settings decide, as text: NaN equals NaN."""
    return repr({name: value for name, value in row.items() if name not in UNTOUCHED})
