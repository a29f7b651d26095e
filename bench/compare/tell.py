"""A comparison for people, in the terminal and as Markdown, and for programs."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from bench.compare.differs import Differences, Pair, said
from bench.compare.figures import figure
from bench.compare.folder import Folder
from bench.compare.verdict import ALPHA, VERDICTS, Comparison, Finding
from bench.record import Row
from bench.units import count_text, seconds_text, size_text, three_digits

AT_MOST = 8
"""Leaves of one change, and lines of one list, that are told without being asked for more."""

TEXT: dict[str, Callable[[float], str]] = {
    "throughput": lambda value: f"{count_text(value)} tokens/s",
    "final_loss": lambda value: f"{value:.4f}",
    "best_loss": lambda value: f"{value:.4f}",
    "time": seconds_text,
    "sent": size_text,
}

COLUMNS = ("verdict", "metric", "cell", "BASE", "NEW", "change", "by chance", "seeds", "keys")


def summary(comparison: Comparison, differences: Differences, cells: int) -> str:
    """One line: how many cells and figures, and how many of each verdict."""
    counts = Counter(finding.verdict for finding in comparison.findings)
    spoken = ", ".join(_counted(counts[verdict], verdict) for verdict in VERDICTS if counts[verdict] or verdict == "regression")
    same = f"{differences.identical} of {differences.shared} rows with equal keys are identical"
    return f"{cells} cells in both folders, {sum(counts.values())} figures: {spoken}; {same}"


def notes(
    base: Folder, new: Folder, comparison: Comparison, differences: Differences, tolerance: float, all_of: bool
) -> list[str]:
    """What must be said beside the table: the rule, what is left out, what was changed, what only one has."""
    lines = [
        f"beyond noise: by chance less than {ALPHA:g} / {comparison.tests} tests; tolerance: {tolerance:.3g} of the median"
    ]
    if comparison.noiseless:
        lines.append(
            f"no cell has two seeds with {', '.join(comparison.noiseless)}: only the tolerance judged, noise is not known"
        )
    for name, folder in (("BASE", base), ("NEW", new)):
        for schema, count in folder.schemas.items():
            lines.append(f"{_rows(count)} of {name} {'is' if count == 1 else 'are'} of schema {schema}: not comparable")
        broken = len(folder.left_out) - sum(folder.schemas.values())
        if broken:
            lines.append(f"{_rows(broken)} of {name} {'is' if broken == 1 else 'are'} broken: left out")
    lines += [f"version of {said(part, versions)}" for part, versions in differences.versions.items()]
    lines += _changes(differences.pairs, all_of)
    for name, rows in (("BASE", differences.only_base), ("NEW", differences.only_new)):
        if rows:
            words = [f"{_row_label(row)} ({row['key'][:8]})" for row in rows]
            lines.append(f"{_rows(len(rows))} only in {name}: {_few(words, all_of)}")
    return lines


def _changes(pairs: Sequence[Pair], all_of: bool) -> list[str]:
    """A line for each change of settings, with what it did to the rows that have it."""
    groups: dict[tuple[str, ...], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(tuple(said(name, change) for name, change in pair.changed.items()), []).append(pair)
    lines = []
    for words, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        rows = [f"{_row_label(pair.base)} {_keys((pair.base['key'], pair.new['key']))}{_effect(pair)}" for pair in group]
        text = _few(words, all_of) or "only the preset names that make a key"
        lines.append(f"other settings in {_rows(len(group))}, not judged: {text}; these are {_few(rows, all_of)}")
    return lines


def _effect(pair: Pair) -> str:
    """What a change of settings did, for information: it is not judged."""
    if pair.base["status"] != pair.new["status"]:
        return f" {pair.base['status']} → {pair.new['status']}"
    parts = []
    for metric in ("throughput", "final_loss"):
        was, now = figure(metric, pair.base), figure(metric, pair.new)
        if was > 0 and math.isfinite(now):
            parts.append(f"{metric} {_percent(now / was - 1)}")
    return f" {', '.join(parts)}" if parts else ""


def cells(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """The table's lines, as text."""
    return [
        (
            finding.verdict,
            finding.metric,
            finding.label + (f"; {finding.why}" if finding.why else ""),
            _value(finding, finding.base),
            _value(finding, finding.new),
            _percent(finding.change),
            "-" if math.isnan(finding.chance) else f"{finding.chance:.1g}",
            f"{finding.seeds[0]}" if finding.paired else f"{finding.seeds[0]} and {finding.seeds[1]}",
            _keys(finding.keys),
        )
        for finding in findings
    ]


