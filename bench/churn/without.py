"""Another churn in which some workers are never up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.churn.presence import Churn, Ints, Presence


@dataclass(frozen=True)
class Without:
    """Workers are up as `churn` says, but for the `absent`, by rank, who are down from second 0 on, for ever."""

    churn: Churn
    absent: Sequence[int]

    @property
    def availability(self) -> float:
        """Of those who are not absent."""
        return self.churn.availability

    def presence(self, seed: int, region: Ints) -> Presence:
        presence, gone = self.churn.presence(seed, region), np.asarray(self.absent, np.int64)
        presence.up[gone] = False
        presence.until[gone] = np.inf
        return presence
