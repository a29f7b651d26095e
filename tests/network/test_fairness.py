"""Max-min rates: system, derivation, expectation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.network import max_min_rates


def rates(capacity, *activities, share=None, cap=None):
    """Each activity is {link: weight}."""
    entries = [(a, link, weight) for a, links in enumerate(activities) for link, weight in links.items()]
    activity, link, weight = np.array(entries, float).reshape(-1, 3).T
    share, cap = (None if given is None else np.array(given, float) for given in (share, cap))
    capacity = np.array(capacity, float)
    return max_min_rates(capacity, activity.astype(int), link.astype(int), weight, len(activities), share, cap)


def test_two_activities_share_a_link_equally():
    assert rates([10], {0: 1}, {0: 1}).tolist() == [5, 5]


def test_what_one_cannot_use_goes_to_the_other():
    # The first is held to 2 by its own link 1; the second gets the remaining 8 of link 0.
    assert rates([10, 2], {0: 1, 1: 1}, {0: 1}).tolist() == [2, 8]


def test_a_weight_takes_that_many_times_the_bytes():
    # x + 3 x = 12, since both rates rise together: 3 each.
    assert rates([12], {0: 1}, {0: 3}).tolist() == [3, 3]


def test_a_share_gets_that_many_times_the_rate():
    # x + 2 x = 12: 4 and 8.
    assert rates([12], {0: 1}, {0: 1}, share=[1, 2]).tolist() == [4, 8]


def test_shares_and_weights_multiply():
    # Level x: rates x and 2 x, bytes on the link x + 5 · 2 x = 11: x = 1.
    assert rates([11], {0: 1}, {0: 5}, share=[1, 2]).tolist() == [1, 2]


def test_a_cap_frees_bandwidth_for_the_others():
    # Level 10 / 3 is above the cap of 2 of the first: the others share 8.
    assert rates([10], {0: 1}, {0: 1}, {0: 1}, cap=[2, np.inf, np.inf]).tolist() == [2, 4, 4]


def test_a_cap_is_on_the_rate_not_on_the_share():
    # Shares 1 and 3 of 12 would be 3 and 9; the cap of 6 leaves 6 to the first.
    assert rates([12], {0: 1}, {0: 1}, share=[1, 3], cap=[np.inf, 6]).tolist() == [6, 6]


def test_the_parking_lot():
    # A long activity over links of 6 and 9, with one local activity on each. Link 0: 3 each. Link 1: 9 - 3 = 6 for its local.
    assert rates([6, 9], {0: 1, 1: 1}, {0: 1}, {1: 1}).tolist() == [3, 3, 6]


def test_one_long_activity_crosses_many_short_ones():
    # The classic linear network: n links of capacity 1, one activity over all of them and one on each: all get 1/2.
    n = 50
    assert rates([1] * n, dict.fromkeys(range(n), 1), *({k: 1} for k in range(n))).tolist() == [0.5] * (n + 1)


def test_each_link_may_wait_for_the_one_before():
    # Activity k is on links k and k + 1 of 1, 2, 4, 8, …, so link 0 is full at level 1, link 1 at 2 - 1 = 1, link 2 at 4 - 1
    # = 3, link 3 at 8 - 3 = 5, each known when the one before is: (2^(k+1) + (-1)^k) / 3.
    links = 40
    expected = [(2 ** (k + 1) + (-1) ** k) / 3 for k in range(links - 1)]
    chain = rates([2.0**k for k in range(links)], *({k: 1, k + 1: 1} for k in range(links - 1)))
    np.testing.assert_allclose(chain, expected, rtol=1e-12)


def test_unlimited_links_give_unlimited_rates():
    assert rates([np.inf, 4], {0: 1}, {1: 2}, {}).tolist() == [np.inf, 2, np.inf]


def test_a_dead_link_stops_who_crosses_it_and_nobody_else():
    assert rates([0, 6], {0: 1, 1: 1}, {1: 1}).tolist() == [0, 6]


def test_a_tiny_load_on_a_nearly_full_link_is_not_lost_in_rounding():
    # The first is held to 1 by link 1 and all but fills link 0; the second has the rest, 1e-6, at a weight of 1e-9: 1000.
    slow, fast = rates([1 + 1e-6, 1], {0: 1, 1: 1}, {0: 1e-9})
    assert slow == 1
    np.testing.assert_allclose(fast, 1000, rtol=1e-9)


def test_hundred_thousand_activities_on_a_million_links_are_fair():
    draw = np.random.default_rng(0)
    activity, link = np.repeat(np.arange(100_000), 2), draw.integers(0, 500_000, 200_000)
    link[1::2] = 500_000 + link[1::2] // 50  # crowded
    capacity, weight = draw.uniform(1, 10, 1_000_000), draw.uniform(0.5, 2, 200_000)
    share, cap = draw.uniform(0.5, 2, 100_000), draw.uniform(0.1, 10, 100_000)
    check_certificate(capacity, activity, link, weight, share, cap)


@st.composite
def worlds(draw):
    links, activities = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    capacity = draw(st.lists(st.floats(0.1, 1e3) | st.sampled_from([0.0, 5.0, np.inf]), min_size=links, max_size=links))
    loads = st.lists(st.sampled_from([0, 0, 1, 1, 2.5]), min_size=links, max_size=links)
    load = np.array(draw(st.lists(loads, min_size=activities, max_size=activities)), float)  # (A, L)
    share = draw(st.lists(st.sampled_from([1.0, 1.0, 2.0, 0.3]), min_size=activities, max_size=activities))
    cap = draw(st.lists(st.sampled_from([np.inf, np.inf, 1.0, 0.0, 30.0]), min_size=activities, max_size=activities))
    return np.array(capacity), load, np.array(share), np.array(cap)


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_no_link_is_over_full_and_nobody_could_go_faster(world):
    capacity, load, share, cap = world
    activity, link = load.nonzero()
    check_certificate(capacity, activity, link, load[activity, link], share, cap)


@settings(max_examples=100, deadline=None)
@given(worlds(), st.randoms())
def test_the_order_of_links_and_activities_does_not_matter(world, random):
    capacity, load, share, cap = world
    rows, columns = (np.array(random.sample(range(n), n)) for n in load.shape)
    results = []
    for c, w, s, most in ((capacity, load, share, cap), (capacity[columns], load[rows][:, columns], share[rows], cap[rows])):
        activity, link = w.nonzero()
        results.append(max_min_rates(c, activity, link, w[activity, link], len(w), s, most))
    np.testing.assert_allclose(results[1], results[0][rows], rtol=1e-12)


def check_certificate(capacity, activity, link, weight, share, cap):
    """Each activity is at its cap or crosses a full link on which no rate / share is higher; the rest follows."""
    x = max_min_rates(capacity, activity, link, weight, len(share), share, cap)
    level = x / share
    finite = np.isfinite(capacity[link])
    activity, link, weight = activity[finite], link[finite], weight[finite]
    used = np.bincount(link, weight * x[activity], minlength=len(capacity))
    assert np.all(used <= capacity * (1 + 1e-9))
    highest = np.zeros(len(capacity))
    np.maximum.at(highest, link, level[activity])
    held = (x >= cap * (1 - 1e-9)) | ~np.isin(np.arange(len(share)), activity)
    held[activity[(used[link] >= capacity[link] * (1 - 1e-9)) & (level[activity] >= highest[link] * (1 - 1e-9))]] = True
    assert held.all()
    assert np.all(x <= cap)
