"""A world: its links, its devices, who is up when, and whom a reduction waits for."""

from dataclasses import dataclass

from bench.churn import Churn
from bench.devices import Fleet
from bench.network import Network
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
