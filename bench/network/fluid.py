"""Fluid transfers that share links max-min fairly, moved along in virtual time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.network.fairness import max_min_rates
from bench.network.transfer import Transfer


@dataclass
class _Activity:
    transfer: Transfer
    begins: float  # virtual second at which latency is over and bytes flow
    remaining: float  # bytes of payload
    rate: float = 0.0  # bytes/s of payload


class Fluid:
    """Transfers under way on the links of `capacity` (L,), in bytes/s.

    `carried` (L,) counts the bytes that really crossed each link, also those of transfers that were given up.
    """

    def __init__(self, capacity: NDArray[np.float64]) -> None:
        self.capacity = capacity
        self.carried = np.zeros(len(capacity))
        self.now = 0.0
        self._users = np.zeros(len(capacity), np.int64)  # transfers flowing on each link
        self._waiting: dict[int, _Activity] = {}  # in their latency
        self._flowing: dict[int, _Activity] = {}
        self._started = 0

    def start(self, transfer: Transfer) -> int:
        """Begin a transfer now; returns its number. Its latency comes first, then its bytes."""
        self._started += 1
        self._waiting[self._started] = _Activity(transfer, self.now + transfer.latency, transfer.nbytes)
        return self._started

    def cancel(self, number: int) -> None:
        """Give a transfer up; what it carried so far stays counted."""
        if self._waiting.pop(number, None) is None:
            self._leave(number)

    def next_event(self) -> float:
        """The virtual second of the next change of rates, infinity if nothing is under way."""
        begins = (a.begins for a in self._waiting.values())
        ends = (self._end(a) for a in self._flowing.values())
        return min((*begins, *ends), default=np.inf)

    def advance(self, until: float) -> list[int]:
        """Move on to `until`, which must not lie beyond `next_event()`; returns the transfers that ended there."""
        assert self.now <= until <= self.next_event(), "advance() must stop at every change of rates"
        ended = [number for number, a in self._flowing.items() if self._end(a) <= until]
        for activity in self._flowing.values():
            moved = activity.rate * (until - self.now) if until > self.now else 0.0
            self._carry(activity, min(moved, activity.remaining))
        self.now = until
        for number in ended:
            self._carry(self._flowing[number], self._flowing[number].remaining)
            self._leave(number)
        for number in [n for n, a in self._waiting.items() if a.begins <= until]:
            self._join(number, self._waiting.pop(number))
        return ended

    def _end(self, activity: _Activity) -> float:
        return self.now + activity.remaining / activity.rate if activity.remaining else self.now

    def _carry(self, activity: _Activity, nbytes: float) -> None:
        self.carried[activity.transfer.links] += nbytes * activity.transfer.weights
        activity.remaining -= nbytes

    def _join(self, number: int, activity: _Activity) -> None:
        links = activity.transfer.links
        alone = not self._users[links].any()
        self._users[links] += 1
        self._flowing[number] = activity
        self._set_rates([activity] if alone else list(self._flowing.values()))

    def _leave(self, number: int) -> None:
        links = self._flowing.pop(number).transfer.links
        self._users[links] -= 1
        if self._users[links].any():
            self._set_rates(list(self._flowing.values()))

    def _set_rates(self, activities: list[_Activity]) -> None:
        """Max-min rates of `activities`, which share no link with any other."""
        sizes = [len(a.transfer.links) for a in activities]
        if not sum(sizes):
            rates = np.full(len(activities), np.inf)
        else:
            used, link = np.unique(np.concatenate([a.transfer.links for a in activities]), return_inverse=True)
            weight = np.concatenate([a.transfer.weights for a in activities])
            owner = np.repeat(np.arange(len(activities)), sizes)
            rates = max_min_rates(self.capacity[used], owner, link, weight, len(activities))
        for activity, rate in zip(activities, rates, strict=True):
            activity.rate = float(rate)
