"""What one host sends another: how many bytes, and what they ask of the links."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bench.codings import Codings
from bench.network import Paths, Transfer
from bench.network.collectives import beside, exchange
from bench.pace import Coding
from bench.replicas import Layout, Part

KNOWN = 20_000
"""Messages that are kept in mind, about 1 kB each."""


@dataclass(frozen=True)
class Weight:
    """A payload on the wire."""

    wire_bytes: int
    coding: Coding | None  # None where it travels as it is


class Messages:
    """The messages between hosts of a network.

    One from a host to itself is between a worker and a server beside it, on the same lines: it goes out by one and comes in by
    the other, like those of workers elsewhere. A worker next to the server is no faster for it.
    """

    def __init__(self, paths: Paths, codings: Codings) -> None:
        self._paths, self._codings = paths, codings
        self._known: OrderedDict[tuple[int, int, float], Transfer] = OrderedDict()
        self._latency: dict[tuple[int, int], float] = {}

    @property
    def plain(self) -> bool:
        """Whether no codec changes anything."""
        return self._codings.exact

    def weight(self, row: Tensor, part: Part | None, layout: Layout, encoded: bool = True) -> Weight:
        """What one worker's payload, (1, n), weighs, about `part` of a model of that `layout`, or about all of it."""
        coding = self._codings.of(row, part, layout) if encoded else None
        return Weight(row.nbytes if coding is None else coding.wire_bytes, coding)

    def latency(self, source: int, target: int) -> float:
        """Seconds until a message without bytes is there."""
        if (source, target) not in self._latency:
            self._latency[source, target] = float(self._paths.latency(np.array([source]), np.array([target]))[0])
        return self._latency[source, target]

    def transfer(self, source: int, target: int, nbytes: float) -> Transfer:
        """A message of `nbytes`."""
        key = source, target, nbytes
        if key not in self._known:
            if source == target:
                self._known[key] = beside(self._paths, source, nbytes)
            else:
                [self._known[key]] = exchange(self._paths, np.array([source]), np.array([target]), nbytes)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return self._known[key]
