"""What an all-reduce costs, against formulas and against the ring's own recursion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.network import Fluid, Topology, download, ring_all_reduce


def seconds(network, transfer):
    """How long a transfer takes alone."""
    fluid = Fluid(network.capacity)
    number = fluid.start(transfer)
    while number not in fluid.advance(fluid.next_event()):
        pass
    return fluid.now


def star(workers, **changes):
    return Topology(**({"uplink": 1e6, "downlink": 1e6, "last_mile": 0.005} | changes)).network(workers, seed=0)


def test_a_uniform_ring_costs_alpha_beta():
    # 2 (n-1) hops of 5 + 5 ms, and 2 (n-1)/n of 8 MB over each link of 1 MB/s: 6 * 0.01 + 1.5 * 8 s.
    network = star(4)
    assert seconds(network, ring_all_reduce(network, np.arange(4), 8e6)) == pytest.approx(0.06 + 12.0)


def test_the_slowest_uplink_gates_the_ring():
    network = star(4)
    network.capacity[2] = 2.5e5
    assert seconds(network, ring_all_reduce(network, np.arange(4), 8e6)) == pytest.approx(0.06 + 1.5 * 8 / 0.25)


def test_a_slow_worker_that_takes_no_part_gates_nothing():
    network = star(4)
    network.capacity[2] = 2.5e5
    # Three members: 4 hops of 10 ms, 4/3 of 8 MB.
    assert seconds(network, ring_all_reduce(network, np.array([0, 1, 3]), 8e6)) == pytest.approx(0.04 + 32 / 3)


def test_one_worker_alone_has_nothing_to_send():
    assert seconds(star(2), ring_all_reduce(star(2), np.array([1]), 8e6)) == 0


def test_two_islands_cross_their_exits_once_each_way():
    # Ring 0-1-2-3-0 in islands {0, 1}, {2, 3}: 1 → 2 leaves the first, 3 → 0 the second. Exits of 0.1 MB/s gate: 1.5 * 1 / 0.1.
    network = star(4, islands=2, exit_uplink=1e5, exit_downlink=1e5, last_mile=0.0)
    assert seconds(network, ring_all_reduce(network, np.arange(4), 1e6)) == pytest.approx(15.0)


def test_a_ring_that_zigzags_between_islands_loads_their_exits_more():
    # Ring 0-2-1-3-0: every hop leaves its island, two flows on each exit.
    network = star(4, islands=2, exit_uplink=1e5, exit_downlink=1e5, last_mile=0.0)
    assert seconds(network, ring_all_reduce(network, np.array([0, 2, 1, 3]), 1e6)) == pytest.approx(30.0)


def test_far_hops_count_as_often_as_the_worst_stretch_meets_them():
    # 3 members, hops 0 → 1 of 1 s, others of 0: 4 consecutive hops of a ring of 3 meet it twice.
    matrix = [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    network = star(3, uplink=np.inf, downlink=np.inf, last_mile=0.0, regions=list("abc"), region_latency=matrix)
    assert seconds(network, ring_all_reduce(network, np.arange(3), 1e6)) == 2.0


def recursion(network, members, nbytes):
    """Seconds of a ring all-reduce by its own rule, hop by hop, on links of their own.

    A rank sends its next chunk when the one before has arrived from its neighbour and its own line is free.
    """
    n = len(members)
    following = np.roll(members, -1)
    hop = network.latency(members, following)
    rate = np.minimum(network.capacity[members], network.capacity[network.workers + following])
    arrived, free = np.zeros(n), np.zeros(n)  # at rank i: its latest chunk; its line
    for _ in range(2 * (n - 1)):
        free = np.maximum(arrived, free) + nbytes / n / rate
        arrived = np.roll(free + hop, 1)
    return arrived.max()


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_a_mixed_ring_is_no_faster_than_its_recursion_and_close_to_it(workers, seed):
    random = np.random.default_rng(seed)
    network = star(workers)
    network.capacity[:] = random.uniform(0.2e6, 1e6, 2 * workers)
    network.last_mile[:] = random.uniform(0, 0.05, workers)
    members = random.permutation(workers)
    nbytes = random.uniform(1e4, 1e7)
    exact = recursion(network, members, nbytes)
    ours = seconds(network, ring_all_reduce(network, members, nbytes))
    # Latency and bandwidth are added where the recursion can overlap them: never less, at most the two once each.
    assert exact * (1 - 1e-9) <= ours <= 2 * exact
    uniform = star(workers)
    same = seconds(uniform, ring_all_reduce(uniform, members, nbytes))
    assert same == pytest.approx(recursion(uniform, members, nbytes))


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6))
def test_latency_alone_is_exactly_that_of_the_recursion(workers, seed):
    random = np.random.default_rng(seed)
    network = star(workers, uplink=np.inf, downlink=np.inf)
    network.last_mile[:] = random.uniform(0, 0.05, workers)
    members = random.permutation(workers)
    assert seconds(network, ring_all_reduce(network, members, 1e6)) == pytest.approx(recursion(network, members, 1e6))


def test_a_download_loads_only_the_way_in():
    network = star(4, islands=2, exit_uplink=1e5, exit_downlink=2e5)
    # A request and its answer over 5 ms each, then 1 MB through the island's entry of 0.2 MB/s.
    assert seconds(network, download(network, 3, 1e6)) == pytest.approx(0.01 + 5.0)
    assert sorted(download(network, 3, 1e6).links) == [7, 11]
