"""Transfers that come and go on shared links: system, derivation, expectation."""

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transfers import Steps, finish, flow, networks, watch_fairness

from bench.network import Fluid, Ramp


def test_latency_comes_before_bytes():
    assert finish(Fluid(np.array([10.0])), [(0, flow(20, 0, latency=0.5))]) == [2.5]


def test_two_flows_share_until_one_arrives_and_one_leaves():
    # 0-1 s: the first alone moves 10 of 30. Then 5 a second each: the second's 10 take 2 s, until 3 s, and the first moves
    # another 10. Its last 10 go at 10 a second: 4 s.
    assert finish(Fluid(np.array([10.0])), [(0, flow(30, 0)), (1, flow(10, 0))]) == [4.0, 3.0]


def test_flows_on_different_links_do_not_meet():
    assert finish(Fluid(np.array([10.0, 5.0])), [(0, flow(10, 0)), (0, flow(10, 1))]) == [1.0, 2.0]


def test_a_weight_takes_that_many_times_the_bytes():
    # Rates 3 and 3, bytes on the link 3 and 9 a second. At 2 s the second's 6 are done; the first's other 6 go at 12: 2.5 s.
    fluid = Fluid(np.array([12.0]))
    assert finish(fluid, [(0, flow(12, 0)), (0, flow(6, 0, weights=3.0))]) == [2.5, 2.0]
    assert fluid.carried.tolist() == [12 + 18]


def test_a_share_gets_that_many_times_the_rate():
    # 3 and 6 a second: the second's 30 take 5 s, the first's other 15 then at 9.
    assert finish(Fluid(np.array([9.0])), [(0, flow(30, 0)), (0, flow(30, 0, share=2.0))]) == [5 + 15 / 9, 5.0]


def test_a_cap_frees_bandwidth_for_the_others():
    # 2 and 8 a second: 16 bytes take 2 s; the other 4 + 6 bytes go on at 2.
    assert finish(Fluid(np.array([10.0])), [(0, flow(10, 0, cap=2.0)), (0, flow(16, 0))]) == [5.0, 2.0]


def test_a_cap_holds_a_flow_that_is_alone():
    assert finish(Fluid(np.array([10.0])), [(0, flow(10, 0, cap=4.0))]) == [2.5]


def test_one_long_flow_crosses_three_short_ones():
    # Links of 6, 10 and 20. Link 0 is full at level 3, which holds the long flow; the others have 10 - 3 = 7 and 20 - 3 = 17.
    # Shorts of 9, 21 and 51 end at 3 s, and so does the long one of 9.
    flows = [flow(9, 0, 1, 2), flow(9, 0), flow(21, 1), flow(51, 2)]
    assert finish(Fluid(np.array([6.0, 10.0, 20.0])), [(0, f) for f in flows]) == [3.0] * 4


def test_ways_up_and_down_are_links_of_their_own():
    # Hosts 0, 1, 2 with uplinks 0-2 of 2, 4, 8 and downlinks 3-5 of 3, 16, 5. Both 0 and 1 send to 2: 5 = 2 + 3. Host 2 sends
    # to 0 at 3 meanwhile, and to 1 at 8 - 3 = 5.
    capacity = np.array([2.0, 4.0, 8.0, 3.0, 16.0, 5.0])
    assert finish(Fluid(capacity), [(0, f) for f in (flow(4, 0, 5), flow(6, 1, 5), flow(6, 2, 3), flow(10, 2, 4))]) == [2.0] * 4


def test_a_ramp_doubles_until_the_last_byte():
    # Rate 2^t: the bytes of the first 3 s are the integral, (2³ - 1) / ln 2.
    assert finish(Fluid(np.array([1e9])), [(0, flow(7 / log(2), 0, ramp=Ramp(1.0, 1.0)))]) == [pytest.approx(3, rel=1e-12)]


def test_a_ramp_starts_after_latency_and_ends_at_the_link_s_capacity():
    # From 0.5 s on 2^t, doubling every second; from 2.5 s on the mean, 4 / ln 2 = 5.8, is more than the link's 5.
    # 3 / ln 2 bytes until then, 10 more in 2 s.
    fluid, seconds = Fluid(np.array([5.0])), []
    arrivals = [(0, flow(3 / log(2) + 10, 0, latency=0.5, ramp=Ramp(1.0, 1.0)))]
    assert finish(fluid, arrivals, lambda fluid: seconds.append(fluid.now)) == [pytest.approx(4.5, rel=1e-12)]
    assert len(seconds) == len([0, 0.5, 1.5, 2.5, 4.5])  # no further doubling is an event


def test_a_ramp_ends_at_the_cap():
    # 1 / ln 2 = 1.44 in the first second, then the cap of 2.
    arrivals = [(0, flow(1 / log(2) + 6, 0, cap=2.0, ramp=Ramp(1.0, 1.0)))]
    assert finish(Fluid(np.array([5.0])), arrivals) == [pytest.approx(4, rel=1e-12)]


def test_what_a_ramp_does_not_use_yet_others_do():
    # The first moves 1 / ln 2, then 2 / ln 2 in a second, then shares equally at 5: both leave the link full all the time.
    # The second moves 20 - 3 / ln 2 in 2 s and 5 in the third.
    ramped, other = flow(3 / log(2) + 5, 0, ramp=Ramp(1.0, 1.0)), flow(20 - 3 / log(2) + 5, 0)
    assert finish(Fluid(np.array([10.0])), [(0, ramped), (0, other)]) == [pytest.approx(3, rel=1e-12)] * 2


