"""Seconds at which SimGrid ends transfers in random worlds, which scripts/simgrid_worlds.py made, against those of Fluid."""

import json
from pathlib import Path

import numpy as np
import pytest
from transfers import Steps, finish, flow, incremental

from bench.network import Fluid

WORLDS = json.loads((Path(__file__).parent / "simgrid_worlds.json").read_text())["worlds"]


def ends(world, make):
    weighted = world["kind"] == "weighted"
    arrivals = [
        (begin, flow(nbytes, *links, latency=latency, share=1 / latency if weighted else 1.0, cap=cap or np.inf))
        for begin, nbytes, latency, cap, links in world["flows"]
    ]
    capacity = np.array(world["capacity"])
    return finish(make(capacity, Steps(capacity, *world["changes"]) if "changes" in world else None), arrivals)


@pytest.mark.parametrize("make", [Fluid, incremental])
@pytest.mark.parametrize("kind", ["equal", "weighted", "capped", "changing"])
def test_transfers_end_when_simgrid_says(kind, make):
    worlds = [world for world in WORLDS if world["kind"] == kind]
    assert len(worlds) >= 60
    for world in worlds:
        np.testing.assert_allclose(ends(world, make), world["ends"], rtol=1e-6, err_msg=f"world of seed {world['seed']}")
