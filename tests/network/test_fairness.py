"""Max-min rates: system, derivation, expectation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.network import max_min_rates


def rates(capacity, *activities):
    """Each activity is {link: weight}."""
    entries = [(a, link, weight) for a, links in enumerate(activities) for link, weight in links.items()]
    activity, link, weight = (np.array(column) for column in zip(*entries, strict=True))
    return max_min_rates(np.array(capacity, float), activity, link, weight.astype(float), len(activities))


def test_two_activities_share_a_link_equally():
    assert rates([10], {0: 1}, {0: 1}).tolist() == [5, 5]


def test_what_one_cannot_use_goes_to_the_other():
    # The first is held to 2 by its own link 1; the second gets the remaining 8 of link 0.
    assert rates([10, 2], {0: 1, 1: 1}, {0: 1}).tolist() == [2, 8]


def test_a_weight_takes_that_many_times_the_bytes():
    # x + 3 x = 12, since both rates rise together: 3 each.
    assert rates([12], {0: 1}, {0: 3}).tolist() == [3, 3]


def test_the_parking_lot():
    # A long activity over links of 6 and 9, with one local activity on each. Link 0: 3 each. Link 1: 9 - 3 = 6 for its local.
    assert rates([6, 9], {0: 1, 1: 1}, {0: 1}, {1: 1}).tolist() == [3, 3, 6]


def test_unlimited_links_give_unlimited_rates():
    assert rates([np.inf, 4], {0: 1}, {1: 2}).tolist() == [np.inf, 2]


@st.composite
def worlds(draw):
    links, activities = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    capacity = draw(st.lists(st.floats(0.1, 1e3), min_size=links, max_size=links))
    load = draw(
        st.lists(
            st.lists(st.sampled_from([0, 0, 1, 1, 2.5]), min_size=links, max_size=links),
            min_size=activities,
            max_size=activities,
        )
    )
    return np.array(capacity), np.array([row if any(row) else [1.0] + [0.0] * (links - 1) for row in load])


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_no_link_is_over_full_and_nobody_could_go_faster(world):
    capacity, load = world  # (L,), (A, L)
    activity, link = load.nonzero()
    x = max_min_rates(capacity, activity, link, load[activity, link], len(load))
    used = x @ load
    assert np.all(used <= capacity * (1 + 1e-9))
    # The certificate: each activity crosses a full link on which nobody is faster.
    for a in range(len(load)):
        bottlenecks = [k for k in load[a].nonzero()[0] if used[k] >= capacity[k] * (1 - 1e-9)]
        assert any(x[a] >= x[load[:, k] > 0].max() * (1 - 1e-9) for k in bottlenecks)
