"""What one host sends another: how many bytes, and what they ask of the links."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bench.codec import Codec
from bench.network import Paths, Transfer
from bench.network.collectives import exchange

KNOWN = 20_000
"""Messages that are kept in mind, about 1 kB each."""


@dataclass(frozen=True)
class Weight:
    """A payload on the wire."""

    wire_bytes: int
    codec_bytes: int  # through a device's memory to encode, and again to decode


def weight(codec: Codec, row: Tensor, encoded: bool = True) -> Weight:
    """What one worker's payload, (1, n), weighs; a codec that changes anything reads one form and writes the other."""
    if codec.exact or not encoded:
        return Weight(row.nbytes, 0)
    wire_bytes = sum(part.nbytes for part in codec.encode(row))
    return Weight(wire_bytes, row.nbytes + wire_bytes)


class Messages:
    """The messages between hosts of a network. A host reaches itself at once."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._known: OrderedDict[tuple[int, int, float], Transfer] = OrderedDict()
        self._latency: dict[tuple[int, int], float] = {}

    def latency(self, source: int, target: int) -> float:
        """Seconds until a message without bytes is there."""
        if source == target:
            return 0.0
        if (source, target) not in self._latency:
            self._latency[source, target] = float(self._paths.latency(np.array([source]), np.array([target]))[0])
        return self._latency[source, target]

    def transfer(self, source: int, target: int, nbytes: float) -> Transfer:
        """A message of `nbytes`."""
        key = source, target, nbytes
        if key not in self._known:
            if source == target:
                self._known[key] = Transfer(0.0, np.array([], np.int64), np.array([]), 0.0)
            else:
                [self._known[key]] = exchange(self._paths, np.array([source]), np.array([target]), nbytes)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return self._known[key]
