"""The order of a ring: against every order there is."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import pure, random_network, random_transport, star

from bench.errors import ConfError
from bench.network import Paths, Tier
from bench.network.collectives import Ring, plan_seconds
from bench.network.collectives.order import MOST, optimised, ordered


def price(paths, members, nbytes, order="given"):
    return plan_seconds(Ring(order=order).all_reduce(paths, members, nbytes), paths.network.capacity)


def cheapest(paths, members, nbytes):
    """The price of the best of all rings, of which the first member may as well stay where it is."""
    return min(price(paths, np.array([members[0], *rest]), nbytes) for rest in permutations(members[1:]))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10**6))
def test_up_to_seven_members_get_the_best_order(n, seed):
    random = np.random.default_rng(seed)
    paths = Paths(random_network(random, n + 2), random_transport(random))
    members, nbytes = random.permutation(n + 2)[:n], 10 ** random.uniform(3, 8)
    order = optimised(paths, members, nbytes)
    assert sorted(order) == sorted(members)
    assert price(paths, order, nbytes) == cheapest(paths, members, nbytes)


def test_seven_members_get_the_best_order():
    random = np.random.default_rng(0)
    paths, members = pure(random_network(random, 9)), random.permutation(9)[:7]
    assert price(paths, members, 1e6, "optimised") == cheapest(paths, members, 1e6)


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 40), st.integers(0, 10**6))
def test_more_members_never_get_a_slower_order_than_the_given_one(n, seed):
    random = np.random.default_rng(seed)
    paths = Paths(random_network(random, n + 5), random_transport(random))
    members, nbytes = random.permutation(n + 5)[:n], 10 ** random.uniform(3, 8)
    order = optimised(paths, members, nbytes)
    assert sorted(order) == sorted(members)
    assert price(paths, order, nbytes) <= price(paths, members, nbytes)


def test_a_search_comes_close_to_the_best_of_eight_on_links_of_their_own():
    # A hop's cost is that of its links alone, so exits that are shared are seen only when whole rings are compared.
    random = np.random.default_rng(0)
    for _ in range(2):
        paths, members = pure(random_network(random, 8, tiers=False)), random.permutation(8)
        assert price(paths, members, 1e6, "optimised") <= 1.03 * cheapest(paths, members, 1e6)


@pytest.mark.parametrize("n", [6, 20])
def test_hosts_of_two_sites_that_alternate_are_grouped(n):
    # Sites are a second apart: a ring must cross twice, there and back, and the given order crosses at each hop.
    # 2(n-1) steps on a ring of n hops cross each of the two far hops twice, but for a hop each that it may spare.
    far = {"regions": ["a", "b"], "region_latency": [[0.0, 1.0], [1.0, 0.0]]}
    network = star(n, uplink=np.inf, downlink=np.inf, last_mile=0.0, **far)
    members = np.arange(n).reshape(2, -1).T.ravel()  # 0, n/2, 1, n/2 + 1, …
    order = ordered(pure(network), members, 1e6, "optimised")
    sites = network.region[order]
    assert (sites != np.roll(sites, -1)).sum() == 2
    assert price(pure(network), members, 1e6) == 2 * (n - 1)
    assert price(pure(network), members, 1e6, "optimised") == 4


def test_islands_that_alternate_are_grouped_for_their_exits():
    # Exits of 0.1 MB/s with 12 hosts in two islands: the ring crosses each once, not six times.
    network = star(12, last_mile=0.0, tiers=[Tier(name="island", size=6, uplink=1e5, downlink=1e5)])
    members = np.arange(12).reshape(2, 6).T.ravel()
    nbytes = 12e5
    assert price(pure(network), members, nbytes) == pytest.approx(6 * 22 * 1e5 / 1e5)
    assert price(pure(network), members, nbytes, "optimised") == pytest.approx(22 * 1e5 / 1e5)


def test_the_random_order_is_the_seeds_and_who_leaves_shuffles_nobody_else():
    network = star(50)
    everybody = np.arange(50)
    first, again, other = (ordered(pure(network, seed), everybody, 1e6, "random") for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    assert sorted(first) == everybody.tolist()
    stay = np.sort(np.random.default_rng(0).permutation(50)[:30])
    assert ordered(pure(network, 1), stay, 1e6, "random").tolist() == [host for host in first if host in set(stay)]
    # Nor does it matter in which order they are given.
    assert ordered(pure(network, 1), stay[::-1], 1e6, "random").tolist() == [host for host in first if host in set(stay)]


def test_the_given_order_is_left_alone():
    members = np.array([3, 0, 2])
    assert ordered(pure(star(4)), members, 1e6, "given") is members


def test_too_many_members_and_unknown_orders_are_refused():
    with pytest.raises(
        ConfError, match=f"^collective.order must not be .* more than {MOST} members, got {MOST + 1}"
    ):
        Ring(order="optimised").all_reduce(pure(star(MOST + 1)), np.arange(MOST + 1), 1e6)
    with pytest.raises(ValueError, match="^order must be given, random or optimised, got 'best'"):
        Ring(order="best")
