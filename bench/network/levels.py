"""Max-min rates kept up to date as transfers come and go: only what a change affects is computed.

Each link has a level, the rate / share of those it holds back, or infinity if it is not full. A transfer's level is the
lowest of its links' and of its own limit. The levels are max-min fair if and only if each link of finite level is used to
its capacity, and no other is used beyond it: whoever is below its limit then crosses a full link on which nobody is higher.
So the work list holds the links of which this is not true. `settle` takes the lowest of them, computes the level that fills it
while all other links stay as they are, and moves the transfers on it, which may put other links on the list. A level
depends on lower ones only, so what is settled at the bottom stays settled, and the list runs empty.

A link is left alone while its use is within TOLERANCE of what those it holds back use. A link's use is summed up anew
whenever its level is computed, and the condition is on the levels of now, not on the last change: errors do not add up.

These functions are Python that numba compiles; without numba they do the same, slowly. `link`, `flow` and `entry` are arrays
of records LINK, FLOW and ENTRY; `work` is a heap of links, lowest level first, and `ends` one of rows, first end first; `size`
has the length of both; `scratch` is (2, A). All in one file: numba's cache only looks at the file of the function called.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.network.flows import Records
from bench.network.transfer import Floats, Ints

try:
    from numba import njit
except ImportError:

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is."""
        return function
else:

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        """The function compiled on its first call; kept on disk where there is a writable place."""
        try:
            return njit(cache=True, error_model="numpy")(function)
        except RuntimeError:  # no place for the cache
            return njit(error_model="numpy")(function)


# Relative. Links react to changes a thousand times smaller than the 1e-6 that would be enough for completion times: on a star
# with 10⁵ flows that takes 1.5 times as long, and results are then the same, for all purposes, with and without numba.
TOLERANCE = 1e-9
_ROUNDING = 1e-15  # relative: a link's use as a sum is not known better

LINK = np.dtype(
    [
        ("capacity", "f8"),  # bytes/s
        ("level", "f8"),
        ("usage", "f8"),  # bytes/s
        ("low", "f8"),  # while low <= usage <= high the level stands
        ("high", "f8"),
        ("head", "i4"),  # first entry of its list, -1 if empty
        ("users", "i4"),
        ("listed", "i8"),  # in the work list
    ]
)


@compiled
def settle(
    link: Records, flow: Records, entry: Records, work: Ints, ends: Ints, size: Ints, scratch: Floats, now: float
) -> None:
    """Bring the levels of all links and flows up to date, at the second `now`."""
    while size[0] > 0:
        k = _next_link(link, work, size)
        here = link[k]
        old, new = here["level"], _full_at(link, flow, entry, scratch, k)
        if new == old:
            continue
        here["level"] = new
        e = here["head"]
        while e >= 0:
            row = entry[e]["flow"]
            level = flow[row]["level"]
            if new < level:
                _move(link, flow, entry, work, ends, size, row, new, now, k)
            elif old <= level and level < new:
                _move(link, flow, entry, work, ends, size, row, _lowest(link, flow, entry, row, -1), now, k)
            e = entry[e]["next"]


@compiled
def join(link: Records, flow: Records, entry: Records, work: Ints, ends: Ints, size: Ints, row: int, now: float) -> None:
    """Put a row on its links and among the ends."""
    it = flow[row]
    level = it["top"]
    for e in range(it["first"], it["last"]):
        level = min(level, link[entry[e]["link"]]["level"])
        put(link, entry, e)
    it["place"] = size[1]
    ends[size[1]] = row
    size[1] += 1
    _move(link, flow, entry, work, ends, size, row, level, now, -1)
    for e in range(it["first"], it["last"]):
        k = entry[e]["link"]
        if link[k]["users"] > 1:
            enlist(link, work, size, k)
        else:  # the flow's ceiling knows of it
            link[k]["low"], link[k]["high"] = -np.inf, np.inf
            link[k]["level"] = link[k]["capacity"] / entry[e]["load"]


