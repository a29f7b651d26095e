"""Rows by hand, a scenario, an algorithm and a seed each: all end at a loss of 4.0, so that is their target."""

import hashlib
import math

from bench.record import blank_row
from bench.record.row import CLOCKED


def seeded(scenario, algorithm, seed=0, *, seconds=10.0, loss=4.0, sets="", **changes):
    """A finished row that comes to `loss` after `seconds`, with half of what unhindered devices give."""
    command = " ".join(filter(None, (f"python -m bench scenario={scenario} algorithm={algorithm} seed={seed}", sets)))
    return (
        blank_row()
        | dict.fromkeys(CLOCKED, 1.0)
        | {"key": hashlib.sha256(command.encode()).hexdigest()[:32], "status": "done", "command": command}
        | {"scenario": scenario, "algorithm": algorithm, "seed": seed, "codec": "none", "aggregator": "mean"}
        | {"adversary": "none", "model": "nano", "timed_as": "gpt_350m", "workload": "w" * 64, "workers": 8}
        | {"tokens": 1000.0, "steps": 40, "virtual_seconds": seconds, "system_efficiency": 0.5, "peak_flops": 1e15}
        | {"sent_bytes": 1e9, "final_loss": loss, "conf": {"set": sets}}
        | {"curve": {"steps": [0, 40], "virtual_seconds": [0.0, seconds], "loss": [6.0, loss]}}
        | changes
    )


def not_done(scenario, algorithm, seed=0, *, status="timeout", sets=""):
    """A row without figures."""
    return seeded(scenario, algorithm, seed, sets=sets) | {
        **{"status": status, "reason": "so it is", "virtual_seconds": math.nan, "final_loss": math.nan},
        **{"system_efficiency": math.nan, "sent_bytes": math.nan},
        "curve": {"steps": [], "virtual_seconds": [], "loss": []},
    }


def over_seeds(scenario, algorithm, *seconds, **changes):
    """A row a seed, each with seconds of its own."""
    return [seeded(scenario, algorithm, seed, seconds=each, **changes) for seed, each in enumerate(seconds)]
