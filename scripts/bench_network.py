"""How fast the network's physics is: many flows at once, a collective over a million hosts, and SimGrid on the same flows.

    python scripts/bench_network.py [--flows 100000] [--simgrid PYTHON] [--without-numba]

Flows go between random hosts of a star, ten flows a host, all from second 0, sizes and speeds of links random, until the last
has ended: each departure changes the rates of others. SimGrid is asked through an interpreter that has its Python bindings, if
there is one, in the same run, so that the machine's moods fall on both; its seconds leave out what building its platform takes.
The first run with numba compiles, which takes some seconds once. Without numba there are 10,000 flows unless --flows says more.
"""

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.network import Fluid, Paths, Topology, Transfer, Transport  # noqa: E402
from bench.network.collectives import NCCL, Butterfly, HalvingDoubling, Ring, Tree  # noqa: E402

Arrays = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int)
    parser.add_argument("--without-numba", action="store_true", help="as if it were not installed")
    parser.add_argument("--simgrid", default="python3", metavar="PYTHON", help="an interpreter that has SimGrid's bindings")
    arguments = parser.parse_args()
    if arguments.without_numba:
        sys.modules["numba"] = None  # type: ignore[assignment]  # importing it then fails
    compiled = not arguments.without_numba and importlib.util.find_spec("numba") is not None
    print(f"numba: {'in use' if compiled else 'not in use'}")
    flows = arguments.flows or (100_000 if compiled else 10_000)
    seconds, _ = to_completion(star(flows))
    row(f"{flows:,} flows on a star of {flows // 10:,} hosts, to completion", seconds)
    million_host_collectives()
    for flows in (1_000, 10_000):
        beside_simgrid(arguments.simgrid, star(flows), flows)


def million_host_collectives() -> None:
    """Print how long each collective takes to price for a million hosts of two speeds, and a ring to run in the Fluid."""
    hosts = 1_000_000
    topology = Topology(uplink={1e6: 0.5, 5e6: 0.5}, downlink=1e7, last_mile=0.01)
    paths, members = Paths(topology.network(hosts, seed=0), Transport()), np.arange(hosts)
    for collective in (Ring(), Butterfly(), NCCL(), HalvingDoubling(), Tree(chunk=2.0**19)):
        collective.all_reduce(paths, members, 1e9)  # the first time, memory is new
        begin = time.perf_counter()
        plan = collective.all_reduce(paths, members, 1e9)
        row(f"{type(collective).__name__} among {hosts:,} hosts, its plan", time.perf_counter() - begin)
        if isinstance(collective, Ring):
            begin = time.perf_counter()
            fluid = Fluid(paths.network.capacity)
            fluid.start(plan[0])
            while (at := fluid.next_event()) < np.inf:
                fluid.advance(at)
            row("  and its run on links of its own", time.perf_counter() - begin)


def star(flows: int) -> Arrays:
    """Ten flows a host, as arrays: links 0 … hosts-1 go up, the others down."""
    draw, hosts = np.random.default_rng(0), flows // 10
    source = draw.integers(0, hosts, flows)
    target = (source + draw.integers(1, hosts, flows)) % hosts
    capacity = np.round(draw.uniform(1e6, 1e7, 2 * hosts))  # bytes/s
    return {"capacity": capacity, "source": source, "target": hosts + target, "nbytes": draw.integers(10**6, 10**7, flows)}


def to_completion(world: Arrays) -> tuple[float, list[float]]:
    """Wall seconds until all flows of a world have ended, and the virtual second at which each does."""
    links, weights = np.stack([world["source"], world["target"]], axis=1), np.ones(2)
    fluid, flows = Fluid(world["capacity"]), len(links)
    ends = [np.nan] * flows
    begin = told = time.perf_counter()
    for nbytes, crossed in zip(world["nbytes"].tolist(), links, strict=True):
        fluid.start(Transfer(nbytes, crossed, weights, 0.0))
    ended = 0
    while (at := fluid.next_event()) < np.inf:
        for number in fluid.advance(at):
            ends[number - 1] = at
            ended += 1
        if time.perf_counter() > told + 2:
            told = time.perf_counter()
            print(f"  {ended:,} of {flows:,} flows have ended", end="\r", file=sys.stderr)
    return time.perf_counter() - begin, ends


def beside_simgrid(python: str, world: Arrays, flows: int) -> None:
    """Print how long both take for a world, and how far their answers are apart."""
    seconds, ends = to_completion(world)
    row(f"{flows:,} flows on a star of {flows // 10:,} hosts", seconds)
    routes = zip(world["nbytes"].tolist(), world["source"].tolist(), world["target"].tolist(), strict=True)
    asked = {"kind": "equal", "capacity": world["capacity"].tolist(), "flows": [[0, n, 0, None, [a, b]] for n, a, b in routes]}
    answer = ask(python, [asked])
    if answer is None:
        print(f"  no {python} with a module simgrid: nothing to compare with (--simgrid PYTHON)")
        return
    row(f"  SimGrid {answer['simgrid']} on the same", answer["wall_seconds"])
    apart = np.abs(np.array(ends) / answer["ends"][0] - 1).max()
    print(f"  SimGrid takes {answer['wall_seconds'] / seconds:.2f} times as long; ends are at most {apart:.0e} apart")


def ask(python: str, worlds: list[Arrays]) -> Any:
    """SimGrid's answer to worlds, None if the interpreter `python` has no SimGrid."""
    if shutil.which(python) is None or subprocess.run([python, "-c", "import simgrid"], capture_output=True).returncode:
        return None
    print("  SimGrid is at work", end="\r", file=sys.stderr)
    command = [python, str(ROOT / "scripts/simgrid_worlds.py"), "--answer"]
    made = subprocess.run(command, input=json.dumps(worlds), capture_output=True, text=True, check=False)
    if made.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{made.stderr}")
    return json.loads(made.stdout.splitlines()[-1])


def row(what: str, seconds: float) -> None:
    """Print one line of the table."""
    print(f"{what:<70} {seconds:9.3f} s")


if __name__ == "__main__":
    main()
