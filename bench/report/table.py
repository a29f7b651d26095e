"""The result table: for people in the terminal and as Markdown, for papers as LaTeX, for programs as CSV."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import rich.table
from rich.box import SIMPLE_HEAD
from rich.markup import escape

from bench.report.formats import Table, write_formats
from bench.report.keys import keys_in, short_keys
from bench.units import count_text, seconds_text, size_text, three_digits

_SPOKEN = {
    "compute": ("compute",),
    "bandwidth": ("bandwidth",),
    "latency": ("latency",),
    "codec": ("codec",),
    "aggregation": ("aggregation",),
    "verification": ("verification",),
    "checkpoint": ("checkpoint",),
    "waiting": ("straggler_wait", "pipeline_bubble"),
    "lost": ("discarded", "recovering", "down"),
}
"""Buckets of the ledger, put together under the words of the table."""


def _worker_seconds(row: pd.Series) -> str:
    """Where the worker-seconds went, the largest first; what rounds to nothing is left out."""
    shares = {word: 100 * sum(row["ledger"].get(name, 0.0) for name in names) for word, names in _SPOKEN.items()}
    spoken = [f"{word} {share:.1f} %" for word, share in sorted(shares.items(), key=lambda s: -s[1]) if share >= 0.05]
    return ", ".join(spoken) or "-"


def _loss(row: pd.Series) -> str:
    return "-" if pd.isna(row["final_loss"]) else f"{row['final_loss']:.3f}"


def _versus(row: pd.Series) -> str:
    return "-" if pd.isna(row["versus_cluster"]) else f"{three_digits(row['versus_cluster'])}x"


def _target(row: pd.Series) -> str:
    if pd.isna(row["target_loss"]) or not row["curve"]["loss"]:
        return "-"
    return "never" if pd.isna(row["target_seconds"]) else seconds_text(row["target_seconds"])


TABLE: dict[str, Callable[[pd.Series], str]] = {
    "scenario": lambda row: row["scenario"],
    "algorithm": lambda row: row["algorithm"],
    "settings": lambda row: row["settings"],
    "tokens/s": lambda row: count_text(row["tokens_per_second"]),
    "versus cluster": _versus,
    "worker-seconds": _worker_seconds,
    "loss": _loss,
    "time to target": _target,
    "sent a worker": lambda row: size_text(row["sent_bytes"]),
    "status": lambda row: row["status"],
}
"""The columns of the table that is read, each from a line of `bench.report.frame.compared`."""

_LEFT = ("scenario", "algorithm", "settings", "worker-seconds", "status", "row")


def notes(frame: pd.DataFrame) -> list[str]:
    """What must be said beside the table."""
    lines = [
        "versus cluster: time to target over that of h100_cluster with ddp and the same total peak FLOP/s"
        + (", of which these results have no row" if frame["versus_cluster"].isna().all() else ""),
        "worker-seconds: where those of all workers went; waiting: for stragglers, and for other stages of a pipeline; "
        "lost: discarded work, recovering, down",
    ]
    for workload, group in frame.groupby("workload", sort=False):
        first = group.iloc[0]
        target = "nothing trained"
        if not pd.isna(first["target_loss"]):
            best = group[group["status"] == "done"]["best_loss"]
            why = "the lowest that all of these reach" if best.max() == first["target_loss"] else "as asked for"
            if why != "as asked for" and best.isna().any():
                why += " that end below where they began"
            target = f"target loss {first['target_loss']:.3f}, {why}"
        lines.append(
            f"{first['model']} trained, timed as {first['timed_as']} ({count_text(first['parameters'])} parameters); "
            f"{target}; workload {str(workload)[:8]}"
        )
    for _, row in frame[frame["reason"] != ""].iterrows():
        lines.append(" ".join(filter(None, (row["scenario"], row["algorithm"], row["settings"]))) + f": {row['reason']}")
    return lines


def cells(frame: pd.DataFrame, others: Iterable[str] = ()) -> dict[str, list[str]]:
    """The table as text, column by column, without settings that never differ and a status that always is done.

    The last column is the start of each row's key, which no other row's and none of the `others` has.
    """
    columns = {name: [text(row) for _, row in frame.iterrows()] for name, text in TABLE.items()}
    quiet = {"settings": {""}, "status": {"done"}}
    shown = short_keys([*others, *frame["key"]])
    kept = {name: column for name, column in columns.items() if set(column) != quiet.get(name)}
    return kept | {"row": [shown[key] for key in frame["key"]]}


def for_terminal(frame: pd.DataFrame, width: int, others: Iterable[str] = ()) -> list[rich.table.Table]:
    """The table for rich to print, with keys as in `cells`; on a narrow terminal the worker-seconds are a second one."""
    columns = cells(frame, others)
    if width >= 138:
        return [_table(columns)]
    named = {name: column for name, column in columns.items() if name in _LEFT and name not in ("status", "row")}
    return [_table({name: column for name, column in columns.items() if name != "worker-seconds"}), _table(named)]


def _table(columns: dict[str, list[str]]) -> rich.table.Table:
    table = rich.table.Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in columns:
        left = name in _LEFT
        table.add_column(name if left else name.replace(" ", "\n"), justify="left" if left else "right", overflow="fold")
    for line in zip(*columns.values(), strict=True):
        table.add_row(*map(escape, line))
    return table


def table(frame: pd.DataFrame, others: Iterable[str] = ()) -> Table:
    """The table to be read, with its notes, and with keys as in `cells`."""
    columns = cells(frame, others)
    return Table(head=list(columns), lines=list(zip(*columns.values(), strict=True)), left=_LEFT, notes=notes(frame))


def write_tables(frame: pd.DataFrame, folder: Path, name: str) -> list[Path]:
    """Write tables/<name>.md and .tex, as read, and tables/<name>.csv, with every column in base units; returns the three."""
    return write_formats(folder, name, [table(frame, keys_in(folder))], flat(frame))


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame for programs: every figure in base units, the ledger as a share_ column a bucket."""
    ledger = pd.DataFrame(list(frame["ledger"])).add_prefix("share_")
    figures = frame.drop(columns=["ledger", "curve", "conf", "versions", "schema", "wall_seconds"])
    return pd.concat([figures, ledger], axis=1)
