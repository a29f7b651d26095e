"""What collectives cost: closed forms on equal links, and what must hold on any."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import load, pure, random_network, random_transport, star, way

from bench.errors import ConfError
from bench.network import Paths, Tier, Transport, download
from bench.network.collectives import (
    NCCL,
    Auto,
    Butterfly,
    GlooRing,
    HalvingDoubling,
    Hierarchical,
    ParameterServer,
    Ring,
    Tree,
    all_gather,
    beside,
    broadcast,
    exchange,
    plan_seconds,
    reduce_scatter,
)

ALL = {
    "ring": Ring(),
    "random ring": Ring(order="random"),
    "optimised ring": Ring(order="optimised"),
    "halving_doubling": HalvingDoubling(),
    "tree": Tree(chunk=1e3),
    "butterfly": Butterfly(),
    "server": ParameterServer(sharded=False),
    "sharded_server": ParameterServer(sharded=True),
    "hierarchical": Hierarchical(),
    "gloo": GlooRing(),
    "nccl": NCCL(),
    "ideal": Auto(backend="ideal"),
}


def price(collective, network, members=None, nbytes=8e6, **effects):
    """Seconds of an all-reduce alone."""
    members = np.arange(network.workers) if members is None else np.asarray(members)
    return plan_seconds(collective.all_reduce(Paths(network, Transport(**effects)), members, nbytes), network.capacity)


# Equal links of 1 MB/s, any two hosts 10 ms apart, 8 MB: 8 s to send it once.
SIZES = [2, 3, 4, 7, 8]


@pytest.mark.parametrize("n", SIZES)
def test_a_uniform_ring_costs_alpha_beta(n):
    # 2 (n-1) hops of 10 ms, and 2 (n-1)/n of the payload over each link.
    assert price(Ring(), star(n)) == pytest.approx(2 * (n - 1) * 0.01 + 2 * (n - 1) / n * 8)


@pytest.mark.parametrize(("n", "rounds"), [(2, 1), (4, 2), (8, 3)])
def test_halving_and_doubling_takes_two_rounds_for_each_power_of_two(n, rounds):
    # As many bytes as a ring in 2 log2(n) hops.
    assert price(HalvingDoubling(), star(n)) == pytest.approx(2 * rounds * 0.01 + 2 * (n - 1) / n * 8)


@pytest.mark.parametrize(("n", "core", "rounds"), [(3, 2, 1), (7, 4, 2)])
def test_those_beyond_a_power_of_two_fold_in_and_out(n, core, rounds):
    # Two rounds more, each of the whole payload.
    assert price(HalvingDoubling(), star(n)) == pytest.approx((2 * rounds + 2) * 0.01 + (2 * (core - 1) / core + 2) * 8)


# Links on the longest way from a leaf to the root (0 ← 4 ← 2 ← 1 of seven and eight), and payloads on the busiest way out of
# a host. Inside a tree it sends half a payload up and half to each of two children, and as a leaf of the other tree half of
# one up: two. Of two hosts each is a root and a leaf: half and half. Of three, 0 ← 2 ← 1 and, turned by one, 2 ← 1 ← 0: host 1
# is a leaf, and has one child where it is inside: 1/2 + 1/2 + 1/2.
TREES = [(2, 1, 1.0), (3, 2, 1.5), (4, 2, 2.0), (7, 3, 2.0), (8, 3, 2.0)]


@pytest.mark.parametrize(("n", "depth", "payloads"), TREES)
def test_a_tree_costs_its_depth_twice_and_up_to_two_payloads(n, depth, payloads):
    # With chunks of next to nothing the way up and down is latency alone.
    assert price(Tree(chunk=1e-6), star(n)) == pytest.approx(2 * depth * 0.01 + payloads * 8)


def test_a_trees_first_chunk_is_stored_and_forwarded_on_each_link():
    # Of two, each the root of one tree: half of 8 MB as one chunk goes up for 4 s and comes down for 4, both trees at once.
    assert price(Tree(chunk=1e9), star(2)) == pytest.approx(2 * (0.01 + 4.0))
    # In chunks of 1 MB the links are always busy: each host sends 4 MB up and 4 MB down.
    assert price(Tree(chunk=1e6), star(2)) == pytest.approx(2 * 0.01 + 8)


@pytest.mark.parametrize("n", SIZES)
def test_a_butterfly_costs_two_messages_and_the_bytes_of_a_ring(n):
    # Shards of 1/n to everybody and back: (n-1)/n each way, twice.
    assert price(Butterfly(), star(n)) == pytest.approx(2 * 0.01 + 2 * (n - 1) / n * 8)


@pytest.mark.parametrize("n", SIZES)
def test_a_server_sends_and_gets_the_payload_n_minus_one_times(n):
    assert price(ParameterServer(sharded=False), star(n)) == pytest.approx(2 * 0.01 + 2 * (n - 1) * 8)
    assert price(ParameterServer(sharded=True), star(n)) == pytest.approx(2 * 0.01 + 2 * (n - 1) / n * 8)


@pytest.mark.parametrize("n", SIZES)
def test_half_an_all_reduce_costs_half_a_ring(n):
    network = star(n)
    for half in (reduce_scatter, all_gather):
        plan = half(pure(network), np.arange(n), 8e6)
        assert plan_seconds(plan, network.capacity) == pytest.approx((n - 1) * 0.01 + (n - 1) / n * 8)


@pytest.mark.parametrize(("n", "rounds"), [(2, 1), (3, 2), (4, 2), (7, 3), (8, 3), (9, 4)])
def test_a_broadcast_takes_a_round_for_each_doubling(n, rounds):
    network = star(n)
    assert plan_seconds(broadcast(pure(network), np.arange(n), 8e6), network.capacity) == pytest.approx(rounds * 8.01)


@pytest.mark.parametrize(("islands", "size"), [(2, 2), (2, 4), (3, 2), (4, 3)])
def test_a_hierarchy_crosses_its_exits_with_each_byte_once(islands, size):
    network = star(islands * size, tiers=[Tier(name="island", size=size, uplink=1e5, downlink=1e5, latency=0.1)])
    # Inside: a reduce-scatter and an all-gather. Between: a ring of the islands over exits of 0.1 MB/s, two of them of 0.1 s
    # each on a hop; all shards' rings share them, so together each exit carries 2 (g-1)/g of the payload.
    inside = (size - 1) * 0.01 + (size - 1) / size * 8
    between = 2 * (islands - 1) * 0.21 + 2 * (islands - 1) / islands * 80
    assert price(Hierarchical(), network) == pytest.approx(2 * inside + between)


def test_a_hierarchy_is_a_ring_where_there_are_no_islands_to_speak_of():
    for network in (
        star(6),
        star(6, tiers=[Tier(name="island", size=6, uplink=1e5, downlink=1e5)]),
        star(6, tiers=[Tier(name="island", size=1, uplink=1e5, downlink=1e5)]),
    ):
        assert price(Hierarchical(), network) == price(Ring(), network)


def test_a_hierarchy_goes_by_the_tier_that_it_is_told():
    tiers = [Tier(name="node", size=2, uplink=1e5, downlink=1e5), Tier(name="site", size=2, uplink=1e4, downlink=1e4)]
    network = star(8, tiers=tiers)
    assert (
        price(Hierarchical(tier="site"), network) == price(Hierarchical(), network) != price(Hierarchical(tier="node"), network)
    )
    with pytest.raises(ConfError, match="^collective.tier must be one of the network's .node, site., got 'rack'"):
        price(Hierarchical(tier="rack"), network)
    with pytest.raises(ConfError, match="^collective.tier must be one of the network's .it has none., got 'rack'"):
        price(Hierarchical(tier="rack"), star(4))


def test_an_island_of_one_member_among_larger_ones_carries_all_shards():
    # Islands of 2 and 1. In the first, each of two passes half on, twice; between, each of two rings of two hosts carries
    # half a payload each way; the lone host is on both: one payload out, one in.
    network = star(3, last_mile=0.0, tiers=[Tier(name="island", size=[2, 1], uplink=np.inf, downlink=np.inf)])
    plan = Hierarchical().all_reduce(pure(network), np.arange(3), 8e6)
    assert load(plan, len(network.capacity))[:6].tolist() == [12e6, 12e6, 8e6, 12e6, 12e6, 8e6]


def test_the_slowest_uplink_gates_the_ring():
    network = star(4)
    network.capacity[2] = 2.5e5
    # It always has a chunk to send, so it waits for nobody: 1.5 * 8 MB at 0.25 MB/s, and the last chunk's 10 ms.
    assert price(Ring(), network) == pytest.approx(1.5 * 8 / 0.25 + 0.01)


def test_a_slow_worker_that_takes_no_part_gates_nothing():
    network = star(4)
    network.capacity[2] = 2.5e5
    # Three members: 4 hops of 10 ms, 4/3 of 8 MB.
    assert price(Ring(), network, [0, 1, 3]) == pytest.approx(0.04 + 32 / 3)


@pytest.mark.parametrize("name", ALL)
def test_one_worker_alone_has_nothing_to_send(name):
    assert price(ALL[name], star(2), [1]) == 0


def test_parts_with_nobody_to_talk_to_cost_nothing():
    network, nobody = star(2), np.array([], int)
    for plan in (
        reduce_scatter(pure(network), np.array([1]), 8e6),
        all_gather(pure(network), np.array([1]), 8e6),
        broadcast(pure(network), np.array([1]), 8e6),
        exchange(pure(network), nobody, nobody, 8e6),
    ):
        assert plan_seconds(plan, network.capacity) == 0


def test_two_islands_cross_their_exits_once_each_way():
    # Ring 0-1-2-3-0 in islands {0, 1}, {2, 3}: 1 → 2 leaves the first, 3 → 0 the second. Exits of 0.1 MB/s gate: 1.5 * 1 / 0.1.
    network = star(4, tiers=[Tier(name="island", groups=2, uplink=1e5, downlink=1e5)], last_mile=0.0)
    assert price(Ring(), network, nbytes=1e6) == pytest.approx(15.0)


def test_a_ring_that_zigzags_between_islands_loads_their_exits_more():
    # Ring 0-2-1-3-0: every hop leaves its island, two flows on each exit.
    network = star(4, tiers=[Tier(name="island", groups=2, uplink=1e5, downlink=1e5)], last_mile=0.0)
    assert price(Ring(), network, [0, 2, 1, 3], nbytes=1e6) == pytest.approx(30.0)


def test_far_hops_count_as_often_as_the_worst_stretch_meets_them():
    # 3 members, hops 0 → 1 of 1 s, others of 0: 4 consecutive hops of a ring of 3 meet it twice.
    matrix = [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    network = star(3, uplink=np.inf, downlink=np.inf, last_mile=0.0, regions=list("abc"), region_latency=matrix)
    assert price(Ring(), network, nbytes=1e6) == 2.0


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


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_a_mixed_ring_costs_its_recursion(workers, seed):
    random = np.random.default_rng(seed)
    network = star(workers)
    network.capacity[:] = random.uniform(0.2e6, 1e6, 2 * workers)
    network.last_mile[:] = random.uniform(0, 0.05, workers)
    members = random.permutation(workers)
    nbytes = random.uniform(1e4, 1e7)
    assert price(Ring(), network, members, nbytes) == pytest.approx(recursion(network, members, nbytes))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6))
def test_latency_alone_is_exactly_that_of_the_recursion(workers, seed):
    random = np.random.default_rng(seed)
    network = star(workers, uplink=np.inf, downlink=np.inf)
    network.last_mile[:] = random.uniform(0, 0.05, workers)
    members = random.permutation(workers)
    assert price(Ring(), network, members, 1e6) == pytest.approx(recursion(network, members, 1e6))


def test_a_download_from_outside_loads_only_the_way_in():
    network = star(4, tiers=[Tier(name="island", groups=2, uplink=1e5, downlink=2e5)])
    # A request and its answer over 5 ms each, then 1 MB through the island's entry of 0.2 MB/s.
    transfer = download(pure(network), 3, 1e6)
    assert plan_seconds((transfer,), network.capacity) == pytest.approx(0.01 + 5.0)
    assert sorted(transfer.links) == [7, 11]


@pytest.mark.parametrize("peers", [1, 2, 3])
def test_a_download_from_peers_takes_an_equal_part_from_each(peers):
    # A request and its answer over 10 ms each; uplinks of 0.1 MB/s with 1 MB / peers each, one downlink of 1 MB/s with all.
    network = star(4)
    network.capacity[:4] = 1e5
    transfer = download(pure(network), 0, 1e6, np.arange(1, 1 + peers))
    assert plan_seconds((transfer,), network.capacity) == pytest.approx(0.02 + 10 / peers)
    assert load([transfer], 8).tolist() == pytest.approx([0, *[1e6 / peers] * peers, *[0] * (3 - peers), 1e6, 0, 0, 0])


def test_a_download_from_nobody_comes_from_outside():
    network = star(2)
    alone, outside = download(pure(network), 0, 1e6, np.array([], int)), download(pure(network), 0, 1e6)
    assert (alone.links.tolist(), alone.latency) == (outside.links.tolist(), outside.latency)


def test_a_message_to_a_machine_beside_takes_the_workers_own_lines_only():
    network = star(4, downlink=2e5, tiers=[Tier(name="island", groups=2, uplink=1.0, downlink=1.0)])
    # 1 ms for the message and 5 ms each way, then 1 MB in packets of 1500 with 1200 bytes of payload through 0.2 MB/s.
    transfer = beside(Paths(network, Transport(packet_bytes=1500.0, payload_bytes=1200.0, message=0.001)), 3, 1e6)
    assert plan_seconds((transfer,), network.capacity) == pytest.approx(0.011 + 1.25e6 / 2e5)
    assert load([transfer], 12).tolist() == pytest.approx([0, 0, 0, 1.25e6] * 2 + [0] * 4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_a_machine_beside_is_as_far_as_the_next_host_with_the_same_lines(seed):
    random = np.random.default_rng(seed)
    regions = {"regions": ["a", "b"], "region_latency": [[0.02, 0.1], [0.3, 0.05]]}
    rates = {"connection_rate": [[2e5, 3e4], [4e4, 1e5]], "pair_rate": [[np.inf, 2e4], [1e4, random.choice([np.inf, 3e5])]]}
    paths = Paths(star(4, **regions, **rates), random_transport(random))
    worker, next_host = random.choice([(0, 1), (3, 2)]).tolist()
    nbytes = 10 ** random.uniform(1, 8)
    [there] = exchange(paths, np.array([worker]), np.array([next_host]), nbytes)
    here = beside(paths, worker, nbytes)
    assert here.links.tolist() == [worker, 4 + worker]
    assert there.links.tolist() == [worker, 4 + next_host]
    capacity = paths.network.capacity
    assert plan_seconds((here,), capacity) == pytest.approx(plan_seconds((there,), capacity))
    assert here.weights == pytest.approx(there.weights)
    assert (here.latency, here.share, here.cap) == pytest.approx((there.latency, there.share, there.cap))
    assert here.ramp == there.ramp


# What must hold on any network.


def relabelled(network, new):
    """The same network where host h is called new[h]."""
    old, hosts = np.argsort(new), network.workers
    capacity = np.concatenate(
        [network.capacity[:hosts][old], network.capacity[hosts : 2 * hosts][old], network.capacity[2 * hosts :]]
    )
    return replace(
        network,
        capacity=capacity,
        last_mile=network.last_mile[old],
        tiers=tuple(replace(tier, group=tier.group[old]) for tier in network.tiers),
        region=network.region[old],
    )


@pytest.mark.parametrize("name", [name for name in ALL if name != "random ring"])
@settings(max_examples=15, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_a_price_does_not_depend_on_what_hosts_are_called(name, workers, seed):
    random = np.random.default_rng(seed)
    network, transport = random_network(random, workers), random_transport(random)
    members, nbytes, new = random.permutation(workers), 10 ** random.uniform(3, 8), random.permutation(workers)
    other = relabelled(network, new)
    plan = ALL[name].all_reduce(Paths(network, transport), members, nbytes)
    same = ALL[name].all_reduce(Paths(other, transport), new[members], nbytes)
    assert plan_seconds(plan, network.capacity) == pytest.approx(plan_seconds(same, other.capacity))


@pytest.mark.parametrize("name", ["butterfly", "sharded_server"])
@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_where_everybody_talks_to_everybody_order_does_not_matter(name, workers, seed):
    random = np.random.default_rng(seed)
    paths = Paths(random_network(random, workers), random_transport(random))
    plans = [ALL[name].all_reduce(paths, random.permutation(workers), 1e6) for _ in range(2)]
    one, other = (plan_seconds(plan, paths.network.capacity) for plan in plans)
    assert one == pytest.approx(other)


@pytest.mark.parametrize("name", ["ring", "halving_doubling", "butterfly", "server", "sharded_server", "hierarchical"])
@settings(max_examples=15, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_without_latency_time_grows_as_the_payload(name, workers, seed):
    random = np.random.default_rng(seed)
    network = random_network(random, workers)
    network.last_mile[:] = 0
    network.region_latency[:] = 0
    near = replace(network, tiers=tuple(replace(tier, latency=0.0) for tier in network.tiers))
    members = random.permutation(workers)
    once, twice = (price(ALL[name], near, members, nbytes) for nbytes in (1e6, 2e6))
    assert twice == pytest.approx(2 * once)


@pytest.mark.parametrize("name", ["ring", "halving_doubling", "tree", "butterfly", "server", "sharded_server", "hierarchical"])
@settings(max_examples=15, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_on_unlimited_links_time_is_latency_and_grows_as_it(name, workers, seed):
    random = np.random.default_rng(seed)
    network = random_network(random, workers)
    network.capacity[:] = np.inf
    network = replace(network, single_connection=np.full_like(network.single_connection, np.inf))
    far = replace(
        network,
        last_mile=3 * network.last_mile,
        region_latency=3 * network.region_latency,
        tiers=tuple(replace(tier, latency=3 * tier.latency) for tier in network.tiers),
    )
    members = random.permutation(workers)
    once, thrice = (price(ALL[name], net, members) for net in (network, far))
    assert thrice == pytest.approx(3 * once)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None)
@given(st.integers(2, 10), st.integers(0, 10**6))
def test_every_plan_is_sound_and_what_leaves_hosts_arrives(name, workers, seed):
    random = np.random.default_rng(seed)
    network, transport = random_network(random, workers), random_transport(random)
    members = random.permutation(workers)[: random.integers(2, workers + 1)]
    plan = ALL[name].all_reduce(Paths(network, transport, seed), members, 10 ** random.uniform(0, 9))
    for transfer in plan:
        numbers = [transfer.nbytes, transfer.latency, transfer.share, *transfer.weights]
        assert np.isfinite(numbers).all() and min(numbers) >= 0
        assert transfer.cap > 0 and transfer.share > 0
        assert transfer.weights.min(initial=1.0) > 0
        assert len(set(transfer.links.tolist())) == len(transfer.links)
        assert transfer.ramp is None or (0 < transfer.ramp.start < np.inf and 0 < transfer.ramp.doubling < np.inf)
        # Over uplinks and downlinks of hosts, and over exits of each tier and its entries, pass the same bytes.
        each = load([transfer], len(network.capacity))
        starts = [(0, workers), *((tier.first, tier.groups) for tier in network.tiers)]
        for first, count in starts:
            out, into = each[first : first + count].sum(), each[first + count : first + 2 * count].sum()
            assert out == pytest.approx(into, abs=1e-9 * transfer.nbytes)
        strangers = np.setdiff1d(np.arange(workers), members)
        assert not each[strangers].any() and not each[workers + strangers].any()
    assert math.isfinite(plan_seconds(plan, network.capacity))


def test_auto_chooses_as_the_backend_does():
    network, members = star(8, tiers=[Tier(name="node", size=4, uplink=1e6, downlink=1e6)]), np.arange(8)
    for nbytes in (1e3, 1e8):
        assert price(Auto(backend="nccl"), network, members, nbytes) == price(NCCL(), network, members, nbytes)
        assert price(Auto(backend="gloo"), network, members, nbytes) == price(GlooRing(), network, members, nbytes)
    with pytest.raises(ValueError, match="^backend must be nccl, gloo or ideal, got 'mpi'"):
        Auto(backend="mpi")


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 10), st.integers(0, 10**6))
def test_the_ideal_choice_is_the_fastest_of_the_plain_ones(workers, seed):
    random = np.random.default_rng(seed)
    paths = Paths(random_network(random, workers), random_transport(random))
    members, nbytes = random.permutation(workers), 10 ** random.uniform(2, 9)
    plain = [Ring(), HalvingDoubling(), Tree(chunk=2**19), Hierarchical(), Butterfly()]
    prices = [plan_seconds(one.all_reduce(paths, members, nbytes), paths.network.capacity) for one in plain]
    ours = Auto(backend="ideal").all_reduce(paths, members, nbytes)
    assert plan_seconds(ours, paths.network.capacity) == min(prices)


def test_a_trees_chunk_must_be_something():
    with pytest.raises(ValueError, match="^chunk must be above 0 B, got 0"):
        Tree(chunk=0.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_flows_share_each_link_equally_where_all_flow_at_once(workers, seed):
    random = np.random.default_rng(seed)
    network = random_network(random, workers)
    paths = pure(network)
    flows = [(a, b) for a in range(workers) for b in range(workers) if a != b and random.random() < 0.5] or [(0, 1)]
    source, target = np.array(flows).T
    users = np.zeros(len(network.capacity))
    for a, b in flows:
        users[way(network, a, b)] += 1
    grants = network.single_connection[network.region[source], network.region[target]]
    together = [min(network.capacity[way(network, a, b)] / users[way(network, a, b)]) for a, b in flows]
    alone = [min(network.capacity[way(network, a, b)]) for a, b in flows]
    np.testing.assert_allclose(paths.rates(source, target), np.minimum(together, grants))
    np.testing.assert_allclose(paths.alone(source, target), np.minimum(alone, grants))


@pytest.mark.parametrize("name", ["ring", "halving_doubling", "tree", "butterfly", "sharded_server", "hierarchical", "nccl"])
def test_half_a_million_hosts_are_priced_while_one_waits(name):
    # Tenths of a second, and never lists of pairs; the limit is far above, for machines that are busy.
    tiers = [Tier(name="node", size=8, uplink=1e6, downlink=1e6, latency=1e-3)]
    network = star(500_000, tiers=tiers)
    began = time.perf_counter()
    assert 0 < price(ALL[name], network) < math.inf
    assert time.perf_counter() - began < 5
