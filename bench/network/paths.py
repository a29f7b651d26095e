"""A network with a transport on it: what flows from host to host ask of the links, as one fluid activity."""

from dataclasses import dataclass

import numpy as np

from bench.network.links import Network
from bench.network.transfer import Floats, Ints, Transfer
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
        return self._cap(self.network.round_trip(source, target), source, target)

    def _cap(self, round_trip: Floats, source: Ints, target: Ints) -> Floats:
        """The same where the round trip is known; a measured rate stands in for the transport's."""
        rates = self.transport.rate(round_trip, self.network.connection_rate(source, target))
        measured = self.network.pair_rate(source, target)
        return np.where(np.isfinite(measured), measured, rates)

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

    def activity(
        self, source: Ints, target: Ints, volume: Floats | float, nbytes: float, latency: float, *, ring: bool = False
    ) -> Transfer:
        """One activity of `nbytes` that moves `volume` bytes, (n,), from each source to its target, all in step.

        After `latency` seconds. Those that share a link with others take a connection's part for each connection of theirs.
        In a `ring` all send from the first second on, and wait for each other all the time: it starts slowly at the pace that
        its bytes then have, and what that costs is latency, too.
        """
        latency = max(latency, 0.0)  # what is left of a schedule's seconds may be a rounding below none
        carries: Floats = np.asarray(volume, float)  # (n,), or () where all carry the same
        sends = (source != target) & (carries > 0)
        if not sends.any() or nbytes <= 0:
            return Transfer(0.0, np.array([], np.int64), np.array([]), latency)
        if not sends.all():
            source, target, carries = source[sends], target[sends], np.broadcast_to(carries, sends.shape)[sends]
        load = np.zeros(len(self.network.capacity))
        for flows, crossed in self.network.routes(source, target):
            if carries.ndim:
                load += np.bincount(crossed, weights=carries[flows], minlength=len(load))
            else:
                load += np.bincount(crossed, minlength=len(load)) * carries  # twice as fast
        links = np.flatnonzero(load)
        weights = load[links] / (nbytes * self.transport.efficiency)
        part = self._between_two(source, target, np.broadcast_to(carries / nbytes, source.shape))  # of the payload, (n,)
        round_trip = self.network.round_trip(source, target)
        cap = float((self._cap(round_trip, source, target) / part).min())
        farthest = int(np.argmax(round_trip))  # its slow start holds it back longest
        ramp = self.transport.ramp(float(round_trip[farthest]), float(part[farthest]))
        if ring and ramp is not None:
            rate = min(float((self.network.capacity[links] / weights).min()), cap)
            sending = max(latency + nbytes / rate - float(round_trip[farthest]) / 2 - self.transport.message, 0.0)
            pace = nbytes / sending if sending else np.inf
            latency += max(ramp.seconds(nbytes, pace) - sending, 0.0)  # a rounding must not turn time back
            ramp = None
        return Transfer(
            nbytes,
            links,
            weights,
            latency,
            share=self.transport.connections / float(part.max()),
            cap=cap,
            ramp=ramp,
        )

    def _between_two(self, source: Ints, target: Ints, part: Floats) -> Floats:
        """All that the two hosts of each flow send the same way, (n,): its flows have the same connections."""
        if np.bincount(source).max() < 2:
            return part
        pairs, pair = np.unique(source * self.network.workers + target, return_inverse=True)
        return part if len(pairs) == len(part) else np.bincount(pair, part).astype(float)[pair]
