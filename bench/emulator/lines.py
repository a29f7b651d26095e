"""The lines of an emulation's hosts: rates, one-way delays and losses, as a scenario's network and transport state them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import SkipError
from bench.network import Network, Transport
from bench.network.transfer import Floats
from bench.scenario import Scenario

FRAME_BYTES, PAYLOAD_BYTES = 1514, 1448
"""A full Ethernet frame at MTU 1500, and what is ours of it: less 14 of Ethernet, 40 of IP and TCP and 12 of time stamps."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What lies between the hosts. W of them."""

    up: Floats  # (W,) bytes/s of Ethernet frames; infinity for no limit
    down: Floats  # (W,)
    delay: Floats  # (W, W) seconds one way; on the diagonal to a node beside, on the same line
    loss: Floats  # (W, W) share of the frames
    initial_window: int | None = None  # segments of TCP's slow start, after each pause anew; None for no slow start
    window: int | None = None  # bytes of a connection that may be on their way, 64 KiB times a power of two; None for any

    def __post_init__(self) -> None:
        hosts = len(self.up)
        for name, shape in (("up", (hosts,)), ("down", (hosts,)), ("delay", (hosts, hosts)), ("loss", (hosts, hosts))):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have the shape {shape}, got {getattr(self, name).shape}")
        for name in ("up", "down"):
            if not (getattr(self, name) > 0).all():
                raise ValueError(f"{name} must be above 0 B/s, got {getattr(self, name).min():g}")
        if not ((self.delay >= 0) & np.isfinite(self.delay)).all():
            raise ValueError("delay must be >= 0 s and finite")
        if not ((self.loss >= 0) & (self.loss < 1)).all():
            raise ValueError("loss must be >= 0 and below 1")
        if self.initial_window is not None and self.initial_window < 1:
            raise ValueError(f"initial_window must be >= 1, got {self.initial_window}")
        if self.window is not None and not _can_be_announced(self.window):
            raise ValueError(f"window must be 64 KiB times a power of two, got {self.window}")

    def free(self, delay: float) -> "Lines":
        """The same hosts on lines as fast as this machine, all of them so many seconds apart."""
        apart, loss = np.full_like(self.delay, delay), np.zeros_like(self.loss)
        return Lines(up=np.full_like(self.up, np.inf), down=np.full_like(self.down, np.inf), delay=apart, loss=loss)

    @classmethod
    def of(cls, scenario: Scenario) -> "Lines":
        """The lines of a scenario; raises SkipError where these cannot be made.

        A transport without headers gets those of MTU 1500 all the same. The hosts' time for a message is not in here.
        """
        network, transport = scenario.network, scenario.paths.transport
        reason = _obstacle(network, transport)
        if reason is None and scenario.changes is not None:
            reason = "links that vary in time"
        if reason is not None:
            raise SkipError(f"the emulator cannot make {reason}")
        hosts = network.workers
        source, target = (index.ravel() for index in np.indices((hosts, hosts)))
        segments = None
        if transport.initial_window is not None:
            segments = max(1, round(transport.initial_window / (transport.payload_bytes or PAYLOAD_BYTES)))
        up, down = network.capacity[:hosts].copy(), network.capacity[hosts : 2 * hosts].copy()
        delay = network.latency(source, target).reshape(hosts, hosts)
        return cls(
            up=up,
            down=down,
            delay=delay,
            loss=np.full((hosts, hosts), transport.loss),
            initial_window=segments,
            window=_window(transport, np.minimum(up[:, None], down), delay + delay.T),
        )


def _window(transport: Transport, rate: Floats, round_trip: Floats) -> int | None:
    """The window where it holds back any connection between the lines, of rates (W, W) and round trips (W, W)."""
    if transport.window is None:
        return None
    with np.errstate(divide="ignore"):
        most = transport.window / round_trip
    if (rate * transport.efficiency <= most).all():
        return None
    if not _can_be_announced(transport.window):
        raise SkipError(
            f"the emulator cannot make a window of {transport.window:g} B, which would hold connections back here; "
            "a kernel's are 64 KiB times a power of two"
        )
    return round(transport.window)


def _can_be_announced(window: float) -> bool:
    """Whether a window is, to a thousandth, the largest of some scale (RFC 7323)."""
    scale = round(np.log2(window / 65536))
    return 0 <= scale <= 14 and abs(window / (65536 << scale) - 1) < 1e-3


def _obstacle(network: Network, transport: Transport) -> str | None:
    """What of these cannot be made, if anything."""
    hosts = network.workers
    for tier in network.tiers:
        if np.isfinite(network.capacity[tier.first : tier.first + 2 * tier.groups]).any() and tier.groups > 1:
            return f"links that hosts share: the exits of tier '{tier.name}'"
    if (network.region_link >= 0).any() and _crossed(network, network.region_link >= 0):
        return "links that hosts share: those between regions"
    if network.server_link >= 0:
        return "the line of a server outside"
    if _crossed(network, np.isfinite(network.measured)):
        return "rates that were measured between pairs of hosts"
    if transport.connection_rate is not None or _crossed(network, np.isfinite(network.single_connection)):
        return "rates that are granted to a connection"
    if transport.connections > 1:
        return f"{transport.connections} connections between two hosts; it has one"
    if transport.packet_bytes is not None and (transport.packet_bytes, transport.payload_bytes) != (FRAME_BYTES, PAYLOAD_BYTES):
        return (
            f"packets of {transport.packet_bytes:g} B, {transport.payload_bytes:g} B of them payload; its own are 1514 and 1448"
        )
    return None if hosts > 1 else "a network of one host"


def _crossed(network: Network, marked: NDArray[np.bool_]) -> bool:
    """Whether any pair of hosts is in a pair of regions, (R, R), that is marked."""
    present = np.unique(network.region)
    return bool(marked[np.ix_(present, present)].any())
