"""Hosts with asymmetric access links, in islands behind shared exits, in regions some latency apart.

Letters: W hosts (one a worker), I islands, L links. Link numbers: uplinks 0 … W-1, downlinks W … 2W-1, then the islands'
exit uplinks and exit downlinks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.mixture import deal
from bench.network.transfer import Floats, Ints
from bench.units import Rate, Seconds


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A network as conf states it, for any number of workers.

    `uplink`, `downlink` and `last_mile` (one way, host to the first shared point) are one quantity for every host, or a
    mixture {quantity: share}; a host has one place in all three mixtures, so classes listed in one order stay together.
    Consecutive hosts are in islands of `island_size`, or in `islands` equal ones; an island shares an exit (`exit_uplink`,
    `exit_downlink`). Islands, or hosts where there are none, are dealt to `regions` in equal consecutive blocks;
    `region_latency` is one way, its diagonal inside a region.
    """

    uplink: Rate | Mapping[float, float]
    downlink: Rate | Mapping[float, float]
    last_mile: Seconds | Mapping[float, float]
    island_size: int | None = None
    islands: int | None = None
    exit_uplink: Rate | None = None
    exit_downlink: Rate | None = None
    regions: Sequence[str] | None = None
    region_latency: Seconds | Sequence[Sequence[float]] | None = None

    def __post_init__(self) -> None:
        for name in ("uplink", "downlink", "exit_uplink", "exit_downlink"):
            speeds = getattr(self, name)
            for speed in speeds if isinstance(speeds, Mapping) else [speeds]:
                if speed is not None and not speed > 0:
                    raise ValueError(f"{name} must be above 0 bit/s, got {speed:g}")
        if self.island_size is not None and self.islands is not None:
            raise ValueError(f"islands must not be given beside island_size = {self.island_size}, got {self.islands}")
        for name in ("island_size", "islands"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be >= 1, got {number}")
            if number is not None and (self.exit_uplink is None or self.exit_downlink is None):
                raise ValueError(f"exit_uplink and exit_downlink must be given where {name} is")
        islands = self.island_size or self.islands
        if not islands and (self.exit_uplink is not None or self.exit_downlink is not None):
            raise ValueError("exit_uplink and exit_downlink must not be given where there are no islands")
        if self.regions is None and self.region_latency is not None:
            raise ValueError("region_latency must not be given where there are no regions")
        if self.regions is not None:
            shape = np.asarray(self.region_latency, float).shape
            if shape != (len(self.regions), len(self.regions)):
                raise ValueError(
                    f"region_latency must have a row and a column for each of the {len(self.regions)} regions, "
                    f"got the shape {shape}"
                )

    def network(self, workers: int, seed: int) -> "Network":
        """The links of `workers` hosts; mixtures are dealt from the stream (seed, "access")."""
        hosts = np.arange(workers)
        up, down, last_mile = (
            deal(spread, workers, seed, "access", name=name) if isinstance(spread, Mapping) else np.full(workers, spread, float)
            for name, spread in (
                ("uplink", self.uplink),
                ("downlink", self.downlink),
                ("last_mile", self.last_mile),
            )
        )
        if self.islands:
            island = hosts * min(self.islands, workers) // workers
        else:
            island = hosts // self.island_size if self.island_size else np.full(workers, -1)
        islands = int(island.max()) + 1
        exits_up, exits_down = np.full(islands, self.exit_uplink), np.full(islands, self.exit_downlink)
        site, sites = (island, islands) if islands else (hosts, workers)
        region = site * (len(self.regions) if self.regions else 1) // sites
        matrix = self.region_latency if self.regions else [[0.0]]
        return Network(
            workers=workers,
            capacity=np.concatenate([up, down, exits_up, exits_down]).astype(float),
            island=island,
            last_mile=last_mile,
            region=region,
            region_latency=np.asarray(matrix, float),
        )


@dataclass(frozen=True)
class Network:
    """The links of one world."""

    workers: int
    capacity: Floats  # (L,) bytes/s
    island: Ints  # (W,), -1 where a host is in none
    last_mile: Floats  # (W,) seconds, one way
    region: Ints  # (W,)
    region_latency: Floats  # (R, R) seconds, one way

    def latency(self, source: Ints, target: Ints) -> Floats:
        """Seconds one way from each `source` to its `target`: both last miles and the distance between their regions."""
        between = self.region_latency[self.region[source], self.region[target]]
        return self.last_mile[source] + between + self.last_mile[target]

    def links(self, source: Ints, target: Ints) -> Ints:
        """Link numbers crossed by one flow for each (source, target), concatenated in no particular order."""
        islands = (len(self.capacity) - 2 * self.workers) // 2
        leaves = self.island[source] != self.island[target]
        out, into = self.island[source][leaves], self.island[target][leaves]
        return np.concatenate(
            [
                source,
                self.workers + target,
                2 * self.workers + out[out >= 0],
                2 * self.workers + islands + into[into >= 0],
            ]
        )
