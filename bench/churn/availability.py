"""The up and down intervals of each worker, each drawn from its own named stream."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.churn.intervals import Exponential, Intervals, Weibull
from bench.seeds import uniforms
from bench.units import Seconds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Churn(Protocol):
    """When workers are up. A worker's intervals are numbered 0, 1, 2, …; interval 0 is under way at second 0."""

    @property
    def availability(self) -> float:
        """The share of time a worker is up."""
        ...

    def starts_up(self, seed: int, ranks: Ints) -> NDArray[np.bool_]:
        """Whether each rank is up at second 0."""
        ...

    def seconds(self, seed: int, ranks: Ints, up: NDArray[np.bool_], interval: Ints) -> Floats:
        """How long each rank's numbered interval lasts from its begin, or from second 0 for interval 0."""
        ...


@dataclass(frozen=True)
class AlwaysOn:
    """Nobody ever drops out."""

    availability: float = 1.0

    def starts_up(self, seed: int, ranks: Ints) -> NDArray[np.bool_]:
        return np.ones(len(ranks), bool)

    def seconds(self, seed: int, ranks: Ints, up: NDArray[np.bool_], interval: Ints) -> Floats:
        return np.full(len(ranks), np.inf)


@dataclass(frozen=True)
class Intermittent:
    """Independent workers whose up and down intervals follow `up` and `down`; steady from second 0 on.

    At second 0 a worker is up with the long-run probability, in an interval of which it has seen a random part, so that a
    run does not begin with an hour in which by chance everybody has just come home.
    """

    up: Intervals
    down: Intervals

    @property
    def availability(self) -> float:
        return self.up.mean / (self.up.mean + self.down.mean)

    def starts_up(self, seed: int, ranks: Ints) -> NDArray[np.bool_]:
        return uniforms(seed, "churn", "start", ranks=ranks) < self.availability

    def seconds(self, seed: int, ranks: Ints, up: NDArray[np.bool_], interval: Ints) -> Floats:
        u = uniforms(seed, "churn", "length", ranks=ranks, draws=interval)
        v = uniforms(seed, "churn", "place", ranks=ranks, draws=interval)
        whole = np.where(up, self.up.sample(u), self.down.sample(u))
        rest = np.where(up, self.up.residual(u, v), self.down.residual(u, v))
        return np.where(interval == 0, rest, whole)


def exponential(up: Seconds, down: Seconds) -> Churn:
    """Memoryless up and down intervals of the given mean lengths."""
    _check(up=up, down=down)
    return Intermittent(Exponential(up), Exponential(down))


def weibull(up_shape: float, up_scale: Seconds, down_shape: float, down_scale: Seconds) -> Churn:
    """Weibull up and down intervals, as fitted to real hosts by the Failure Trace Archive."""
    _check(up_shape=up_shape, up_scale=up_scale, down_shape=down_shape, down_scale=down_scale)
    up, down = Weibull(up_shape, up_scale), Weibull(down_shape, down_scale)
    for name, shape, intervals in (("up_shape", up_shape, up), ("down_shape", down_shape, down)):
        if not 0 < intervals.mean < np.inf:
            raise ValueError(f"{name} must give intervals of finite mean, got {shape:g}")
    return Intermittent(up, down)


def _check(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be above 0 and finite, got {value:g}")
