"""A network with a transport on it: what flows from host to host ask of the links, as one fluid activity."""

from dataclasses import dataclass

import numpy as np

from bench.network.links import Network
from bench.network.transfer import Floats, Ints, Ramp, Transfer
from bench.network.transport import Transport


@dataclass(frozen=True)
class Paths:
    """Where bytes go, and how. Letters: n flows, L links."""

    network: Network
    transport: Transport
    seed: int = 0  # of whatever is drawn, such as a ring's random order

    def latency(self, source: Ints, target: Ints) -> Floats:
        """Seconds from the begin of a message to its first byte's arrival, (n,): the hosts' time and one way."""
        return self.network.latency(source, target) + self.transport.message

    def cap(self, source: Ints, target: Ints) -> Floats:
        """Bytes/s of payload that the transport lets through for each flow, (n,), whatever the links carry."""
        return self.transport.rate(self.network.latency(source, target), self.network.connection_rate(source, target))

    def rates(self, source: Ints, target: Ints) -> Floats:
        """Bytes/s of payload of each flow, (n,), if all flow at once and each link is divided equally among those on it."""
        sections = self.network.routes(source, target)
        users = np.zeros(len(self.network.capacity))
        for _, links in sections:
            users += np.bincount(links, minlength=len(users))
        with np.errstate(divide="ignore"):
            return self._slowest(sections, self.network.capacity / users, source, target)

    def alone(self, source: Ints, target: Ints) -> Floats:
        """Bytes/s of payload of each flow, (n,), if it had all its links for itself."""
        return self._slowest(self.network.routes(source, target), self.network.capacity, source, target)

    def _slowest(self, sections: list[tuple[Ints | slice, Ints]], capacity: Floats, source: Ints, target: Ints) -> Floats:
        """The least of the links' `capacity` on each flow's way and of the transport's cap, (n,)."""
        rates = self.cap(source, target)
        for flows, links in sections:
            rates[flows] = np.minimum(rates[flows], capacity[links] * self.transport.efficiency)
        return rates

    def activity(self, source: Ints, target: Ints, volume: Floats | float, nbytes: float, latency: float) -> Transfer:
        """One activity of `nbytes` that moves `volume` bytes, (n,), from each source to its target, all in step.

        After `latency` seconds. Those that share a link with others take a connection's part for each connection of theirs.
        """
        latency = max(latency, 0.0)  # what is left of a schedule's seconds may be a rounding below none
        volume = np.broadcast_to(np.asarray(volume, float), len(source))
        sends = np.flatnonzero((source != target) & (volume > 0))
        source, target, volume = source[sends], target[sends], volume[sends]
        if not len(sends) or nbytes <= 0:
            return Transfer(0.0, np.array([], np.int64), np.array([]), latency)
        load = np.zeros(len(self.network.capacity))
        for flows, crossed in self.network.routes(source, target):
            load += np.bincount(crossed, weights=volume[flows], minlength=len(load))
        links = np.flatnonzero(load)
        weights = load[links] / (nbytes * self.transport.efficiency)
        part = volume / nbytes  # of the payload, (n,)
        return Transfer(
            nbytes,
            links,
            weights,
            latency,
            share=self.transport.connections / float(part.max()),
            cap=float((self.cap(source, target) / part).min()),
            ramp=self._ramp(source, target, part),
        )

    def _ramp(self, source: Ints, target: Ints, part: Floats) -> Ramp | None:
        """The slow start of the flow that is held back longest."""
        if self.transport.initial_window is None:
            return None
        round_trip = 2 * self.network.latency(source, target)  # (n,)
        slowest = int(np.argmax(round_trip))
        return self.transport.ramp(float(round_trip[slowest]), float(part[slowest]))
