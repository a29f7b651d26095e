"""What a collective asks of the network: a load on each link for each byte of payload, and its serial hops of latency."""

import numpy as np

from bench.network.topology import Network
from bench.network.transfer import Floats, Ints, Transfer


def ring_all_reduce(network: Network, members: Ints, nbytes: float) -> Transfer:
    """A ring through `members` in the given order (Patarasuk & Yuan, JPDC 2009): reduce-scatter, then all-gather.

    Each of the n hops carries 2(n-1) chunks of nbytes/n. A hop's chunk is sent when the one before has arrived, so
    latency adds up along 2(n-1) consecutive hops: the worst stretch of the ring counts, and without bandwidth this is exact.
    All hops stream at the speed of the slowest, which is the max-min rate of one activity that loads every hop.
    """
    n = len(members)
    if n < 2:
        return Transfer(0.0, np.array([], np.int64), np.array([]), 0.0)
    following = np.roll(members, -1)
    hop_latency = network.latency(members, following)  # (n,)
    flows = np.bincount(network.links(members, following), minlength=len(network.capacity))
    links = np.flatnonzero(flows)
    weights = flows[links].astype(float) * (2 * (n - 1) / n)  # of the payload, over each link
    latency = hop_latency.sum() + _worst_stretch(hop_latency, n - 2)  # 2(n-1) = n + (n-2) hops
    return Transfer(nbytes, links, weights, float(latency))


def download(network: Network, worker: int, nbytes: float) -> Transfer:
    """State fetched from outside the world (a store, or many peers at once): only the worker's own way in is loaded.

    Latency is a request and its answer over the last mile.
    """
    links = [network.workers + worker]
    if network.island[worker] >= 0:
        islands = (len(network.capacity) - 2 * network.workers) // 2
        links.append(2 * network.workers + islands + int(network.island[worker]))
    return Transfer(nbytes, np.array(links), np.ones(len(links)), 2 * float(network.last_mile[worker]))


def _worst_stretch(hops: Floats, length: int) -> float:
    """The largest sum of `length` consecutive hops of a ring."""
    cumulated = np.concatenate([[0.0], np.cumsum(np.concatenate([hops, hops[:length]]))])
    return float(np.max(cumulated[length : length + len(hops)] - cumulated[: len(hops)]))
