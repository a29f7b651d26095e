"""Shapley values: against hand-worked games, all orders one by one, and the axioms."""

import math
from itertools import chain, combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.attribute.shapley import shapley

NAMES = "abcdefg"


def coalitions(players):
    return [frozenset(some) for some in chain(*(combinations(players, size) for size in range(len(players) + 1)))]


@st.composite
def games(draw, least=2, most=7):
    players = NAMES[: draw(st.integers(least, most))]
    numbers = st.floats(-20, 20, allow_nan=False)
    return {coalition: draw(numbers) if coalition else 0.0 for coalition in coalitions(players)}


def players_of(game):
    return sorted(frozenset().union(*game))


def one_by_one(game):
    """What each player adds when it comes, on the average over all orders."""
    players = players_of(game)
    added = dict.fromkeys(players, 0.0)
    for order in permutations(players):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            added[player] += game[before | {player}] - game[before]
    return {player: value / math.factorial(len(players)) for player, value in added.items()}


def test_two_factors_by_hand():
    # a alone costs 2, b alone 6, both 10. a first adds 2, a last adds 4: 3. b first adds 6, b last adds 8: 7.
    game = {frozenset(): 0.0, frozenset("a"): 2.0, frozenset("b"): 6.0, frozenset("ab"): 10.0}
    assert shapley(game) == {"a": 3.0, "b": 7.0}


def test_three_factors_by_hand():
    # v(a) = 6, v(b) = 12, v(c) = 0, v(ab) = 12, v(ac) = 12, v(bc) = 24, v(abc) = 36.
    # a adds 6 in abc and acb, 0 in bac, 12 in bca, 12 in cab, 12 in cba: 48 / 6 = 8.
    # b adds 6 in abc, 24 in acb, 12 in bac and bca, 24 in cab and cba: 102 / 6 = 17.
    # c adds 24 in abc, 6 in acb, 24 in bac, 12 in bca, 0 in cab and cba: 66 / 6 = 11.
    values = {"": 0, "a": 6, "b": 12, "c": 0, "ab": 12, "ac": 12, "bc": 24, "abc": 36}
    assert shapley({frozenset(some): float(value) for some, value in values.items()}) == {"a": 8.0, "b": 17.0, "c": 11.0}


@settings(max_examples=40, deadline=None)
@given(games())
def test_parts_sum_to_the_total(game):
    assert sum(shapley(game).values()) == pytest.approx(game[frozenset(players_of(game))], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(games(most=6))
def test_a_part_is_what_a_player_adds_on_the_average_over_all_orders(game):
    assert shapley(game) == pytest.approx(one_by_one(game), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(games(most=6))
def test_a_player_that_changes_nothing_gets_exactly_nothing_and_the_others_what_they_had(game):
    with_idle = game | {coalition | {"idle"}: value for coalition, value in game.items()}
    parts = shapley(with_idle)
    assert parts.pop("idle") == 0.0
    assert parts == pytest.approx(shapley(game), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(games(most=6))
def test_players_that_can_stand_in_for_each_other_get_the_same(game):
    # b is made a twin of a: what b does without a is what a does without b.
    swapped = {"a": "b", "b": "a"}
    twins = {some: game[max(some, frozenset(swapped.get(name, name) for name in some), key=sorted)] for some in game}
    parts = shapley(twins)
    assert parts["a"] == pytest.approx(parts["b"], abs=1e-9)


def test_the_order_of_coalitions_does_not_matter():
    game = {coalition: math.sin(7.0 * len(coalition) + ("a" in coalition)) for coalition in coalitions("abcd")}
    assert shapley(dict(reversed(list(game.items())))) == shapley(game)


def test_nobody_has_no_part():
    assert shapley({frozenset(): 1.0}) == {}


def test_a_coalition_that_is_missing_or_has_no_finite_value_is_named():
    game = {frozenset(): 0.0, frozenset("a"): 1.0, frozenset("ab"): 2.0}
    with pytest.raises(ValueError, match="a finite one of each coalition, got None of b"):
        shapley(game)
    with pytest.raises(ValueError, match=r"got inf of a \+ b"):
        shapley(game | {frozenset("b"): 1.0, frozenset("ab"): math.inf})
