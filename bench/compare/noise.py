"""How sure a difference between two small groups of seeds is, with the noise of all cells to help.

Values are logarithms, so that differences are ratios. Within a cell there are two measures of noise: the spread of seeds
within each folder, and, where both folders have the same seeds, that of the differences between equal seeds, in which the
seed's own effect cancels. With three seeds a variance is poorly known, so each is shrunk towards what the cells have in common
(moderated t, G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3(1), 2004, with the moments of the logarithms of variances).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

NONE = 1e-24
"""Variances at most this, of logarithms, are rounding: they say nothing of other cells."""

LEAST_CELLS = 3
"""Fewer variances do not tell how much cells' noise differs: each cell then stands for itself."""


@dataclass(frozen=True)
class Groups:
    """One figure of a cell, of both folders: logarithms, (n,), in the order of seeds; `paired` where the seeds are equal."""

    base: NDArray[np.float64]
    new: NDArray[np.float64]
    paired: bool

    @property
    def shift(self) -> float:
        """The mean of `new` less that of `base`."""
        return float(self.new.mean() - self.base.mean())

    @property
    def identical(self) -> bool:
        return self.base.shape == self.new.shape and bool((self.base == self.new).all())

    def seeds(self) -> "Spread":
        """That of the seeds within each folder."""
        squares = sum(float(((group - group.mean()) ** 2).sum()) for group in (self.base, self.new))
        freedom = len(self.base) + len(self.new) - 2
        return Spread(squares / freedom if freedom else math.nan, freedom, 1 / len(self.base) + 1 / len(self.new))

    def pairs(self) -> "Spread | None":
        """That of the differences between equal seeds; None of fewer than three."""
        if not self.paired or len(self.base) < 3:
            return None
        return Spread(float((self.new - self.base).var(ddof=1)), len(self.base) - 1, 1 / len(self.base))


@dataclass(frozen=True)
class Spread:
    """A variance, its degrees of freedom, and what it is multiplied by to be that of the difference of two means."""

    variance: float
    freedom: int
    factor: float


@dataclass(frozen=True)
class Common:
    """What cells' variances have in common: that worth `freedom` degrees of it, and that of all cells pooled."""

    variance: float
    freedom: float
    most: int  # degrees of freedom that it was found from: no cell can know more
    pooled: float
    pooled_freedom: int

    @classmethod
    def of(cls, spreads: Sequence[Spread]) -> "Common":
        known = [spread for spread in spreads if spread.freedom]
        freedom = np.array([spread.freedom for spread in known], float)
        variances = np.array([spread.variance for spread in known])
        total = int(freedom.sum())
        pooled = float(freedom @ variances / total) if total else math.nan
        real = variances > NONE
        if real.sum() < LEAST_CELLS:
            return cls(0.0, 0.0, 0, pooled, total)
        most, half = int(freedom[real].sum()), freedom[real] / 2
        logs = np.log(variances[real]) - special.digamma(half) + np.log(half)
        excess = float(logs.var(ddof=1) - special.polygamma(1, half).mean())
        if excess <= 0:
            return cls(math.exp(logs.mean()), math.inf, most, pooled, total)
        half_common = _inverse_trigamma(excess)
        variance = math.exp(logs.mean() + special.digamma(half_common) - math.log(half_common))
        return cls(variance, 2 * half_common, most, pooled, total)

    def error(self, spread: Spread) -> "Error":
        """The standard error of a difference of means whose own spread is `spread`."""
        if not spread.freedom:  # one seed: the noise of the other cells
            return Error(math.sqrt(self.pooled * spread.factor), self.pooled_freedom)
        if math.isinf(self.freedom):
            variance = self.variance
        else:
            own = spread.freedom * spread.variance
            variance = (self.freedom * self.variance + own) / (self.freedom + spread.freedom)
        return Error(math.sqrt(variance * spread.factor), min(self.freedom + spread.freedom, max(self.most, spread.freedom)))


@dataclass(frozen=True)
class Error:
    """A standard error and its degrees of freedom."""

    size: float
    freedom: float

    def chance(self, shift: float) -> float:
        """The chance of a difference of at least `shift` to its side, if there were none but noise."""
        if shift == 0:
            return 0.5
        return float(special.stdtr(self.freedom, -abs(shift) / self.size)) if self.size else 0.0


@dataclass(frozen=True)
class Judged:
    """What noise says of a figure's difference: the chances by each way of measuring noise, and the error of the first."""

    chances: tuple[float, ...]  # none where no noise is known
    error: Error | None


def judge(figures: Sequence[Groups]) -> list[Judged]:
    """Of one figure in all cells, what noise says of its difference in each: by pairs, if there are such, and by seeds."""
    by_seeds = Common.of([groups.seeds() for groups in figures])
    by_pairs = Common.of([pairs for groups in figures if (pairs := groups.pairs())])
    judged = []
    for groups in figures:
        pairs, errors = groups.pairs(), []
        if pairs:
            errors.append(by_pairs.error(pairs))
        if by_seeds.pooled_freedom:
            errors.append(by_seeds.error(groups.seeds()))
        judged.append(Judged(tuple(error.chance(groups.shift) for error in errors), errors[0] if errors else None))
    return judged


def overall(figures: Sequence[Groups], judged: Sequence[Judged]) -> float | None:
    """The chance that cells' mean difference is noise; None where fewer than three cells know their noise.

    Variances of cells add up; degrees of freedom as Welch and Satterthwaite have them.
    """
    known = [(groups.shift, each.error) for groups, each in zip(figures, judged, strict=True) if each.error]
    if len(known) < LEAST_CELLS:
        return None
    squares = [error.size**2 for _, error in known]
    weights = sum(square**2 / error.freedom for square, (_, error) in zip(squares, known, strict=True))
    freedom = sum(squares) ** 2 / weights if weights else math.inf
    mean = sum(shift for shift, _ in known) / len(known)
    return Error(math.sqrt(sum(squares)) / len(known), freedom).chance(mean)


def _inverse_trigamma(value: float) -> float:
    """Where the trigamma function is `value`, by Newton's steps on its reciprocal (Smyth 2004, appendix)."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    place = 0.5 + 1 / value
    for _ in range(50):
        there = float(special.polygamma(1, place))
        step = there * (1 - there / value) / float(special.polygamma(2, place))
        place += step
        if abs(step) < 1e-10 * place:
            break
    return place