def test_a_link_that_becomes_slower_holds_transfers_under_way():
    # 20 bytes in 2 s, the other 10 at 5 a second.
    assert finish(Fluid(np.array([10.0]), Steps([10], (2, 0, 5))), [(0, flow(30, 0))]) == [4.0]


def test_a_link_may_be_down_for_a_while():
    # Both move 5 until 1 s, nothing until 3 s, and the other 5 until 4 s.
    fluid = Fluid(np.array([10.0]), Steps([10], (1, 0, 0), (3, 0, 10)))
    assert finish(fluid, [(0, flow(10, 0)), (0, flow(10, 0))]) == [4.0, 4.0]


def test_links_change_also_while_nothing_flows():
    fluid = Fluid(np.array([10.0]), Steps([10], (1, 0, 5), (2, 0, 20)))
    assert finish(fluid, [(3, flow(10, 0))]) == [3.5]
    assert fluid.capacity.tolist() == [20.0]
    assert fluid.next_event() == np.inf


def test_a_link_that_becomes_faster_frees_others():
    # The first is held to 2 by link 1, the second has 8. From 1 s on link 1 is no limit: 5 each. The second's 24: 8 + 16 takes
    # until 4.2 s; by then the first has moved 2 + 16, and its other 10 take a second.
    fluid = Fluid(np.array([10.0, 2.0]), Steps([10, 2], (1, 1, 100)))
    assert finish(fluid, [(0, flow(28, 0, 1)), (0, flow(24, 0))]) == [pytest.approx(5.2), pytest.approx(4.2)]


def test_a_ramp_matters_again_when_its_link_becomes_faster():
    # Held to 1 from the start, where the ramp's mean is 1.44. At 2.5 s the link is fast and the ramp has doubled twice:
    # 4 / ln 2 for half a second, then 8 / ln 2 for a second.
    fluid = Fluid(np.array([1.0]), Steps([1], (2.5, 0, 1e9)))
    arrivals = [(0, flow(2.5 + 2 / log(2) + 8 / log(2), 0, ramp=Ramp(1.0, 1.0)))]
    assert finish(fluid, arrivals) == [pytest.approx(4, rel=1e-12)]


def test_a_flow_that_is_given_up_leaves_its_share_and_its_bytes_stay_counted():
    fluid = Fluid(np.array([10.0]))
    kept, dropped = fluid.start(flow(30, 0)), fluid.start(flow(100, 0))
    fluid.advance(0.0)
    fluid.advance(2.0)  # 10 bytes each
    fluid.cancel(dropped)
    assert fluid.carried.tolist() == [20.0]
    assert fluid.next_event() == 4.0  # 20 left, alone
    assert fluid.advance(4.0) == [kept]
    assert fluid.carried.tolist() == [40.0]


def test_a_flow_can_be_given_up_in_its_latency():
    fluid = Fluid(np.array([10.0]))
    fluid.cancel(fluid.start(flow(10, 0, latency=1.0)))
    assert fluid.next_event() == np.inf


def test_a_ramp_can_be_given_up():
    fluid = Fluid(np.array([10.0]))
    number = fluid.start(flow(10, 0, ramp=Ramp(1.0, 1.0)))
    fluid.advance(0.0)
    assert fluid.next_event() == 1.0
    fluid.cancel(number)
    assert fluid.next_event() == np.inf


def test_bytes_are_counted_while_they_move():
    fluid = Fluid(np.array([10.0, 10.0]))
    fluid.start(flow(30, 0, 1, weights=[1.0, 0.5]))
    fluid.advance(0.0)
    fluid.advance(2.0)
    assert fluid.carried.tolist() == [20.0, 10.0]


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


def test_a_transfer_that_meets_nobody_takes_no_solving():
    fluid = Fluid(np.ones(1000))
    arrivals = [(0, flow(1, *range(500)))] + [(0, flow(1, link)) for link in range(500, 1000)]
    assert finish(fluid, arrivals) == [1.0] * 501
    assert fluid._solver.work == 0


@settings(max_examples=150, deadline=None)
@given(networks())
def test_rates_are_fair_at_every_event_and_every_byte_crosses_each_of_its_links_once(network):
    capacity, changes, arrivals = network
    fluid = Fluid(capacity, changes)
    ends = finish(fluid, arrivals, watch_fairness(arrivals))
    assert all(end >= begin + transfer.latency for end, (begin, transfer) in zip(ends, arrivals, strict=True))
    expected = np.zeros(len(capacity))
    for _, transfer in arrivals:
        expected[transfer.links] += transfer.weights * transfer.nbytes
    np.testing.assert_allclose(fluid.carried, expected, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(networks(), st.randoms())
def test_the_order_of_links_and_transfers_does_not_matter(network, random):
    capacity, changes, arrivals = network
    place = np.array(random.sample(range(len(capacity)), len(capacity)))  # link k becomes link place[k]
    elsewhere = np.empty_like(capacity)
    elsewhere[place] = capacity
    order = random.sample(range(len(arrivals)), len(arrivals))
    shuffled = [(arrivals[i][0], flow_with(arrivals[i][1], place)) for i in order]
    moved = Steps(elsewhere, *((at, place[link], speed) for at, link, speed in changes.changes))
    ends = finish(Fluid(capacity, changes), arrivals)
    np.testing.assert_allclose(finish(Fluid(elsewhere, moved), shuffled), [ends[i] for i in order], rtol=1e-9)


def flow_with(transfer, place):
    """The same transfer on links that have other numbers."""
    return flow(
        transfer.nbytes,
        *place[transfer.links],
        latency=transfer.latency,
        weights=transfer.weights,
        share=transfer.share,
        cap=transfer.cap,
        ramp=transfer.ramp,
    )
