"""Training over the internet as it went, beside what Farbench's network says of the same payloads on the published lines.

The runs, in runs.csv, train for some minutes and then synchronize, while nobody computes:

- INTELLECT-1 (arXiv:2412.01152, table 2): 10 billion parameters, H = 100 in 38 minutes, a ring all-reduce in int8 among at most
  14 nodes, whose lines carried 0.5 to 4 Gbit/s.
- Covenant-72B (arXiv:2603.08163, 4.3): 20 peers, H = 30 in 20 minutes, 64 of each 4096 numbers as 2 bits and a place of 12, of
  which 32 bits are 146 times as many. Everybody uploads its own to object storage and downloads the others': no more than 110
  Mbit/s up and 500 down a node, as it says.
- SparseLoCo with 8 billion parameters (as told there): 15 peers, 4.5 minutes. That its payload was encoded alike is assumed.

Judged is what follows from published lines: seconds by 25 % and utilisation by one percentage point, both chosen before any was
predicted. A utilisation that follows from published seconds is arithmetic, and a rate of 0.5 to 4 Gbit/s is a range: neither is
judged. A node's time for anything but bytes is left out, and so is all latency.

None of the judged figures is met, and with these bytes no network could meet them on these lines: the upload alone takes
longer than what is published for all of the synchronization, and the downloads four to nine times as long. If the limits held
for each of a node's eight devices, seconds would be off by a third, one run's too long and the other's too short; that row is
told, too, but nothing in the paper says so. INTELLECT-1's lines explain the seconds of the USA; those of more continents are
longer than even 0.5 Gbit/s makes them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bench.network import Paths, Topology, Transport, plan_seconds
from bench.network.collectives import Ring, exchange
from bench.units import RATE, parse

PUBLISHED = Path(__file__).parent / "runs.csv"
RANGE = (0.5e9 / 8, 4e9 / 8)  # bytes/s of INTELLECT-1's lines
BASELINE_MFU = 43.3  # % of INTELLECT-1 without synchronizing
SECONDS, POINTS = 0.25, 0.01  # tolerances: relative, and of a utilisation


def compared() -> pd.DataFrame:
    """A row for each figure: run, quantity, unit, measured, predicted, error (relative), tolerance, within and note.

    The tolerance is relative too, one percentage point of what was measured; within is yes, no, or "" if not judged.
    """
    rows = []
    for run in pd.read_csv(PUBLISHED, keep_default_na=False).to_dict("records"):
        for figure in (_ring if run["traffic"] == "ring" else _storage)(run):
            rows.append({"source": run["source"], "run": run["run"]} | figure)
    frame = pd.DataFrame(rows)
    frame["error"] = frame["predicted"] / frame["measured"] - 1
    good = frame["error"].abs() <= frame["tolerance"]
    frame["within"] = np.where(frame["tolerance"].notna(), np.where(good, "yes", "no"), "")
    return frame


def ring_seconds(peers: int, nbytes: float, rate: float) -> float:
    """An all-reduce of `nbytes` in a ring of `peers` whose lines carry `rate` bytes/s each way."""
    paths = Paths(Topology(uplink=rate, downlink=rate, last_mile=0.0).network(peers, seed=0), Transport())
    return plan_seconds(Ring().all_reduce(paths, np.arange(peers), nbytes), paths.network.capacity)


def storage_seconds(peers: int, nbytes: float, uplink: float, downlink: float) -> tuple[float, float]:
    """Everybody's upload of `nbytes` to a store, and the download of all others', one after the other; bytes/s."""
    shares = np.array([peers, 1]) / (peers + 1)
    topology = Topology(
        uplink=dict(zip([uplink, np.inf], shares, strict=True)),
        downlink=dict(zip([downlink, np.inf], shares, strict=True)),
        last_mile=0.0,
    )
    paths = Paths(topology.network(peers + 1, seed=0), Transport())
    capacity = paths.network.capacity
    of_peers = np.isfinite(capacity[: peers + 1])
    members, store = np.flatnonzero(of_peers), np.repeat(np.flatnonzero(~of_peers), peers)
    upload = plan_seconds(exchange(paths, members, store, nbytes), capacity)
    return upload, plan_seconds(exchange(paths, store, members, (peers - 1) * nbytes), capacity)


def _ring(run: Mapping[str, str]) -> list[dict[str, object]]:
    """The figures of a run of which seconds are published, but of its lines a range only."""
    compute, seconds = 60 * float(run["compute_minutes"]), float(run["seconds"])
    nbytes = float(run["parameters"]) * float(run["bits"]) / 8
    utilisation = compute / (compute + seconds)
    slow, fast = (ring_seconds(int(run["peers"]), nbytes, rate) for rate in RANGE)
    return [
        _figure("synchronizing, at 0.5 Gbit/s", "s", seconds, slow, note="the slowest line of its range"),
        _figure("synchronizing, at 4 Gbit/s", "s", seconds, fast, note="the fastest"),
        _figure("utilisation", "", float(run["utilisation"]), utilisation, note="follows from the published seconds"),
        _figure("MFU", "%", float(run["mfu"]), BASELINE_MFU * utilisation, note="that of no synchronizing, times utilisation"),
    ]


def _storage(run: Mapping[str, str]) -> list[dict[str, object]]:
    """The figures of a run of which lines and seconds are published."""
    compute, seconds, utilisation = 60 * float(run["compute_minutes"]), float(run["seconds"]), float(run["utilisation"])
    nbytes = float(run["parameters"]) * float(run["bits"]) / 8
    uplink, downlink = parse(run["uplink"], RATE), parse(run["downlink"], RATE)
    up, down = storage_seconds(int(run["peers"]), nbytes, uplink, downlink)
    devices = int(run["devices"])
    wide = sum(storage_seconds(int(run["peers"]), nbytes, devices * uplink, devices * downlink))
    note = f"{nbytes / 1e9:.3g} GB up in {up:.0f} s, {(int(run['peers']) - 1) * nbytes / 1e9:.3g} GB down in {down:.0f} s"
    reached = compute / (compute + up + down)
    return [
        _figure("synchronizing", "s", seconds, up + down, SECONDS, note),
        _figure("utilisation", "", utilisation, reached, POINTS / utilisation, "follows from these seconds"),
        _figure(
            "synchronizing, lines of each device", "s", seconds, wide, note=f"if each of {devices} devices had such a line"
        ),
        _figure("utilisation, published seconds", "", utilisation, compute / (compute + seconds), note="arithmetic"),
    ]


def _figure(
    quantity: str, unit: str, measured: float, predicted: float, tolerance: float = np.nan, note: str = ""
) -> dict[str, object]:
    named = {"quantity": quantity, "unit": unit, "measured": measured, "predicted": predicted}
    return named | {"tolerance": tolerance, "note": note}
