"""Made-up rows for figures, and the frame of them."""

from bench.record import blank_row
from bench.report.frame import compared
from bench.timeline import BUCKETS


def ledger(**shares):
    return dict.fromkeys(BUCKETS, 0.0) | shares


def row(*, losses=(6.0, 5.0, 4.0), seconds=(0.0, 60.0, 120.0), settings="", uplink="100 Mbit/s", **changes):
    """A finished row of 40 steps, whose command sets its seed and `settings`."""
    kept = {"scenario": "volunteer_home", "algorithm": "diloco", "seed": 0, "key": "abcdef0123456789"} | changes
    said = f"scenario={kept['scenario']} algorithm={kept['algorithm']} seed={kept['seed']} {settings}"
    steps = [40 * number // (len(losses) - 1) for number in range(len(losses))] if losses else []
    curve = {"steps": steps, "virtual_seconds": list(seconds[: len(losses)]), "loss": list(losses)}
    presets = {"codec": "none", "aggregator": "mean", "adversary": "none", "model": "nano", "timed_as": "nano"}
    numbers = {"workers": 8, "steps": 40, "tokens": 8000.0, "sent_bytes": 400.0, "peak_flops": 1e15, "system_efficiency": 0.5}
    return (
        blank_row()
        | presets
        | numbers
        | {"status": "done", "workload": "w" * 64, "ledger": ledger(compute=0.6, bandwidth=0.4), "curve": curve}
        | {"command": f"python -m bench {said}".strip(), "conf": {"network": {"uplink": uplink}, "set": settings}}
        | kept
    )


def frame(*rows, target=None):
    return compared(rows, target=target)


def titles(svg):
    """The texts that a browser shows over parts of an SVG."""
    return [found.text for found in svg.iter("{http://www.w3.org/2000/svg}title")]
