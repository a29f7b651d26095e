"""The rows of results folders as columns for the page: what each cell says, and by what it is sorted."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record import COLUMNS, Row
from bench.record.command import overrides
from bench.record.sweeps import sweeps_of
from bench.report.frame import compared, is_cluster, load, task_of
from bench.units import count_text, seconds_text, size_text, three_digits

Line = Mapping[str, Any]
"""A line of `bench.report.frame.compared`, and what is beside it."""

_IN_COLUMNS_OF_THEIR_OWN = ("scenario=", "algorithm=", "codec=", "workers=", "seed=", "+sweep=", "hydra.mode=")


@dataclass(frozen=True)
class Column:
    """A column of the page: the `text` of a line, and the `number` behind it, if it is one.

    `facet`: readers choose from its words, of which a cell may have several with commas between. `shown`: it is in the table,
    else only in what a row opens to.
    """

    name: str
    title: str
    about: str
    text: Callable[[Line], str]
    number: Callable[[Line], Any] | None = None
    facet: bool = False
    shown: bool = True


def read(folder: Path) -> tuple[list[Line], list[str]]:
    """The rows of a folder, compared with each other, by scenario, algorithm and command; and a line for each left out.

    A row's `file` is the name of its file, `overrides` what its command sets, `sweeps` the names of those that found it,
    `cluster` the place of the row in which the cluster learnt the same, None if there is none. Lines name files below the
    folder.
    """
    rows: list[Row] = []
    beside: list[dict[str, Any]] = []
    sweeps, lines = sweeps_of(folder)
    broken = [line.replace(f"{folder}/", "") for line in lines]
    found_by: dict[str, list[str]] = {}
    for swept in sweeps:
        for key in swept.keys:
            found_by.setdefault(key, []).append(swept.name)
    for path in sorted((folder / "runs").glob("*.json")):
        found, lines = load([path])
        for row in found:
            try:
                words = _overrides(row)
                beside.append({"file": path.name, "overrides": words, "sweeps": found_by.get(row["key"], _named(words))})
                rows.append(row)
            except ValueError as error:
                lines.append(f"{path} has {error}")
        broken += [line.replace(f"{folder}/", "") for line in lines]
    if not rows:
        return [], broken
    order = sorted(range(len(rows)), key=lambda n: (*map(rows[n].get, ("scenario", "algorithm", "command")), beside[n]["file"]))
    rows = [rows[n] for n in order]
    clusters: dict[tuple[str, int, int], int] = {}
    for place, row in enumerate(rows):
        if is_cluster(row):
            clusters.setdefault(task_of(row), place)
    compared_rows = compared(rows).to_dict("records")
    return [
        {**line, **beside[n], "cluster": clusters.get(task_of(line))} for line, n in zip(compared_rows, order, strict=True)
    ], broken


def _overrides(row: Row) -> list[str]:
    """What a row's command sets. Raises ValueError for a row that cannot be compared or drawn, whatever its columns' kinds."""
    try:
        words = overrides(row["command"])
    except ValueError as error:
        raise ValueError(f"a command that is none: {error}") from error
    numbers = [*row["ledger"].values(), *(value for values in row["curve"].values() for value in values)]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise ValueError("a ledger or a curve with what is no number")
    return words


def as_columns(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The columns for the script of the page, each with a cell a line.

    A column of words has its different words in the order in which they sort, and the place of each line's word among them.
    A column of numbers has these, null where unknown, and their texts.
    """
    return [_as_column(column, lines) for column in COLUMNS_OF_THE_PAGE]


def _as_column(column: Column, lines: Sequence[Line]) -> dict[str, Any]:
    said = {"name": column.name, "title": column.title, "about": column.about, "facet": column.facet, "shown": column.shown}
    texts = [column.text(line) for line in lines]
    if column.number:
        return said | {"numbers": [shortened(column.number(line)) for line in lines], "texts": texts}
    words = sorted(set(texts), key=_natural)
    places = {word: place for place, word in enumerate(words)}
    return said | {"words": words, "places": [places[text] for text in texts]}


def shortened(number: Any) -> float | int | None:
    """A number to six digits, which sort and draw as well as all of them; None if it is unknown."""
    if not isinstance(number, int | float) or not math.isfinite(number):
        return None
    short = float(f"{number:.6g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _natural(text: str) -> list[tuple[int, float, str]]:
    """Sorts sync_every=9 before sync_every=10."""
    parts = re.split(r"(\d{1,15})", text)
    return [(0, float(part), "") if number % 2 else (1, 0.0, part) for number, part in enumerate(parts)]


def _named(overrides: Sequence[str]) -> list[str]:
    """The sweep that a command names, if it does."""
    return [word.removeprefix("+sweep=") for word in overrides if word.startswith("+sweep=")][-1:]


def _settings(row: Line) -> str:
    return " ".join(word for word in row["overrides"] if not word.startswith(_IN_COLUMNS_OF_THEIR_OWN)) or "-"


def _percent(share: Any) -> str:
    if not _known(share):
        return "-"
    return f"{100 * share:.1f} %" if share >= 0.01 or share == 0 else f"{100 * share:#.2g} %"


def _times(ratio: Any) -> str:
    return f"{three_digits(ratio)}x" if _known(ratio) else "-"


def _known(number: Any) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)


