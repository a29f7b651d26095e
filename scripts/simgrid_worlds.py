"""Random worlds, and SimGrid's answers to them, which tests/network/test_simgrid.py compares Fluid with.

    python3 scripts/simgrid_worlds.py            write the worlds anew with the answers of the SimGrid that is installed
    python3 scripts/simgrid_worlds.py --check    compare the committed answers with fresh ones
    python3 scripts/simgrid_worlds.py --answer   read worlds from standard input, write answers and SimGrid's wall seconds

Needs an interpreter that has SimGrid's Python bindings (Debian: python3-simgrid), and nothing else.

SimGrid (https://simgrid.org) is told to be a pure max-min model: CM02 with its TCP factors off, and to look at all flows at
each event (its default, which looks at some, leaves rates as they were where a weighted flow's latency ends). It still
- shares a bottleneck in proportion to 1 / latency, where a flow's latency is the sum over its route, paid before its first
  byte. So a world is either `weighted`, where each flow has a link of its own with its latency, and its share is 1 / latency;
  or its links have none, and a flow's latency is slept before it starts.
- caps each flow to its slowest link as that is when the flow starts. In worlds whose links change, this is stated as its cap.
- has no cap for such flows that Python can set: a cap is one more link of its own.
All worlds are asked in one run: they have no link in common.
"""

import argparse
import json
import random
import sys
import time
from math import ceil, sqrt
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "tests/network/simgrid_worlds.json"
WORLDS = 280
KINDS = ("equal", "weighted", "capped", "changing")
PURE_MAX_MIN = (
    "network/model:CM02",
    "network/latency-factor:1",
    "network/bandwidth-factor:1",
    "network/crosstraffic:0",
    "network/TCP-gamma:0",
    "network/weight-S:0",
)
World = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--answer", action="store_true", help="for scripts/bench_network.py; SimGrid as fast as it goes")
    arguments = parser.parse_args()
    try:
        from simgrid import simgrid_version
    except ImportError:
        sys.exit(f"{sys.executable} has no module simgrid (Debian: apt install python3-simgrid)")
    if arguments.answer:
        ends, wall_seconds = simgrid_ends(json.load(sys.stdin), "network/optim:Lazy")
        print(json.dumps({"simgrid": simgrid_version, "ends": ends, "wall_seconds": wall_seconds}))
        return
    worlds = [world(seed) for seed in range(WORLDS)]
    ends, _ = simgrid_ends(worlds, "network/optim:Full")
    if arguments.check:
        sys.exit(check(worlds, ends, simgrid_version))
    answered = [w | {"ends": e} for w, e in zip(worlds, ends)]  # noqa: B905 (any Python that SimGrid is installed for)
    lines = ",\n".join(json.dumps(w, separators=(",", ":")) for w in answered)
    DATA.write_text(f'{{"simgrid":"{simgrid_version}","worlds":[\n{lines}\n]}}\n')
    print(f"{WORLDS} worlds with {sum(map(len, ends))} flows, answered by SimGrid {simgrid_version}: {DATA}")


def check(worlds: list[World], ends: list[list[float]], version: str) -> str | None:
    """What is wrong with the committed worlds or answers, None if nothing is."""
    committed = json.loads(DATA.read_text())
    worst = 0.0
    for number, (old, new, fresh) in enumerate(zip(committed["worlds"], worlds, ends)):  # noqa: B905
        if {key: value for key, value in old.items() if key != "ends"} != new:
            return f"world {number} is not the committed one"
        worst = max([worst, *(abs(a / b - 1) for a, b in zip(old["ends"], fresh))])  # noqa: B905
    if len(committed["worlds"]) != len(worlds) or worst > 1e-9:
        return f"{len(committed['worlds'])} worlds are committed, {len(worlds)} were asked; ends differ by up to {worst:.1e}"
    print(f"SimGrid {version} gives the committed answers of {committed['simgrid']}, to within {worst:.1e}")
    return None


