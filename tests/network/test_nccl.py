"""NCCL's ring slice by slice, and what its tuner chooses."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import load, pure, star

from bench.network import Tier
from bench.network.collectives import NCCL, Ring, Tree, nccl, plan_seconds
from bench.network.collectives.nccl import nccl_ring_seconds

MIB = 2**20


def slice_by_slice(rates, latency, nbytes):
    """Seconds of one loop, by events: on each hop slices 0, 1, 0, 1, … in turn, each after its own from the hop before."""
    n = len(rates)
    piece = nbytes / n / 2 / np.asarray(rates)
    arrived = [2] * n  # slices that each hop may send: at first the two of its own chunk
    sent, sending, latest = [0] * n, [False] * n, 0.0
    events = [(0.0, hop, "look") for hop in range(n)]
    while events:
        now, hop, what = heapq.heappop(events)
        if what == "free":
            sending[hop] = False
        elif what == "arrival":
            arrived[hop], latest = arrived[hop] + 1, max(latest, now)
        if not sending[hop] and sent[hop] < min(arrived[hop], 4 * (n - 1)):
            sent[hop], sending[hop] = sent[hop] + 1, True
            heapq.heappush(events, (now + piece[hop], hop, "free"))
            heapq.heappush(events, (now + piece[hop] + latency[hop], (hop + 1) % n, "arrival"))
    return latest


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 16), st.integers(0, 10**6), st.booleans())
def test_a_loop_of_chunks_is_what_its_slices_say(n, seed, alike):
    random = np.random.default_rng(seed)
    rates, latency = 10 ** random.uniform(6, 9, n), 10 ** random.uniform(-5, 0, n)
    if alike:
        rates[:], latency[:] = rates[0], latency[0]
    nbytes = random.uniform(0.01, 1) * n * 4 * MIB  # at most one loop: two channels' chunks of 2 MiB
    assert nccl_ring_seconds(rates, latency, nbytes) == pytest.approx(slice_by_slice(rates, latency, nbytes), rel=1e-12)


def test_each_loop_begins_when_the_one_before_is_over():
    rates, latency = np.array([1e8, 2e8, 1.5e8]), np.array([0.01, 0.02, 0.0])
    loop = 3 * 4 * MIB
    whole, rest = slice_by_slice(rates, latency, loop), slice_by_slice(rates, latency, 1e6)
    assert nccl_ring_seconds(rates, latency, 5 * loop + 1e6) == pytest.approx(5 * whole + rest)
    assert nccl_ring_seconds(rates, latency, 2 * loop) == pytest.approx(2 * whole)


@pytest.mark.parametrize("far", [0.0, 1e-3, 1.0])
def test_a_long_ring_of_equal_hops_is_exact(monkeypatch, far):
    rates, latency = np.full(12, 1e8), np.full(12, far)
    exact = nccl_ring_seconds(rates, latency, 1e7)
    monkeypatch.setattr(nccl, "EXACT_HOPS", 0)
    assert nccl_ring_seconds(rates, latency, 1e7) == pytest.approx(exact)


def test_a_long_ring_of_unequal_hops_is_near(monkeypatch):
    random, off = np.random.default_rng(0), []
    for _ in range(200):
        n = int(random.integers(2, 40))
        rates, latency = 10 ** random.uniform(6, 9, n), 10 ** random.uniform(-5, 0, n)
        with monkeypatch.context() as patch:
            exact = nccl_ring_seconds(rates, latency, 1e7)
            patch.setattr(nccl, "EXACT_HOPS", 0)
            off.append(nccl_ring_seconds(rates, latency, 1e7) / exact - 1)
    assert np.abs(off).max() < 0.2 and np.quantile(np.abs(off), 0.9) < 0.03


def nodes(count, size=8):
    """GPUs on 300 GB/s in nodes of `size` with 50 GB/s between them."""
    tiers = [Tier(name="node", size=size, uplink=5e10, downlink=5e10)]
    return star(count * size, uplink=3e11, downlink=3e11, last_mile=1e-6, tiers=tiers)


def chosen(network, nbytes):
    """Which of the two it runs, told by the load on its links."""
    members, paths = np.arange(network.workers), pure(network)
    links = len(network.capacity)
    loads = {"ring": Ring().all_reduce(paths, members, nbytes), "tree": Tree(chunk=1e6).all_reduce(paths, members, nbytes)}
    ours = load(NCCL().all_reduce(paths, members, nbytes), links)
    (name,) = [name for name, plan in loads.items() if np.allclose(load(plan, links), ours)]
    return name


def test_few_nodes_and_much_to_send_make_a_ring_many_nodes_and_little_a_tree():
    assert chosen(nodes(1), 1e9) == "ring"
    assert chosen(nodes(1), 1e3) == "ring"  # inside one node trees are not considered
    assert chosen(nodes(2), 1e9) == "ring"
    # 512 GPUs: 20 GB over 50 GB/s are 0.4 s; a ring adds 7 ms of latency, a tree 1 / 0.92 as much again: 35 ms.
    assert chosen(nodes(64), 1e10) == "ring"
    assert chosen(nodes(64), 1e6) == "tree"
    assert chosen(nodes(64), 100) == "tree"


def test_the_tuner_turns_from_tree_to_ring_once_as_the_payload_grows():
    for count in (4, 16, 128):
        choices = [chosen(nodes(count), 10**power) for power in range(2, 11)]
        assert choices == sorted(choices, reverse=True)  # trees, then rings


def test_a_ring_in_loops_is_slower_than_a_ring_in_one_by_its_latency_only():
    # Four hosts of 1 MB/s, 64 MiB: four loops of 16 MiB, each of 6 steps. The last slice of a step of a chunk is on its way
    # while nothing else waits, so each step of two slices of 2 MiB (2.1 s each) hides its 10 ms behind the next slice.
    network = star(4)
    seconds = plan_seconds(NCCL().all_reduce(pure(network), np.arange(4), 64 * MIB), network.capacity)
    assert seconds == pytest.approx(1.5 * 64 * MIB / 1e6 + 4 * 0.01)