@compiled
def leave(link: Records, flow: Records, entry: Records, work: Ints, ends: Ints, size: Ints, row: int) -> None:
    """Take a row off its links and from the ends."""
    it = flow[row]
    for e in range(it["first"], it["last"]):
        k = entry[e]["link"]
        here, before, after = link[k], entry[e]["previous"], entry[e]["next"]
        if before >= 0:
            entry[before]["next"] = after
        else:
            here["head"] = after
        if after >= 0:
            entry[after]["previous"] = before
        here["users"] -= 1
        if here["users"] > 0:
            enlist(link, work, size, k)
        else:
            here["level"], here["usage"] = np.inf, 0.0
    size[1] -= 1
    last = ends[size[1]]
    place = it["place"]
    if last != row:
        ends[place] = last
        flow[last]["place"] = place
        _reorder(flow, ends, size, place)


@compiled
def relimit(link: Records, flow: Records, entry: Records, work: Ints, ends: Ints, size: Ints, rows: Ints, now: float) -> None:
    """Move `rows`, whose limits or ceilings changed."""
    for row in rows:
        level = _lowest(link, flow, entry, row, -1)
        if level != flow[row]["level"]:
            _move(link, flow, entry, work, ends, size, row, level, now, -1)


@compiled
def relist(link: Records, flow: Records, entry: Records, work: Ints, ends: Ints, size: Ints, rows: int) -> None:
    """Write the lists of entries, and the heap of ends, anew after rows and entries were renumbered."""
    for k in range(len(link)):
        link[k]["head"], link[k]["users"] = -1, 0
    size[1] = 0
    for row in range(rows):
        for e in range(flow[row]["first"], flow[row]["last"]):
            put(link, entry, e)
        ends[size[1]] = row
        flow[row]["place"] = size[1]
        size[1] += 1
        _reorder(flow, ends, size, size[1] - 1)


@compiled
def enlist_links(link: Records, work: Ints, size: Ints, links: Ints) -> None:
    """Put all of `links` on the work list."""
    for k in links:
        enlist(link, work, size, k)


@compiled
def enlist(link: Records, work: Ints, size: Ints, k: int) -> None:
    """Put a link on the work list unless it is there."""
    if link[k]["listed"]:
        return
    link[k]["listed"] = 1
    i = size[0]
    size[0] += 1
    level = link[k]["level"]
    while i > 0 and link[work[(i - 1) >> 1]]["level"] > level:
        work[i] = work[(i - 1) >> 1]
        i = (i - 1) >> 1
    work[i] = k


@compiled
def put(link: Records, entry: Records, e: int) -> None:
    """Put an entry at the head of its link's list."""
    here = link[entry[e]["link"]]
    entry[e]["previous"], entry[e]["next"] = -1, here["head"]
    if here["head"] >= 0:
        entry[here["head"]]["previous"] = e
    here["head"] = e
    here["users"] += 1


@compiled
def _next_link(link: Records, work: Ints, size: Ints) -> int:
    """Take the link of the lowest level off the work list."""
    top = work[0]
    link[top]["listed"] = 0
    size[0] -= 1
    last = work[size[0]]
    level = link[last]["level"]
    i = 0
    while 2 * i + 1 < size[0]:
        child = 2 * i + 1
        if child + 1 < size[0] and link[work[child + 1]]["level"] < link[work[child]]["level"]:
            child += 1
        if link[work[child]]["level"] >= level:
            break
        work[i] = work[child]
        i = child
    work[i] = last
    return top


