"""Made-up results folders, whose page the tests look at."""

import json
import random
from pathlib import Path

from bench.record import as_json, blank_row
from bench.record.row import CLOCKED
from bench.timeline import BUCKETS

SCENARIOS = ("h100_cluster", "two_datacenters", "volunteer_home", "lab_workstations")
ALGORITHMS = ("ddp", "diloco", "local_sgd", "gossip", "sparse_loco")


def page_row(key: str, **changes) -> dict:
    """A finished and trained row with every column, of a sweep."""
    ledger = dict.fromkeys(BUCKETS, 0.0) | {"compute": 0.6, "bandwidth": 0.3, "down": 0.1}
    curve = {"steps": [0, 20, 40], "virtual_seconds": [0.0, 60.0, 120.0], "loss": [6.0, 5.0, 4.0]}
    known = dict.fromkeys(CLOCKED, 1.0)
    row = blank_row() | known | {"key": key, "status": "done", "scenario": "volunteer_home", "algorithm": "diloco"}
    row |= {"codec": "none", "aggregator": "mean", "adversary": "none", "feedback": "none", "model": "nano", "data": "stdlib"}
    row |= {
        "timed_as": "gpt_350m",
        "workload": "w" * 64,
        "seed": 0,
        "workers": 8,
        "peak_flops": 1e15,
        "parameters": 355_698_688,
    }
    row |= {"steps": 40, "rounds": 2, "tokens_per_second": 12_400.0, "system_efficiency": 0.5, "virtual_seconds": 120.0}
    row |= {"tokens": 1.5e6, "sent_bytes": 2.86e9, "initial_loss": 6.0, "final_loss": 4.0, "ledger": ledger, "curve": curve}
    row |= changes
    if "command" not in changes:
        row["command"] = (
            f"python -m bench +sweep=made_up scenario={row['scenario']} algorithm={row['algorithm']} seed={row['seed']}"
        )
    return row


def write_rows(folder: Path, rows: list[dict]) -> Path:
    """Each row as a file in runs/; returns the folder."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    for row in rows:
        (folder / "runs" / f"{row['key']}.json").write_text(as_json(row))
    return folder


def many_rows(count: int) -> list[dict]:
    """Rows of several scenarios, algorithms, seeds and statuses, with curves of 17 points; a tenth of them unknown."""
    chance = random.Random(0)
    rows = []
    for number in range(count):
        losses = [6.0 - 3.0 * (step / 16) ** 0.5 + chance.gauss(0, 0.02) for step in range(17)]
        seconds = [step * chance.uniform(1, 1000) for step in [1.0] * 17]
        curve = {"steps": [20 * step for step in range(17)], "virtual_seconds": sorted(seconds), "loss": losses}
        settings = {
            "scenario": SCENARIOS[number % 4],
            "algorithm": ALGORITHMS[number // 4 % 5],
            "seed": number // 20 % 3,
            "tokens_per_second": 10 ** chance.uniform(1, 7),
            "system_efficiency": chance.random(),
            "sent_bytes": 10 ** chance.uniform(6, 12),
            "final_loss": losses[-1],
            "curve": curve,
        }
        if number % 10 == 9:
            unknown = {"status": "does_not_fit", "reason": "too large by 4 GB", "ledger": {}, "tokens_per_second": None}
            settings |= unknown | {"final_loss": None, "curve": {name: [] for name in curve}, "sent_bytes": None}
        rows.append(page_row(f"{number:032x}", **settings))
    return rows


def embedded(page: Path) -> dict:
    """What a page holds for its script."""
    text = page.read_text().split('<script type="application/json" id="data">')[1].split("</script>")[0]
    return json.loads(text)
