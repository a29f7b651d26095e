"""Rows side by side: the figures that need more than one row, computed for all of them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import RecordError
from bench.record import Row
from bench.record.command import group_of, overrides
from bench.record.learning import Learning, crossing, statistical_efficiency
from bench.record.row import CLOCKED
from bench.record.store import read_row

CLUSTER = {"scenario": "h100_cluster", "algorithm": "ddp", "codec": "none", "aggregator": "mean", "adversary": "none"}
"""The well-connected cluster, and how it is used, that everything is compared with."""

ITS_OWN = (
    *("network", "transport", "collective", "variation", "devices", "catalogue", "jitter", "churn", "failures", "recovery"),
    *("participation", "split", "verification", "optimizer", "feedback"),
)
"""Settings that make a cluster, or its use, another one."""


def load(paths: Iterable[Path]) -> tuple[list[Row], list[str]]:
    """The rows in `paths`, and a line for each that cannot be read or is done and has no figures; those are left out."""
    rows, broken = [], []
    for path in paths:
        try:
            row = read_row(path)
        except RecordError as error:
            broken.append(str(error))
            continue
        unknown = [name for name in CLOCKED if row["status"] == "done" and not math.isfinite(row[name])]
        if unknown:
            broken.append(f"{path} is done and does not know its {', '.join(unknown)}")
        else:
            rows.append(row)
    return rows, broken


def compared(rows: Sequence[Row], elsewhere: Sequence[Row] = (), target: float | None = None) -> pd.DataFrame:
    """One line a row, in the given order, with what compares it with the others:

    settings: what a row's command sets that not all of them do.
    target_loss: `target`, or the lowest loss that every finished row of the workload reaches, of those that end below where
    they began.
    target_seconds: virtual seconds until a row first reaches it, linear between evaluations.
    versus_cluster: target_seconds over those of the cluster with the same total peak FLOP/s, which takes the cluster's own
    seconds times its peak over this row's peak; the cluster is one of `rows` or of `elsewhere`. NaN where unknown.
    statistical_efficiency: the tokens that the cluster needs to a loss that both reach, over those of the row.
    efficiency: system_efficiency times statistical_efficiency; slowdown: 1 / efficiency.
    """
    frame = pd.DataFrame(rows)
    frame["settings"] = settings_of([row["command"] for row in rows])
    frame["best_loss"] = [Learning.of(row).best for row in rows]
    done = frame[frame["status"] == "done"]
    reached = frame["workload"].map(done.groupby("workload")["best_loss"].max()).astype(float)
    frame["target_loss"] = reached if target is None else reached.where(reached.isna(), target)
    frame["target_seconds"] = [seconds_to(row, target) for row, target in zip(rows, frame["target_loss"], strict=True)]
    clusters = [row for row in (*rows, *elsewhere) if is_cluster(row)]
    targets = frame["target_loss"]
    frame["versus_cluster"] = [_versus(row, target, clusters) for row, target in zip(rows, targets, strict=True)]
    frame["statistical_efficiency"] = [_statistical_efficiency(row, clusters) for row in rows]
    frame["efficiency"] = frame["system_efficiency"].astype(float) * frame["statistical_efficiency"]
    frame["slowdown"] = 1 / frame["efficiency"]
    return frame


def is_cluster(row: Row) -> bool:
    """Whether a row is the cluster as its presets have it, with no setting of its own changed."""
    if any(row[name] != value for name, value in CLUSTER.items()):
        return False
    changed = set(map(group_of, overrides(row["command"])))
    return not changed & set(ITS_OWN)


def task_of(row: Mapping[str, Any]) -> tuple[str, int, int]:
    """Rows with equal ones learn the same, from the same initial parameters, with as many workers."""
    return row["workload"], row["seed"], row["workers"]


def settings_of(commands: Sequence[str]) -> list[str]:
    """What each command sets that not all of them do, less scenario and algorithm, which have columns of their own."""
    texts = [overrides(command) for command in commands]
    common = set(texts[0]).intersection(*texts[1:])
    named = ("scenario=", "algorithm=")
    return [" ".join(text for text in some if text not in common and not text.startswith(named)) for some in texts]


def seconds_to(row: Row, target: float) -> float:
    """Virtual seconds until the row's held-out loss first is `target` or lower; NaN if it never is."""
    return crossing(row["curve"]["virtual_seconds"], row["curve"]["loss"], target)


def _statistical_efficiency(row: Row, clusters: Sequence[Row]) -> float:
    for cluster in clusters:
        if task_of(cluster) == task_of(row):
            return statistical_efficiency(Learning.of(row), Learning.of(cluster))
    return math.nan


def _versus(row: Row, target: float, clusters: Sequence[Row]) -> float:
    for cluster in clusters:
        if task_of(cluster) == task_of(row):
            seconds = seconds_to(cluster, target)
            if seconds > 0:  # at 0 the target was reached before the first step: nothing to compare
                return seconds_to(row, target) / (seconds * cluster["peak_flops"] / row["peak_flops"])
    return math.nan
