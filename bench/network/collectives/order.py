"""The order of a ring's members: on unequal links it decides which hops there are."""

from itertools import permutations

import numpy as np

from bench.errors import ConfError
from bench.network.collectives.base import plan_seconds
from bench.network.collectives.pipeline import each_ring, ring_pass
from bench.network.paths import Paths
from bench.network.transfer import Floats, Ints
from bench.seeds import stream

EXACT = 7
"""Up to so many members, every order is tried."""
POLISHED = 32
"""Up to so many, what the search finds is improved by the ring's own recursion."""
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
    hop's latency and of the time by which it would hold up the ring. Hops count as if each had its links for itself. Raises
    ConfError above MOST members.
    """
    n = len(members)
    if n <= EXACT:
        return min(_orders(members), key=lambda order: _seconds(paths, order, nbytes))
    if n > MOST:
        raise ConfError(f"collective.order must not be optimised for more than {MOST} members, got {n}")
    busy, latency = _hops(paths, members, nbytes)
    cost = _cost(busy, latency)
    starts = np.unique(np.linspace(0, n - 1, 4).astype(int))
    tours = [_or_opt(_nearest_neighbour(cost, int(start)), cost) for start in starts]
    tours.append(_or_opt(np.arange(n), cost))
    if n <= POLISHED:
        tours += [_polished(tour, busy, latency) for tour in tours]
    return min([members, *(members[tour] for tour in tours)], key=lambda order: _seconds(paths, order, nbytes))


def _orders(members: Ints) -> list[Ints]:
    return [np.array([members[0], *rest]) for rest in permutations(members[1:].tolist())]


def _seconds(paths: Paths, members: Ints, nbytes: float) -> float:
    return plan_seconds((ring_pass(paths, members, nbytes, 2 * (len(members) - 1)),), paths.network.capacity)


def _hops(paths: Paths, members: Ints, nbytes: float) -> tuple[Floats, Floats]:
    """Seconds that a chunk keeps the hop from each member to each other busy, and its latency, (n, n); alone on its links."""
    n = len(members)
    source, target = np.repeat(members, n), np.tile(members, n)
    busy, latency = nbytes / n / paths.alone(source, target), paths.latency(source, target)
    return busy.reshape(n, n), latency.reshape(n, n)


def _cost(busy: Floats, latency: Floats) -> Floats:
    """What each hop adds to a ring, (n, n): its latency, passed twice, and the time that it costs all others.

    Every host sends and receives once in any ring, so the slowest access link holds it up in every order.
    """
    busy = busy.copy()
    np.fill_diagonal(busy, np.inf)
    must = max(float(busy.min(axis=1).max()), float(busy.min(axis=0).max()))
    cost = 2 * latency + 2 * (len(busy) - 1) * np.maximum(busy - must, 0.0)
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
            for first in tour[_movable(cost[np.ix_(tour, tour)], length)]:
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


def _polished(tour: Ints, busy: Floats, latency: Floats) -> Ints:
    """`tour` after moving one member, or changing two for each other, as long as that makes the ring's own seconds less."""
    n = len(tour)
    one, other = (place.ravel() for place in np.indices((n, n)))
    changed = np.tile(np.arange(n), (n * n, 1))  # (n², n) places
    each = np.arange(n * n)
    changed[each, one], changed[each, other] = other, one
    moved = np.array([np.insert(np.delete(np.arange(n), a), b, a) for a, b in zip(one, other, strict=True)])
    neighbours = np.concatenate([changed, moved])
    best = np.inf
    while True:
        tours = tour[neighbours]  # the tour itself is among them
        following = np.roll(tours, -1, axis=1)
        seconds = each_ring(busy[tours, following], latency[tours, following], 2 * (n - 1))
        fastest = int(np.argmin(seconds))
        if not seconds[fastest] < best * (1 - 1e-9):
            return tour
        tour, best = tours[fastest], float(seconds[fastest])


def _movable(cost: Floats, length: int) -> Ints:
    """The places of a tour, whose `cost` is (n, n) in its own order, where a stretch begins that would cost less elsewhere."""
    place = np.arange(len(cost))
    hops = np.roll(cost, -1, axis=1)  # (n, n): from i to what follows j
    along = hops[place, place]
    stays = np.roll(along, 1) + np.roll(along, 1 - length)  # into the stretch and out of it
    saved = stays - cost[place - 1, (place + length) % len(cost)]
    added = cost.T + np.roll(hops, 1 - length, axis=0) - along  # of stretch i, put behind j
    for own in range(-1, length):
        added[place, (place + own) % len(cost)] = np.inf
    return np.flatnonzero(added.min(axis=1) < saved * (1 - 1e-9) - 1e-15)
