"""Who averages with whom: mixing matrices of gossip, and groups of workers that average among themselves."""

import math
from itertools import count

import numpy as np
from numpy.typing import NDArray

from bench.seeds import stream

Matrix = NDArray[np.float64]
Groups = NDArray[np.int64]

GRAPHS = ("ring", "torus", "exponential", "one_peer_exponential", "random_pairs", "complete")


def mixing(graph: str, workers: int, round: int, seed: int) -> Matrix:
    """The weights of one round of gossip on a graph of GRAPHS, (W, W): rows and columns sum to 1.

    Row i says what worker i makes of what it gets: Metropolis weights where edges go both ways. exponential: worker i hears
    from i - 1, i - 2, i - 4, …, from all of them every round, or from one of them in turn (one_peer_exponential; both Assran
    et al., arXiv:1811.10792, and Ying et al., arXiv:2110.13363). random_pairs: pairs of the stream (seed, "pairs", round).
    """
    if workers == 1:
        return np.ones((1, 1))
    match graph:
        case "ring":
            return metropolis(_torus(1, workers))
        case "torus":
            return metropolis(_torus(*most_square(workers)))
        case "exponential":
            hops = _hops(workers)
            return sum((_from(workers, hop) for hop in hops), start=np.eye(workers)) / (len(hops) + 1)
        case "one_peer_exponential":
            hops = _hops(workers)
            return (np.eye(workers) + _from(workers, hops[round % len(hops)])) / 2
        case "random_pairs":
            groups = random_groups(workers, 2, round, seed)
            together = groups[:, None] == groups  # (W, W)
            return together / together.sum(1, keepdims=True)
        case "complete":
            return np.full((workers, workers), 1 / workers)
    raise ValueError(f"graph must be one of {', '.join(GRAPHS)}, got '{graph}'")


def metropolis(adjacent: NDArray[np.bool_]) -> Matrix:
    """Symmetric weights of a graph, (W, W): 1 / (1 + the larger degree) on each edge, and what is left on the diagonal.

    Rows and columns sum to 1 however irregular the graph is (Xiao & Boyd, "Fast linear iterations for distributed averaging",
    2004). `adjacent`, (W, W), is symmetric; its diagonal does not count.
    """
    edges = adjacent & ~np.eye(len(adjacent), dtype=bool)
    degree = edges.sum(1)
    weights = edges / (1 + np.maximum(degree[:, None], degree))
    np.fill_diagonal(weights, 1 - weights.sum(1))
    return weights


def most_square(workers: int) -> tuple[int, int]:
    """The two factors of `workers` that are nearest each other, the smaller first."""
    rows = next(rows for rows in range(math.isqrt(workers), 0, -1) if workers % rows == 0)
    return rows, workers // rows


def random_groups(workers: int, size: int, round: int, seed: int) -> Groups:
    """The group of each worker, (W,): so many at random, anew every round; who is left over makes a smaller group."""
    groups = np.empty(workers, np.int64)
    groups[stream(seed, "pairs", round).permutation(workers)] = np.arange(workers) // size
    return groups


def grid_groups(workers: int, dimensions: int, along: int) -> Groups:
    """The group of each worker, (W,), on a grid of M x M x …: those who differ in the coordinate `along` only.

    Rank 0 has the coordinates (0, 0, …), and the first changes fastest. M is the least with a place for everybody, M^d >= W;
    places beyond W stay empty, so that some groups are smaller.
    """
    side = next(side for side in count(max(1, int(workers ** (1 / dimensions)))) if side**dimensions >= workers)
    ranks = np.arange(workers)
    return ranks // side ** (along + 1) * side**along + ranks % side**along


def _torus(rows: int, columns: int) -> NDArray[np.bool_]:
    """Each worker next to those before and after it in its row and in its column, (W, W)."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    adjacent = np.zeros((rows * columns, rows * columns), bool)
    for neighbour in ((row + 1) % rows * columns + column, row * columns + (column + 1) % columns):
        adjacent[np.arange(len(row)), neighbour] = adjacent[neighbour, np.arange(len(row))] = True
    return adjacent


def _hops(workers: int) -> list[int]:
    """1, 2, 4, … as far as another worker is."""
    return [1 << power for power in range((workers - 1).bit_length())]


def _from(workers: int, hop: int) -> Matrix:
    """Each worker hears from the one `hop` before it, (W, W)."""
    return np.roll(np.eye(workers), -hop, axis=1)
