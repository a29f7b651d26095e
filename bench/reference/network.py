"""Collectives that were measured on shaped links, priced by the same code and presets that a run uses.

The measurements, in network.csv, are:

- tc_cluster_setting (BinhangYuan, the author of DT-FM): p3.2xlarge instances of AWS, each way out shaped by `tc netem` to a
  rate and a delay, both or neither; PyTorch 1.9, NCCL and gloo, a second's pause before each operation. "all_reduce_in_parts"
  is its Simulate_DP: n all-reduces of an n-th each, one after the other, then a barrier of gloo. Its "MB" are MiB: only
  these agree with its own rates.
- farbench/shaped_namespaces: gloo of torch 2.13 between network namespaces, shaped by `tc tbf`, delayed in user space; slow
  start after idle switched off; operations back to back.

No constant is fitted: links and transports are presets, changed only by what each measurement itself set. Two of their values
are unverified. The hosts' time for a message, 10 µs, may be anything up to 50 µs without another verdict; with a last mile of
0.1 ms instead of 0.05, three more of gloo's cells, those at 1 ms, are missed. That gloo's notices wait behind data, and in
which order, was found out by comparing its schedule with such measurements.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bench.network import Fluid, Paths, Plan, Topology, Transport
from bench.network.collectives import NCCL, GlooRing, exchange
from bench.units import RATE, parse

MEASURED = Path(__file__).parent / "network.csv"


@dataclass(frozen=True)
class Measurement:
    """One row of network.csv."""

    source: str
    operation: str
    backend: str
    ranks: int
    nbytes: float
    rate: float | None  # bytes/s to which each way out was shaped
    delay: float  # seconds one way
    measured: float  # seconds


def predicted(row: Measurement, aws: Topology, tcp: Transport) -> float:
    """Seconds that one measurement takes on links as `aws` with `tcp` over them, but for what it set itself."""
    if row.source == "farbench/shaped_namespaces":
        assert row.rate is not None
        links = Topology(uplink=row.rate, downlink=row.rate, last_mile=row.delay / 2)
        # Frames of 1500 bytes and their headers; one connection, whose buffers were larger than any window needed.
        transport = Transport(packet_bytes=1514.0, payload_bytes=1448.0)
    else:
        # The shaper delays and slows what leaves a host, and holds it all in one queue.
        assert isinstance(aws.uplink, float) and isinstance(aws.last_mile, float)
        links = replace(aws, uplink=min(row.rate or np.inf, aws.uplink), last_mile=aws.last_mile + row.delay / 2)
        connections = tcp.connections if row.backend == "nccl" else 1
        transport = replace(tcp, connections=connections, one_queue=row.rate is not None)
    paths = Paths(links.network(row.ranks, seed=0), transport)
    members = np.arange(row.ranks)
    if row.operation == "send":
        here, there = members[:1], members[1:]
        # gloo sends when the receiver has said that it is ready.
        notice = float(paths.latency(there, here)[0]) if row.backend == "gloo" else 0.0
        return notice + seconds(exchange(paths, here, there, row.nbytes), paths)
    collective = NCCL() if row.backend == "nccl" else GlooRing()
    if row.operation == "all_reduce":
        return seconds(collective.all_reduce(paths, members, row.nbytes), paths)
    # Parts follow each other without a pause, so only the first one starts slowly.
    part = collective.all_reduce(paths, members, row.nbytes / row.ranks)
    warm = Paths(paths.network, replace(paths.transport, initial_window=None))
    following = seconds(collective.all_reduce(warm, members, row.nbytes / row.ranks), warm)
    round_trips = np.ceil(np.log2(row.ranks))  # of a barrier: each of its rounds is a notice and an empty message
    barrier = 2 * round_trips * float(paths.latency(members[:1], members[1:2])[0])
    return seconds(part, paths) + (row.ranks - 1) * following + barrier


def seconds(plan: Plan, paths: Paths) -> float:
    """How long a plan takes on links that nobody else uses."""
    fluid = Fluid(paths.network.capacity)
    for transfer in plan:
        number = fluid.start(transfer)
        while number not in fluid.advance(fluid.next_event()):
            pass
    return fluid.now


def compared(aws: Topology, tcp: Transport) -> pd.DataFrame:
    """The rows of network.csv with the columns predicted_ms, error (relative) and within: yes, no, or "" where not judged."""
    frame = pd.read_csv(MEASURED, dtype={"shaped_to": str})
    frame["shaped_to"] = frame["shaped_to"].fillna("")
    rows = [
        Measurement(
            source=row.source,
            operation=row.operation,
            backend=row.backend,
            ranks=int(row.ranks),
            nbytes=float(row.mebibytes) * 2**20,
            rate=parse(row.shaped_to, RATE) if row.shaped_to else None,
            delay=float(row.delay_ms) / 1e3,
            measured=float(row.measured_ms) / 1e3,
        )
        for row in frame.itertuples()
    ]
    frame["predicted_ms"] = [1e3 * predicted(row, aws, tcp) for row in rows]
    frame["error"] = frame["predicted_ms"] / frame["measured_ms"] - 1
    judged, good = frame["tolerance"].notna(), frame["error"].abs() <= frame["tolerance"]
    frame["within"] = np.where(judged, np.where(good, "yes", "no"), "")
    return frame
