"""An attribution as a person reads it: the slowdown, its factors from the largest down, and what has no part in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.attribute import helps
from bench.attribute.helps_table import helps_of
from bench.attribute.record import Record, ranked, spread
from bench.attribute.switches import SWITCHES
from bench.units import three_digits

WIDTH = 15  # of what stands before a figure


def lines(record: Record, path: Path, figures: Sequence[Path] = ()) -> list[str]:
    """What was attributed, the factors, what would help, and where record and figures are."""
    names, seeds = record["names"], record["seeds"]
    over = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    told = [f"{'attributed':{WIDTH}} {names['scenario']}, {names['algorithm']}, {_workers(record)}, {over}"]
    if record["status"] != "done":
        return [*told, f"{record['status']:{WIDTH}} {record['reason']}", f"{'record':{WIDTH}} {path}"]
    whole = "of the clock alone" if record["clock_alone"] else "of clock and learning"
    told += [f"{'slowdown':{WIDTH}} {factor_text(record['total'])} {whole}, against ideal; the product of"]
    told += [f"  {name:{WIDTH - 2}} {factor_text(record['factors'][name])}" for name in ranked(record)]
    idle = [name for name in SWITCHES if name not in ranked(record)]
    if idle:
        told.append(f"{'no part in it':{WIDTH}} " + ", ".join(_idle(name, record) for name in idle))
    if record["clock_alone"]:
        told.append(f"{'clock alone':{WIDTH}} {record['clock_alone']}")
    told += [
        f"{'' if number else 'what would help':{WIDTH}} {text}" for number, text in enumerate(helps.lines(helps_of(record)))
    ]
    return [*told, f"{'record':{WIDTH}} {path}", *(f"{'figure':{WIDTH}} {figure}" for figure in figures)]


def factor_text(values: Sequence[float]) -> str:
    """The median over seeds, with the lowest and the highest where there are several: '41.2x [40.1–43.0]'; '1x' is exact."""
    if set(values) == {1.0}:
        return "1x"
    middle, low, high = spread(values)
    return _times(middle) if len(values) == 1 else f"{_times(middle)} [{_number(low)}–{_number(high)}]"


def as_figures(record: Record, path: Path) -> dict[str, Any]:
    """What a script reads of it: each factor's median, lowest and highest."""
    named = {"scenario": record["names"]["scenario"], "algorithm": record["names"]["algorithm"]}
    figures: dict[str, Any] = {"path": str(path), "key": record["key"], **named}
    figures |= {name: record[name] for name in ("seeds", "status", "reason", "clock_alone", "off", "rows")}
    if record["status"] == "done":
        figures["slowdown"] = _spread(record["total"])
        figures["helps"] = record["helps"]
        figures["factors"] = {name: _spread(record["factors"][name]) for name in SWITCHES}
    return figures


def _spread(values: Sequence[float]) -> dict[str, float]:
    return dict(zip(("median", "lowest", "highest"), spread(values), strict=True))


def _workers(record: Record) -> str:
    return f"{record['workers']} worker{'s' if record['workers'] != 1 else ''}"


def _idle(name: str, record: Record) -> str:
    reason = record["off"].get(name, "")
    if name == "statistics" and record["clock_alone"]:
        reason = "not attributed"
    return f"{name} ({reason})" if reason else f"{name} (1x)"


def _times(number: float) -> str:
    return f"{_number(number)}x"


def _number(number: float) -> str:
    """Three digits; a hair beside 1 is not 1."""
    text = three_digits(number)
    return f"{number:.4f}" if text == "1.00" and number != 1 else text
