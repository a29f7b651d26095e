"""What one host sends another: how many bytes, and what they ask of the links."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.codec import Codec
from bench.network import Paths, Transfer
from bench.network.collectives import exchange
from bench.replicas import Part

KNOWN = 20_000
"""Messages that are kept in mind, about 1 kB each."""


@dataclass(frozen=True)
class Weight:
    """A payload on the wire."""

    wire_bytes: int
    codec_bytes: int  # through a device's memory to encode, and again to decode


class Messages:
    """The messages between hosts of a network. A host reaches itself at once."""

    def __init__(self, paths: Paths, codec: Codec) -> None:
        self._paths, self._codec = paths, codec
        self._weights: dict[tuple[torch.Size, Part | None], Weight] = {}
        self._known: OrderedDict[tuple[int, int, float], Transfer] = OrderedDict()
        self._latency: dict[tuple[int, int], float] = {}

    def weight(self, row: Tensor, part: Part | None = None, encoded: bool = True) -> Weight:
        """What one worker's payload, (1, n), weighs, of these columns of the parameters or of all."""
        if not encoded or self._codec.exact:
            return Weight(row.nbytes, 0)
        key = row.shape, part
        if key not in self._weights:
            wire_bytes = sum(tensor.nbytes for tensor in self._codec.encode(row))
            # A codec that changes anything reads one form and writes the other.
            self._weights[key] = Weight(wire_bytes, row.nbytes + wire_bytes)
        return self._weights[key]

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
