"""Shapley values: what each player adds to a game, on the average over all orders in which they can come (Shapley, 1953)."""

import math
from collections.abc import Mapping
from itertools import combinations

Coalition = frozenset[str]


def shapley(values: Mapping[Coalition, float]) -> dict[str, float]:
    """The part of each player in the value of all together, by `values` of every coalition, the empty one included.

    Exact, over all coalitions of n players:

        part(i) = sum over S without i of |S|! (n - |S| - 1)! / n! * (v(S with i) - v(S))

    The parts sum to v(all) - v(empty), whatever the order of the players; one that changes nothing gets exactly 0. Raises
    ValueError where a coalition is missing or has a value that is not finite.
    """
    players = sorted(frozenset().union(*values))
    n = len(players)
    every = [frozenset(some) for size in range(n + 1) for some in combinations(players, size)]
    for coalition in every:
        if not math.isfinite(values.get(coalition, math.nan)):
            named = " + ".join(sorted(coalition)) or "nobody"
            raise ValueError(f"values must have a finite one of each coalition, got {values.get(coalition)} of {named}")
    parts = {}
    for player in players:
        added = [
            math.factorial(len(some)) * math.factorial(n - len(some) - 1) * (values[some | {player}] - values[some])
            for some in every
            if player not in some
        ]
        parts[player] = math.fsum(added) / math.factorial(n)
    return parts
