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


Operation = Train | Backward | AllReduce
Program = Generator[Operation, Any, None]


class Algorithm(Protocol):
    """Settings, checked by the constructor, and a program that keeps its state in its own locals."""

    identical_replicas: bool
    """True if all replicas are equal whenever a step begins, and what is reduced is what Backward answered, untouched: one
    copy and one joint batch then stand for all of them, exactly."""

    def run(self, replicas: Replicas) -> Program: ...
