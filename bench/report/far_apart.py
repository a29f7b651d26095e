"""Sites and volunteers, a line a projection: throughput, what it costs in tokens, and what the training takes."""

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from bench.project.record import Record
from bench.report.projected import behind, by_scenario, done, extra_tokens, flat, markdown, not_done, percent
from bench.units import TIME, count_text, seconds_text, three_digits

ENDS = ("_low", "", "_high")
"""Of an interval of tokens."""


def tables(records: Sequence[Record]) -> tuple[str, pd.DataFrame]:
    """The table for people, with notes, and for programs."""
    records = by_scenario(records)
    lines = [[text(record) for text in COLUMNS.values()] for record in records]
    sources = dict.fromkeys(record["columns"]["quality_source"] for record in records)
    notes = [
        "workers: how many, by the devices of each; batch: tokens of a step of all of them",
        "of unhindered: tokens/s over those of the same devices with links without end that never wait or go away",
        "less than a cluster: tokens/s for each peak FLOP/s of h100_cluster over these, with as many tokens a step, in tokens "
        "that count as much; devices that are away count with their peak",
        "tokens for the same loss: over those of data parallelism, with the interval; never: no number of them brings it",
        "rounds: in which workers come together in the whole training; a few are too few to be one",
        "together: where worker-seconds go, the three largest",
        "days, device-hours, kWh, USD: for the middle of the interval; each record has the sources of power and prices",
        *(f"cost in tokens: {source}" for source in sources if source),
        *dict.fromkeys(
            f"{record['names']['scenario']}, {record['names']['model']}: cost in tokens {record['columns']['extrapolated']}"
            for record in records
            if record["columns"]["extrapolated"]
        ),
        *not_done(records),
    ]
    text = markdown(list(COLUMNS), lines, left=("scenario", "model", "algorithm", "codec", "together"))
    return f"{text}\n\n" + "\n".join(f"- {note}" for note in notes) + f"\n\n{behind(records)}\n", flat(records)


def _workers(record: Record) -> str:
    columns = record["columns"]
    if math.isnan(columns["workers"]):
        return "-"
    return f"{columns['workers']:,} x {columns['worker_devices']:,}"


def _algorithm(record: Record) -> str:
    every = _sync_every(record)
    return record["names"]["algorithm"] + (f", every {every}" if every else "")


def _sync_every(record: Record) -> int | None:
    """Steps between synchronizations; None where the program has no such number."""
    settings = record["settings"]["algorithm"]
    return settings.get("sync_every") or settings.get("local_steps")


def _extra(record: Record) -> str:
    low, middle, high = (extra_tokens(record, end) for end in ENDS)
    if math.isnan(middle):
        return "-"
    if record["names"]["quality"] == "none":
        return "not counted"
    return _times(middle) if low == high else f"{_times(middle)} ({_times(low)} to {_times(high)})"


def _days(record: Record) -> str:
    columns = record["columns"]
    rate = columns["tokens_per_second"]
    if math.isnan(rate):
        return "-"
    days = columns["tokens"] / rate / TIME.units["days"] if rate else math.inf
    low, middle, high = (days * extra_tokens(record, end) for end in ENDS)
    return _number(middle) if low == high else f"{_number(middle)} ({_number(low)} to {_number(high)})"


def _rounds(record: Record) -> str:
    """How often the workers come together in the whole training."""
    columns = record["columns"]
    rounds = columns["tokens"] * extra_tokens(record) / columns["batch"] / (_sync_every(record) or 1)
    return count_text(rounds) if math.isfinite(rounds) else "-"


def _versus(record: Record) -> str:
    if not done(record):
        return "-"
    return "never" if math.isinf(extra_tokens(record)) else _known(record["versus_cluster"])


def _known(number: float) -> str:
    return f"{three_digits(number)}x" if math.isfinite(number) else "-"


def _together(record: Record) -> str:
    rows = sorted(record["columns"]["ledger"].items(), key=lambda row: -row[1])[:3]
    return ", ".join(f"{name.replace('_', ' ')} {percent(share)}" for name, share in rows if share >= 5e-4) or "-"


COLUMNS: Mapping[str, Callable[[Record], str]] = {
    "scenario": lambda record: record["names"]["scenario"],
    "model": lambda record: record["names"]["model"],
    "algorithm": _algorithm,
    "codec": lambda record: "-" if record["names"]["codec"] == "none" else record["names"]["codec"],
    "devices": lambda record: f"{record['columns']['accelerators']:,}",
    "workers": _workers,
    "batch": lambda record: count_text(record["columns"]["batch"]),
    "step": lambda record: seconds_text(record["columns"]["step_seconds"]),
    "tokens/s": lambda record: count_text(record["columns"]["tokens_per_second"]),
    "of unhindered": lambda record: percent(record["columns"]["system_efficiency"]),
    "together": _together,
    "tokens for the same loss": _extra,
    "less than a cluster": _versus,
    "tokens": lambda record: count_text(record["columns"]["tokens"]),
    "rounds": _rounds,
    "days": _days,
    "device-hours": lambda record: _count(record["columns"]["device_hours"]),
    "kWh": lambda record: _count(record["columns"]["kwh"]),
    "USD": lambda record: _count(record["columns"]["usd"]),
}
"""The columns of the table."""


def _times(number: float) -> str:
    return f"{three_digits(number)}x" if math.isfinite(number) else "never"


def _number(number: float) -> str:
    return three_digits(number) if math.isfinite(number) else "never"


def _count(number: float) -> str:
    return count_text(number) if math.isfinite(number) else "-"
