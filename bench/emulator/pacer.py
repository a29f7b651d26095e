"""Stretches what a rank computes to the seconds that its device takes in the scenario."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.pace import Pace
from bench.segment import Job, Jobs, JobSeconds, OwnWork


class Pacer:
    """One rank's computing: all that is to be done before a start or a wait takes as long as in the Simulator.

    Where it is `measured`, it takes its own time instead, and that of slower devices is longer in proportion.
    """

    def __init__(self, pace: Pace, rank: int, columns: int, *, local_steps_only: bool, measured: bool) -> None:
        ranks = np.arange(len(pace.step_seconds))

        def step_seconds(rank: int, local: int, draw: int) -> float:
            return float(pace.compute(ranks[rank : rank + 1], local, time.monotonic() - self.origin, draw)[0])

        self._rank, self._workers = rank, len(ranks)
        self.origin = time.monotonic()  # the second at which the emulation begins
        self._jobs = Jobs(pace.local_steps, columns, local_steps_only=local_steps_only)
        self._seconds = JobSeconds(rank, step_seconds)
        self._ratio = float(pace.step_seconds[rank] / pace.step_seconds.min()) if measured else None
        self._asked: float | None = None  # when what is to be done was begun
        self.paced = 0.0  # seconds that all that was done was to take,
        self.real = 0.0  # and that this machine needed for it
        self.late = 0.0  # by which it took longer
        self.local_steps = 0.0

    def ask(self, operation: OwnWork, opens: bool, begun: float) -> None:
        """`operation`, which was begun at that second, has been computed."""
        if self._asked is None:
            self._asked = begun
        self._jobs.read(operation, opens)

    def before_start(self) -> None:
        """Wait until the scenario's device would have done all that was asked for."""
        self._take(self._jobs.before_start()[0])

    def before_wait(self) -> None:
        """The same before a wait, where drawings of the jitter are counted otherwise."""
        self._take(self._jobs.before_wait())

    def take(self, job: Job, begun: float) -> None:
        """The same after one `job`, which was begun at that second, of a program that is no other worker's."""
        self._asked = begun
        self._take(job)

    def report(self) -> Mapping[str, Any]:
        """What came of it."""
        return {
            "paced_seconds": self.paced,
            "real_seconds": self.real,
            "late_seconds": self.late,
            "local_steps": self.local_steps,
        }

    def _take(self, job: Job | None) -> None:
        begun, self._asked = self._asked, None
        if job is None or begun is None:
            return
        real = time.monotonic() - begun
        seconds = self._seconds.of(job) if self._ratio is None else real * self._ratio
        self.paced += seconds
        self.local_steps += float(np.broadcast_to(job.local, self._workers)[self._rank]) + job.share
        self.real += real
        self.late += max(0.0, real - seconds)
        rest = begun + seconds - time.monotonic()
        if rest > 0:
            time.sleep(rest)
