"""gloo's ring all-reduce, from the schedule of its source: segments, two in flight, and a ready-notice before each.

Of a payload there are max(ceil(bytes / 1 MiB), 2n) segments, rounded up to a multiple of n. A rank issues the receive and
the send of a segment when those of two segments before are over; data leaves when the receiver's notice has arrived.
"""

import math
from collections.abc import Iterator

import numpy as np

from bench.network.collectives.base import Plan, nothing
from bench.network.paths import Paths
from bench.network.transfer import Floats, Ints

_SEGMENT = float(2**20)
_FOLLOWED = 4096
"""So many segments of a phase are followed one by one (fewer by more than 16384 ranks); the last half's pace is the rest's."""


class GlooRing:
    """What torch runs for every all-reduce under gloo."""

    breaks_without = "anybody"

    def all_reduce(self, paths: Paths, members: Ints, nbytes: float) -> Plan:
        if len(members) < 2:
            return nothing()
        members = members[::-1]  # gloo sends to the rank before (seen on four hosts, one of whose ways was slow)
        n, following = len(members), np.roll(members, -1)
        rates = paths.rates(members, following)
        seconds = gloo_seconds(
            rates=rates,
            latency=paths.latency(members, following),
            back=paths.latency(following, members),
            nbytes=nbytes,
            # Two ranks have one connection, on which notices wait behind data; so they do where a host has one queue.
            one_queue=n == 2 or paths.transport.one_queue,
        )
        volume = 2 * (n - 1) / n * nbytes
        return (paths.activity(members, following, volume, nbytes, seconds - volume / float(rates.min()), ring=True),)


def gloo_seconds(*, rates: Floats, latency: Floats, back: Floats, nbytes: float, one_queue: bool) -> float:
    """Seconds of the schedule over hops of `rates`, `latency` and, for notices, `back`; each (n,)."""
    n = len(rates)
    segments = n * math.ceil(max(math.ceil(nbytes / _SEGMENT), 2 * n) / n)
    steps = segments - segments // n  # of the reduce-scatter, and again of the all-gather
    busy = nbytes / segments / rates
    begin = np.zeros(n)
    for _ in range(2):
        begin = _phase(busy, latency, back, steps, begin, one_queue)
    return float(begin.max())


def _phase(busy: Floats, latency: Floats, back: Floats, steps: int, begin: Floats, one_queue: bool) -> Floats:
    """When each rank has finished one phase that it enters at `begin`, (n,)."""
    followed = min(steps, max(_FOLLOWED // max(1, len(busy) // 2**14), 64))
    half = followed // 4 * 2  # an even number: segments go in pairs
    halfway = before = last = begin
    for number, done in enumerate(_segments(busy, latency, back, followed, begin, one_queue), 1):
        before, last = last, done
        halfway = done if number == followed - half else halfway
    end = np.maximum(last, before)
    return end + (last - halfway) / half * (steps - followed) if steps > followed else end


def _segments(busy: Floats, latency: Floats, back: Floats, steps: int, begin: Floats, one_queue: bool) -> Iterator[Floats]:
    """When each rank, (n,), is done with its send and its receive of each segment in turn."""
    issued = begin
    before = last = begin  # done with the segment two before, and with the last one
    free = begin  # when a rank's way out is free
    handed = np.full(len(begin), np.inf)  # when the last segment was given to the network
    for step in range(steps):
        if step >= 2:
            issued = np.maximum(issued, before)
        # A notice goes behind data that was given to the same queue; data that comes with a notice is served first.
        queued = one_queue & (handed <= issued * (1 + 1e-9))
        notice = np.roll(np.where(queued, np.maximum(issued, free), issued), -1) + back
        handed = np.maximum(issued, notice)
        free = np.maximum(handed, free) + busy
        before, last = last, np.maximum(free, np.roll(free + latency, 1))
        yield last