@compiled
def _full_at(link: Records, flow: Records, entry: Records, scratch: Floats, k: int) -> float:
    """The level at which link k is full if all others stay, infinity if it cannot be; writes its usage and its bounds."""
    here = link[k]
    capacity, level = here["capacity"], here["level"]
    usage = wanted = loads = 0.0
    n = 0
    e = here["head"]
    while e >= 0:
        load, demand = entry[e]["load"], flow[entry[e]["flow"]]["level"]
        usage += load * demand
        if demand >= level:  # only this link, as far as we know, holds it back
            demand = _lowest(link, flow, entry, entry[e]["flow"], e)
        scratch[0, n], scratch[1, n] = demand, load
        n += 1
        wanted += load * demand
        loads += load
        e = entry[e]["next"]
    here["usage"], here["low"], here["high"] = usage, -np.inf, np.inf
    if n == 0 or capacity == np.inf:
        return np.inf
    if n == 1:
        return capacity / loads
    if wanted <= capacity:
        here["high"] = capacity * (1 + _ROUNDING * n)
        return np.inf
    # Newton's method on sum(load × min(demand, x)) = capacity, which is concave: from below it ends after finitely many steps,
    # and after one step from anywhere it is below. It starts at the old level, which is near.
    x = level
    if x < np.inf:
        x, free = _step(scratch, n, capacity, x)
    if x == np.inf:
        x = capacity / loads
    better, free = _step(scratch, n, capacity, x)
    while x < better < np.inf:
        x = better
        better, free = _step(scratch, n, capacity, x)
    slack = max(TOLERANCE * free * x, _ROUNDING * n * capacity)
    here["low"], here["high"] = capacity - slack, capacity + slack
    return x


@compiled
def _lowest(link: Records, flow: Records, entry: Records, row: int, but: int) -> float:
    """The lowest level among a flow's limits and links, except that of the entry `but`."""
    it = flow[row]
    level = it["top"]
    for e in range(it["first"], it["last"]):
        if e != but:
            level = min(level, link[entry[e]["link"]]["level"])
    return level


@compiled
def _step(scratch: Floats, n: int, capacity: float, x: float) -> tuple[float, float]:
    """Newton's next guess, infinity if x is above all demands, and the load of those that x holds back."""
    below = free = 0.0
    for i in range(n):
        if scratch[0, i] < x:
            below += scratch[1, i] * scratch[0, i]
        else:
            free += scratch[1, i]
    return (capacity - below) / free if free > 0 else np.inf, free


@compiled
def _move(
    link: Records,
    flow: Records,
    entry: Records,
    work: Ints,
    ends: Ints,
    size: Ints,
    row: int,
    level: float,
    now: float,
    but: int,
) -> None:
    """Let a row go on at another level from now on, and list its links, except `but`, that this puts out of bounds."""
    it = flow[row]
    change = level - it["level"]
    for e in range(it["first"], it["last"]):
        k = entry[e]["link"]
        here = link[k]
        here["usage"] += entry[e]["load"] * change
        if k != but and (here["usage"] < here["low"] or here["usage"] > here["high"]):
            enlist(link, work, size, k)
    elapsed, rate = now - it["since"], it["level"] * it["share"]
    if elapsed > 0:
        it["remaining"] -= min(it["remaining"], rate * elapsed)
    it["since"], it["level"] = now, level
    rate = level * it["share"]
    if it["remaining"] == 0 or rate == np.inf:
        it["end"] = now
    else:
        it["end"] = now + it["remaining"] / rate if rate > 0 else np.inf
    _reorder(flow, ends, size, it["place"])


@compiled
def _reorder(flow: Records, ends: Ints, size: Ints, place: int) -> None:
    """Restore the heap of ends where the end of the row at `place` has changed."""
    row = ends[place]
    end = flow[row]["end"]
    while place > 0 and flow[ends[(place - 1) >> 1]]["end"] > end:
        above = (place - 1) >> 1
        ends[place] = ends[above]
        flow[ends[place]]["place"] = place
        place = above
    while 2 * place + 1 < size[1]:
        child = 2 * place + 1
        if child + 1 < size[1] and flow[ends[child + 1]]["end"] < flow[ends[child]]["end"]:
            child += 1
        if flow[ends[child]]["end"] >= end:
            break
        ends[place] = ends[child]
        flow[ends[place]]["place"] = place
        place = child
    ends[place] = row
    flow[row]["place"] = place