def world(seed: int) -> World:
    """Hosts with links up (0 … n-1) and down (n … 2n-1), what else they share, and flows; numbers with few digits.

    A flow is [second at which it starts, bytes, latency in seconds, cap in bytes/s or null, [links]]; a change is
    [second, link, bytes/s].
    """
    draw = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    hosts = draw.randint(2, 12)
    capacity = [speed(draw, 1e6, 1e8) for _ in range(2 * hosts)]
    shape = draw.choice(("star", "backbone", "islands", "exits"))
    sites = 1 if shape == "star" else draw.randint(2, min(hosts, 4))
    site = [host * sites // hosts for host in range(hosts)]
    if shape == "backbone":  # one link for all that leaves a site, in both directions
        capacity.append(speed(draw, 1e6, 1e8))
    elif shape in ("islands", "exits"):  # each site has a way out and a way in; islands have a backbone besides
        capacity += [speed(draw, 1e6, 1e8) for _ in range(2 * sites + (shape == "islands"))]
    flows = []
    for _ in range(draw.randint(2, 24)):
        source, target = draw.sample(range(hosts), 2)
        links = [source, hosts + target]
        if site[source] != site[target]:
            if shape in ("islands", "exits"):
                links += [2 * hosts + site[source], 2 * hosts + sites + site[target]]
            if shape in ("islands", "backbone"):
                links.append(len(capacity) - 1)
        begin = draw.choice((0.0, round(draw.uniform(0, 3), 2)))
        latency = draw.choice((0.005, 0.01, 0.02, 0.03, 0.05, 0.1)) if kind == "weighted" else round(draw.uniform(0, 0.2), 3)
        cap = speed(draw, 3e5, 3e7) if draw.random() < {"capped": 0.6, "weighted": 0.2}.get(kind, 0) else None
        flows.append([begin, draw.randint(10_000, 30_000_000), latency, cap, links])
    made: World = {"seed": seed, "kind": kind, "capacity": capacity, "flows": flows}
    if kind == "changing":
        seconds = sorted(round(draw.uniform(0, 6), 2) for _ in range(draw.randint(1, 6)))
        crowded = [link for flow in flows for link in flow[4]]
        made["changes"] = [[at, draw.choice(crowded), speed(draw, 1e6, 1e8)] for at in seconds]
        for flow in flows:
            now = dict(enumerate(capacity)) | {k: c for at, k, c in made["changes"] if at <= flow[0] + flow[2]}
            flow[3] = min(now[link] for link in flow[4])
    return made


def speed(draw: random.Random, lowest: float, highest: float) -> float:
    """A speed in bytes/s, log-uniform, with three digits; one in four is a round number, so that equal ones are met."""
    if draw.random() < 0.25:
        return draw.choice((1e6, 1e7))
    return float(f"{lowest * (highest / lowest) ** draw.random():.2e}")


def simgrid_ends(worlds: list[World], optimisation: str) -> tuple[list[list[float]], float]:
    """The second at which each flow of each world ends, in one run of SimGrid, and the run's wall seconds."""
    from simgrid import Actor, Comm, Engine, LinkInRoute, NetZone, this_actor

    engine = Engine(["worlds", "--log=root.thres:critical", *(f"--cfg={setting}" for setting in (*PURE_MAX_MIN, optimisation))])
    zone = NetZone.create_full_zone("worlds")
    flows = [(w, *flow) for w, made in enumerate(worlds) for flow in made["flows"]]
    # A flow's route is that of its own pair of hosts; the hosts do nothing else.
    side = ceil(sqrt(len(flows)))
    sources = [zone.create_host(f"source {i}", 1e9) for i in range(side)]
    targets = [zone.create_host(f"target {i}", 1e9) for i in range(side)]
    links = [[zone.create_link(f"{w}:{k}", c) for k, c in enumerate(made["capacity"])] for w, made in enumerate(worlds)]
    todo = []
    for n, (w, begin, nbytes, latency, cap, route) in enumerate(flows):
        crossed = [links[w][k] for k in route]
        if worlds[w]["kind"] == "weighted":
            crossed.append(zone.create_link(f"latency {n}", 1e18).set_latency(latency))
        else:
            begin += latency
        if cap is not None:
            crossed.append(zone.create_link(f"cap {n}", cap))
        pair = sources[n // side], targets[n % side]
        zone.add_route(pair[0].netpoint, pair[1].netpoint, None, None, [LinkInRoute(link) for link in crossed], False)
        todo.append((begin, 1, n, pair, nbytes))
    for w, made in enumerate(worlds):
        todo += [(at, 0, links[w][k], capacity) for at, k, capacity in made.get("changes", [])]
    zone.seal()
    ends = [0.0] * len(flows)

    def drive() -> None:
        comms = []
        for begin, *what in sorted(todo, key=lambda item: item[:2]):
            this_actor.sleep_until(begin)
            if what[0] == 0:
                what[1].set_bandwidth(what[2])
                continue
            _, n, pair, nbytes = what
            comms.append((n, Comm.sendto_async(*pair, nbytes)))
        for n, comm in comms:
            comm.wait()
            ends[n] = comm.finish_time

    Actor.create("driver", sources[0], drive)
    start = time.perf_counter()
    engine.run()
    wall_seconds = time.perf_counter() - start
    remaining = iter(ends)
    return [[next(remaining) for _ in made["flows"]] for made in worlds], wall_seconds


if __name__ == "__main__":
    main()