def _to_target(row: Line) -> str:
    if not _known(row["target_loss"]) or not row["curve"]["loss"]:
        return "-"
    return seconds_text(row["target_seconds"]) if _known(row["target_seconds"]) else "never"


def _number(name: str) -> Callable[[Line], Any]:
    return lambda row: row[name]


def _word(name: str) -> Callable[[Line], str]:
    return lambda row: str(row[name]) or "-"


def _whole(name: str) -> Callable[[Line], str]:
    return lambda row: f"{row[name]:,.0f}" if _known(row[name]) else "-"


def _said(name: str, says: Callable[[float], str]) -> Callable[[Line], str]:
    return lambda row: says(row[name]) if _known(row[name]) else "-"


def _of_words(name: str, title: str = "", *, facet: bool = False, shown: bool = True) -> Column:
    return Column(name, title or name, COLUMNS[name], _word(name), facet=facet, shown=shown)


COLUMNS_OF_THE_PAGE = (
    Column("folder", "folder", "the results folder that has the row", _word("folder"), facet=True),
    Column("sweep", "sweep", "named sweeps that have the row", lambda row: ", ".join(row["sweeps"]) or "-", facet=True),
    _of_words("scenario", facet=True),
    _of_words("algorithm", facet=True),
    _of_words("codec"),
    Column("workers", "workers", COLUMNS["workers"], _whole("workers"), _number("workers")),
    Column("seed", "seed", COLUMNS["seed"], _whole("seed"), _number("seed")),
    Column("settings", "other settings", "what else its command sets", _settings),
    _of_words("status", facet=True),
    Column(
        "tokens_per_second",
        "tokens/s",
        COLUMNS["tokens_per_second"],
        _said("tokens_per_second", count_text),
        _number("tokens_per_second"),
    ),
    Column(
        "system_efficiency",
        "system efficiency",
        "tokens/s over those of the same devices with free links, always up, nobody waiting",
        lambda row: _percent(row["system_efficiency"]),
        _number("system_efficiency"),
    ),
    Column(
        "statistical_efficiency",
        "statistical efficiency",
        "tokens that h100_cluster with ddp needs to a loss that both reach, over those that this row needs",
        lambda row: _percent(row["statistical_efficiency"]),
        _number("statistical_efficiency"),
    ),
    Column(
        "slowdown",
        "slowdown",
        "1 / (system efficiency x statistical efficiency)",
        lambda row: _times(row["slowdown"]),
        _number("slowdown"),
    ),
    Column(
        "versus_cluster",
        "versus cluster",
        "time to target over that of h100_cluster with ddp, of the same workload, workers and seed, at the same peak FLOP/s",
        lambda row: _times(row["versus_cluster"]),
        _number("versus_cluster"),
    ),
    Column("final_loss", "loss", COLUMNS["final_loss"], _said("final_loss", lambda loss: f"{loss:.3f}"), _number("final_loss")),
    Column(
        "target_seconds",
        "time to target",
        "virtual time until the held-out loss first is the target loss or lower; never: it is not within the run",
        _to_target,
        _number("target_seconds"),
    ),
    Column(
        "target_loss",
        "target loss",
        "the lowest loss that all finished rows of the folder with this workload reach, of those that learn",
        _said("target_loss", lambda loss: f"{loss:.3f}"),
        _number("target_loss"),
    ),
    Column("sent_bytes", "sent a worker", COLUMNS["sent_bytes"], _said("sent_bytes", size_text), _number("sent_bytes")),
    _of_words("model", "trained", shown=False),
    _of_words("timed_as", "timed as", shown=False),
    _of_words("data", shown=False),
    _of_words("feedback", shown=False),
    _of_words("aggregator", shown=False),
    _of_words("adversary", shown=False),
    Column("steps", "steps", COLUMNS["steps"], _whole("steps"), shown=False),
    Column("rounds", "rounds", COLUMNS["rounds"], _whole("rounds"), shown=False),
    Column("tokens", "tokens", COLUMNS["tokens"], _said("tokens", count_text), shown=False),
    Column("virtual_seconds", "virtual time", COLUMNS["virtual_seconds"], _said("virtual_seconds", seconds_text), shown=False),
    Column("workload", "workload", COLUMNS["workload"], lambda row: row["workload"][:8] or "-", shown=False),
)
