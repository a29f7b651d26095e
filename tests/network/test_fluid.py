"""Transfers that come and go on shared links: system, derivation, expectation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.network import Fluid, Transfer


def flow(nbytes, *links, latency=0.0):
    return Transfer(nbytes, np.array(links, int), np.ones(len(links)), latency)


def finish(fluid, arrivals):
    """Start each (second, transfer) when its time comes; returns the second at which each ends."""
    ends, numbers, arrivals = {}, {}, sorted(enumerate(arrivals), key=lambda item: item[1][0])
    while arrivals or len(ends) < len(numbers):
        begin = arrivals[0][1][0] if arrivals else np.inf
        at = min(begin, fluid.next_event())
        ends |= dict.fromkeys(fluid.advance(at), at)
        while arrivals and arrivals[0][1][0] <= at:
            index, (_, transfer) = arrivals.pop(0)
            numbers[index] = fluid.start(transfer)
    return [ends[numbers[index]] for index in sorted(numbers)]


def test_latency_comes_before_bytes():
    assert finish(Fluid(np.array([10.0])), [(0, flow(20, 0, latency=0.5))]) == [2.5]


def test_two_flows_share_until_one_arrives_and_one_leaves():
    # 0-1 s: the first alone moves 10 of 30. Then 5 a second each: the second's 10 take 2 s, until 3 s, and the first moves
    # another 10. Its last 10 go at 10 a second: 4 s.
    assert finish(Fluid(np.array([10.0])), [(0, flow(30, 0)), (1, flow(10, 0))]) == [4.0, 3.0]


def test_flows_on_different_links_do_not_meet():
    assert finish(Fluid(np.array([10.0, 5.0])), [(0, flow(10, 0)), (0, flow(10, 1))]) == [1.0, 2.0]


def test_a_flow_that_is_given_up_leaves_its_share_and_its_bytes_stay_counted():
    fluid = Fluid(np.array([10.0]))
    kept, dropped = fluid.start(flow(30, 0)), fluid.start(flow(100, 0))
    fluid.advance(0.0)
    fluid.advance(2.0)  # 10 bytes each
    fluid.cancel(dropped)
    assert fluid.next_event() == 4.0  # 20 left, alone
    assert fluid.advance(4.0) == [kept]
    assert fluid.carried.tolist() == [40.0]


def test_a_flow_can_be_given_up_in_its_latency():
    fluid = Fluid(np.array([10.0]))
    fluid.cancel(fluid.start(flow(10, 0, latency=1.0)))
    assert fluid.next_event() == np.inf


def test_nothing_to_move_takes_only_latency():
    assert finish(Fluid(np.array([1.0])), [(0, flow(0, 0, latency=0.25)), (1, flow(0))]) == [0.25, 1.0]


def test_unlimited_links_take_no_time():
    fluid = Fluid(np.array([np.inf]))
    assert finish(fluid, [(0, flow(1e12, 0)), (3, flow(5, 0))]) == [0.0, 3.0]
    assert fluid.carried.tolist() == [1e12 + 5]


def test_a_change_of_rates_cannot_be_jumped_over():
    fluid = Fluid(np.array([1.0]))
    fluid.start(flow(1, 0))
    with pytest.raises(AssertionError, match="every change"):
        fluid.advance(5.0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 50), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=8))
def test_every_byte_crosses_each_of_its_links_once(flows):
    fluid = Fluid(np.array([3.0, 5.0, 7.0]))
    arrivals = [(begin, flow(nbytes, *sorted({a, b}))) for begin, nbytes, a, b in flows]
    ends = finish(fluid, arrivals)
    assert all(end >= begin for end, (begin, _) in zip(ends, arrivals, strict=True))
    expected = [sum(t.nbytes for _, t in arrivals if link in t.links) for link in range(3)]
    np.testing.assert_allclose(fluid.carried, expected, rtol=1e-9, atol=1e-9)
