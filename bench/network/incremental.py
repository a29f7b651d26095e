"""Rates of the transfers under way, kept up to date from change to change, for many of them: needs numba to be fast."""

import numpy as np

from bench.network import levels
from bench.network.flows import Flows
from bench.network.transfer import Floats, Ints, Transfer


class Incremental:
    """Has the methods of Resolve; a change costs what it affects, and starting or ending a transfer its number of links.

    Takes `flows` over as they are at the second `now`.
    """

    work = 0.0  # it needs no other solver

    def __init__(self, flows: Flows, now: float) -> None:
        self.flows = flows
        self._link = np.zeros(len(flows.capacity), levels.LINK)
        self._link["capacity"] = flows.capacity
        self._link["level"] = self._link["high"] = np.inf
        self._link["low"] = -np.inf
        self._work = np.zeros(len(flows.capacity), np.int64)
        self._size = np.zeros(2, np.int64)
        self._make_room(0)
        rows = np.arange(flows.rows)
        levels.relimit(*self._arrays, rows, now)  # whoever was held back by others is now beyond their links' capacity
        self._enlist(np.flatnonzero(self._link["users"]))

    def join(self, number: int, transfer: Transfer, limit: float, now: float) -> None:
        """The bytes of a transfer flow from now on."""
        if not self.flows.has_room(len(transfer.links)):
            self._make_room(len(transfer.links))
        levels.join(*self._arrays, self.flows.add(number, transfer, limit, now), now)

    def leave(self, number: int, now: float) -> None:
        """A transfer ended or was given up."""
        levels.leave(*self._arrays, self.flows.row[number])
        self.flows.remove(number)

    def limit(self, number: int, limit: float, now: float) -> None:
        """Another limit, in bytes/s, holds for a transfer from now on."""
        levels.relimit(*self._arrays, np.array([self.flows.set_limit(number, limit)]), now)

    def set_capacity(self, capacity: Floats, now: float) -> None:
        """Other capacities hold from now on."""
        changed = self.flows.set_capacity(capacity)
        self._link["capacity"] = capacity
        levels.relimit(*self._arrays, np.flatnonzero(self.flows.flow["number"][: self.flows.rows]), now)
        self._enlist(changed[self._link["users"][changed] > 0])

    def settle(self, now: float) -> None:
        """Bring all rates up to date with what changed at the second `now`."""
        if self._size[0]:
            levels.settle(*self._arrays, self._scratch, now)

    def next_end(self) -> float:
        """The second at which the next transfer ends."""
        return float(self.flows.flow["end"][self._ends[0]]) if self._size[1] else np.inf

    def ended(self, now: float) -> list[int]:
        """The numbers of the transfers whose last byte has moved by now."""
        if self.next_end() > now:
            return []
        flow, ends, found, places = self.flows.flow, self._ends[: self._size[1]], [], [0]
        while places:  # down the heap as far as ends are due
            place = places.pop()
            if place < len(ends) and flow["end"][ends[place]] <= now:
                found.append(int(flow["number"][ends[place]]))
                places += [2 * place + 1, 2 * place + 2]
        return found

    def _make_room(self, entries: int) -> None:
        flows = self.flows
        flows.make_room(entries)
        self._ends = np.zeros(len(flows.flow), np.int64)
        self._scratch = np.zeros((2, len(flows.flow)))
        self._arrays = (self._link, flows.flow, flows.entry, self._work, self._ends, self._size)
        levels.relist(*self._arrays, flows.rows)

    def _enlist(self, links: Ints) -> None:
        levels.enlist_links(self._link, self._work, self._size, links)
