"""Export-limited chips beside the H100: throughput a device and for equal total FLOP/s, and where their seconds go."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bench.project.record import Record
from bench.project.tell import PARTS
from bench.report.projected import (
    behind,
    device,
    done,
    equal_peak,
    flat,
    full,
    markdown,
    not_done,
    ordered,
    per_device,
    per_flops,
    percent,
    ratio,
    references,
    trained,
)
from bench.units import count_text, seconds_text

UNEVEN = "divided arithmetic"
HELD_UP = "stragglers and failures"


def tables(records: Sequence[Record]) -> tuple[str, pd.DataFrame]:
    """Three tables for people, and one for programs that has each record once."""
    records = ordered(records)
    found = references(records)
    alike = [record for record in records if full(record)]
    equal = [record for record in records if equal_peak(record, found.get(trained(record)))]
    notes = [
        "throughput over the H100's: tokens/s a device, or for each peak FLOP/s; a tie within half a percent",
        "peak over the H100's: of the data sheet, dense bf16",
        "of unhindered: tokens/s over those of as many devices with links and memory without end, which take a sequence at a "
        "time and never wait; with experts, who then have few tokens each, devices together can do better",
        "MFU: FLOPs of the model over the data sheets' peak",
        "what large products reach of the peak is measured for some chips and assumed for others (H20, 910C); what days of "
        "training leave of that is fitted for the H100's chip, 0.82, and 1 for others (conf/catalogue/devices.yaml): H800 "
        "beside H100, and A800 beside A100, differ by their links only, others by up to that 0.82 too",
        f"{UNEVEN}: what smaller products, unequal stages and microbatches that do not come out even take longer (below zero: "
        "products larger than a sequence's are faster)",
        f"{HELD_UP}: of each step the slowest device, and failures as often as Llama 3's, of A100 and A800 as Meta's RSC's",
        *not_done(records),
    ]
    parts = [
        f"### As many devices\n\n{_compared(alike, found)}",
        f"### Equal total peak FLOP/s\n\n{_compared(equal, found)}",
        f"### Where the time goes, with as many devices\n\n{_parts(alike)}",
        f"### Where the time goes, with equal total peak FLOP/s\n\n{_parts([record for record in equal if not full(record)])}",
        "\n".join(f"- {note}" for note in notes),
        behind(records),
    ]
    frame = flat(records)
    frame.insert(2, "throughput_a_device_over_h100", [per_device(one, found.get(trained(one))) for one in records])
    frame.insert(3, "throughput_a_flops_over_h100", [per_flops(one, found.get(trained(one))) for one in records])
    return "\n\n".join(parts) + "\n", frame


def _compared(records: Sequence[Record], found: Mapping[tuple[object, ...], Record]) -> str:
    lines = []
    for record in records:
        columns, reference = record["columns"], found.get(trained(record))
        lines.append(
            [
                f"{record['names']['model']}",
                device(record),
                f"{columns['accelerators']:,}",
                ratio(peak(record) / peak(reference)) if reference else "-",
                ratio(per_device(record, reference)),
                ratio(per_flops(record, reference)),
                percent(columns["system_efficiency"]),
                percent(columns["mfu"]),
                seconds_text(columns["step_seconds"]),
                columns["layout"] or columns["status"],
            ]
        )
    head = [
        *("model", "device", "devices", "peak over H100's", "throughput a device over H100's"),
        *("throughput a FLOP/s over H100's", "of unhindered", "MFU", "step", "layout"),
    ]
    return markdown(head, lines, left=("model", "device", "layout"))


def peak(record: Record) -> float:
    """FLOP/s of a device."""
    return float(record["columns"]["peak_flops"] / record["columns"]["accelerators"])


def shares(record: Record) -> dict[str, float]:
    """Where a synchronous cluster's time goes: all of it, in shares that sum to 1."""
    columns = record["columns"]
    slower = columns["straggling"] / columns["kept"]
    parts = {PARTS[name]: seconds / columns["step_seconds"] / slower for name, seconds in columns["parts"].items()}
    compute = parts.pop("compute")
    ideal = columns["system_efficiency"]
    return {"unhindered": ideal, UNEVEN: compute - ideal, **parts, HELD_UP: 1 - 1 / slower}


def _parts(records: Sequence[Record]) -> str:
    rows = [(record, shares(record)) for record in records if done(record)]
    names = list(rows[0][1]) if rows else []
    lines = [
        [
            record["names"]["model"],
            device(record),
            count_text(record["columns"]["accelerators"]),
            *(percent(share[name]) for name in names),
        ]
        for record, share in rows
    ]
    return markdown(["model", "device", "devices", *names], lines, left=("model", "device"))
