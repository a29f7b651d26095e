"""Attributions side by side: a line each, a column a switch, as Markdown and as CSV."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.attribute.bars import figure
from bench.attribute.record import Record, read_records, spread
from bench.attribute.switches import SWITCHES
from bench.attribute.tell import factor_text
from bench.errors import RecordError
from bench.record.store import write_whole
from bench.report.figure import write_figure
from bench.report.frame import settings_of

NAME = "attributions"

_SEEDS = re.compile(r" attribute\.seeds=\S+")  # of a command: these have a column of their own


def markdown(records: Sequence[Record]) -> str:
    """The table, and the words of its columns; in it `-` is a switch that is off."""
    head = ["scenario", "algorithm", "settings", "seeds", *SWITCHES, "slowdown", "key"]
    rule = ["---" if name in ("scenario", "algorithm", "settings", "key") else "---:" for name in head]
    table = [head, rule, *_rows(records)]
    ideal = [f"- {name}, ideal: {words}" for name, words in SWITCHES.items()]
    said = [f"- {name}: {record['clock_alone'] or record['reason']}" for record, name in _named(records) if _remark(record)]
    notes = [
        "- slowdown: 1 / efficiency; the factors are Shapley values of its logarithm, and their product is the slowdown",
        "- median over seeds [lowest–highest]; 1x: exactly, -: off, and so exactly 1x",
    ]
    return "\n".join(["\n".join("| " + " | ".join(line) + " |" for line in table), "", *notes, *ideal, *said]) + "\n"


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


def write_table(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write tables/attributions.md and .csv; returns both."""
    paths = [folder / "tables" / f"{NAME}{suffix}" for suffix in (".md", ".csv")]
    write_whole(paths[0], markdown(records))
    write_whole(paths[1], flat(records).to_csv(index=False))
    return paths


def write(folder: Path) -> tuple[list[Path], list[str]]:
    """Write the table and the figure of the attributions of a results folder.

    Returns the files, and a line for each record that is broken and so left out. Raises RecordError where there is none.
    """
    records, broken = read_records(folder)
    if not records:
        found = f"{len(broken)} broken: {broken[0]}" if broken else "none"
        raise RecordError(f"'{folder}' must hold attributions in attributions/, got {found}")
    paths = write_table(records, folder)
    done = [record for record in records if record["status"] == "done"]
    if done:
        paths += write_figure(figure(done, labels(done)), folder / "figures" / NAME)
    return paths, broken


def labels(records: Sequence[Record]) -> list[str]:
    """Scenario, algorithm, and what a record's command sets that not all of them do."""
    return [
        " ".join(filter(None, (record["names"]["scenario"], record["names"]["algorithm"], settings)))
        for record, settings in zip(records, _settings(records), strict=True)
    ]


def _settings(records: Sequence[Record]) -> list[str]:
    return settings_of([_SEEDS.sub("", record["command"]) for record in records])


def _rows(records: Sequence[Record]) -> list[list[str]]:
    rows = []
    for record, settings in zip(records, _settings(records), strict=True):
        cells = [factor_text(values) if (values := _values(record, name)) else "-" for name in (*SWITCHES, "slowdown")]
        names = record["names"]["scenario"], record["names"]["algorithm"]
        last = cells[-1] if record["status"] == "done" else record["status"]
        rows.append([*names, settings, f"{len(record['seeds'])}", *cells[:-1], last, record["key"][:8]])
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
