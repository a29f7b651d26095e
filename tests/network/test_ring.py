"""The ring's recursion against a queue of events, and its short form for long rings against the recursion."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import one_way, pure, random_network, star, way

from bench.network import Paths, Transport
from bench.network.collectives import Ring, pipeline, plan_seconds
from bench.network.collectives.pipeline import ring_seconds


def by_events(busy, latency, steps):
    """Seconds until all chunks have arrived, by a queue of events: chunks that reach a hop, and hops that come free."""
    n = len(busy)
    waiting = [["first"] for _ in range(n)]  # chunks at each hop; the first one is its own
    sent, sending, latest = [0] * n, [False] * n, 0.0
    events = [(0.0, hop, "look") for hop in range(n)]
    while events:
        now, hop, what = heapq.heappop(events)
        if what == "free":
            sending[hop] = False
        elif what == "arrival":
            waiting[hop].append("chunk")
            latest = max(latest, now)
        if not sending[hop] and sent[hop] < steps and waiting[hop]:
            waiting[hop].pop(0)
            sent[hop], sending[hop] = sent[hop] + 1, True
            heapq.heappush(events, (now + busy[hop], hop, "free"))
            heapq.heappush(events, (now + busy[hop] + latency[hop], (hop + 1) % n, "arrival"))
    return latest


def random_hops(random, n):
    """Hops of one of several characters: alike, of classes, far apart, spread over orders of magnitude."""
    busy = [
        np.full(n, random.random()),
        random.choice([1.0, 1.01, 0.1], n),
        random.uniform(0, 1, n),
        np.exp(random.normal(0, 2, n)),
        np.zeros(n),
    ][random.integers(5)]
    latency = [np.zeros(n), np.full(n, random.random()), random.choice([0, 0, 0, 5.0], n), random.exponential(1, n)]
    return busy, latency[random.integers(4)]


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 64), st.integers(0, 10**6))
def test_the_recursion_is_what_a_queue_of_events_says(n, seed):
    busy, latency = random_hops(np.random.default_rng(seed), n)
    for steps in (n - 1, 2 * (n - 1)):
        assert ring_seconds(busy, latency, steps) == pytest.approx(by_events(busy, latency, steps), rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_the_price_of_a_ring_is_its_recursion_over_links_of_its_own(n, seed):
    random = np.random.default_rng(seed)
    network = random_network(random, n, tiers=False)
    network.region_link[:] = -1  # nothing is shared: each hop has an uplink and a downlink
    members, nbytes = random.permutation(n), random.uniform(1e4, 1e7)
    hops = list(zip(members, np.roll(members, -1), strict=True))
    # A connection may be slower than the links.
    rate = [
        min(network.capacity[way(network, a, b)].min(), network.single_connection[network.region[a], network.region[b]])
        for a, b in hops
    ]
    seconds = by_events(nbytes / n / np.array(rate), [one_way(network, a, b) for a, b in hops], 2 * (n - 1))
    plan = Ring().all_reduce(pure(network), members, nbytes)
    assert plan_seconds(plan, network.capacity) == pytest.approx(seconds)


def test_several_rings_end_with_the_last_of_them():
    busy, latency = np.array([[1.0, 2.0], [3.0, 0.5]]), np.array([[0.0, 1.0], [0.0, 4.0]])
    one_by_one = [ring_seconds(b, far, 2) for b, far in zip(busy, latency, strict=True)]
    assert ring_seconds(busy, latency, 2) == max(one_by_one)


@pytest.fixture
def short_form(monkeypatch):
    """`ring_seconds` as it is for long rings."""

    def seconds(busy, latency, steps):
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "EXACT_HOPS", 0)
            return ring_seconds(busy, latency, steps)

    return seconds


@pytest.mark.parametrize("n", [2, 3, 4, 17, 64])
@pytest.mark.parametrize("rounds", [1, 2])
def test_the_short_form_is_exact_for_equal_hops_for_latency_alone_and_for_one_slow_hop(short_form, n, rounds):
    random, steps = np.random.default_rng(n), rounds * (n - 1)
    alike, zeros, far = np.full(n, 0.7), np.zeros(n), random.exponential(1, n)
    # Equal hops: each step is busy and on its way once.
    assert short_form(alike, np.full(n, 0.2), steps) == pytest.approx(steps * 0.9)
    assert short_form(zeros, far, steps) == pytest.approx(by_events(zeros, far, steps))
    slow = np.full(n, 0.1)
    slow[n // 2] = 3.0
    assert short_form(slow, np.full(n, 0.05), steps) == pytest.approx(by_events(slow, np.full(n, 0.05), steps))


def test_the_short_form_is_never_above_the_recursion_and_hardly_below(short_form):
    random, off = np.random.default_rng(0), []
    for _ in range(300):
        n = int(random.integers(2, 65))
        busy, latency = random_hops(random, n)
        for steps in (n - 1, 2 * (n - 1)):
            exact = ring_seconds(busy, latency, steps)
            off.append(1 - short_form(busy, latency, steps) / exact if exact else 0.0)
    assert min(off) > -1e-12
    # It waits at one hop only. Where two of nearly the same speed lie apart it misses some of the way between them.
    assert max(off) < 0.15 and np.quantile(off, 0.95) < 0.02 and np.median(off) < 1e-12


def test_a_long_ring_is_within_a_thousandth_of_the_recursion(short_form):
    random = np.random.default_rng(1)
    for _ in range(8):
        busy, latency = random_hops(random, 1000)
        exact = ring_seconds(busy, latency, 1998)
        assert exact * (1 - 2e-3) <= short_form(busy, latency, 1998) <= exact * (1 + 1e-12)


def test_a_ring_of_capped_connections_waits_for_them():
    # A window of 10 kB over a round trip of 2 x 10 ms lets 0.5 MB/s through, half of the link: 1.5 x 1 MB / 0.5, 6 x 10 ms.
    network = star(4)
    (transfer,) = Ring().all_reduce(Paths(network, Transport(window=1e4)), np.arange(4), 1e6)
    assert plan_seconds((transfer,), network.capacity) == pytest.approx(0.06 + 3.0)
