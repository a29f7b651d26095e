"""A network as conf states it: hosts with asymmetric access links, tiers of groups with shared exits, and regions far apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.mixture import deal
from bench.network.links import Exits, Network
from bench.network.transfer import Floats, Ints
from bench.units import Rate, Seconds

Matrix = Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Tier:
    """One tier of a hierarchy: groups of what lies below (hosts, or the groups of the tier before), each with an exit.

    Groups are consecutive: of `size` members (of a list of sizes, the last one repeats), or `groups` equal ones. All
    traffic that leaves a group shares its exit, of `uplink` and `downlink`; or the members' links together divided by
    `oversubscription`, as in a fat tree, whose equal paths are taken as perfectly balanced. A list of rates is dealt to the
    groups in turn. `latency` is one way, for each exit crossed.
    """

    name: str
    size: int | Sequence[int] | None = None
    groups: int | None = None
    uplink: Rate | Sequence[float] | None = None
    downlink: Rate | Sequence[float] | None = None
    oversubscription: float | None = None
    latency: Seconds = 0.0

    def __post_init__(self) -> None:
        if (self.size is None) == (self.groups is None):
            raise ValueError(f"size or groups must be given, and not both, got {self.size} and {self.groups}")
        for name in ("size", "groups"):
            given = getattr(self, name)
            listed = name == "size" and isinstance(given, Sequence)
            numbers = list(given) if listed else [] if given is None else [given]
            if not all(type(number) is int and number >= 1 for number in numbers) or (listed and not numbers):
                raise ValueError(f"{name} must be >= 1, got {given}")
        exits = [self.uplink is not None, self.downlink is not None, self.oversubscription is not None]
        if exits not in ([True, True, False], [False, False, True]):
            raise ValueError("uplink and downlink must be given, or oversubscription instead of both")
        for name in ("uplink", "downlink"):
            _check_list(name, getattr(self, name))
            _check_rates(name, getattr(self, name))
        if self.oversubscription is not None and not 0 < self.oversubscription < np.inf:
            raise ValueError(f"oversubscription must be above 0 and finite, got {self.oversubscription:g}")
        _check_seconds("latency", self.latency)


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A network for any number of workers.

    `uplink`, `downlink` and `last_mile` (one way, host to the first shared point) are one quantity for every host; a list,
    dealt in turn, host by host, that begins anew where it is shorter than the network; or a mixture {quantity: share}. A host
    has one place in all three mixtures, so classes listed in one order stay together.
    `tiers` go from the hosts outwards. The groups of the last tier, or the hosts where there is none, are dealt to
    `regions` in equal consecutive blocks. Between regions, as matrices with a row and a column for each: `region_latency`
    (one way), `region_rate` (capacity that all traffic from one to the other shares), `connection_rate` (what is granted to
    a single connection; also one quantity for every pair of hosts) and `pair_rate` (payload that was measured between two
    hosts, which stands in for the rate of a transport, not for its slow start; unlimited where none was). Diagonals hold
    inside a region. `server` is the line of a server outside, from which those who come back download their state.
    """

    uplink: Rate | Mapping[float, float] | Sequence[float]
    downlink: Rate | Mapping[float, float] | Sequence[float]
    last_mile: Seconds | Mapping[float, float] | Sequence[float]
    tiers: Sequence[Tier] = ()
    regions: Sequence[str] | None = None
    region_latency: Seconds | Matrix | None = None
    region_rate: Rate | Matrix | None = None
    connection_rate: Rate | Matrix | None = None
    pair_rate: Rate | Matrix | None = None
    server: Rate = np.inf

    def __post_init__(self) -> None:
        for name in ("uplink", "downlink", "last_mile"):
            _check_list(name, getattr(self, name))
        _check_rates("uplink", self.uplink)
        _check_rates("downlink", self.downlink)
        _check_seconds("last_mile", self.last_mile)
        for name, names in (("tiers", [tier.name for tier in self.tiers]), ("regions", self.regions or [])):
            if len(set(names)) < len(names):
                raise ValueError(f"{name} must have names of their own, got {', '.join(names)}")
        if self.regions is not None and not self.regions:
            raise ValueError("regions must not be empty")
        if self.regions is not None and self.region_latency is None:
            raise ValueError("region_latency must be given where there are regions")
        for name in ("region_latency", "region_rate", "connection_rate", "pair_rate"):
            matrix = getattr(self, name)
            if matrix is None or (name == "connection_rate" and isinstance(matrix, float)):
                continue
            if self.regions is None:
                raise ValueError(f"{name} must not be given for pairs of regions where there are no regions")
            rows = [len(row) if isinstance(row, Sequence) else 0 for row in matrix] if isinstance(matrix, Sequence) else []
            if rows != [len(self.regions)] * len(self.regions):
                raise ValueError(
                    f"{name} must have a row and a column for each of the {len(self.regions)} regions, "
                    f"got rows of {rows or 'one value'}"
                )
            if any(isinstance(entry, Sequence) for row in matrix for entry in row):
                raise ValueError(f"{name} must be one number for each pair of regions")
        _check_seconds("region_latency", self.region_latency)
        _check_rates("region_rate", self.region_rate)
        _check_rates("connection_rate", self.connection_rate)
        _check_rates("pair_rate", self.pair_rate)
        _check_rates("server", self.server)

    def network(self, workers: int, seed: int) -> Network:
        """The links of `workers` hosts; mixtures are dealt from the stream (seed, "access"). A longer list is a ValueError."""
        for name in ("uplink", "downlink", "last_mile"):
            given = getattr(self, name)
            if isinstance(given, Sequence) and len(given) > workers:
                raise ValueError(f"{name} must be at most as long as there are workers, {workers}, got {len(given)} quantities")
        up, down, last_mile = (
            deal(spread, workers, seed, "access", name=name) if isinstance(spread, Mapping) else np.resize(spread, workers)
            for name, spread in (("uplink", self.uplink), ("downlink", self.downlink), ("last_mile", self.last_mile))
        )
        capacity, exits = [up.astype(float), down.astype(float)], []
        below = np.arange(workers)  # group of each host in the tier below
        ups, downs = up, down  # the links of the tier below
        first = 2 * workers
        for tier in self.tiers:
            group = _groups(tier, int(below[-1]) + 1)  # of each group below
            ups, downs = _exit(tier, group, ups, tier.uplink), _exit(tier, group, downs, tier.downlink)
            below = group[below]
            exits.append(Exits(tier.name, below, len(ups), first, tier.latency))
            capacity += [ups, downs]
            first += 2 * len(ups)
        names = self.regions or ("",)
        region = below * len(names) // (int(below[-1]) + 1)  # (W,)
        shared = np.full((len(names), len(names)), np.inf) if self.region_rate is None else np.asarray(self.region_rate, float)
        limited = np.isfinite(shared)
        number = np.full(shared.shape, -1)
        number[limited] = first + np.arange(limited.sum())
        single, pair = (
            np.broadcast_to(np.inf if rates is None else np.asarray(rates, float), shared.shape)
            for rates in (self.connection_rate, self.pair_rate)
        )
        server = [self.server] if np.isfinite(self.server) else []
        between = first + int(limited.sum())  # the number of the first link after those between regions
        return Network(
            workers=workers,
            capacity=np.concatenate([*capacity, shared[limited], server]),
            last_mile=last_mile.astype(float),
            tiers=tuple(exits),
            region=region,
            region_latency=np.asarray(self.region_latency if self.regions else [[0.0]], float),
            region_link=number,
            single_connection=single,
            measured=pair,
            several_regions=len(names) > 1,
            server_link=between if server else -1,
        )


