"""The parts of which algorithms are made: reduce-scatter, all-gather, broadcast, pairwise exchange, download of state."""

import numpy as np

from bench.network.collectives.base import Plan, nothing
from bench.network.collectives.pipeline import ring_pass
from bench.network.paths import Paths
from bench.network.transfer import Ints, Transfer


def reduce_scatter(paths: Paths, members: Ints, nbytes: float) -> Plan:
    """A ring: each of `members`, (n,), ends with the sum of its n-th of everybody's `nbytes`."""
    return (ring_pass(paths, members, nbytes, len(members) - 1),) if len(members) > 1 else nothing()


def all_gather(paths: Paths, members: Ints, nbytes: float) -> Plan:
    """A ring: everybody ends with all n parts, together `nbytes`."""
    return reduce_scatter(paths, members, nbytes)


def broadcast(paths: Paths, members: Ints, nbytes: float) -> Plan:
    """A binomial tree from the first of `members`, (n,): in each of ceil(log2 n) rounds those who have it send it on."""
    plan, have = [], 1
    while have < len(members):
        target = members[have : 2 * have]
        source = members[: len(target)]
        plan.append(paths.activity(source, target, nbytes, nbytes, float(paths.latency(source, target).max())))
        have *= 2
    return tuple(plan) or nothing()


def exchange(paths: Paths, source: Ints, target: Ints, nbytes: float) -> Plan:
    """Each source, (n,), sends `nbytes` to its target; all in step."""
    if not len(source):
        return nothing()
    return (paths.activity(source, target, nbytes, nbytes, float(paths.latency(source, target).max())),)


def beside(paths: Paths, worker: int, nbytes: float) -> Transfer:
    """`nbytes` between `worker` and another machine on its lines: out by its way out, in by its way in."""
    here, transport = np.array([worker]), paths.transport
    links = np.array([worker, paths.network.workers + worker])
    round_trip = float(paths.network.round_trip(here, here)[0])
    return Transfer(
        nbytes,
        links,
        np.full(2, 1 / transport.efficiency),
        float(paths.latency(here, here)[0]),
        share=float(transport.connections),
        cap=float(paths.cap(here, here)[0]),
        ramp=transport.ramp(round_trip, 1.0),
    )


def download(paths: Paths, worker: int, nbytes: float, peers: Ints | None = None) -> Transfer:
    """State of `nbytes` for `worker`, an equal part from each of `peers`, or from outside the world if there are none.

    From outside, only the worker's own way in is loaded, and a connection reaches what it does inside the worker's region.
    Latency is a request and its answer.
    """
    transport = paths.transport
    if peers is not None and len(peers):
        target = np.full(len(peers), worker)
        latency = 2 * float(paths.latency(peers, target).max())
        return paths.activity(peers, target, nbytes / len(peers), nbytes, latency)
    links = paths.network.way_in(worker)
    weights = np.full(len(links), 1 / transport.efficiency)
    one_way = paths.network.latency_in(worker)
    here = paths.network.region[worker]
    measured = float(paths.network.measured[here, here])
    cap = float(transport.rate(np.array([2 * one_way]), paths.network.single_connection[here, here])[0])
    cap = measured if np.isfinite(measured) else cap
    latency = 2 * (one_way + transport.message)
    ramp = transport.ramp(2 * one_way, 1.0)
    return Transfer(nbytes, links, weights, latency, share=float(transport.connections), cap=cap, ramp=ramp)
