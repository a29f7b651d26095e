"""Rates of the transfers under way, all solved anew at each change: exact, NumPy only."""

import numpy as np

from bench.network.fairness import max_min_rates
from bench.network.flows import Flows, remaining
from bench.network.transfer import Floats, Ints, Transfer


class Resolve:
    """Solves for those transfers that meet others; one that is alone on all its links takes no solving.

    `work` counts the entries that were solved, and what a call costs besides in entries.
    """

    def __init__(self, flows: Flows) -> None:
        self.flows = flows
        self.work = 0.0
        self._users = np.zeros(len(flows.capacity), np.int64)  # transfers flowing on each link
        self._dirty = False
        self._next_end: float | None = np.inf

    def join(self, number: int, transfer: Transfer, limit: float, now: float) -> None:
        """The bytes of a transfer flow from now on."""
        flows = self.flows
        if not flows.has_room(len(transfer.links)):
            flows.make_room(len(transfer.links))
        row = flows.add(number, transfer, limit, now)
        self._dirty |= bool(self._users[transfer.links].any())
        self._users[transfer.links] += 1
        if not self._dirty:
            self._alone(row, now)
        self._next_end = None

    def leave(self, number: int, now: float) -> None:
        """A transfer ended or was given up."""
        flows = self.flows
        first, last = flows.links_of(flows.row[number])
        links = flows.entry["link"][first:last]
        self._users[links] -= 1
        self._dirty |= bool(self._users[links].any())
        flows.remove(number)
        self._next_end = None

    def limit(self, number: int, limit: float, now: float) -> None:
        """Another limit, in bytes/s, holds for a transfer from now on."""
        flows = self.flows
        row = flows.set_limit(number, limit)
        first, last = flows.links_of(row)
        self._dirty |= bool((self._users[flows.entry["link"][first:last]] > 1).any())
        if not self._dirty:
            self._alone(row, now)
        self._next_end = None

    def set_capacity(self, capacity: Floats, now: float) -> None:
        """Other capacities hold from now on."""
        self._dirty |= len(self.flows.set_capacity(capacity)) > 0

    def settle(self, now: float) -> None:
        """Bring all rates up to date with what changed at the second `now`."""
        if not self._dirty:
            return
        self._dirty = False
        flows = self.flows
        if flows.sparse():
            flows.make_room(0)
        entry, flow = flows.entry[: flows.entries], flows.flow[: flows.rows]
        owner = entry["flow"].astype(np.int64)
        shared = (self._users[entry["link"]] > 1) & (owner >= 0)
        meets = np.zeros(len(flow), bool)
        meets[owner[shared]] = True
        index = np.cumsum(meets) - 1  # of each row among those that meet others
        level = flow["top"].copy()  # which knows of the links of its own
        # In units of level everybody's share is 1.
        link, load, owner = entry["link"][shared], entry["load"][shared], index[owner[shared]]
        level[meets] = max_min_rates(flows.capacity, owner, link, load, int(meets.sum()), cap=level[meets])
        rows = np.flatnonzero((level != flow["level"]) & (flow["number"] > 0))
        self._turn(rows, level[rows], now)
        self.work += len(owner) + len(entry) / 20 + 1000  # looking at an entry costs less, and a call something

    def next_end(self) -> float:
        """The second at which the next transfer ends."""
        if self._next_end is None:
            self._next_end = float(self.flows.flow["end"][: self.flows.rows].min(initial=np.inf))
        return self._next_end

    def ended(self, now: float) -> list[int]:
        """The numbers of the transfers whose last byte has moved by now."""
        if self.next_end() > now:
            return []
        flow = self.flows.flow[: self.flows.rows]
        return flow["number"][flow["end"] <= now].tolist()

    def _alone(self, row: int, now: float) -> None:
        rows = np.array([row])
        self._turn(rows, self.flows.flow["top"][rows], now)

    def _turn(self, rows: Ints, levels: Floats, now: float) -> None:
        """Let `rows` go on at their new `levels`."""
        flow = self.flows.flow[rows]
        flow["remaining"] = remaining(flow, now)
        flow["since"] = now
        flow["level"] = levels
        rate = flow["level"] * flow["share"]
        with np.errstate(divide="ignore", invalid="ignore"):
            flow["end"] = np.where(flow["remaining"] > 0, now + flow["remaining"] / rate, now)
        self.flows.flow[rows] = flow
        self._next_end = None
