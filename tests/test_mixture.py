"""Mixtures: dealt as exactly as the number of workers allows, in an order drawn from the seed."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.mixture import deal

weights = st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any)


def dealt(parts, workers, seed=0) -> list[int]:
    """How many workers get value 0, 1, … of a mixture with shares in proportion to `parts`."""
    mixture = {value: part / sum(parts) for value, part in enumerate(parts)}
    found = Counter(deal(mixture, workers, seed, "test", name="mix").tolist())
    return [found[value] for value in range(len(parts))]


def test_eight_workers_of_three_quarters_and_one_are_six_and_two():
    for seed in range(20):
        assert dealt([3, 1], 8, seed) == [6, 2]


@given(parts=weights, times=st.integers(1, 20), seed=st.integers(0, 1000))
def test_shares_that_come_out_even_are_dealt_exactly(parts, times, seed):
    assert dealt(parts, times * sum(parts), seed) == [times * part for part in parts]


@given(parts=weights, workers=st.integers(1, 300), seed=st.integers(0, 1000))
def test_no_first_few_values_are_off_by_more_than_half_a_worker(parts, workers, seed):
    # Of the places 1/2, 3/2, …, W - 1/2, those below x number x rounded: at most 1/2 away.
    counts = dealt(parts, workers, seed)
    assert sum(counts) == workers
    ideal = workers * np.cumsum(parts) / sum(parts)
    assert np.all(np.abs(np.cumsum(counts) - ideal) <= 0.5 + 1e-9)


def test_everybody_gets_a_value_where_the_shares_sum_to_a_little_below_one():
    # 0.9999993 passes as 1; of a million workers the last is at the quantile 0.9999995.
    found = deal({"a": 0.5, "b": 0.4999993}, 1_000_000, 0, "test", name="mix")
    assert Counter(found.tolist()) == {"a": 500_000, "b": 500_000}


def test_a_share_of_nothing_gets_nobody():
    assert dealt([0, 1, 0], 50) == [0, 50, 0]


def test_the_order_comes_from_the_seed_and_the_stream():
    halves = {"a": 0.5, "b": 0.5}
    first = deal(halves, 64, 0, "devices", name="mix")
    assert np.array_equal(first, deal(halves, 64, 0, "devices", name="mix"))
    assert not np.array_equal(first, deal(halves, 64, 1, "devices", name="mix"))
    assert not np.array_equal(first, deal(halves, 64, 0, "access", name="mix"))
    assert not np.array_equal(first, np.sort(first))


def test_mixtures_of_one_stream_go_together():
    uplink = deal({1e6: 0.75, 9e6: 0.25}, 40, 3, "access", name="uplink")
    downlink = deal({5e6: 0.75, 7e6: 0.25}, 40, 3, "access", name="downlink")
    assert set(zip(uplink.tolist(), downlink.tolist(), strict=True)) == {(1e6, 5e6), (9e6, 7e6)}


@pytest.mark.parametrize(
    "mixture",
    [{}, {"a": 0.9}, {"a": 0.5, "b": 0.6}, {"a": 1.5, "b": -0.5}, {"a": float("nan"), "b": 1.0}, {"a": float("inf")}],
)
def test_bad_shares_are_refused_by_name(mixture):
    with pytest.raises(ValueError, match="^uplink must have shares that are >= 0 and sum to 1, got "):
        deal(mixture, 8, 0, "access", name="uplink")