def _check_list(name: str, given: Any) -> None:
    if isinstance(given, Sequence) and not (given and all(isinstance(entry, float) for entry in given)):
        raise ValueError(f"{name} must list quantities, got {given!r}")


def _check_rates(name: str, rates: Any) -> None:
    for rate in _numbers(rates):
        if not rate > 0:
            raise ValueError(f"{name} must be above 0 bit/s, got {rate:g}")


def _check_seconds(name: str, times: Any) -> None:
    for seconds in _numbers(times):
        if not 0 <= seconds < np.inf:
            raise ValueError(f"{name} must be >= 0 s and finite, got {seconds:g}")


def _numbers(given: Any) -> list[float]:
    """All that one number, a mixture or a matrix holds; nothing of None."""
    if given is None:
        return []
    return np.ravel(list(given) if isinstance(given, Mapping) else given).tolist()


def _groups(tier: Tier, members: int) -> Ints:
    """The group of each of `members` below, in equal consecutive blocks."""
    if isinstance(tier.size, Sequence):
        more = max(0, members - sum(tier.size)) // tier.size[-1] + 1
        return np.repeat(np.arange(len(tier.size) + more), [*tier.size, *[tier.size[-1]] * more])[:members]
    if tier.size is not None:
        return np.arange(members) // tier.size
    assert tier.groups is not None  # checked by Tier
    return np.arange(members) * min(tier.groups, members) // members


def _exit(tier: Tier, group: Ints, links: Floats, rate: float | Sequence[float] | None) -> Floats:
    """The capacity of each group's exit in one direction, from its own rate or from the members' `links`."""
    if rate is not None:
        return np.resize(np.array(rate, float), int(group[-1]) + 1)
    assert tier.oversubscription is not None  # checked by Tier
    return np.bincount(group, weights=links) / tier.oversubscription
