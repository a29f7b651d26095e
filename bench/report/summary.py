"""Six lines at the end of a single run."""

from pathlib import Path

from bench.record import Row
from bench.units import count_text, seconds_text, size_text


def six_lines(row: Row, path: Path) -> list[str]:
    """Scenario, algorithm, speed, loss, where most of the time went besides compute, and where the row is."""
    if row["status"] not in ("done", "diverged"):
        return [
            f"scenario    {row['scenario']}, {row['workers']} workers",
            f"algorithm   {row['algorithm']}",
            f"status      {row['status']}: {row['reason']}",
            f"row         {path}",
        ]
    share, bucket = max((share, bucket) for bucket, share in row["ledger"].items() if bucket != "compute")
    loss = "not trained" if row["final_loss"] != row["final_loss"] else f"{row['final_loss']:.3f} nats a token"
    if row["status"] == "diverged":
        loss = "diverged, not finite"
    unhindered, compute = _share(row["system_efficiency"]), _share(row["ledger"]["compute"])
    workers = f"{row['workers']} worker" + ("s" if row["workers"] != 1 else "")
    rounds = f"{row['rounds']} round" + ("s" if row["rounds"] != 1 else "")
    return [
        f"scenario    {row['scenario']}, {workers}, timed as {row['timed_as']}",
        f"algorithm   {row['algorithm']}, {rounds}, {size_text(row['sent_bytes'])} sent a worker",
        f"throughput  {count_text(row['tokens_per_second'])} tokens/s, {unhindered} of unhindered devices",
        f"loss        {loss} after {row['steps']} steps, {seconds_text(row['virtual_seconds'])} on the virtual clock",
        f"time        {compute} compute; the biggest loss is {bucket.replace('_', ' ')}, {_share(share)}",
        f"row         {path}",
    ]


def _share(share: float) -> str:
    """In percent: a digit behind the point, or two digits where that would hide it."""
    return f"{share:.1%}" if share >= 0.0095 or share == 0 else f"{100 * share:.2g}%"
