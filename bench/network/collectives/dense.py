"""Everybody talks to everybody: loads in closed form, so that a million hosts need no list of their pairs."""

import numpy as np

from bench.network.paths import Paths
from bench.network.transfer import Floats, Ints, Ramp, Transfer


def everybody_to_everybody(
    paths: Paths, members: Ints, nbytes: float, shares: Floats, *, scatter: bool, gather: bool
) -> Transfer:
    """Each of `members`, (n,), sends the share p[i] of `nbytes` to member i (scatter), or i sends its p[i] to each (gather).

    Both at once if both are asked for, in a pipeline. The latency is a message's for each of the two, from the farthest pair.
    """
    network, transport, n = paths.network, paths.transport, len(members)
    load = np.zeros(len(network.capacity))
    to_all, from_all = (n - 1) * shares, 1 - shares  # over one's own link: one's shard for the others, theirs
    for wanted, out, into in ((scatter, from_all, to_all), (gather, to_all, from_all)):
        if wanted:
            load[members] += out
            load[network.workers + members] += into
    for tier in network.tiers:
        inside = np.bincount(tier.group[members], minlength=tier.groups)  # members of each group
        owned = np.bincount(tier.group[members], weights=shares, minlength=tier.groups)
        # What members send to shards outside, and what shards send to members outside.
        up = inside * np.maximum(1 - owned, 0) * scatter + owned * (n - inside) * gather
        down = owned * (n - inside) * scatter + inside * np.maximum(1 - owned, 0) * gather
        up[inside == n], down[inside == n] = 0.0, 0.0  # a rounding must not send anybody out
        load[tier.first : tier.first + tier.groups] += up
        load[tier.first + tier.groups : tier.first + 2 * tier.groups] += down
    _between_regions(paths, members, shares, load, scatter, gather)
    links = np.flatnonzero(load)
    source, target, part = _farthest_pairs(paths, members, shares)
    latency = float(paths.latency(source, target).max()) * (scatter + gather)
    # A host's time for each message: one to everybody else, for each of the two.
    latency += (n - 2) * transport.message * (scatter + gather)
    with np.errstate(divide="ignore"):
        cap = float((paths.cap(source, target) / part).min())
    ramp = None
    round_trip = float(2 * network.latency(source, target).max())
    if transport.initial_window is not None and round_trip > 0:
        start = transport.connections * transport.initial_window / round_trip / float(part.max())
        ramp = Ramp(start, round_trip)
    share = transport.connections / float(part.max())
    return Transfer(nbytes, links, load[links] / transport.efficiency, latency, share=share, cap=cap, ramp=ramp)


def _between_regions(paths: Paths, members: Ints, shares: Floats, load: Floats, scatter: bool, gather: bool) -> None:
    """Adds to `load` what crosses the links that pairs of regions share."""
    network = paths.network
    if not (network.region_link >= 0).any():
        return
    regions = len(network.region_link)
    heads = np.bincount(network.region[members], minlength=regions)
    share = np.bincount(network.region[members], weights=shares, minlength=regions)
    crossing = np.outer(heads, share) * scatter + np.outer(share, heads) * gather
    # Nobody sends to itself.
    own = np.bincount(network.region[members], weights=shares * (scatter + gather), minlength=regions)
    crossing[np.diag_indices(regions)] -= own
    shared = network.region_link >= 0
    load[network.region_link[shared]] += np.maximum(crossing[shared], 0.0)


def _farthest_pairs(paths: Paths, members: Ints, shares: Floats) -> tuple[Ints, Ints, Floats]:
    """Pairs (source, target) among which is the farthest of each two regions, with the largest shard sent between them."""
    network = paths.network
    far = np.lexsort((-network.last_mile[members], network.region[members]))
    region = network.region[members][far]
    _, first = np.unique(region, return_index=True)
    second = first[np.append(region[1:] == region[:-1], False)[first]] + 1  # the next one of the same region
    chosen = members[far[np.concatenate([first, second])]]
    largest = np.zeros(len(network.region_latency))
    np.maximum.at(largest, network.region[members], shares)
    source, target = (pairs.ravel() for pairs in np.meshgrid(chosen, chosen, indexing="ij"))
    apart = source != target
    source, target = source[apart], target[apart]
    part = np.maximum(largest[network.region[source]], largest[network.region[target]])
    return source, target, part
