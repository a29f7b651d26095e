"""Transfers on links that are numbered, started at given seconds, for tests of the network."""

import numpy as np
import pytest
from hypothesis import strategies as st

from bench.network import Fluid, Ramp, Transfer
from bench.network.incremental import Incremental


def flow(nbytes, *links, latency=0.0, weights=1.0, share=1.0, cap=np.inf, ramp=None):
    """A transfer over `links`, with one weight for all of them or one for each."""
    return Transfer(nbytes, np.array(links, int), np.broadcast_to(float(1), len(links)) * weights, latency, share, cap, ramp)


def incremental(capacity, changes=None):
    """A Fluid with the solver for many transfers from its first one on; interpreted where numba is missing."""
    fluid = Fluid(capacity, changes)
    fluid._solver = Incremental(fluid._solver.flows, 0.0)
    return fluid


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


@st.composite
def networks(draw):
    """Random capacities, their changes, and arrivals [(second, transfer)] with all that a transfer may have."""
    links = draw(st.integers(1, 5))
    speeds = st.floats(0.5, 20) | st.sampled_from([1.0, 4.0])
    capacity = draw(st.lists(speeds, min_size=links, max_size=links))
    changes = draw(st.lists(st.tuples(st.floats(0.01, 20), st.integers(0, links - 1), speeds), max_size=4))
    shares, caps = st.sampled_from([1.0, 1.0, 2.0, 0.3]), st.sampled_from([np.inf, np.inf, 1.0, 3.0])
    ramps = st.none() | st.builds(Ramp, st.floats(0.1, 2), st.floats(0.3, 3))
    arrivals = []
    for _ in range(draw(st.integers(1, 9))):
        crossed = sorted(draw(st.sets(st.integers(0, links - 1), min_size=1)))
        weights = draw(st.lists(st.sampled_from([1.0, 1.0, 2.5]), min_size=len(crossed), max_size=len(crossed)))
        transfer = flow(
            draw(st.floats(0.1, 50)),
            *crossed,
            latency=draw(st.sampled_from([0.0, 0.0, 0.5, 2.0])),
            weights=weights,
            share=draw(shares),
            cap=draw(caps),
            ramp=draw(ramps),
        )
        arrivals.append((draw(st.sampled_from([0.0, 1.0]) | st.floats(0, 10)), transfer))
    return np.array(capacity), Steps(capacity, *sorted(changes)), arrivals


def watch_fairness(arrivals):
    """A function for `finish` that asserts, for the rates of each moment, that they are max-min fair.

    No link is above capacity; each transfer is at its cap or ramp, or crosses a full link on which nobody's rate / share is
    higher.
    """
    transfers = dict(enumerate((t for _, t in sorted(arrivals, key=lambda arrival: arrival[0])), start=1))

    def watch(fluid):
        rates, flows = fluid.rates(), fluid._solver.flows
        used, highest = np.zeros(len(fluid.capacity)), np.zeros(len(fluid.capacity))
        for number, rate in rates.items():
            transfer = transfers[number]
            used[transfer.links] += rate * transfer.weights
            highest[transfer.links] = np.maximum(highest[transfer.links], rate / transfer.share)
        assert np.all(used <= fluid.capacity * (1 + 1e-9))
        full = used >= fluid.capacity * (1 - 1e-8)
        for number, rate in rates.items():
            transfer = transfers[number]
            limit = flows.flow["limit"][flows.row[number]]
            assert limit <= transfer.cap
            held = full[transfer.links] & (rate / transfer.share >= highest[transfer.links] * (1 - 1e-8))
            assert rate == pytest.approx(limit, rel=1e-9) or held.any()

    return watch
