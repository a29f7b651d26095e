"""Rules for when a reduction begins: with everybody, with enough, or on time.

Who has not finished by then is late: its work of this round is discarded, and it takes the result like everybody else.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.units import Seconds

Floats = NDArray[np.float64]


class Participation(Protocol):
    """When a reduction begins."""

    def begin(self, finish: Floats, present: int, round_start: float) -> float:
        """The virtual second at which a reduction begins.

        `finish` (n,), n >= 1, are the seconds at which workers that live to finish do so; `present` >= n is the number that
        began the round at `round_start`. The answer is never before the first of `finish`.
        """
        ...


@dataclass(frozen=True)
class WaitForAll:
    """Begin when the last one has finished; those who dropped out are not waited for."""

    def begin(self, finish: Floats, present: int, round_start: float) -> float:
        return float(finish.max())


@dataclass(frozen=True)
class Quorum:
    """Begin when `fraction` of those who began the round have finished, or all that live to finish."""

    fraction: float

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be in (0, 1], got {self.fraction:g}")

    def begin(self, finish: Floats, present: int, round_start: float) -> float:
        # The small step down keeps 0.7 of 10 at 7, where the product is 7.000000000000001.
        needed = max(1, math.ceil(self.fraction * present - 1e-9))
        return float(np.sort(finish)[min(needed, len(finish)) - 1])


@dataclass(frozen=True)
class Deadline:
    """Begin when the last has finished, but at the latest `after` the round's start, with at least one finished."""

    after: Seconds

    def __post_init__(self) -> None:
        if not self.after > 0:
            raise ValueError(f"after must be above 0 s, got {self.after:g}")

    def begin(self, finish: Floats, present: int, round_start: float) -> float:
        return float(max(finish.min(), min(finish.max(), round_start + self.after)))
