"""The figures that are compared, of single rows and of the seeds of a cell."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.record import Row
from bench.record.learning import Learning
from bench.report.frame import seconds_to

METRICS = {
    "throughput": "tokens/s, higher is better",
    "final_loss": "nats a token, lower is better",
    "best_loss": "the lowest after the first step, nats a token, lower is better",
    "time": "virtual seconds to a loss that both reach, lower is better",
    "sent": "bytes that a worker sent, lower is better",
}
"""Figures that are compared."""


def figures(
    metric: str, base: Sequence[Row], new: Sequence[Row], paired: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A figure of the rows that are done, (n,) each; where seeds are paired, of those that are so in both folders.

    The target of `time` is the loss that both rows of a pair reach; where none are paired, that all rows reach.
    """
    base, new = ([row for row in rows if row["status"] == "done"] for rows in (base, new))
    if paired:
        alike = {row["seed"] for row in base} & {row["seed"] for row in new}
        base, new = ([row for row in rows if row["seed"] in alike] for rows in (base, new))
    if metric != "time":
        return np.array([figure(metric, row) for row in base]), np.array([figure(metric, row) for row in new])
    best = [[figure("best_loss", row) for row in rows] for rows in (base, new)]
    if paired:
        both = [max(pair) if all(map(math.isfinite, pair)) else math.nan for pair in zip(*best, strict=True)]
        targets = [both, both]
    else:
        all_of = max((loss for losses in best for loss in losses if math.isfinite(loss)), default=math.nan)
        targets = [[all_of] * len(rows) for rows in (base, new)]
    times = [
        [seconds_to(row, target) for row, target in zip(rows, these, strict=True)]
        for rows, these in zip((base, new), targets, strict=True)
    ]
    return np.array(times[0]), np.array(times[1])


def figure(metric: str, row: Row) -> float:
    """A figure of one row, in its base unit; NaN if unknown."""
    if metric == "best_loss":
        return Learning.of(row).best
    column = {"throughput": "tokens_per_second", "final_loss": "final_loss", "sent": "sent_bytes"}[metric]
    return float(row[column])
