"""What the export rules measure of a chip, beside what a training gets from it."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from bench.build import build
from bench.devices import Device
from bench.devices.rules import RuledDevice, table
from bench.project.record import Record
from bench.report.projected import behind, markdown, ordered, per_device, ratio, references, trained
from bench.units import COMPUTE, RATE

MODELS = ("llama3_70b", "llama3_405b")
"""For which throughput is shown."""

UNSURE = {
    "ascend_910c": "ascend_910c: second hand, and sources differ by two about its bus (conf/network/cloudmatrix384.yaml); with "
    "392 GB/s each way, 784 GB/s in and out, October 2022 is: licence"
}
"""Where a verdict hangs on a figure that nobody has settled."""


def tables(records: Sequence[Record]) -> tuple[str, pd.DataFrame]:
    """A line a chip: the rules' metrics, the verdicts and the throughput; under it, what each verdict rests on."""
    records = ordered(records)
    rows = table(_catalogue(records))
    [tpp] = [row.tpp for row in rows if row.device == _h100(records)] or [math.nan]
    throughput = {name: _throughput(records, name) for name in MODELS}
    head = [
        *("device", "peak", "TPP", "TPP over H100's", "TPP a mm2", "in and out", "memory"),
        *(f"throughput a device at {name} over H100's" for name in MODELS),
        *(ruling.rule for ruling in rows[0].rulings),
    ]
    catalogue = _catalogue(records)
    lines = [
        [
            row.device,
            f"{row.peak / COMPUTE.units['TFLOP/s']:,.0f} TFLOP/s",
            f"{row.tpp:,.0f} ({row.precision})",
            ratio(row.tpp / tpp),
            "-" if row.density is None else f"{row.density:.2f}",
            "-" if row.io is None else _rate(row.io),
            _rate(catalogue[row.device].memory_bandwidth),
            *(ratio(throughput[name].get(row.device, math.nan)) for name in MODELS),
            *(ruling.verdict for ruling in row.rulings),
        ]
        for row in rows
    ]
    notes = [
        "TPP: dense TFLOP/s times bits, the largest over the precisions; in and out: both directions, without memory",
        "throughput a device: tokens/s in bf16, in the clusters of tables/export_limited.md; twice the FLOP/s in fp8 change no "
        "TPP, which counts bits",
        "verdicts are by the figures alone, for a sale to China, also for what is made there; no legal advice "
        "(bench/devices/rules.py has the sources)",
        *(UNSURE[row.device] for row in rows if row.device in UNSURE),
        *(f"{row.device}, {ruling.rule}: {ruling.verdict}: {ruling.because}" for row in rows for ruling in row.rulings),
    ]
    text = markdown(head, lines, left=("device", *(ruling.rule for ruling in rows[0].rulings)))
    below = "\n".join(f"- {note}" for note in notes)
    return f"{text}\n\n{below}\n\n{behind(records)}\n", _frame(rows, catalogue, throughput)


def _catalogue(records: Sequence[Record]) -> dict[str, Device]:
    """Every chip that the records name, in their order."""
    entries = {name: entry for record in records for name, entry in record["settings"]["catalogue"].items()}
    return {name: build(entry, f"catalogue.{name}", Device) for name, entry in entries.items()}


def _h100(records: Sequence[Record]) -> str:
    """The reference's device; empty where the records have none."""
    named = [name for one in references(records).values() for name in one["settings"]["catalogue"]]
    return named[0] if named else ""


def _throughput(records: Sequence[Record], model: str) -> dict[str, float]:
    """Of each device, tokens/s over the H100's."""
    found = references(records)
    return {
        name: per_device(record, found.get(trained(record)))
        for record in records
        if record["names"]["model"] == model
        for name, count in record["columns"]["devices"].items()
        if count == record["columns"]["accelerators"]
    }


def _rate(rate: float) -> str:
    """In bytes, as the rules have it."""
    return f"{rate / RATE.units['GB/s']:,.0f} GB/s"


def _frame(
    rows: Sequence[RuledDevice], catalogue: Mapping[str, Device], throughput: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "device": row.device,
            "peak_flops": row.peak,
            "tpp": row.tpp,
            "tpp_precision": row.precision,
            "performance_density": row.density,
            "inputs_and_outputs_bytes_per_second": row.io,
            "memory_bytes_per_second": catalogue[row.device].memory_bandwidth,
            **{f"throughput_over_h100_{name}": throughput[name].get(row.device, math.nan) for name in MODELS},
            **{ruling.rule.lower().replace(" ", "_"): ruling.verdict for ruling in row.rulings},
        }
        for row in rows
    )