def shown(comparison: Comparison, all_of: bool) -> list[Finding]:
    """What the table has: what changed, worst first; everything, if asked for."""
    verdicts = VERDICTS if all_of else ("regression", "improvement", "not comparable")
    return [finding for verdict in verdicts for finding in comparison.of(verdict)]


def table(findings: Sequence[Finding], width: int) -> Table:
    """The table for rich to print; on a narrow terminal without the columns on how sure it is."""
    kept = [place for place, name in enumerate(COLUMNS) if width >= 128 or name not in ("by chance", "seeds")]
    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in (COLUMNS[place] for place in kept):
        made.add_column(name, justify="left" if name in ("verdict", "metric", "cell", "keys") else "right", overflow="fold")
    for line in cells(findings):
        made.add_row(*(escape(line[place]) for place in kept))
    return made


def markdown(line: str, findings: Sequence[Finding], beside: Sequence[str]) -> str:
    """The whole comparison as Markdown, as for a comment."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *cells(findings)] if findings else []
    lines = ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in rows]
    return "\n".join([line, "", *lines, *([""] if lines else []), *(f"- {note}" for note in beside)]) + "\n"


def for_programs(comparison: Comparison, differences: Differences, base: Folder, new: Folder, count: int) -> dict[str, Any]:
    """All that is known of a comparison, in base units."""
    verdicts = Counter(finding.verdict for finding in comparison.findings)
    return {
        "regressions": verdicts["regression"],
        "verdicts": {verdict: verdicts[verdict] for verdict in VERDICTS},
        "cells": count,
        "tests": comparison.tests,
        "only_tolerance": comparison.noiseless,
        "identical_rows": differences.identical,
        "shared_rows": differences.shared,
        "findings": [asdict(finding) for verdict in VERDICTS for finding in comparison.of(verdict)],
        "versions": differences.versions,
        "changed": [{"base": pair.base["key"], "new": pair.new["key"], "settings": pair.changed} for pair in differences.pairs],
        "only_base": [row["key"] for row in differences.only_base],
        "only_new": [row["key"] for row in differences.only_new],
        "left_out": {"base": base.left_out, "new": new.left_out},
        "schemas": {"base": base.schemas, "new": new.schemas},
    }


def _row_label(row: Row) -> str:
    return f"{row['scenario']} {row['algorithm']} seed {row['seed']:g}"


def _rows(count: int) -> str:
    return f"{count} row" + ("s" if count != 1 else "")


def _counted(count: int, verdict: str) -> str:
    return f"{count} {verdict}" + ("s" if count != 1 and verdict in ("regression", "improvement") else "")


def _few(words: Sequence[str], all_of: bool) -> str:
    more = 0 if all_of else len(words) - AT_MOST
    return "; ".join([*words[: None if more <= 0 else AT_MOST], *([f"and {more} more (-v)"] if more > 0 else [])])


def _value(finding: Finding, value: float) -> str:
    return "-" if math.isnan(value) or finding.metric not in TEXT else TEXT[finding.metric](value)


def _percent(change: float) -> str:
    """With a sign, to three digits."""
    if math.isnan(change):
        return "-"
    return "0 %" if change == 0 else f"{'-' if change < 0 else '+'}{three_digits(100 * abs(change))} %"


def _keys(keys: Sequence[str]) -> str:
    return " ".join(key[:8] for key in keys[:2]) + (f" +{len(keys) - 2}" if len(keys) > 2 else "") or "-"
