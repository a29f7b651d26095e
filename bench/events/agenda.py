"""The clock of programs that go their own ways: what ends next, on the links or off them, who drops out and who is back."""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from bench.errors import VirtualTimeout
from bench.network import Transfer
from bench.roster import Ints, Roster
from bench.units import seconds_text


@dataclass(slots=True)
class Entry:
    """Something that ends at some second, unless it is cancelled, and what happens then."""

    node: int
    number: int  # of all entries
    then: Callable[[], None]
    transfer: int = 0  # its number, 0 of what is not on the links
    cancelled: bool = False


class Agenda:
    """All that is under way, by the second at which it ends.

    What ends at one second happens by node, then in the order in which it began; then what that makes end at the same second.
    Who drops out at that second does so after it, and who is back joins last.
    """

    def __init__(self, roster: Roster, limit: float) -> None:
        self._roster, self._limit = roster, limit
        self._off_links: list[tuple[float, int, int, Entry]] = []  # heap
        self._on_links: dict[int, Entry] = {}  # by the number of the transfer
        self._begun = 0
        self.closed = False

    @property
    def now(self) -> float:
        """The virtual second."""
        return self._roster.now

    def at(self, second: float, node: int, then: Callable[[], None]) -> Entry:
        """`then` happens at `second`, which has not passed."""
        self._begun += 1
        entry = Entry(node, self._begun, then)
        heappush(self._off_links, (second, node, self._begun, entry))
        return entry

    def send(self, transfer: Transfer, node: int, then: Callable[[], None]) -> Entry:
        """`then` happens when `transfer`, which begins now, is over."""
        self._begun += 1
        number = self._roster.fluid.start(transfer)
        entry = self._on_links[number] = Entry(node, self._begun, then, number)
        return entry

    def cancel(self, entry: Entry) -> None:
        """It does not happen, if it has not yet; what a transfer carried so far stays counted."""
        entry.cancelled = True
        if self._on_links.pop(entry.transfer, None) is not None:
            self._roster.fluid.cancel(entry.transfer)

    def spare(self, entry: Entry, links: Ints) -> None:
        """A transfer that is under way goes on without some of its links."""
        self._roster.fluid.spare(entry.transfer, links)

    def close(self) -> None:
        """Nothing happens any more."""
        self.closed = True

    def happen(self, drop: Callable[[Ints], None], join: Callable[[Ints], None]) -> None:
        """Go on to the next second at which something ends or somebody comes or goes, and let all of it happen.

        `drop` and `join` are told who drops out, and who is back with state. Raises VirtualTimeout if there is no such second
        before the limit.
        """
        roster = self._roster
        at = self._next()
        if at >= self._limit:
            raise VirtualTimeout(f"the virtual clock passed max_virtual = {seconds_text(self._limit)}")
        while not self.closed and (over := self._over(at)):
            for entry in over:
                if not (entry.cancelled or self.closed):
                    entry.then()
        if not self.closed and roster.next_drop() <= at:
            drop(roster.drop(at)[0])
        if not self.closed and roster.next_return() <= at and len(ranks := roster.join()):
            join(ranks)

    def _next(self) -> float:
        """The second of the next change; infinity if there will be none."""
        roster = self._roster
        while self._off_links and self._off_links[0][-1].cancelled:
            heappop(self._off_links)
        own = self._off_links[0][0] if self._off_links else np.inf
        return max(min(own, roster.next_event(), roster.next_drop(), roster.next_return()), roster.now)

    def _over(self, at: float) -> list[Entry]:
        """What ends at the second `at` and has not been told."""
        over = [self._on_links.pop(number) for number in self._roster.advance(at)]
        while self._off_links and self._off_links[0][0] <= at:
            over.append(heappop(self._off_links)[-1])
        over.sort(key=lambda entry: (entry.node, entry.number))
        return over
