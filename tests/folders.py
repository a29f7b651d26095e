"""Made-up results folders: rows of cells, which are equal but for their seed."""

from pathlib import Path

from bench.compare.folder import Folder
from bench.record import Store, blank_row
from bench.record.command import but_for_seed
from bench.record.row import CLOCKED


def row(cell="a", seed=0, *, rate=1000.0, loss=(5.0, 3.0), sent=1e9, uplink="30 Mbit/s", status="done", **changes) -> dict:
    """A row of diloco with a throughput of `rate` tokens/s, whose evaluations come after 0, 10, … steps."""
    seconds = 1e6 / rate
    steps = [10 * number for number in range(len(loss))]
    whole = steps[-1] if steps else 1
    return (
        blank_row()
        | dict.fromkeys(CLOCKED, 1.0)
        | {
            "key": f"{cell}{uplink.split()[0]}s{seed}",
            "status": status,
            "command": f"python -m bench data.tokens={cell} seed={seed}",
        }
        | {"scenario": "volunteer_home", "algorithm": "diloco", "codec": "none", "model": "nano", "timed_as": "gpt_350m"}
        | {"workers": 8, "seed": seed, "workload": "w" * 64, "data_digest": "d", "ledger": {"compute": 0.75, "latency": 0.25}}
        | {"tokens": 1e6, "tokens_per_second": rate, "virtual_seconds": seconds, "sent_bytes": sent}
        | {"initial_loss": loss[0] if loss else float("nan"), "final_loss": loss[-1] if loss else float("nan")}
        | {"curve": {"steps": steps, "virtual_seconds": [seconds * step / whole for step in steps], "loss": list(loss)}}
        | {"versions": {"farbench": "0.1.0", "torch": "2.13.0"}}
        | {"conf": {"seed": seed, "cell": cell, "network": {"uplink": uplink, "tiers": [{"size": 8}]}}}
        | changes
    )


def folder(rows) -> Folder:
    """The rows as they would be read."""
    cells: dict[str, dict] = {}
    for each in rows:
        cells.setdefault(but_for_seed(each), {})[each["seed"]] = each
    return Folder(Path("made_up"), {each["key"]: each for each in rows}, cells, (), {})


def write(path: Path, rows) -> Path:
    """The rows in a results folder."""
    store = Store(path)
    for each in rows:
        store.write(each)
    return path
