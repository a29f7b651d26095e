"""A ring of hops, each of which can only pass on what the one before has delivered."""

import numpy as np

from bench.network.paths import Paths
from bench.network.transfer import Floats, Ints, Transfer

EXACT_HOPS = 1024
"""Rings of up to so many hops are followed step by step; longer ones by their two heaviest kinds of path."""


def ring_pass(paths: Paths, members: Ints, nbytes: float, steps: int) -> Transfer:
    """The activity of `steps` chunks of nbytes / n over each hop of a ring through `members`, (n,)."""
    following = np.roll(members, -1)
    chunk = nbytes / len(members)
    busy = chunk / paths.rates(members, following)  # (n,)
    latency = ring_seconds(busy, paths.latency(members, following), steps) - steps * float(busy.max())
    return paths.activity(members, following, steps * chunk, nbytes, latency, ring=True)


def ring_seconds(busy: Floats, latency: Floats, steps: int) -> float:
    """Seconds until every hop of a ring, (n,), or of the last of several, (rings, n), has passed on `steps` chunks in turn."""
    return float(each_ring(*np.atleast_2d(busy, latency), steps).max(initial=0.0))


def each_ring(busy: Floats, latency: Floats, steps: int) -> Floats:
    """Seconds until every hop of each ring, (rings, n), has passed on `steps` chunks in turn, (rings,).

    Hop i is busy for busy[i] seconds with a chunk, which arrives latency[i] later; the chunk of step k leaves when it has
    arrived from hop i-1 (step k-1), and the hop is free. For more than EXACT_HOPS hops this is the longer of two paths
    through that recursion: waiting at the slowest hop and otherwise following the ring, or following it all the way. It is
    exact for equal hops, for latency alone, and for one slow hop; elsewhere a little less.
    """
    if steps < 1 or not busy.size:
        return np.zeros(len(busy))
    if busy.shape[1] > EXACT_HOPS:
        rings = zip(busy, latency, strict=True)
        return np.array([max(_by_the_slowest(hops, far, steps), _all_the_way(hops + far, steps)) for hops, far in rings])
    free = np.zeros(busy.shape)  # when each hop is free
    there = np.zeros(busy.shape)  # when the chunk to send has arrived
    for _ in range(steps):
        free = np.maximum(free, there) + busy
        arrives = free + latency
        there = np.concatenate([arrives[:, -1:], arrives[:, :-1]], axis=1)
    return there.max(axis=1)


def _by_the_slowest(busy: Floats, latency: Floats, steps: int) -> float:
    """The heaviest path that stays at the slowest hop for all steps that it does not spend on moving along the ring."""
    slowest = int(np.argmax(busy))
    gain = np.roll(busy + latency - busy[slowest], -slowest)  # of moving on from each hop instead of staying, the slowest first
    after = np.concatenate([[0.0], np.cumsum(gain[:steps])])  # from the slowest on
    before = np.concatenate([[0.0], np.cumsum(gain[:0:-1][:steps])])  # up to the slowest
    # Together they may not move on more often than there are steps.
    reach = np.maximum.accumulate(before)
    left = np.clip(steps - np.arange(len(after)), 0, len(reach) - 1)
    return float(steps * busy[slowest] + (after + reach[left]).max())


def _all_the_way(hop: Floats, steps: int) -> float:
    """The largest sum of `steps` consecutive hops of a ring."""
    rounds, rest = divmod(steps, len(hop))
    around = np.concatenate([[0.0], np.cumsum(np.concatenate([hop, hop[:rest]]))])
    return float(rounds * hop.sum() + np.max(around[rest : rest + len(hop)] - around[: len(hop)]))
