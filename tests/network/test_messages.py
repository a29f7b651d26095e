"""Collectives played with real numbers, message by message: all end with the sum, and each link carries what the code says.

The players here know only how each algorithm is described; a payload is a vector of whole numbers, of which each stands for
some bytes.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import load, one_way, pure, random_network, way

from bench.network import download
from bench.network.collectives import (
    Butterfly,
    HalvingDoubling,
    Hierarchical,
    ParameterServer,
    Ring,
    Tree,
    all_gather,
    broadcast,
    exchange,
    plan_seconds,
    reduce_scatter,
)

NUMBERS = 840  # divisible by 1 … 8


class Hosts:
    """Ranks 0 … n-1 at `members`, each with a vector; counts the bytes of what they send on every link."""

    def __init__(self, network, members, nbytes, sizes=None):
        self.network, self.members = network, members
        self.sizes = np.full(NUMBERS, nbytes / NUMBERS) if sizes is None else sizes
        self.values = np.random.default_rng(0).integers(1, 10**6, (len(members), len(self.sizes)))
        self.total = self.values.sum(0)
        self.bytes = np.zeros(len(network.capacity))
        self.seconds = 0.0  # if each step begins when the one before is over

    def step(self, messages, add):
        """All (source rank, target rank, places) at once: what is sent is what was there before."""
        sent = [(target, places, self.values[source][places].copy()) for source, target, places in messages]
        before, farthest = self.bytes.copy(), 0.0
        for source, target, places in messages:
            if source != target and len(places):
                ends = self.members[source], self.members[target]
                self.bytes[way(self.network, *ends)] += self.sizes[places].sum()
                farthest = max(farthest, one_way(self.network, *ends))
        self.seconds += farthest + ((self.bytes - before) / self.network.capacity).max()
        for target, places, values in sent:
            self.values[target][places] = values + (self.values[target][places] if add else 0)


def scatter_around(hosts, ring, chunks):
    """Reduce-scatter: in n-1 steps rank i gets the sum of chunk i."""
    n = len(ring)
    for step in range(n - 1):
        hosts.step([(ring[i], ring[(i + 1) % n], chunks[(i - step - 1) % n]) for i in range(n)], add=True)


def gather_around(hosts, ring, chunks):
    n = len(ring)
    for step in range(n - 1):
        hosts.step([(ring[i], ring[(i + 1) % n], chunks[(i - step) % n]) for i in range(n)], add=False)


def play_ring(hosts):
    n = len(hosts.members)
    chunks = np.split(np.arange(NUMBERS), n)
    scatter_around(hosts, range(n), chunks)
    gather_around(hosts, range(n), chunks)


def play_halving_doubling(hosts):
    n, core = len(hosts.members), 1
    while 2 * core <= n:
        core *= 2
    everything = np.arange(NUMBERS)
    hosts.step([(rank, rank - core, everything) for rank in range(core, n)], add=True)
    has = {rank: everything for rank in range(core)}
    history, distance = [], 1
    while distance < core:
        halves = {rank: np.split(has[rank], 2) for rank in range(core)}
        side = {rank: rank // distance % 2 for rank in range(core)}
        hosts.step([(rank, rank ^ distance, halves[rank][1 - side[rank]]) for rank in range(core)], add=True)
        history.append((distance, dict(has)))
        has = {rank: halves[rank][side[rank]] for rank in range(core)}
        distance *= 2
    for distance, before in reversed(history):
        hosts.step([(rank, rank ^ distance, has[rank]) for rank in range(core)], add=False)
        has = before
    hosts.step([(rank - core, rank, everything) for rank in range(core, n)], add=False)


def in_order_tree(low, high, above):
    """Edges (child, parent) of a binary tree over low … high-1 below `above`: its root is the number with most factors of 2."""
    if low >= high:
        return []
    root = max(range(low, high), key=lambda number: number & -number)
    return [(root, above), *in_order_tree(low, root, root), *in_order_tree(root + 1, high, root)]


def play_tree(hosts):
    n = len(hosts.members)
    top_down = in_order_tree(1, n, 0)
    mirrored = {rank: n - 1 - rank if n % 2 == 0 else (rank - 1) % n for rank in range(n)}
    halves = np.split(np.arange(NUMBERS), 2)
    inside = [set(), set()]
    for tree, (half, name) in enumerate(zip(halves, (lambda rank: rank, mirrored.get), strict=True)):
        edges = [(name(child), name(parent)) for child, parent in top_down]
        inside[tree] = {parent for _, parent in edges}
        for child, parent in reversed(edges):
            hosts.step([(child, parent, half)], add=True)
        for child, parent in edges:
            hosts.step([(parent, child, half)], add=False)
    if n > 3:  # who works in one tree is a leaf of the other, but for a root
        assert len(inside[0] & inside[1]) <= 1


def play_shards(hosts, shards):
    """Rank i gets its shard of everybody, and gives everybody the sum."""
    n = len(shards)
    others = [(a, b) for a in range(n) for b in range(n) if a != b]
    hosts.step([(a, b, shards[b]) for a, b in others], add=True)
    hosts.step([(a, b, shards[a]) for a, b in others], add=False)


def play_server(hosts):
    play_shards(hosts, [np.arange(NUMBERS), *[np.arange(0)] * (len(hosts.members) - 1)])


def play_sharded_server(hosts):
    play_shards(hosts, np.split(np.arange(NUMBERS), len(hosts.members)))


def play_hierarchical(hosts):
    """Shards as many as the largest group has members; in a group they go to its members in blocks."""
    network = hosts.network
    if len(network.region_latency) > 1:
        group = network.region[hosts.members]
    else:
        group = network.tiers[-1].group[hosts.members] if network.tiers else np.zeros(len(hosts.members), int)
    groups = [np.flatnonzero(group == number) for number in np.unique(group)]
    if len(groups) == 1 or max(map(len, groups)) == 1:
        return play_ring(hosts)
    shards = np.split(np.arange(NUMBERS), max(map(len, groups)))
    owned = [[[s for s in range(len(shards)) if s * len(g) // len(shards) == i] for i in range(len(g))] for g in groups]
    chunks = [[np.concatenate([shards[s] for s in mine] or [np.arange(0)]) for mine in of] for of in owned]
    for ring, parts in zip(groups, chunks, strict=True):
        scatter_around(hosts, ring, parts)
    for shard, places in enumerate(shards):
        hubs = [g[next(i for i, mine in enumerate(of) if shard in mine)] for g, of in zip(groups, owned, strict=True)]
        pieces = np.array_split(places, len(hubs))
        scatter_around(hosts, hubs, pieces)
        gather_around(hosts, hubs, pieces)
    for ring, parts in zip(groups, chunks, strict=True):
        gather_around(hosts, ring, parts)
    return None


ALGORITHMS = {
    "ring": (Ring(), play_ring),
    "halving_doubling": (HalvingDoubling(), play_halving_doubling),
    "tree": (Tree(chunk=1e3), play_tree),
    "server": (ParameterServer(sharded=False), play_server),
    "sharded_server": (ParameterServer(sharded=True), play_sharded_server),
    "hierarchical": (Hierarchical(), play_hierarchical),
}


@pytest.mark.parametrize("name", ALGORITHMS)
@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_the_players_all_end_with_the_sum_and_load_each_link_as_the_code_says(name, n, seed):
    collective, play = ALGORITHMS[name]
    random = np.random.default_rng(seed)
    network = random_network(random, n + int(random.integers(4)))
    members = random.permutation(network.workers)[:n]
    hosts = Hosts(network, members, 8.4e6)
    play(hosts)
    assert (hosts.values == hosts.total).all()
    carried = load(collective.all_reduce(pure(network), members, 8.4e6), len(network.capacity))
    # Rings between groups play with whole numbers: a shard of at least 105 is not always divisible.
    np.testing.assert_allclose(carried, hosts.bytes, rtol=0.01 if name == "hierarchical" else 1e-9, atol=1e-3)


@pytest.mark.parametrize("name", ["halving_doubling", "server", "sharded_server"])
@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_what_goes_in_rounds_costs_each_rounds_farthest_message_and_fullest_link(name, n, seed):
    collective, play = ALGORITHMS[name]
    random = np.random.default_rng(seed)
    network = random_network(random, n)
    network = replace(network, single_connection=np.full_like(network.single_connection, np.inf))
    members = random.permutation(n)
    hosts = Hosts(network, members, 8.4e6)
    play(hosts)
    plan = collective.all_reduce(pure(network), members, 8.4e6)
    assert plan_seconds(plan, network.capacity) == pytest.approx(hosts.seconds)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_a_tree_costs_the_way_of_its_first_chunk_up_and_down_and_its_fullest_link(n, seed):
    random = np.random.default_rng(seed)
    network = random_network(random, n, tiers=False)
    network.region_link[:] = -1  # so that who shares a link with whom is seen from the tree: children share their parent's
    network = replace(network, single_connection=np.full_like(network.single_connection, np.inf))
    members = random.permutation(n)
    capacity, slowest = network.capacity, 0.0
    for name in (lambda rank: rank, lambda rank: n - 1 - rank if n % 2 == 0 else (rank - 1) % n):
        edges = [(members[name(child)], members[name(parent)]) for child, parent in in_order_tree(1, n, 0)]
        children = {parent: sum(above == parent for _, above in edges) for _, parent in edges}
        up, down = {edges[0][1]: 0.0}, {edges[0][1]: 0.0}  # between the root and each host
        for child, parent in edges:
            sharing = children[parent]
            rates = min(capacity[child], capacity[n + parent] / sharing), min(capacity[parent] / sharing, capacity[n + child])
            up[child] = up[parent] + one_way(network, child, parent) + 1e5 / rates[0]
            down[child] = down[parent] + one_way(network, parent, child) + 1e5 / rates[1]
        slowest = max(slowest, max(up.values()) + max(down.values()))
    hosts = Hosts(network, members, 8.4e6)
    play_tree(hosts)
    plan = Tree(chunk=1e5).all_reduce(pure(network), members, 8.4e6)
    flowing = (hosts.bytes / capacity).max()
    # The first of 42 chunks of each half is through by then.
    assert plan_seconds(plan, capacity) == pytest.approx(max(slowest - flowing / 42, 0.0) + flowing)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_a_butterfly_of_unequal_shards_ends_with_the_sum_and_the_links_first_in_need_are_done_at_once(n, seed):
    random = np.random.default_rng(seed)
    network = random_network(random, n)
    members = random.permutation(n)
    (transfer,) = Butterfly().all_reduce(pure(network), members, 1e6)
    # What a member sends over its uplink is 1 + (n-2) p of the payload; so its share can be told from its load.
    sent = load([transfer], len(network.capacity))[members] / 1e6
    if n == 2:
        np.testing.assert_allclose(sent, 1.0)
        shares = np.full(2, 0.5)
    else:
        shares = np.maximum((sent - 1) / (n - 2), 0)
    hosts = Hosts(network, members, 1e6, sizes=1e6 * shares)
    play_shards(hosts, list(np.arange(n)[:, None]))
    assert (hosts.values == hosts.total).all()
    np.testing.assert_allclose(load([transfer], len(network.capacity)), hosts.bytes, rtol=1e-9, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_the_parts_of_algorithms_move_what_their_names_say(n, seed):
    random = np.random.default_rng(seed)
    network = random_network(random, n + 1)
    paths, members = pure(network), random.permutation(n + 1)[:n]
    chunks = np.split(np.arange(NUMBERS), n)
    everything = np.arange(NUMBERS)

    hosts = Hosts(network, members, 1e6)
    scatter_around(hosts, range(n), chunks)
    for rank, chunk in enumerate(chunks):
        assert (hosts.values[rank][chunk] == hosts.total[chunk]).all()
    np.testing.assert_allclose(load(reduce_scatter(paths, members, 1e6), len(hosts.bytes)), hosts.bytes)

    hosts = Hosts(network, members, 1e6)
    own = np.concatenate([hosts.values[rank][chunk] for rank, chunk in enumerate(chunks)])
    gather_around(hosts, range(n), chunks)
    assert (hosts.values == own).all()
    np.testing.assert_allclose(load(all_gather(paths, members, 1e6), len(hosts.bytes)), hosts.bytes)

    hosts = Hosts(network, members, 1e6)
    first, have, rounds = hosts.values[0].copy(), 1, 0
    while have < n:  # rank i tells rank i + have, if there is one
        hosts.step([(rank, rank + have, everything) for rank in range(have) if rank + have < n], add=False)
        have, rounds = 2 * have, rounds + 1
    assert (hosts.values == first).all()
    plan = broadcast(paths, members, 1e6)
    assert len(plan) == rounds
    if np.isinf(network.single_connection).all():
        assert plan_seconds(plan, network.capacity) == pytest.approx(hosts.seconds)
    np.testing.assert_allclose(load(plan, len(hosts.bytes)), hosts.bytes)

    hosts = Hosts(network, members, 1e6)
    other = random.permutation(n)
    hosts.step([(a, b, everything) for a, b in enumerate(other)], add=False)
    np.testing.assert_allclose(load(exchange(paths, members, members[other], 1e6), len(hosts.bytes)), hosts.bytes)

    # A state from all others, an equal part from each.
    hosts = Hosts(network, members, 1e6)
    parts = np.array_split(everything, n - 1)
    hosts.step([(rank, 0, part) for rank, part in zip(range(1, n), parts, strict=True)], add=False)
    transfer = download(paths, int(members[0]), 1e6, members[1:])
    np.testing.assert_allclose(load([transfer], len(hosts.bytes)), hosts.bytes, rtol=0.01)
