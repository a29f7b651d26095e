"""Max-min fair rates of fluid activities on shared links (Bertsekas & Gallager, Data Networks, 6.5)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def max_min_rates(
    capacity: Floats, activity: NDArray[np.integer], link: NDArray[np.integer], weight: Floats, activities: int
) -> Floats:
    """The rate of each of `activities`, (A,), by progressive filling.

    Entry k says that activity[k] puts weight[k] bytes on link[k] for each byte of its own. All rates rise together until a
    link is full; the activities on it stop there, the others go on. An activity on no finite link has rate infinity.
    """
    rates = np.full(activities, np.inf)
    rising = np.ones(activities, bool)
    spare = capacity.astype(float).copy()
    level = 0.0
    while True:
        entries = rising[activity]
        slope = np.bincount(link[entries], weights=weight[entries], minlength=len(capacity))
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(slope > 0, spare / slope, np.inf)
        step = room.min(initial=np.inf)
        if not np.isfinite(step):
            return rates
        level += step
        spare -= np.where(slope > 0, step * slope, 0.0)
        full = room <= step * (1 + 1e-12)
        stops = np.unique(activity[entries & full[link]])
        rates[stops] = level
        rising[stops] = False
