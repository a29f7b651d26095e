"""A world: its links, its devices, who is up when, and whom a reduction waits for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.churn import Churn
from bench.devices import Fleet
from bench.network import Network, Transfer, ring_all_reduce
from bench.participation import Participation


@dataclass(frozen=True)
class Scenario:
    """The hardware of one run, for a definite number of workers."""

    network: Network
    fleet: Fleet
    churn: Churn
    participation: Participation
    seed: int

    @property
    def workers(self) -> int:
        return self.network.workers

    def all_reduce(self, ranks: NDArray[np.int64], nbytes: float) -> tuple[Transfer, ...]:
        """The transfers of an all-reduce of `nbytes` among `ranks`, one after the other."""
        return (ring_all_reduce(self.network, ranks, nbytes),)
