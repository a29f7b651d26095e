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
    return paths.activity(members, following, steps * chunk, nbytes, latency)


def ring_seconds(busy: Floats, latency: Floats, steps: int) -> float:
    """Seconds until every hop of a ring, (n,), has passed on `steps` chunks, one after the other.

    Hop i is busy for busy[i] seconds with a chunk, which arrives latency[i] later; the chunk of step k leaves when it has
    arrived from hop i-1 (step k-1), and the hop is free. For more than EXACT_HOPS hops this is the longer of two paths
    through that recursion: waiting at the slowest hop and then following the ring, or following it all the way. It is exact
    for equal hops, for latency alone, and for one slow hop.
    """
    if steps < 1 or not len(busy):
        return 0.0
    if len(busy) > EXACT_HOPS:
        return max(_by_the_slowest(busy, latency, steps), _all_the_way(busy + latency, steps))
    free = np.zeros(len(busy))  # when each hop is free
    there = np.zeros(len(busy))  # when the chunk to send has arrived
    for _ in range(steps):
        free = np.maximum(free, there) + busy
        there = np.roll(free + latency, 1)
    return float(there.max())


def _by_the_slowest(busy: Floats, latency: Floats, steps: int) -> float:
    """The heaviest path that stays at the slowest hop for all steps that it does not spend on moving along the ring."""
    slowest = int(np.argmax(busy))
    gain = np.roll(busy + latency - busy[slowest], -slowest)  # of moving on from each hop instead of staying, the slowest first
    after = np.concatenate([[0.0], np.cumsum(gain[:steps])])  # from the slowest on
    before = np.concatenate([[0.0], np.cumsum(gain[:0:-1][: steps - 1])])  # up to the slowest
    # Together they may not move on more often than there are steps; on a ring shorter than that they never do.
    best = max(after.max() + before.max(), 0.0) if len(gain) <= steps // 2 + 1 else _within(after, before, steps)
    return float(steps * busy[slowest] + best)


def _within(after: Floats, before: Floats, steps: int) -> float:
    reach = np.maximum.accumulate(before)
    moves = np.arange(len(after))
    left = np.clip(steps - moves, 0, len(reach) - 1)
    return float((after + reach[left]).max())


def _all_the_way(hop: Floats, steps: int) -> float:
    """The largest sum of `steps` consecutive hops of a ring."""
    rounds, rest = divmod(steps, len(hop))
    around = np.concatenate([[0.0], np.cumsum(np.concatenate([hop, hop[:rest]]))])
    return float(rounds * hop.sum() + np.max(around[rest : rest + len(hop)] - around[: len(hop)]))
