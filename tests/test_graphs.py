"""Mixing matrices and groups: what each must be by its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.graphs import GRAPHS, grid_groups, metropolis, mixing, most_square, random_groups


@given(st.sampled_from(GRAPHS), st.integers(1, 40), st.integers(0, 9), st.integers(0, 3))
def test_rows_and_columns_sum_to_one_and_nobody_has_a_negative_weight(graph, workers, round_, seed):
    weights = mixing(graph, workers, round_, seed)
    assert weights.shape == (workers, workers)
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-12)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)
    assert (weights >= 0).all() and (np.diag(weights) > 0).all()


def others(weights):
    """Whom each worker hears beside itself, as sets."""
    return [{*map(int, row.nonzero()[0])} - {rank} for rank, row in enumerate(weights)]


def test_on_a_ring_each_has_the_weights_of_the_paper():
    weights = mixing("ring", 6, 0, 0)
    assert others(weights) == [{5, 1}, {0, 2}, {1, 3}, {2, 4}, {3, 5}, {4, 0}]
    np.testing.assert_allclose(weights[weights > 0], 1 / 3)


def test_on_a_torus_each_has_two_neighbours_in_its_row_and_two_in_its_column():
    #  0  1  2  3
    #  4  5  6  7
    #  8  9 10 11
    weights = mixing("torus", 12, 0, 0)
    assert others(weights)[5] == {4, 6, 1, 9}
    assert others(weights)[0] == {1, 3, 4, 8}
    np.testing.assert_allclose(weights[weights > 0], 1 / 5)
    # Of two rows the one above is the one below: 0 1 2 / 3 4 5.
    assert others(mixing("torus", 6, 0, 0))[0] == {1, 2, 3}


def test_the_most_square_factors():
    assert [most_square(n) for n in (1, 2, 7, 12, 16, 36, 1000)] == [(1, 1), (1, 2), (1, 7), (3, 4), (4, 4), (6, 6), (25, 40)]


def test_exponential_graphs_reach_one_two_four_back():
    weights = mixing("exponential", 6, 0, 0)
    assert others(weights)[0] == {5, 4, 2}  # 0 - 1, 0 - 2, 0 - 4 of six
    np.testing.assert_allclose(weights[weights > 0], 1 / 4)
    heard = [others(mixing("one_peer_exponential", 6, round_, 0))[0] for round_ in range(5)]
    assert heard == [{5}, {4}, {2}, {5}, {4}]
    weights = mixing("exponential", 8, 0, 0)
    assert others(weights)[0] == {7, 6, 4}
    np.testing.assert_allclose(weights[weights > 0], 1 / 4)  # 8 back would be itself
    assert others(mixing("exponential", 9, 0, 0))[0] == {8, 7, 5, 1}


def test_metropolis_weights_of_a_star():
    # The centre has three neighbours, the others one: 1 / (1 + 3) on each edge.
    star = np.zeros((4, 4), bool)
    star[0, 1:] = star[1:, 0] = True
    expected = [[1 / 4, 1 / 4, 1 / 4, 1 / 4], [1 / 4, 3 / 4, 0, 0], [1 / 4, 0, 3 / 4, 0], [1 / 4, 0, 0, 3 / 4]]
    np.testing.assert_allclose(metropolis(star), expected)
    np.testing.assert_allclose(metropolis(star | np.eye(4, dtype=bool)), expected)  # a loop is no edge


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 20))
def test_random_groups_are_as_many_as_they_should_be(workers, size, round_):
    sizes = np.bincount(random_groups(workers, size, round_, 0))
    assert sizes.sum() == workers
    assert (sizes[:-1] == size).all() and 1 <= sizes[-1] <= size


def test_random_groups_let_everybody_meet_everybody():
    met = np.zeros((6, 6), int)
    for round_ in range(300):
        groups = random_groups(6, 2, round_, 7)
        met += groups[:, None] == groups
    # Each of five others in a fifth of 300 rounds: 60, with a deviation of sqrt(300 * 0.2 * 0.8) = 7.
    assert (np.abs(met[~np.eye(6, dtype=bool)] - 60) < 28).all()


@given(st.integers(1, 70), st.integers(1, 4))
def test_grid_groups_share_all_coordinates_but_one_and_no_two_meet_twice(workers, dimensions):
    side = next(side for side in range(1, 71) if side**dimensions >= workers)
    met = np.zeros((workers, workers), int)
    for along in range(dimensions):
        groups = grid_groups(workers, dimensions, along)
        assert np.bincount(groups).max() <= side
        met += groups[:, None] == groups
        for rank in range(workers):
            coordinates = [rank // side**d % side for d in range(dimensions)]
            coordinates[along] = 0
            first = sum(place * side**d for d, place in enumerate(coordinates))
            assert groups[rank] == groups[first]
    assert (met[~np.eye(workers, dtype=bool)] <= 1).all()


def test_an_unknown_graph_is_named():
    with pytest.raises(ValueError, match="graph must be one of ring, .*, got 'star'"):
        mixing("star", 4, 0, 0)
