"""Inside islands first, then between them (as BlueConnect, Cho et al., MLSys 2019): the slow links carry each byte once."""

import numpy as np

from bench.errors import ConfError
from bench.network.collectives.base import Plan, nothing
from bench.network.collectives.pipeline import ring_seconds
from bench.network.collectives.ring import Ring
from bench.network.paths import Paths
from bench.network.transfer import Ints, Transfer


class Hierarchical:
    """A reduce-scatter in each group of `tier`; rings between groups, one for each shard; an all-gather in each group.

    All groups work at once. Between them there are as many rings as the smallest group has members, each with its part of
    the payload. Where the network has no such groups, or only one holds members, it is a plain ring.
    """

    def __init__(self, *, tier: str | None = None) -> None:
        self.tier = tier  # None: the outermost one

    def all_reduce(self, paths: Paths, members: Ints, nbytes: float) -> Plan:
        if len(members) < 2:
            return nothing()
        groups = self._groups(paths, members)
        if len(groups) < 2 or all(len(group) == 1 for group in groups):
            return Ring().all_reduce(paths, members, nbytes)
        rails = min(len(group) for group in groups)
        inside = _inside(paths, groups, nbytes)
        hubs = np.array([group[:rails] for group in groups])  # (groups, rails)
        between = _rings(paths, list(hubs.T), nbytes / rails, 2)
        # The payload of the middle activity is one ring's part; written for the whole payload, its weights shrink with it.
        return (*inside, between, *inside)

    def _groups(self, paths: Paths, members: Ints) -> list[Ints]:
        tiers = {tier.name: tier for tier in paths.network.tiers}
        if self.tier is not None and self.tier not in tiers:
            raise ConfError(
                f"collective.tier must be one of the network's ({', '.join(tiers) or 'it has none'}), got '{self.tier}'"
            )
        if not tiers:
            return [members]
        group = (tiers[self.tier] if self.tier else paths.network.tiers[-1]).group[members]
        order = np.argsort(group, kind="stable")
        return np.split(members[order], np.flatnonzero(np.diff(group[order])) + 1)


def _inside(paths: Paths, groups: list[Ints], nbytes: float) -> Plan:
    """Half an all-reduce inside each group: one activity, all groups in step."""
    several = [group for group in groups if len(group) > 1]
    return (_rings(paths, several, nbytes, 1),) if several else ()


def _rings(paths: Paths, rings: list[Ints], nbytes: float, passes: int) -> Transfer:
    """`passes` times around each ring at once: 1 for a reduce-scatter or an all-gather, 2 for an all-reduce."""
    source = np.concatenate(rings)
    target = np.concatenate([np.roll(ring, -1) for ring in rings])
    sizes = np.array([len(ring) for ring in rings])
    steps = np.repeat(passes * (sizes - 1), sizes)
    chunk = np.repeat(nbytes / sizes, sizes)
    rates, latency = paths.rates(source, target), paths.latency(source, target)
    busy, ends = chunk / rates, np.cumsum(sizes)
    slowest = float((steps * busy).max())
    last = max(
        ring_seconds(busy[end - size : end], latency[end - size : end], passes * (size - 1))
        for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    )
    return paths.activity(source, target, steps * chunk, nbytes, last - slowest)
