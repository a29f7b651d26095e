"""Who serves which stage of a pipeline, who gets the next microbatch, and who should move (SWARM, arXiv:2301.11913)."""

import numpy as np
from numpy.typing import NDArray

from bench.network import Network

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

RENEWED = 0.1
"""The part of what a peer's step is expected to take that its last step makes up; assumed."""


class Stages:
    """The stage of each worker, and the seconds that a microbatch is expected to take each of them.

    Those are the seconds of what it is slowest at: computing, sending or receiving. Workers begin in equal consecutive blocks.
    """

    def __init__(self, stages: int, step_seconds: Floats, microbatch: float) -> None:
        """`step_seconds`, (W,), are those of a whole step, of which a stage's part in one microbatch is so much."""
        workers = len(step_seconds)
        self.of = np.arange(workers) * stages // workers  # (W,)
        self._step_seconds, self._microbatch = step_seconds.copy(), microbatch
        # An end sends one message a microbatch and receives one, other stages two; a model in one piece none.
        self._messages = np.full(stages, 2.0 if stages > 1 else 0.0)  # (S,)
        self._messages[[0, -1]] /= 2
        self._given: dict[int, float] = {}  # seconds of work, by rank, of those who serve the step under way

    def begin(self, message_seconds: Floats) -> None:
        """A step begins, in which sending a message, or receiving it, takes each worker `message_seconds`, (W,)."""
        self._seconds = np.maximum(self._microbatch * self._step_seconds, self._messages[:, None] * message_seconds)  # (S, W)
        self._listed = self._seconds.tolist()  # the same: one number of a list is read faster
        self._given = {}

    def observe(self, ranks: Ints, seconds: Floats) -> None:
        """The step under way takes `ranks` so many `seconds`, (n,), of computing."""
        self._step_seconds[ranks] += RENEWED * (seconds - self._step_seconds[ranks])

    def route(self, stage: int, ranks: list[int]) -> int:
        """Which of the `ranks` of a stage gets the next microbatch: who would be done with all of its own first.

        That is an interleaved round robin, weighted by speed.
        """
        given, seconds = self._given, self._listed[stage]
        after = {rank: given.get(rank, 0.0) + seconds[rank] for rank in ranks}
        best = min(ranks, key=after.__getitem__)
        self._given[best] = after[best]
        return best

    def throughput(self, present: Mask) -> Floats:
        """Microbatches a second of each stage, (S,), with the workers that are `present`, (W,)."""
        ranks = np.flatnonzero(present)
        with np.errstate(divide="ignore"):
            rates = 1 / self._seconds[self.of[ranks], ranks]
        return np.bincount(self.of[ranks], rates, minlength=len(self._messages)).astype(float)

    def join(self, rank: int, present: Mask) -> None:
        """`rank` serves the slowest stage from now on, while those that are `present`, (W,), serve theirs."""
        others = present.copy()
        others[rank] = False
        self.of[rank] = int(np.argmin(self.throughput(others)))

    def move(self, present: Mask, free: Mask) -> int | None:
        """Let one of those that are `free`, (W,), move from the fastest stage to the slowest if that helps; returns whom."""
        rates = self.throughput(present)  # (S,)
        fastest, slowest = int(np.argmax(rates)), int(np.argmin(rates))
        ranks = np.flatnonzero(free & (self.of == fastest))
        if fastest == slowest or not len(ranks):
            return None
        with np.errstate(divide="ignore"):
            without = rates[fastest] - 1 / self._seconds[fastest, ranks]
            with_ = rates[slowest] + 1 / self._seconds[slowest, ranks]
        slower = np.minimum(without, with_)  # (n,) of the two, if that one moved
        best = int(np.argmax(slower))
        if slower[best] <= rates[slowest] * (1 + 1e-9):  # a rounding helps nobody
            return None
        self.of[ranks[best]] = slowest
        return int(ranks[best])


def message_seconds(network: Network, capacity: Floats, nbytes: float) -> Floats:
    """Seconds in which each worker, (W,), sends or receives `nbytes` over its own links, whichever takes longer."""
    return nbytes / np.minimum(capacity[: network.workers], capacity[network.workers : 2 * network.workers])
