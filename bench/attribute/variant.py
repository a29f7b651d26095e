"""A run with parts of its world replaced, and what comes of it: how fast it goes, and what it learns."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data import Corpus
from bench.record.learning import Learning
from bench.run import Run
from bench.scenario import Scenario
from bench.schedule import Order, Schedule


@dataclass(frozen=True)
class Clocked:
    """What the clock says of a variant."""

    tokens_per_second: float  # that entered the model
    ideal: float  # tokens/s of the devices of this very variant, if nothing ever held them up
    tokens: float
    virtual_seconds: float
    sent: NDArray[np.float64]  # (W,) bytes
    received: NDArray[np.float64]  # (W,) bytes
    rounds: int
    schedule: Schedule | Order


class Variant:
    """A run with its scenario replaced, or the seconds of its devices' steps, (W,). The clock is free; learning is not."""

    def __init__(
        self,
        run: Run,
        replaced: Callable[[Scenario], Scenario] = lambda scenario: scenario,
        step_seconds: NDArray[np.float64] | None = None,
    ) -> None:
        self.run = copy(run)
        self.run.scenario = replaced(run.scenario)
        self._step_seconds = step_seconds

    def clocked(self) -> Clocked:
        """Simulated. Raises SkipError, FitError or VirtualTimeout where there is nothing to clock."""
        timeline, ideal = self.run.simulate(self._step_seconds)
        tokens = timeline.counted_sequences * self.run.timed.context
        return Clocked(
            tokens_per_second=tokens / timeline.virtual_seconds,
            ideal=ideal,
            tokens=tokens,
            virtual_seconds=timeline.virtual_seconds,
            sent=timeline.sent,
            received=timeline.received,
            rounds=len(timeline.round_end),
            schedule=timeline.schedule,
        )

    def learning(self, clocked: Clocked, corpus: Corpus) -> Learning:
        """What it learns: a curve found in the run's results folder, or trained and kept there."""
        _, curve = self.run.curve(clocked.schedule, corpus)
        return Learning(curve.steps, curve.losses, clocked.tokens)
