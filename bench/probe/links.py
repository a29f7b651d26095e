"""Latency and rates between ranks over gloo: each pair and direction by itself, then each host towards all others and back.

A message of gloo leaves when the receiver's notice is there. Here every receive is posted before what answers it is asked for,
so that notices are never waited for: a round of a payload and a one-byte answer takes payload / rate + a round trip.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.network.collectives.gloo import gloo_seconds
from bench.network.transfer import Floats
from bench.probe.ranks import Ranks, lost, timed_all_reduces
from bench.progress import Progress

_OUT, _IN, _OVER = 0, 1, 2  # what a leader asks of a rank: take a payload, send one, be done
_LEAST, _MOST = 2**16, 2**26  # bytes of a payload
_PINGS = 30
_ROUNDS = 4  # of which the first is dropped


@dataclass(frozen=True)
class Links:
    """What was measured between n ranks; NaN where nothing was. Spreads are those of `spread`."""

    machines: tuple[str, ...]  # of each rank
    latency: Floats  # (n, n) seconds: half of a round trip of one byte, hosts' time and all
    latency_spread: Floats  # (n, n)
    rate: Floats  # (n, n) bytes/s of payload from row to column, all others silent
    rate_spread: Floats  # (n, n)
    uplink: Floats  # (n,) bytes/s of payload to all on other machines at once
    downlink: Floats  # (n,) the same, from them


def measure(ranks: Ranks, machines: Sequence[str], seconds: float, progress: Progress) -> Links:
    """The links between all ranks, measured in about so many seconds; all ranks must call it. Raises Lost."""
    n = ranks.size
    latency, latency_spread, rate, rate_spread = (np.full((n, n), np.nan) for _ in range(4))
    capacity = np.full((2, n), np.nan)
    pairs = [(leader, peer) for leader in range(n) for peer in range(leader + 1, n)]
    far = {leader: _elsewhere(machines, leader) for leader in range(n)}
    crowds = [leader for leader in range(n) if n > 2 and len(far[leader]) > 1]
    target = seconds / (len(pairs) * 2 * (_ROUNDS + 2) + len(crowds) * 2 * _ROUNDS)  # of one round
    turns = len(pairs) + len(crowds)
    with progress.steps("links", turns) as done:
        for number, (i, j) in enumerate(pairs):
            found = _turn(ranks, f"the link of ranks {i} and {j}", i, [j], lambda peer=j: _pair(ranks, peer, target))
            latency[i, j] = latency[j, i] = found["ping"][0]
            latency_spread[i, j] = latency_spread[j, i] = found["ping"][1]
            (rate[i, j], rate_spread[i, j]), (rate[j, i], rate_spread[j, i]) = found["out"], found["in"]
            done(number + 1)
        for number, i in enumerate(crowds):
            peers = {j: (float(rate[i, j]), float(rate[j, i]), float(latency[i, j])) for j in far[i]}
            found = _turn(ranks, f"the links of rank {i}", i, far[i], lambda crowd=peers: _crowd(ranks, crowd, target))
            capacity[:, i] = found["out"], found["in"]
            done(len(pairs) + number + 1)
    return Links(tuple(machines), latency, latency_spread, rate, rate_spread, capacity[0], capacity[1])


def host_seconds(group: Any, *, repeats: int = 30) -> float:
    """Seconds that hosts take for one message of gloo's all-reduce: what the Simulator knows as transport.message.

    All ranks of the `group`, a ProcessGroupGloo, call it together, on links as fast as the machine, and get the same answer.
    It is the median time of an all-reduce of 1 KiB, the slowest rank's each time and the first one dropped, over what the
    schedule of bench/network/collectives/gloo.py takes if each message takes one second.
    """
    if repeats < 2:
        raise ValueError(f"repeats must be >= 2, got {repeats}")
    n, nbytes = group.size(), 1024
    if n < 2:
        return 0.0
    with lost("all-reduces"):
        seconds = float(np.median(timed_all_reduces(group, torch.zeros(nbytes // 4), repeats)[1:]))
    none, one = np.full(n, np.inf), np.ones(n)
    return seconds / gloo_seconds(rates=none, latency=one, back=one, nbytes=nbytes, one_queue=n == 2)


def _turn(ranks: Ranks, name: str, leader: int, peers: Sequence[int], lead: Any) -> Any:
    """What the `leader` found in its turn; its `peers` answer it, all others are silent until it is over."""
    if ranks.rank == leader:
        with ranks.telling(name):
            found = lead()
            for peer in peers:
                _order(ranks, peer, _OVER)
        ranks.publish(name, found)
    elif ranks.rank in peers:
        with ranks.telling(name):
            _answer(ranks, leader)
    return ranks.read(name)


def _pair(ranks: Ranks, peer: int, target: float) -> dict[str, tuple[float, float]]:
    """One way seconds, and bytes/s out and in, each with its spread, of the leader and one peer."""
    first = float(np.median(_rounds(ranks, _OUT, {peer: 1}, 3)[1:]))
    pings = _rounds(ranks, _OUT, {peer: 1}, max(4, min(_PINGS, int(2 * target / first))))[1:, 0]
    round_trip = float(np.median(pings))
    found = {"ping": (round_trip / 2, spread(pings))}
    for word, direction in (("out", _OUT), ("in", _IN)):
        nbytes = _LEAST
        while True:
            [[took]] = _rounds(ranks, direction, {peer: nbytes}, 1)
            took = max(took - round_trip, 1e-6)
            if nbytes == _MOST or took > target / 2:
                break
            nbytes = min(_MOST, int(nbytes * min(8.0, max(1.5, target / took))))
        seconds = _rounds(ranks, direction, {peer: nbytes}, _ROUNDS)[1:, 0]
        rates = nbytes / np.maximum(seconds - round_trip, 1e-6)
        found[word] = float(np.median(rates)), spread(rates)
    return found


def _crowd(ranks: Ranks, peers: Mapping[int, tuple[float, float, float]], target: float) -> dict[str, float]:
    """Bytes/s out to all `peers` at once, and in from them; of each are given its own rates and latency.

    Each gets a share in proportion to its rate by itself: then all end together, whichever link holds them back.
    """
    found = {}
    nearest_first = sorted(peers, key=lambda peer: peers[peer][2])
    round_trips = np.array([2 * peers[peer][2] for peer in nearest_first])
    for word, direction in (("out", _OUT), ("in", _IN)):
        alone = {peer: peers[peer][direction] for peer in nearest_first}
        sizes = {peer: int(min(_MOST, max(_LEAST, target * rate))) for peer, rate in alone.items()}
        seconds = (_rounds(ranks, direction, sizes, _ROUNDS)[1:] - round_trips).max(axis=1)
        # A rank that is as fast with one peer as with all of them may end up below that by a straggling connection.
        found[word] = max(sum(sizes.values()) / max(float(np.median(seconds)), 1e-6), *alone.values())
    return found


def _rounds(ranks: Ranks, direction: int, sizes: Mapping[int, int], count: int) -> Floats:
    """Seconds of each of `count` rounds until each peer is done, (count, n).

    The leader sends its payloads, or gets them, all at once. A peer is not found to be done before those named before it.
    """
    for peer, nbytes in sizes.items():
        _order(ranks, peer, direction, count, nbytes)
    payload = {peer: torch.zeros(nbytes, dtype=torch.uint8) for peer, nbytes in sizes.items()}
    answer = {peer: torch.zeros(1, dtype=torch.uint8) for peer in sizes}
    into, out = (answer, payload) if direction == _OUT else (payload, answer)
    seconds = np.zeros((count, len(sizes)))
    for number in range(count):
        start = time.monotonic()
        coming = [ranks.receive(into[peer], peer) for peer in sizes]
        going = [ranks.send(out[peer], peer) for peer in sizes]
        for place in range(len(sizes)):
            coming[place].wait()
            going[place].wait()
            seconds[number, place] = time.monotonic() - start
    return seconds


def _order(ranks: Ranks, peer: int, direction: int, count: int = 0, nbytes: int = 0) -> None:
    ranks.send(torch.tensor([direction, count, nbytes]), peer).wait()


def _answer(ranks: Ranks, leader: int) -> None:
    """Do as the leader orders until its turn is over."""
    for direction, count, nbytes in _orders(ranks, leader):
        payload, answer = torch.zeros(nbytes, dtype=torch.uint8), torch.zeros(1, dtype=torch.uint8)
        into, out = (payload, answer) if direction == _OUT else (answer, payload)
        coming = ranks.receive(into, leader)
        for number in range(count):
            coming.wait()
            if number + 1 < count:
                coming = ranks.receive(into, leader)
            ranks.send(out, leader).wait()


def _orders(ranks: Ranks, leader: int) -> Iterator[tuple[int, int, int]]:
    order = torch.zeros(3, dtype=torch.int64)
    while True:
        ranks.receive(order, leader).wait()
        direction, count, nbytes = order.tolist()
        if direction == _OVER:
            return
        yield direction, count, nbytes


def _elsewhere(machines: Sequence[str], rank: int) -> list[int]:
    """The ranks on other machines, or all others where there is only one machine."""
    far = [other for other, name in enumerate(machines) if name != machines[rank]]
    return far or [other for other in range(len(machines)) if other != rank]


def spread(values: Floats) -> float:
    """The distance of the quartiles, as a share of the median."""
    return float(np.subtract(*np.quantile(values, [0.75, 0.25])) / np.median(values))
