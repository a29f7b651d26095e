"""Random streams: named, repeatable, independent of company."""

import numpy as np
import pytest
from scipy import stats

from bench import seeds
from bench.seeds import stream, uniforms

RANKS = np.arange(20_000)


def test_a_stream_repeats_itself():
    assert np.array_equal(stream(3, "churn", 7).random(100), stream(3, "churn", 7).random(100))


@pytest.mark.parametrize("other", [(4, "churn", 7), (3, "data", 7), (3, "churn", 8), (3, "churn", "7"), (3, "churn")])
def test_a_stream_depends_on_its_seed_and_on_each_of_its_names(other):
    assert not np.any(stream(3, "churn", 7).random(100) == stream(*other).random(100))


def test_names_do_not_run_together():
    assert stream(0, "ab", "c").random() != stream(0, "a", "bc").random()


def test_uniforms_repeat_themselves():
    assert np.array_equal(uniforms(5, "jitter", ranks=RANKS, draws=3), uniforms(5, "jitter", ranks=RANKS, draws=3))


@pytest.mark.parametrize(
    "other",
    [
        uniforms(6, "jitter", ranks=RANKS, draws=3),
        uniforms(5, "churn", ranks=RANKS, draws=3),
        uniforms(5, "jitter", "more", ranks=RANKS, draws=3),
        uniforms(5, "jitter", ranks=RANKS + 1, draws=3),
        uniforms(5, "jitter", ranks=RANKS, draws=4),
    ],
    ids=["seed", "name", "names", "rank", "draw"],
)
def test_uniforms_depend_on_seed_names_rank_and_draw(other):
    assert not np.any(uniforms(5, "jitter", ranks=RANKS, draws=3) == other)


def test_rank_and_draw_are_not_exchangeable():
    assert uniforms(0, "x", ranks=1, draws=2) != uniforms(0, "x", ranks=2, draws=1)


def test_a_ranks_number_does_not_depend_on_who_else_draws():
    everyone = uniforms(1, "churn", ranks=RANKS, draws=2)
    order = np.random.default_rng(0).permutation(RANKS)
    assert np.array_equal(uniforms(1, "churn", ranks=order, draws=2), everyone[order])
    some = order[:17]
    assert np.array_equal(uniforms(1, "churn", ranks=some, draws=2), everyone[some])
    assert uniforms(1, "churn", ranks=4711, draws=2) == everyone[4711]


def test_ranks_and_draws_broadcast():
    grid = uniforms(1, "x", ranks=np.arange(5)[:, None], draws=np.arange(3))
    assert grid.shape == (5, 3)
    assert grid[4, 2] == uniforms(1, "x", ranks=4, draws=2)


def test_uniforms_are_in_the_open_interval():
    u = uniforms(0, "x", ranks=np.arange(1_000_000))
    assert 0 < u.min() < 1e-5  # the least of a million is about 1e-6
    assert 1 - 1e-5 < u.max() < 1


@pytest.mark.parametrize("bits", [0, 2**64 - 1])
def test_the_least_and_the_largest_hash_are_inside_the_interval(bits, monkeypatch):
    monkeypatch.setattr(seeds, "_mix", lambda z: np.full(np.shape(z), bits, np.uint64))
    assert 0 < uniforms(0, "x", ranks=[0])[0] < 1


@pytest.mark.parametrize("seed", range(5))
def test_uniforms_are_uniform_over_ranks_and_over_draws(seed):
    # The seeds are fixed, so this passes or fails for good; a true generator fails at 0.001 once in a hundred such tests.
    assert stats.kstest(uniforms(seed, "x", ranks=RANKS), "uniform").pvalue > 0.001
    assert stats.kstest(uniforms(seed, "x", ranks=3, draws=RANKS), "uniform").pvalue > 0.001


@pytest.mark.parametrize("distance", [1, 2, 8])
def test_neighbours_are_uncorrelated(distance):
    # A sample correlation of n independent pairs has standard deviation 1 / sqrt(n); 4 of them is 0.028.
    limit = 4 / np.sqrt(len(RANKS))
    for u in (uniforms(0, "x", ranks=RANKS), uniforms(0, "x", ranks=3, draws=RANKS)):
        assert abs(np.corrcoef(u[distance:], u[:-distance])[0, 1]) < limit


def test_neighbouring_ranks_have_unrelated_sequences_of_draws():
    # Rank and draw enter by sums: were they simply added, rank r + 1 would repeat what rank r draws next.
    limit = 4 / np.sqrt(len(RANKS))
    first, second = (uniforms(0, "x", ranks=rank, draws=RANKS) for rank in (3, 4))
    for shift in (0, 1):
        pairs = first[shift:], second[: len(second) - shift]
        assert abs(np.corrcoef(*pairs)[0, 1]) < limit
