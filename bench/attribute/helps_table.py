"""What would help, run beside run: what each knob buys, as tables for people and for programs."""

from collections.abc import Sequence

import pandas as pd

from bench.attribute.helps import LITTLE, Help, from_dict, told
from bench.attribute.record import Record, spread
from bench.report.formats import Table

MOST = 5
"""Knobs of a run that are shown to people: the others buy less."""


def helps_of(record: Record) -> list[Help]:
    """The knobs of a record, ranked."""
    return [from_dict(each) for each in record["helps"]]


def helps_table(records: Sequence[Record], labels: Sequence[str]) -> Table:
    """The first knobs of each run that buy anything beyond the seeds' noise; runs of which that was not asked are not there."""
    lines, behind = [], []
    for record, label in zip(records, labels, strict=True):
        if not record["helps"]:
            continue
        helping = [each for each in helps_of(record) if not each.reason and min(each.buys, default=0) > 1 + LITTLE]
        for place, each in enumerate(helping[:MOST]):
            lines.append([label if not place else "", str(place + 1), each.text, told(each)])
        if not helping:
            lines.append([label, "-", "nothing", "no knob buys anything beyond the seeds' noise"])
        behind.append((label, keys_of(record)))
    return Table(
        head=["run", "rank", "what", "what it does"],
        lines=lines,
        left=["run", "what", "what it does"],
        notes=[
            "buys: seconds to one loss as it is, over those with this one change; median [lowest–highest] over seeds",
            "throughput: tokens/s; learning: what a token teaches; their product is what is bought",
            f"the first {MOST} that buy anything beyond the seeds' noise; the .csv has all, and why a knob was left out",
        ],
        behind=behind,
    )


def keys_of(record: Record) -> str:
    """The record, and the rows that have its settings, as keys are printed."""
    return f"{record['key'][:8]} in attributions/; as rows, where they are run, {', '.join(key[:8] for key in record['rows'])}"


def helps_flat(records: Sequence[Record], labels: Sequence[str]) -> pd.DataFrame:
    """Every knob of every run, a line each: medians, lowest and highest."""
    lines = []
    for record, label in zip(records, labels, strict=True):
        for each in helps_of(record):
            line = {"key": record["key"], "run": label, "knob": each.knob, "text": each.text}
            for name in ("buys", "throughput", "learning", "efficiency"):
                values = getattr(each, name)
                ends = spread(values) if values else (float("nan"),) * 3
                line |= dict(zip((name, f"{name}_lowest", f"{name}_highest"), ends, strict=True))
            lines.append(line | {"tie": each.is_tie, "left_out": each.reason})
    return pd.DataFrame(lines)
