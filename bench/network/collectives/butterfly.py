"""The all-to-all butterfly of volunteers (Moshpit SGD, NeurIPS 2021; hivemind): each reduces a shard that suits its link."""

import numpy as np

from bench.network.collectives.base import Plan, nothing
from bench.network.collectives.dense import everybody_to_everybody
from bench.network.paths import Paths
from bench.network.transfer import Floats, Ints


class Butterfly:
    """Member i gets a share p[i] of everybody's payload, reduces it, and sends the result back to everybody.

    Over a member's link pass 1 - p[i] of the payload and n-1 times p[i], each way: the shares are those for which the last
    one is done first, so a member with a slow link reduces little or nothing. Should one drop out, the others take over its
    share, at no cost.
    """

    breaks_without = "nobody"

    def all_reduce(self, paths: Paths, members: Ints, nbytes: float) -> Plan:
        if len(members) < 2:
            return nothing()
        shares = shares_of(paths, members)
        return (everybody_to_everybody(paths, members, nbytes, shares, scatter=True, gather=True),)


def shares_of(paths: Paths, members: Ints) -> Floats:
    """What each of `members`, (n,), reduces of a payload, for the links that they have."""
    capacity, hosts = paths.network.capacity, paths.network.workers
    return bandwidth_shares(np.minimum(capacity[members], capacity[hosts + members]))


def bandwidth_shares(bandwidth: Floats) -> Floats:
    """The shares, (n,), that sum to 1 and minimise the largest (1 + (n-2) share) / bandwidth, (n,)."""
    n = len(bandwidth)
    if n == 2 or np.isinf(bandwidth).any():
        fastest = np.isinf(bandwidth) if np.isinf(bandwidth).any() else np.ones(n, bool)
        return fastest / fastest.sum()
    sharing = np.ones(n)  # 1 for those who share
    while True:
        # Those who share end at one second; who could not send and receive the rest by then shares nothing.
        seconds = (n - 2 + np.count_nonzero(sharing)) / float(bandwidth @ sharing)
        fits = sharing * (seconds * bandwidth >= 1)
        if np.array_equal(fits, sharing):
            return np.maximum(0.0, (seconds * bandwidth - 1) / (n - 2))
        sharing = fits
