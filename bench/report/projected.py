"""Projections side by side: their order, their words, and how one compares with the H100's."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.project.record import Record
from bench.report.formats import folded
from bench.report.keys import short_keys
from bench.units import three_digits

SCENARIOS = (
    *("h100_cluster", "h800_cluster", "h20_cluster", "a100_cluster", "a800_cluster", "ascend_910c_cluster", "b200_cluster"),
    *("several_hyperscale", "two_datacenters", "regional", "worldwide"),
    *("volunteer_home", "volunteer_fibre", "volunteer_worldwide", "mandatory_volunteers"),
)
"""In the order in which tables and figures show them; others come last."""

REFERENCE = "h100_cluster"
"""What others are compared with."""

TIE = 0.005
"""Ratios nearer to 1 are a tie: half a percent, what an unlucky number of microbatches moves a step by."""

EQUAL = 0.015
"""By how much total peak FLOP/s may differ and still be called equal; what is compared is for each FLOP/s."""

NUMBERS = (
    *("accelerators", "parameters", "active_parameters", "tokens", "batch", "peak_flops", "workers", "worker_devices"),
    *("step_seconds", "memory_bytes", "straggling", "kept", "tokens_per_second", "ideal_tokens_per_second"),
    *("system_efficiency", "utilisation", "mfu", "sent_bytes", "extra_tokens", "extra_tokens_low", "extra_tokens_high"),
    *("days", "device_hours", "kwh", "usd"),
)
"""Columns of a record that a program reads as they are, in base units."""


def ordered(records: Sequence[Record]) -> list[Record]:
    """By model, the smallest first, then by scenario, devices, and what the command sets."""
    return sorted(records, key=lambda record: (record["columns"]["parameters"], *_place(record)))


def by_scenario(records: Sequence[Record]) -> list[Record]:
    """By scenario, then by model, devices, and what the command sets."""
    return sorted(records, key=lambda record: (_place(record)[0], record["columns"]["parameters"], *_place(record)[1:]))


def _place(record: Record) -> tuple[Any, ...]:
    name = record["names"]["scenario"]
    number = SCENARIOS.index(name) if name in SCENARIOS else len(SCENARIOS)
    names = record["names"]
    presets = (names["algorithm"], names["codec"], names["quality"])
    return (number, name), record["columns"]["accelerators"], *presets, record["command"], record["key"]


def trained(record: Record) -> tuple[Any, ...]:
    """What two projections must share to be compared."""
    names, settings = record["names"], record["settings"]
    return names["model"], names["precision"], settings["batch"], settings["seed"], settings["written_attention"]


def done(record: Record) -> bool:
    """Whether it has figures."""
    return bool(record["columns"]["status"] == "done")


def references(records: Sequence[Record]) -> dict[tuple[Any, ...], Record]:
    """The H100s' projection of each training, at the scenario's own number of devices; of several the one that sets least."""
    own = [record for record in records if record["names"]["scenario"] == REFERENCE and full(record) and done(record)]
    own.sort(key=lambda record: (len(record["command"].split()), record["command"]), reverse=True)
    return {trained(record): record for record in own}  # the last one stays


def full(record: Record) -> bool:
    """Whether it has as many devices as its scenario has by itself."""
    return bool(record["columns"]["accelerators"] == record["settings"]["scenario"]["full"])


def device(record: Record) -> str:
    """Its kind of device, or all of them: 'h100_sxm and h800_sxm'."""
    return " and ".join(name for name, count in record["columns"]["devices"].items() if count)


def equal_peak(record: Record, reference: Record | None) -> bool:
    """Whether it has the peak FLOP/s of the H100s together."""
    if reference is None:
        return False
    return abs(record["columns"]["peak_flops"] / reference["columns"]["peak_flops"] - 1) <= EQUAL


def per_device(record: Record, reference: Record | None) -> float:
    """Tokens/s a device over the H100's."""
    return _over(record, reference, "accelerators")


def per_flops(record: Record, reference: Record | None) -> float:
    """Tokens/s for each peak FLOP/s over the H100's."""
    return _over(record, reference, "peak_flops")


def _over(record: Record, reference: Record | None, by: str) -> float:
    if reference is None or not done(record):
        return math.nan
    mine, other = (one["columns"]["tokens_per_second"] / one["columns"][by] for one in (record, reference))
    return float(mine / other)


def extra_tokens(record: Record, end: str = "") -> float:
    """Tokens for the same loss over those of data parallelism: the middle, or its `_low` or `_high` end.

    Infinite where no number of tokens brings that loss, which a file has as null; NaN where nothing is known.
    """
    number = float(record["columns"][f"extra_tokens{end}"])
    return math.inf if done(record) and math.isnan(number) else number


def flat(records: Sequence[Record]) -> pd.DataFrame:
    """The records for programs, a line each: presets, figures in base units, part_ seconds, share_ of worker-seconds."""
    return pd.DataFrame(
        {
            "key": record["key"],
            **{name: record["names"][name] for name in ("scenario", "model", "precision", "algorithm", "codec", "quality")},
            "sync_every": record["settings"]["algorithm"].get("sync_every", math.nan),
            "status": record["columns"]["status"],
            "layout": record["columns"]["layout"],
            **{name: record["columns"][name] for name in NUMBERS},
            "versus_cluster": record["versus_cluster"],
            **{f"part_{name}": seconds for name, seconds in record["columns"]["parts"].items()},
            **{f"share_{name}": share for name, share in record["columns"]["ledger"].items()},
            "reason": record["columns"]["reason"],
            "command": record["command"],
        }
        for record in records
    )


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]], left: Sequence[str]) -> str:
    """A table, the columns named in `left` to the left."""
    rule = ["---" if name in left else "---:" for name in head]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def behind(records: Sequence[Record]) -> str:
    """The command of each projection that a table shows, in its order, and the start of its key, folded away."""
    shown = short_keys(record["key"] for record in records)
    return folded([(f"`{record['command']}`", shown[record["key"]]) for record in records])


def ratio(number: float) -> str:
    """'0.86x'; what is as good as equal is a tie."""
    if math.isnan(number):
        return "-"
    return "1.00x (tie)" if abs(number - 1) < TIE else f"{three_digits(number)}x"


def percent(share: float) -> str:
    """'12.3 %'; NaN is '-', and what rounds to nothing is nothing."""
    if math.isnan(share):
        return "-"
    return "0" if abs(share) < 5e-4 else f"{100 * share:.1f} %"


def not_done(records: Sequence[Record]) -> list[str]:
    """A line for each scenario and model without figures, and why."""
    missing = [record for record in records if not done(record)]
    return list(
        dict.fromkeys(
            f"{record['names']['scenario']}, {record['names']['model']}: {record['columns']['status']}: "
            f"{record['columns']['reason']}"
            for record in missing
        )
    )
