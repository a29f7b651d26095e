"""Made-up records of emulations, and how a report judges them."""

from bench.emulator.record import SCHEMA
from bench.report.judged import judge

EQUAL = {"uplink": "100 Mbit/s", "downlink": "100 Mbit/s", "last_mile": "5 ms"}


def measurement(seconds, **others):
    """One operation of so many seconds, in a run of 10 s in which each worker sent 1000 bytes on the average."""
    seen = [{"word": "all_reduce", "index": 0, "node": -1, "began": 1.0, "over": 1.0 + seconds}]
    fields = {"seconds": 10.0, "sent": [900.0, 1100.0], "received": [1000.0, 1000.0], "late_seconds": 0.0, "busy": 0.25}
    rest = {
        "compute_seconds": 1.0,
        "waited": 0.1,
        "overruns": 0,
        "dropped": [],
        "wall_seconds": 12.0,
        "parameters_differ": None,
    }
    return {"seen": seen} | fields | rest | others


def record(key="a", *, predicted=1.0, measured=(1.0,), network=EQUAL, names=(), measurements=None, **changes):
    """A whole record of diloco on two workers; the whole run is predicted to take 9.5 s, and 990 bytes are charged."""
    span = {"word": "all_reduce", "index": 0, "node": -1, "wire_bytes": 1.0, "began": 0.0, "over": predicted}
    presets = {"algorithm": "diloco", "codec": "none", "model": "nano", "churn": "always_on", "devices": "rtx_3090"}
    return {
        "schema": SCHEMA,
        "key": key,
        "command": f"python -m bench.emulate number={key}",
        "names": presets | dict(names),
        "workers": 2,
        "seed": 0,
        "settings": {"network": network, "devices": {"mix": {"rtx_3090": 1.0}}, "steps": 8},
        "emulate": {"step": "50 ms", "repeats": 3, "links": "auto"},
        "status": "done",
        "reason": "",
        "links": "shaped",
        "prediction": {"spans": [span], "seconds": 9.5, "sent": [990.0, 990.0], "received": [0.0, 0.0], "host_seconds": 1e-4},
        "measurements": [measurement(one) for one in measured] if measurements is None else measurements,
        "versions": {},
    } | changes


def judged(*records):
    return judge(records)[0]
