"""Reductions in the air, and the clock that moves them: phases end, members drop out, what is broken begins anew."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.network import Plan
from bench.pace import Coding
from bench.roster import Roster
from bench.timeline import Ledger

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class Reduction:
    """One reduction, or half of one, from the second at which it begins, and the work that it carries.

    It is over when its last phase is, or lost when nobody is left in it whose work it could carry.
    """

    word: str  # all_reduce, reduce_scatter or all_gather
    nbytes: float  # on the wire
    payload_bytes: float  # decoded
    members: Ints  # who takes part; they all receive the result
    senders: Ints  # (n,) of those, whose work it carries
    compute: Floats  # (n,) seconds in that work, charged when it counts
    codec: Floats | None  # None where there was nothing to encode or decode
    hostile: Ints  # of the senders, whose work is an attack
    begun: float  # virtual seconds: when it began,
    ready: Floats | None = None  # (n,) when each sender was ready, where a tape asks for it,
    cleared: float = np.nan  # when all that began before it was over,
    tried: float = np.nan  # when its last try did,
    over: float = np.nan  # and when it was over
    latency: float = np.nan  # seconds, of its last try
    recoding: float = np.nan  # seconds, of its last try
    arithmetic: float = np.nan  # seconds, of its last try
    coding: Coding | None = None  # None where payloads travel as they are
    ghosts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # who has left it, and is on its links still

    @property
    def lost(self) -> bool:
        return not len(self.senders)

    @property
    def in_the_air(self) -> bool:
        return np.isnan(self.over) and not self.lost

    def keep(self, active: NDArray[np.bool_]) -> bool:
        """Only those that are `active`, (W,), are in it any longer; false if it had no others before."""
        there = active[self.members]
        stays = np.flatnonzero(there)
        if len(stays) == len(self.members):
            return False
        self.ghosts = np.concatenate([self.ghosts, self.members[np.flatnonzero(~there)]])
        all_send = self.senders is self.members
        self.members = self.members[stays]
        sends = stays if all_send else np.flatnonzero(active[self.senders])
        self.senders = self.members if all_send else self.senders[sends]
        self.compute = self.compute[sends]
        self.codec = None if self.codec is None else self.codec[sends]
        self.ready = None if self.ready is None else self.ready[sends]
        self.hostile = self.hostile[active[self.hostile]]
        return True


class Links(Protocol):
    """What a reduction asks of the links."""

    def plan(self, word: str, members: Ints, nbytes: float, capacity: Floats, coding: Coding | None) -> Plan:
        """Its activities among `members`, (n,), on links of `capacity`, (L,)."""
        ...

    def recoding(self, word: str, members: Ints, coding: Coding | None) -> Plan:
        """What they then decode and encode again before everybody gets it, as a phase that is all latency."""
        ...

    def arithmetic(self, word: str, members: Ints, payload_bytes: float) -> Plan:
        """What they then compute, as a phase that is all latency; none for a sum."""
        ...

    def needs(self, members: Ints, coding: Coding | None) -> Ints:
        """Those without whom the others cannot go on with it: they begin it anew."""
        ...


class Air:
    """Everything that is under way on the links at one virtual second.

    Reductions that have a member in common follow each other, as the collectives of one communicator do: they have the same
    connections. It alone moves the clock of the roster while workers take part, so who drops out leaves all that it is in at
    that second.
    What it did and the ledger does not hold yet is then discarded: its work counts if the reduction that carries it is over.
    """

    def __init__(self, roster: Roster, ledger: Ledger, links: Links) -> None:
        self._roster, self._ledger, self._links = roster, ledger, links
        # Members and links of the last plans, and these by what they carry.
        self._known: tuple[Ints, Floats, dict[tuple[str, float, Coding | None], Plan]] | None = None
        self._flying: dict[int, tuple[Reduction, Plan, Ints]] = {}  # by transfer number; what follows, and whom it needs
        self._queue: list[Reduction] = []

    def begin(self, reduction: Reduction) -> None:
        """Start `reduction` now, or when those before it that have a member of it are over."""
        self._queue.append(reduction)
        self._next()

    def _next(self) -> None:
        """Start those, in their order, that nothing before them is in the way of."""
        waiting, self._queue = [reduction for reduction in self._queue if not reduction.lost], []
        if not waiting:
            return
        taken = np.zeros(len(self._roster.active), bool)  # (W,) members of what flies or waits
        for reduction, _, _ in self._flying.values():
            taken[reduction.members] = True
        for place, reduction in enumerate(waiting):
            if taken.all():
                self._queue += waiting[place:]
                return
            if taken[reduction.members].any():
                self._queue.append(reduction)
                taken[reduction.members] = True
            else:
                reduction.cleared = self._roster.now
                self._try(reduction)
                if reduction.in_the_air:
                    taken[reduction.members] = True

    def _try(self, reduction: Reduction) -> None:
        for number in self._flying:
            self._lay(number)
        phases = self._planned(reduction)
        recoding = self._links.recoding(reduction.word, reduction.members, reduction.coding)
        arithmetic = self._links.arithmetic(reduction.word, reduction.members, reduction.payload_bytes)
        reduction.ghosts = reduction.ghosts[:0]
        reduction.tried = self._roster.now
        reduction.latency = sum(transfer.latency for transfer in phases)
        reduction.recoding = sum(transfer.latency for transfer in recoding)
        reduction.arithmetic = sum(transfer.latency for transfer in arithmetic)
        self._next_phase(reduction, phases + recoding + arithmetic, self._links.needs(reduction.members, reduction.coding))

    def advance(self, to: float) -> None:
        """Let everything up to the second `to` happen."""
        roster = self._roster
        while roster.now < to or roster.next_event() <= to or roster.next_drop() <= to:
            self.happen(to)

    def happen(self, until: float = np.inf) -> None:
        """Move on to the next change of what is in the air, or to the second `until` if nothing is or none comes before."""
        if not self._flying and self._roster.apart:
            # Nobody's drop changes anything on the links: all of them at once.
            self._drop(until)
            self._roster.advance(until)
            return
        at = min(self._roster.next_event(), until)
        unmoved = self._roster.next_drop() <= at and self._unmoved(at)
        if not unmoved:
            self._drop(self._roster.now)  # those who moved nothing, and nobody has seen to yet
            at = min(at, self._roster.next_drop())
        ended = self._roster.advance(at)
        if unmoved and not ended and at < until:
            return  # whoever dropped out can be seen to when something ends
        self._drop(np.nextafter(at, -np.inf))
        for number in ended:
            self._next_phase(*self._flying.pop(number))
        self._next()
        self._drop(at)  # after what ended at the same second

    def ban(self, ranks: Ints) -> None:
        """`ranks`, which take part, are shut out now; what they did and the ledger does not hold is discarded."""
        self._ledger.fill("discarded", ranks, np.full(len(ranks), self._roster.now))
        self._roster.ban(ranks)
        self._lose()

    def _unmoved(self, at: float) -> bool:
        """Whether nothing on the links changes by who drops out up to the second `at`: nobody needs to look at each of them."""
        if not self._roster.apart or len(self._flying) > 1:
            return False
        [(reduction, _, needs)] = self._flying.values()
        return not len(needs) and self._roster.drops_by(at) < len(reduction.senders)

    def _planned(self, reduction: Reduction) -> Plan:
        """The plan for its members on the links as they are: one made before, where nothing has changed since."""
        word, members, nbytes, coding = reduction.word, reduction.members, reduction.nbytes, reduction.coding
        capacity, known = self._roster.fluid.capacity, self._known
        if known is None or known[1] is not capacity or not np.array_equal(known[0], members):
            known = self._known = members, capacity, {}
        plans = known[2]
        if (word, nbytes, coding) not in plans:
            plans[word, nbytes, coding] = self._links.plan(word, members, nbytes, capacity, coding)
        return plans[word, nbytes, coding]

    def _next_phase(self, reduction: Reduction, phases: Plan, needs: Ints) -> None:
        if phases:
            self._flying[self._roster.fluid.start(phases[0])] = reduction, phases[1:], needs
            return
        reduction.over = self._roster.now
        ready = reduction.ready
        if reduction.codec is not None:
            self._ledger.charge("codec", reduction.senders, reduction.codec, until=ready)
        self._ledger.charge("compute", reduction.senders, reduction.compute, until=ready)
        if len(reduction.hostile):
            attack = np.searchsorted(reduction.senders, reduction.hostile)
            until = None if ready is None else ready[attack]
            self._ledger.move("compute", "discarded", reduction.hostile, reduction.compute[attack], until)

    def _drop(self, by: float) -> None:
        """Whoever drops out up to the second `by` does."""
        if self._roster.next_drop() <= by:
            self._ledger.fill("discarded", *self._roster.drop(by))
            self._lose()

    def _lose(self) -> None:
        """Those who are no longer there leave all that is in the air."""
        active = self._roster.active
        for waiting in self._queue:
            waiting.keep(active)
        for number, (reduction, _, needs) in list(self._flying.items()):
            if not reduction.keep(active):
                continue
            if reduction.lost or not active[needs].all():
                self._roster.fluid.cancel(number)
                del self._flying[number]
                if not reduction.lost:
                    self._try(reduction)
            elif not self._roster.apart or len(self._flying) > 1:
                self._lay(number)
        self._next()

    def _lay(self, number: int) -> None:
        """Take the ghosts off the links of a flight: who comes back must not meet on its line what it no longer sends."""
        reduction, phases, needs = self._flying[number]
        if len(reduction.ghosts):
            fluid, workers = self._roster.fluid, len(self._roster.active)
            links = np.concatenate([reduction.ghosts, workers + reduction.ghosts])
            fluid.spare(number, links)
            self._flying[number] = reduction, tuple(phase.without(links, fluid.capacity) for phase in phases), needs
            reduction.ghosts = reduction.ghosts[:0]
