"""The words an algorithm can yield. Each interpreter gives them its own meaning: when (Simulator) or what (Trainer)."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from bench.replicas import Replicas


@dataclass(frozen=True)
class Train:
    """Every worker takes `steps` local optimizer steps, each on a batch of its own. Answers nothing."""

    steps: int


@dataclass(frozen=True)
class Backward:
    """Every worker computes the gradient of one batch and takes no step. Answers gradients, (W, P).

    Where the replicas are identical and the reduction is the plain mean, the Trainer answers that mean at once, (1, P).
    """


@dataclass(frozen=True)
class AllReduce:
    """Every worker sends `payload`, (W, P) or (1, P), and gets the aggregate of those that counted. Answers (1, P)."""

    payload: Tensor


@dataclass(frozen=True)
class Start:
    """Begin `operation` on its payload as it is now, and go on computing meanwhile. Answers its handle, at once.

    An operation that is yielded by itself is started and waited for on the spot.
    """

    operation: AllReduce


class Handle:
    """Names one started operation; good for one Wait, in the program that started it."""


@dataclass(frozen=True)
class Wait:
    """Go on when the operation of `handle` is over. Answers what that operation answers.

    What was started last in a run may be left in the air: the run then ends when it is over, and its answer reaches nobody.
    """

    handle: Handle


Operation = Train | Backward | AllReduce | Start | Wait
Program = Generator[Operation, Any, None]


class Algorithm(Protocol):
    """Settings, checked by the constructor, and a program that keeps its state in its own locals."""

    identical_replicas: bool
    """True if all replicas are equal whenever a step begins, and what is reduced is what Backward answered, untouched, or
    slices of it: one copy and one joint batch then stand for all of them, exactly."""

    def run(self, replicas: Replicas) -> Program: ...
