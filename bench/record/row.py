"""The columns of a row, each with what it says and its unit. Unknown numbers are NaN here and null in JSON."""

import math
from typing import Any

Row = dict[str, Any]

SCHEMA = 4
"""Raised when a column's meaning changes, or what is computed for equal settings: it is part of every key, so that an old row
is not found in place of a new one. Rows of another schema are left out, by name, of every table."""

STATUSES = ("done", "diverged", "timeout", "does_not_fit", "skipped", "error")

COLUMNS = {
    "schema": "version of this list",
    "key": "sha256 of settings, preset names and schema, 32 hex digits",
    "status": "one of " + " ".join(STATUSES),
    "reason": "why the status is not done, else empty",
    "command": "reproduces this row",
    "scenario": "preset of the hardware",
    "algorithm": "preset of the training algorithm",
    "codec": "preset of the payload's encoding",
    "feedback": "preset of what becomes of that which the encoding leaves out",
    "aggregator": "preset of the rule that makes one payload of several",
    "adversary": "preset of what bad workers do",
    "model": "preset that was trained",
    "timed_as": "preset that the clock priced",
    "data": "preset of the text",
    "workers": "number of workers, W",
    "seed": "of everything random",
    "steps": "program steps, whole rounds",
    "rounds": "synchronisations",
    "counted_steps": "worker-steps that entered the model, without those of bad actors",
    "tokens": "tokens of the timed model that reached it",
    "virtual_seconds": "length of the run on the virtual clock",
    "tokens_per_second": "tokens / virtual_seconds: the throughput",
    "ideal_tokens_per_second": "of the same devices with free links, always up, nobody waiting",
    "system_efficiency": "tokens_per_second / ideal_tokens_per_second",
    "peak_flops": "FLOP/s of all devices together, dense bf16",
    "parameters": "of the timed model, P",
    "sent_bytes": "mean bytes a worker sent",
    "received_bytes": "mean bytes a worker received",
    "drops": "times that a worker dropped out",
    "failures": "times that all of a cluster stopped",
    "banned": "bad actors that were found out and shut out",
    "staleness": "mean arrivals at a server between a worker's pull and the arrival of its push, 0 where nobody pushes",
    "staleness_max": "the most of these",
    "ledger": "share of all worker-seconds in each bucket",
    "initial_loss": "held-out loss before the first step, nats a token",
    "final_loss": "held-out loss after the last step, nats a token",
    "source_entropy": "nats a token below which no model can come, where known",
    "curve": "steps, virtual_seconds and held-out loss of each evaluation",
    "curve_digest": "of all that the learning depends on; rows with one digest share one training",
    "workload": "digest of model, timed shape, data, steps and evaluation; only rows of one workload are compared",
    "data_digest": "sha256 of the tokens",
    "versions": "of farbench, python, torch and numpy",
    "conf": "the resolved settings",
    "wall_seconds": "real seconds this row took here",
}

PRESETS = ("scenario", "algorithm", "codec", "feedback", "aggregator", "adversary", "model", "timed_as", "data")
"""Groups whose chosen preset has a column."""

TEXTS = (
    *("key", "status", "reason", "command", *PRESETS),
    *("curve_digest", "workload", "data_digest"),
)
MAPPINGS = ("ledger", "curve", "versions", "conf")
"""Columns that hold a text or a mapping; all others hold a number, or nothing where it is unknown."""

CLOCKED = ("workers", "seed", "steps", "tokens", "virtual_seconds", "tokens_per_second", "system_efficiency", "peak_flops")
"""Columns of numbers that every row that is done knows."""


def blank_row() -> Row:
    """A row of which nothing is known yet."""
    row: Row = dict.fromkeys(COLUMNS, math.nan) | dict.fromkeys(TEXTS, "") | {name: {} for name in MAPPINGS}
    return row | {"schema": SCHEMA, "curve": {"steps": [], "virtual_seconds": [], "loss": []}}
