"""What a run learnt from its tokens, whatever time they took; and how much less than synchronous training does from as many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.row import Row


@dataclass(frozen=True)
class Learning:
    """The held-out losses of a run after so many program steps, and the tokens that entered its model in all of them."""

    steps: Sequence[int]
    losses: Sequence[float]
    tokens: float

    @classmethod
    def of(cls, row: Row) -> "Learning":
        """What a row learnt; nothing, if it was not trained."""
        return cls(row["curve"]["steps"], row["curve"]["loss"], row["tokens"])

    @property
    def best(self) -> float:
        """The lowest loss after the first step; NaN of a run that does not end below where it began: it learnt nothing."""
        before, *after = self.losses or [math.nan]
        if not (after and after[-1] < before):
            return math.nan
        return min(filter(math.isfinite, after))

    def tokens_to(self, target: float) -> float:
        """Tokens until the loss first is `target` or lower, spread evenly over the steps; NaN if it never is."""
        if not self.steps or not self.steps[-1]:
            return math.nan
        return self.tokens * crossing(self.steps, self.losses, target) / self.steps[-1]


def statistical_efficiency(run: Learning, synchronous: Learning) -> float:
    """The tokens that synchronous training needs to a loss, over those that `run` does; NaN where one of them learnt nothing.

    The loss is the lowest that both reach: that at which `run` ends, or the synchronous one does if it is the worse.
    """
    target = max(run.best, synchronous.best) if run.best == run.best and synchronous.best == synchronous.best else math.nan
    return synchronous.tokens_to(target) / (run.tokens_to(target) or math.nan)


def crossing(places: Sequence[float], losses: Sequence[float], target: float) -> float:
    """The place at which the loss first is `target` or lower, linear between evaluations; NaN if it never is."""
    before = None
    for place, loss in zip(places, losses, strict=True):
        if loss <= target:
            if before is None:
                return float(place)
            share = (before[1] - target) / (before[1] - loss)
            return float(before[0] + share * (place - before[0]))
        before = place, loss
    return math.nan
