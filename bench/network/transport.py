"""What a protocol leaves of a link: headers, windows, losses, slow start, and the cost of each message."""

from dataclasses import dataclass

import numpy as np

from bench.network.transfer import Floats, Ramp
from bench.units import Bytes, Rate, Seconds


@dataclass(frozen=True, kw_only=True)
class Transport:
    """How bytes go from host to host. The defaults are pure latency and bandwidth.

    A flow uses `connections` at once. Each is held to `window` a round trip, and under a `loss` rate p to the square root of
    3/2 packets a round trip over the square root of p (Mathis et al., CCR 1997). Of each packet of `packet_bytes` on the
    wire, `payload_bytes` are ours. With an `initial_window`, a connection starts at that much a round trip and doubles every
    round trip (slow start, RFC 5681), after each pause anew (RFC 2861). `message` is the hosts' time for one message. With
    `one_queue`, all that a host sends waits in one queue, short notices behind bulk data, as behind a shaper.
    """

    connections: int = 1
    window: Bytes | None = None
    loss: float = 0.0
    packet_bytes: Bytes | None = None
    payload_bytes: Bytes | None = None
    initial_window: Bytes | None = None
    connection_rate: Rate | None = None
    message: Seconds = 0.0
    one_queue: bool = False

    def __post_init__(self) -> None:
        if self.connections < 1:
            raise ValueError(f"connections must be >= 1, got {self.connections}")
        if not 0 <= self.loss < 1:
            raise ValueError(f"loss must be >= 0 and below 1, got {self.loss:g}")
        for name in ("window", "packet_bytes", "payload_bytes", "initial_window", "connection_rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value:g}")
        if self.initial_window is not None and self.initial_window < 1:
            raise ValueError(f"initial_window must be >= 1 B, got {self.initial_window:g}")
        if not 0 <= self.message < np.inf:
            raise ValueError(f"message must be >= 0 s and finite, got {self.message:g}")
        if (self.packet_bytes is None) != (self.payload_bytes is None):
            raise ValueError("packet_bytes and payload_bytes must be given together")
        if self.packet_bytes is not None and self.payload_bytes is not None and self.payload_bytes > self.packet_bytes:
            raise ValueError(f"payload_bytes must be <= packet_bytes = {self.packet_bytes:g}, got {self.payload_bytes:g}")
        if self.loss and self.payload_bytes is None:
            raise ValueError(f"payload_bytes must be given where loss is {self.loss:g}: it is a packet that is lost")

    @property
    def efficiency(self) -> float:
        """The share of the bytes on a link that is payload."""
        return 1.0 if self.payload_bytes is None or self.packet_bytes is None else self.payload_bytes / self.packet_bytes

    def rate(self, round_trip: Floats, connection_rate: Floats | float) -> Floats:
        """The most payload, in bytes/s, that each flow carries over a `round_trip` of so many seconds, however fast its links.

        `connection_rate` is what the network grants one connection.
        """
        limit = connection_rate if self.connection_rate is None else np.minimum(connection_rate, self.connection_rate)
        single = np.full(round_trip.shape, limit * self.efficiency)
        with np.errstate(divide="ignore"):
            if self.window is not None:
                single = np.minimum(single, self.window / round_trip)
            if self.loss and self.payload_bytes is not None:
                single = np.minimum(single, self.payload_bytes / round_trip * np.sqrt(1.5 / self.loss))
        return single * self.connections

    def ramp(self, round_trip: float, part: float) -> Ramp | None:
        """The slow start of a flow over a round trip of so many seconds, if it carries `part` of an activity's payload."""
        if self.initial_window is None or not round_trip > 0:
            return None
        return Ramp(self.connections * self.initial_window / round_trip / part, round_trip)
