"""The compute of a program as local steps and shares of a step, for interpreters that say or take its time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bench.algorithm import FORWARD, Backward, Forward, Train
from bench.errors import SkipError
from bench.pace import Amount

OwnWork = Train | Forward | Backward
"""What a worker computes by itself."""


def opened_steps(operation: OwnWork, local_steps_only: bool) -> int:
    """Program steps that `operation` opens, if it opens any.

    Raises SkipError where the split has nothing to divide but local steps, and there are none.
    """
    if isinstance(operation, Train):
        return operation.steps
    if local_steps_only:
        raise SkipError("this split divides local steps, and the algorithm takes gradients without any")
    return 1


def share_of(operation: OwnWork, opens: bool, columns: int) -> float | None:
    """The share of a step of a model of so many `columns` that `operation` is; None where it is whole steps.

    `opens` says whether it opens a step, rather than going on with one.
    """
    if isinstance(operation, Train) or (opens and not isinstance(operation, Forward)):
        return None
    share = 1.0 if operation.part is None else operation.part.size / columns
    return share * (FORWARD if isinstance(operation, Forward) else 1 - FORWARD)


def shadow_of(operation: OwnWork, params: Tensor) -> Tensor | None:
    """What `operation` answers where `params`, (R, P), are as good as gradients: nobody looks at the numbers."""
    if not isinstance(operation, Backward):
        return None
    return params if operation.part is None else operation.part.of(params)


@dataclass
class Segment:
    """Compute between one start and the next."""

    steps: int = 0  # of the program
    local: Amount = 0  # local steps
    pending: Amount = 0  # of those, not accounted for yet
    share: float = 0.0  # of the step that is under way in parts, not accounted for yet either

    @property
    def is_pending(self) -> bool:
        """Whether there is something to account for."""
        return bool(np.any(self.pending)) or bool(self.share)

    def open(self, operation: OwnWork, steps: int, local: Amount) -> None:
        """`operation` opens `steps` of the program, in so many `local` ones, which are pending unless they go in parts."""
        self.steps += steps
        self.local = self.local + local
        if not isinstance(operation, Forward):
            self.pending = self.pending + local

    def add(self, operation: OwnWork, opens: bool, columns: int) -> None:
        """The share of a step that `operation` is, if it is one, is pending."""
        self.share += share_of(operation, opens, columns) or 0.0

    def settle(self) -> None:
        """What was pending is accounted for."""
        self.pending, self.share = 0, 0.0


@dataclass(frozen=True)
class Job:
    """Local steps that a worker takes in one go, and a share of a step that goes in parts."""

    local: Amount
    draw: int  # of the jitter, for these steps,
    share: float
    step_draw: int  # and for that step


class Jobs:
    """Reads the compute of a program as the jobs of its workers, or of one: all that is to be done before a start or a wait.

    The drawings of the jitter are numbered as those of the Simulator of all workers are, where nobody drops out.
    """

    def __init__(self, local_steps: Callable[[int], Amount], columns: int, *, local_steps_only: bool) -> None:
        self._local_steps, self._columns, self._local_steps_only = local_steps, columns, local_steps_only
        self.steps = 0  # of the program, so far
        self._segment = Segment()
        self._draws = self._step_draw = 0

    def read(self, operation: OwnWork, opens: bool) -> None:
        """The program goes on by `operation`; `opens` says whether it opens a step, rather than going on with one."""
        if opens:
            steps = opened_steps(operation, self._local_steps_only)
            self._segment.open(operation, steps, self._local_steps(steps))
            self.steps += steps
            if isinstance(operation, Forward):
                self._step_draw = self._draw()
        self._segment.add(operation, opens, self._columns)

    def before_start(self) -> tuple[Job | None, Segment]:
        """What is left to do before a start, if anything, and the segment that this ends."""
        job = self._next()
        segment, self._segment = self._segment, Segment()
        return job, segment

    def before_wait(self) -> Job | None:
        """What is left to do before a wait, if anything."""
        return self._next() if self._segment.is_pending else None

    def _next(self) -> Job | None:
        segment = self._segment
        draw = self._draw() if np.any(segment.pending) or not segment.share else 0  # before a start also if none is pending
        job = Job(segment.pending, draw, segment.share, self._step_draw) if segment.is_pending else None
        segment.settle()
        return job

    def _draw(self) -> int:
        self._draws += 1
        return self._draws - 1


class JobSeconds:
    """The seconds of one worker's jobs, from those of so many local steps in a drawing of the jitter.

    A step that goes in parts is drawn when the first of these begins.
    """

    def __init__(self, rank: int, step_seconds: Callable[[int, int, int], float]) -> None:
        self._rank, self._step_seconds = rank, step_seconds  # of a rank, local steps, and the number of a drawing
        self._step = -1, 0.0  # drawing and seconds of the step that goes in parts

    def of(self, job: Job) -> float:
        """Seconds of a job that begins now."""
        rank = self._rank
        local = job.local if isinstance(job.local, int) else int(job.local[rank])
        seconds = self._step_seconds(rank, local, job.draw) if local else 0.0
        if job.share:
            if self._step[0] != job.step_draw:
                self._step = job.step_draw, self._step_seconds(rank, 1, job.step_draw)
            seconds += job.share * self._step[1]
        return seconds
