"""What every inner optimizer offers, and the learning-rate schedule that they share."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

State = dict[str, Tensor]
"""Tensors with a row for each replica."""

Shapes = Mapping[str, tuple[int, ...]]
"""The names and shapes of a model's tensors, in the order in which they lie in a row of its parameters."""


class Optimizer(Protocol):
    """An inner optimizer: settings only; its state is held by the replicas."""

    def state(self, params: Tensor, shapes: Shapes) -> State:
        """The state of fresh replicas with `params`, (R, P), that hold tensors of these `shapes`: all zeros."""
        ...

    def step(self, params: Tensor, gradient: Tensor, state: State, lr_scale: float, shapes: Shapes) -> None:
        """One step of n replicas in place: params, gradient and state have n rows each."""
        ...


@dataclass(frozen=True, kw_only=True)
class LearningRateSchedule:
    """A linear warm-up over `warmup` steps, then half a cosine down to `final` of the peak at step `steps`."""

    warmup: int
    final: float
    steps: int

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise ValueError(f"warmup must be >= 0, got {self.warmup}")
        if not 0 <= self.final <= 1:
            raise ValueError(f"final must be in [0, 1], got {self.final:g}")

    def scale(self, step: float) -> float:
        """The factor on the peak learning rate at the 0-based program step `step`, which may lie between two, or before 0."""
        if self.warmup and step < self.warmup:
            return min(1.0, (step + 1) / self.warmup)
        done = min(1.0, max(0.0, step - self.warmup) / max(1, self.steps - self.warmup))
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done))


def check_positive(**settings: float) -> None:
    """Raises ValueError, naming the setting, for one that is not above 0 and finite."""
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0 and finite, got {value:g}")


def check_share(**settings: float) -> None:
    """Raises ValueError, naming the setting, for one that is not in [0, 1)."""
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be in [0, 1), got {value:g}")
