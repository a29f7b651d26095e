"""Attributions side by side: a line each, a column a switch; and what would help them."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.attribute.bars import figure
from bench.attribute.helps_figure import write_figure_of_helps
from bench.attribute.helps_table import helps_flat, helps_of, helps_table, keys_of
from bench.attribute.record import Record, read_records, spread
from bench.attribute.switches import SWITCHES
from bench.attribute.tell import factor_text
from bench.attribute.waterfall import write_waterfall
from bench.errors import RecordError
from bench.report.figure import write_figure
from bench.report.formats import Table, write_formats
from bench.report.frame import settings_of
from bench.report.keys import short_keys

NAME, HELPS = "attributions", "what_would_help"

_ASKED = re.compile(r" attribute\.(seeds|helps)=\S+")  # of a command: seeds have a column of their own, helps a table


def table(records: Sequence[Record]) -> Table:
    """A line each, and the words of its columns; in it `-` is a switch that is off."""
    ideal = [f"{name}, ideal: {words}" for name, words in SWITCHES.items()]
    said = [f"{name}: {record['clock_alone'] or record['reason']}" for record, name in _named(records) if _remark(record)]
    return Table(
        head=["scenario", "algorithm", "settings", "seeds", *SWITCHES, "slowdown", "key"],
        lines=_rows(records),
        left=["scenario", "algorithm", "settings", "key"],
        notes=[
            "slowdown: 1 / efficiency; the factors are Shapley values of its logarithm, and their product is the slowdown",
            "median over seeds [lowest–highest]; 1x: exactly, -: off, and so exactly 1x",
            *ideal,
            *said,
        ],
        behind=[(name, keys_of(record)) for record, name in _named(records)],
    )


def flat(records: Sequence[Record]) -> pd.DataFrame:
    """The attributions for programs, a line each: median, lowest and highest of every factor."""
    lines = []
    for record, settings in zip(records, _settings(records), strict=True):
        line = {
            "key": record["key"],
            "scenario": record["names"]["scenario"],
            "algorithm": record["names"]["algorithm"],
            "settings": settings,
            "workers": record["workers"],
            "seeds": len(record["seeds"]),
            "status": record["status"],
            "reason": record["reason"],
            "clock_alone": record["clock_alone"],
        }
        for name in ("slowdown", *SWITCHES):
            values = _values(record, name)
            ends = spread(values) if values else (float("nan"),) * 3
            line |= dict(zip((name, f"{name}_lowest", f"{name}_highest"), ends, strict=True))
        lines.append(line | {"command": record["command"]})
    return pd.DataFrame(lines)


def write(folder: Path) -> tuple[list[Path], list[str]]:
    """Write tables and figures of the attributions of a results folder: all of them together, and each by itself.

    Returns the files, and a line for each record that is broken and so left out. Raises RecordError where there is none.
    """
    records, broken = read_records(folder)
    if not records:
        found = f"{len(broken)} broken: {broken[0]}" if broken else "none"
        raise RecordError(f"'{folder}' must hold attributions in attributions/, got {found}")
    paths = write_formats(folder, NAME, [table(records)], flat(records))
    done = [record for record in records if record["status"] == "done"]
    if done:
        names = labels(done)
        if any(record["helps"] for record in done):
            paths += write_formats(folder, HELPS, [helps_table(done, names)], helps_flat(done, names))
        paths += write_figure(figure(done, names), folder / "figures" / NAME)
    for record in done:
        paths += write_figures(record, folder)
    return paths, broken


def write_figures(record: Record, folder: Path) -> list[Path]:
    """Write the waterfall of an attribution, and what would help, as SVG and PNG."""
    helps, names = helps_of(record), record["names"]
    path = folder / "figures" / f"helps_{names['scenario']}_{names['algorithm']}_{record['key'][:8]}"
    title = f"What would help {names['scenario']}, {names['algorithm']}"
    return [*write_waterfall(record, folder), *(write_figure_of_helps(helps, path, title) if helps else [])]


def labels(records: Sequence[Record]) -> list[str]:
    """Scenario, algorithm, and what a record's command sets that not all of them do."""
    return [
        " ".join(filter(None, (record["names"]["scenario"], record["names"]["algorithm"], settings)))
        for record, settings in zip(records, _settings(records), strict=True)
    ]


def _settings(records: Sequence[Record]) -> list[str]:
    return settings_of([_ASKED.sub("", record["command"]) for record in records])


def _rows(records: Sequence[Record]) -> list[list[str]]:
    rows, shown = [], short_keys(record["key"] for record in records)
    for record, settings in zip(records, _settings(records), strict=True):
        cells = [factor_text(values) if (values := _values(record, name)) else "-" for name in (*SWITCHES, "slowdown")]
        names = record["names"]["scenario"], record["names"]["algorithm"]
        last = cells[-1] if record["status"] == "done" else record["status"]
        rows.append([*names, settings, f"{len(record['seeds'])}", *cells[:-1], last, shown[record["key"]]])
    return rows


def _values(record: Record, name: str) -> list[float]:
    """The values over seeds of a factor, or of the slowdown; none where it is off or unknown."""
    if record["status"] != "done" or name in record["off"]:
        return []
    return list(record["total"] if name == "slowdown" else record["factors"][name])


def _named(records: Sequence[Record]) -> list[tuple[Record, str]]:
    return list(zip(records, labels(records), strict=True))


def _remark(record: Record) -> bool:
    return bool(record["clock_alone"] or record["reason"])
