"""Transfers on links that are numbered, started at given seconds, for tests of the network."""

import numpy as np

from bench.network import Transfer


def flow(nbytes, *links, latency=0.0, weights=1.0, share=1.0, cap=np.inf, ramp=None):
    """A transfer over `links`, with one weight for all of them or one for each."""
    return Transfer(nbytes, np.array(links, int), np.broadcast_to(float(1), len(links)) * weights, latency, share, cap, ramp)


def finish(fluid, arrivals, watch=lambda fluid: None):
    """Start each (second, transfer) when its time comes; returns the second at which each ends.

    Calls `watch` after each event, when rates are up to date.
    """
    ends, numbers, arrivals = {}, {}, sorted(enumerate(arrivals), key=lambda item: item[1][0])
    while arrivals or len(ends) < len(numbers):
        begin = arrivals[0][1][0] if arrivals else np.inf
        at = min(begin, fluid.next_event())
        ends |= dict.fromkeys(fluid.advance(at), at)
        while arrivals and arrivals[0][1][0] <= at:
            index, (_, transfer) = arrivals.pop(0)
            numbers[index] = fluid.start(transfer)
        fluid.next_event()
        watch(fluid)
    return [ends[numbers[index]] for index in sorted(numbers)]


class Steps:
    """Capacities that change as [second, link, bytes/s] say."""

    def __init__(self, capacity, *changes):
        self.first, self.changes = np.array(capacity, float), changes

    def next_change(self, now):
        return min((at for at, _, _ in self.changes if at > now), default=np.inf)

    def capacity(self, at):
        capacity = self.first.copy()
        for second, link, speed in self.changes:
            if second <= at:
                capacity[link] = speed
        return capacity
