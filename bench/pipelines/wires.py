"""Activations on the links between the stages of a pipeline: one message after the other on each link."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.network import Paths

Floats = NDArray[np.float64]
Link = int | tuple[int, int]
"""A link of the network by its number, or a connection by both its ranks."""


@dataclass(frozen=True, eq=False)
class Message:
    """One microbatch's activations, or their gradients, from one worker to another."""

    source: int
    target: int
    nbytes: float
    ready: float  # virtual seconds: when it was handed to the sender's line,
    begun: float  # when all links on its way had come to it,
    arrival: float  # and when its last byte arrives
    latency: float  # seconds of that


class Wires:
    """The links of a network as queues: each sends what it is given in that order, at its full rate.

    A message passes through all links on its way at once, and through the connection of its two workers, which is open all the
    time and as fast as the transport lets it be. It has arrived when the slowest of them is through with it, and the latency is
    over. Nothing else is on the links meanwhile.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths, self._capacity = paths, paths.network.capacity
        self._ways: dict[tuple[int, int], tuple[float, float, list[int]]] = {}
        self._sent: dict[tuple[int, int], float] = {}  # bytes so far, by both ranks
        self._free: dict[Link, float] = {}  # the second at which each is through with all it was given

    def set_capacity(self, capacity: Floats) -> None:
        """Other capacities, (L,) in bytes/s, hold from the next message on."""
        self._capacity = capacity

    def send(self, source: int, target: int, nbytes: float, ready: float) -> Message:
        """The message of `nbytes` that is sent at the second `ready`, which never lies before that of the message before it."""
        latency, cap, links = self._way(source, target)
        on_link = nbytes / self._paths.transport.efficiency
        end = self._queue((source, target), ready, nbytes / cap)[1]  # the line is free for others meanwhile
        begin = ready
        for link in links:
            begin, through = self._queue(link, begin, on_link / float(self._capacity[link]))
            end = max(end, through)
        return Message(source, target, nbytes, ready, begin, end + latency, latency)

    def carry(self, message: Message, until: float) -> None:
        """Count the bytes of `message` that were on its links by the second `until`, when it has arrived or is given up."""
        sending = message.arrival - message.latency - message.begun
        share = 1.0 if until >= message.arrival else min(max(until - message.begun, 0.0) / sending, 1.0) if sending else 0.0
        ends = message.source, message.target
        self._sent[ends] = self._sent.get(ends, 0.0) + share * message.nbytes / self._paths.transport.efficiency

    @property
    def carried(self) -> Floats:
        """Bytes on each link so far, (L,)."""
        carried = np.zeros(len(self._capacity))
        for ends, nbytes in self._sent.items():
            carried[self._way(*ends)[2]] += nbytes
        return carried

    def _queue(self, link: Link, ready: float, seconds: float) -> tuple[float, float]:
        """From when to when a link is at what takes it so many seconds."""
        begin = max(self._free.get(link, 0.0), ready)
        self._free[link] = begin + seconds
        return begin, begin + seconds

    def _way(self, source: int, target: int) -> tuple[float, float, list[int]]:
        """Latency, the connection's rate, and the links between two workers."""
        if (source, target) not in self._ways:
            here, there = np.array([source]), np.array([target])
            latency, cap = float(self._paths.latency(here, there)[0]), float(self._paths.cap(here, there)[0])
            links = [int(link) for _, crossed in self._paths.network.routes(here, there) for link in crossed]
            self._ways[source, target] = latency, cap, links
        return self._ways[source, target]
