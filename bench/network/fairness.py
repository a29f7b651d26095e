"""Max-min fair rates of fluid activities on shared links (Bertsekas & Gallager, Data Networks, 6.5)."""

import numpy as np

from bench.network.transfer import Floats, Ints

_TIE = 1e-12  # relative: levels nearer than this are one, so that rounding does not make rounds of its own


def max_min_rates(
    capacity: Floats,
    activity: Ints,
    link: Ints,
    weight: Floats,
    activities: int,
    share: Floats | None = None,
    cap: Floats | None = None,
) -> Floats:
    """The rate of each of `activities` in bytes/s, (A,), max-min fair in rate / share and at most `cap`.

    Entry k says that activity[k] puts weight[k] bytes on link[k] for each byte of its own; an activity and a link meet in one
    entry at most. `share` is (A,), all 1 if left out, and `cap` (A,) bytes/s, infinite if left out. An activity on no finite
    link and without cap has rate infinity.

    Water-filling: all levels (rate / share) rise together until a link is full, and the activities on it stop there. A link's
    level depends on lower ones only, so all links that are the lowest for each activity on them can stop in one round; that
    takes about log(L) rounds on random networks, where one link at a time takes L.
    """
    share = np.ones(activities) if share is None else share
    level = np.full(activities, np.inf) if cap is None else cap / share  # (A,) final where an activity has stopped
    load = weight * share[activity]  # bytes/s on the link for each unit of level
    matters = np.isfinite(capacity[link]) & (load > 0)
    if not matters.all():
        activity, link, load = activity[matters], link[matters], load[matters]
    if len(activity) > 1 and (activity[1:] < activity[:-1]).any():
        order = np.argsort(activity, kind="stable")
        activity, link, load = activity[order], link[order], load[order]
    spare = capacity
    if len(link) < len(capacity):  # only the links in use
        used = np.zeros(len(capacity), bool)
        used[link] = True
        link = (np.cumsum(used) - 1)[link]
        spare = capacity[used]
    spare = spare.astype(float)  # a copy
    full_at = np.zeros(len(spare))  # level at which a link is full if all on it go on
    begins = np.ones(len(activity), bool)  # entry is the first of its activity
    begins[1:] = activity[1:] != activity[:-1]
    while len(activity):
        slope = np.bincount(link, load, minlength=len(spare))
        # A link's level never falls in exact arithmetic; here it must not by rounding.
        full_at = np.maximum(full_at, np.divide(spare, slope, out=np.full(len(spare), np.inf), where=slope > 0))
        first = np.flatnonzero(begins)
        rising, of = activity[first], np.cumsum(begins) - 1  # activities, and the place of each entry's among them
        reached = full_at[link]
        lowest = np.minimum(np.minimum.reduceat(reached, first), level[rising])
        later = np.zeros(len(spare), bool)  # links on which somebody is held lower elsewhere
        later[link[lowest[of] < reached * (1 - _TIE)]] = True
        stops = (level[rising] == lowest) | np.logical_or.reduceat(~later[link], first)
        level[rising[stops]] = lowest[stops]
        gone = stops[of]
        used_by_gone = np.bincount(link[gone], load[gone] * lowest[of[gone]], minlength=len(spare))
        spare = np.maximum(spare - used_by_gone, 0.0)
        activity, link, load, begins = activity[~gone], link[~gone], load[~gone], begins[~gone]
    rates = level * share
    return rates if cap is None else np.minimum(rates, cap)
