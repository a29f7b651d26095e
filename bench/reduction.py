"""Reductions in the air, and the clock that moves them: phases end, members drop out, what is broken begins anew."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.network import Plan
from bench.roster import Roster
from bench.timeline import Ledger

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class Reduction:
    """One reduction from the second at which it begins, and the work that it carries.

    It is over when its last phase is, or lost when nobody is left in it whose work it could carry.
    """

    nbytes: float
    members: Ints  # who takes part; they all receive the result
    senders: Ints  # (n,) of those, whose work it carries
    compute: Floats  # (n,) seconds in that work, charged when it counts
    codec: Floats
    begun: float  # virtual seconds: when it began,
    tried: float = np.nan  # when its last try did,
    over: float = np.nan  # and when it was over
    latency: float = np.nan  # seconds, of its last try

    @property
    def lost(self) -> bool:
        return not len(self.senders)

    @property
    def in_the_air(self) -> bool:
        return np.isnan(self.over) and not self.lost

    def keep(self, stays: NDArray[np.bool_]) -> bool:
        """Only those that stay, (W,), are in it any longer; true if that breaks it."""
        members = stays[self.members]
        if members.all():
            return False
        self.members, senders = self.members[members], stays[self.senders]
        self.senders, self.compute, self.codec = self.senders[senders], self.compute[senders], self.codec[senders]
        return True


class Air:
    """Everything that is under way on the links at one virtual second.

    It alone moves the clock of the roster while workers take part, so who drops out leaves all that it is in at that second.
    What it did and the ledger does not hold yet is then discarded: its work counts if the reduction that carries it is over.
    """

    def __init__(self, roster: Roster, ledger: Ledger, plan: Callable[[Ints, float, Floats], Plan]) -> None:
        self._roster, self._ledger, self._plan = roster, ledger, plan
        self._known: tuple[Ints, float, Floats, Plan] | None = None  # members, bytes and links of the last plan
        self._flying: dict[int, tuple[Reduction, Plan]] = {}  # by transfer number; what follows it

    def begin(self, reduction: Reduction) -> None:
        """Start `reduction` now, alone or beside others."""
        phases = self._planned(reduction.members, reduction.nbytes)
        reduction.tried = self._roster.now
        reduction.latency = sum(transfer.latency for transfer in phases)
        self._next_phase(reduction, phases)

    def advance(self, to: float) -> None:
        """Let everything up to the second `to` happen."""
        roster = self._roster
        while roster.now < to or roster.next_event() <= to or roster.next_drop() <= to:
            self.happen(to)

    def happen(self, until: float = np.inf) -> None:
        """Move on to the next change of what is in the air, or to the second `until` if nothing is or none comes before."""
        if not self._flying:
            # Nobody's drop changes anything on the links: all of them at once.
            self._drop(until)
            self._roster.advance(until)
            return
        at = min(self._roster.next_event(), self._roster.next_drop(), until)
        for number in self._roster.advance(at):
            self._next_phase(*self._flying.pop(number))
        self._drop(at)  # after what ended at the same second

    def _planned(self, members: Ints, nbytes: float) -> Plan:
        """The plan for these members on the links as they are: the last one, where nothing has changed since."""
        capacity, known = self._roster.fluid.capacity, self._known
        if known is None or known[1] != nbytes or known[2] is not capacity or not np.array_equal(known[0], members):
            known = self._known = members, nbytes, capacity, self._plan(members, nbytes, capacity)
        return known[3]

    def _next_phase(self, reduction: Reduction, phases: Plan) -> None:
        if phases:
            self._flying[self._roster.fluid.start(phases[0])] = reduction, phases[1:]
            return
        reduction.over = self._roster.now
        self._ledger.charge("compute", reduction.senders, reduction.compute)
        self._ledger.charge("codec", reduction.senders, reduction.codec)

    def _drop(self, by: float) -> None:
        """Whoever drops out up to the second `by` does."""
        if self._roster.next_drop() > by:
            return
        self._ledger.fill("discarded", *self._roster.drop(by))
        for number, (reduction, _) in list(self._flying.items()):
            if reduction.keep(self._roster.active):
                self._roster.fluid.cancel(number)
                del self._flying[number]
                if not reduction.lost:
                    self.begin(reduction)
