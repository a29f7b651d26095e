"""Peers on their way to another stage of a pipeline: they download its state, and serve nobody meanwhile."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.network import Transfer, plan_seconds
from bench.scenario import Scenario

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Move:
    """One peer's download, between two virtual seconds."""

    transfer: Transfer
    begun: float
    over: float


class Moves:
    """The moves of one run. Their downloads, of `nbytes` each, have the links to themselves, as these are when they begin."""

    def __init__(self, scenario: Scenario, nbytes: float) -> None:
        self.carried = np.zeros(len(scenario.network.capacity))  # (L,) bytes so far
        self.away = np.zeros(scenario.workers, bool)  # (W,)
        self._scenario, self._nbytes = scenario, nbytes
        self._moves: dict[int, Move] = {}  # by rank
        self._draws = 0

    def begin(self, rank: int, present: Mask, capacity: Floats, now: float) -> None:
        """`rank` begins its download at the second `now`, on links of `capacity`, (L,), with those `present`, (W,), there."""
        self._draws += 1
        others = np.flatnonzero(present & (np.arange(len(present)) != rank))
        transfer = self._scenario.recovery.download(self._scenario.paths, rank, self._nbytes, others, -self._draws)
        self._moves[rank] = Move(transfer, now, now + plan_seconds((transfer,), capacity))
        self.away[rank] = True

    def next_landing(self) -> float:
        """The second at which the next one is over; infinity if none is under way."""
        return min((move.over for move in self._moves.values()), default=np.inf)

    def land(self, now: float) -> list[int]:
        """Those whose download is over by the second `now`, and who serve their new stage from then on."""
        landed = [rank for rank, move in self._moves.items() if move.over <= now]
        self.give_up(landed, now)
        return landed

    def give_up(self, ranks: Iterable[int], now: float) -> None:
        """Those of `ranks` that are on their way no longer are at the second `now`; what they have, they have."""
        for rank in ranks:
            if (move := self._moves.pop(rank, None)) is None:
                continue
            flowing = move.over - move.begun - move.transfer.latency
            share = min(max(now - move.begun - move.transfer.latency, 0.0) / flowing, 1.0) if flowing > 0 else 1.0
            move.transfer.carry(share * self._nbytes, self.carried)
            self.away[rank] = False
