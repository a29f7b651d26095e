"""The order of a ring's members: on unequal links it decides which hops there are."""

from itertools import permutations

import numpy as np

from bench.errors import ConfError
from bench.network.collectives.base import plan_seconds
from bench.network.collectives.pipeline import ring_pass
from bench.network.paths import Paths
from bench.network.transfer import Floats, Ints
from bench.seeds import stream

EXACT = 7
"""Up to so many members, every order is tried."""
MOST = 2048
"""A search compares all pairs; beyond so many members it is refused."""


def ordered(paths: Paths, members: Ints, nbytes: float, how: str) -> Ints:
    """`members`, (n,), in the order they have, in one of the stream (seed, "ring"), or optimised for a ring of `nbytes`."""
    if how == "given":
        return members
    if how == "random":
        # One order of all hosts, so that who leaves does not shuffle the others.
        place = stream(paths.seed, "ring").permutation(paths.network.workers)
        return members[np.argsort(place[members])]
    return optimised(paths, members, nbytes)


def optimised(paths: Paths, members: Ints, nbytes: float) -> Ints:
    """The fastest order of all up to EXACT members; beyond, the best that a search finds, never slower than the given one.

    The search builds rings by the nearest neighbour and moves stretches of them elsewhere (or-opt, Or 1976), at the cost of a
    hop's latency and of the time by which it would hold up the ring. Raises ConfError above MOST members.
    """
    n = len(members)
    if n <= EXACT:
        return min(_orders(members), key=lambda order: _seconds(paths, order, nbytes))
    if n > MOST:
        raise ConfError(f"collective.order must not be optimised for more than {MOST} members, got {n}")
    cost = _cost(paths, members, nbytes)
    starts = np.unique(np.linspace(0, n - 1, 4).astype(int))
    tours = [_or_opt(_nearest_neighbour(cost, int(start)), cost) for start in starts]
    tours.append(_or_opt(np.arange(n), cost))
    return min([members, *(members[tour] for tour in tours)], key=lambda order: _seconds(paths, order, nbytes))


def _orders(members: Ints) -> list[Ints]:
    return [np.array([members[0], *rest]) for rest in permutations(members[1:].tolist())]


def _seconds(paths: Paths, members: Ints, nbytes: float) -> float:
    return plan_seconds((ring_pass(paths, members, nbytes, 2 * (len(members) - 1)),), paths.network.capacity)


def _cost(paths: Paths, members: Ints, nbytes: float) -> Floats:
    """What each hop adds to a ring of `nbytes`, (n, n): its latency, passed twice, and the time that it costs all others.

    Every host sends and receives once in any ring, so the slowest access link holds it up in every order.
    """
    n = len(members)
    source, target = np.repeat(members, n), np.tile(members, n)
    busy = (nbytes / n / paths.alone(source, target)).reshape(n, n)
    np.fill_diagonal(busy, np.inf)
    must = max(float(busy.min(axis=1).max()), float(busy.min(axis=0).max()))
    cost = 2 * paths.latency(source, target).reshape(n, n) + 2 * (n - 1) * np.maximum(busy - must, 0.0)
    np.fill_diagonal(cost, np.inf)
    return cost


def _nearest_neighbour(cost: Floats, start: int) -> Ints:
    tour, left = [start], np.ones(len(cost), bool)
    left[start] = False
    while left.any():
        tour.append(int(np.argmin(np.where(left, cost[tour[-1]], np.inf))))
        left[tour[-1]] = False
    return np.array(tour)


def _or_opt(tour: Ints, cost: Floats) -> Ints:
    """`tour` after moving stretches of it to where they cost less, until none does or five rounds are over."""
    n = len(tour)
    lengths = [length for length in (1, 2, 3, 5, 8, 13, 21, 34, 55) if length <= n // 2]
    for _ in range(5):
        improved = False
        for length in lengths:
            for first in tour.copy():
                at = int(np.flatnonzero(tour == first)[0])
                turned = np.roll(tour, -at)  # the stretch is at the front
                stretch, rest = turned[:length], turned[length:]
                after = np.roll(rest, -1)
                saved = cost[rest[-1], stretch[0]] + cost[stretch[-1], rest[0]] - cost[rest[-1], rest[0]]
                added = cost[rest, stretch[0]] + cost[stretch[-1], after] - cost[rest, after]
                best = int(np.argmin(added))
                if added[best] < saved * (1 - 1e-9) - 1e-15:
                    tour = np.concatenate([rest[: best + 1], stretch, rest[best + 1 :]])
                    improved = True
        if not improved:
            break
    return tour
