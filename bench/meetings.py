"""Where workers that do not move in step meet: the reduction of a group, and the exchange between neighbours."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.agenda import Entry
from bench.aggregation import Aggregation
from bench.network import Plan
from bench.nodes import Work
from bench.testbed import Testbed
from bench.unrolled import Begin

Ints = NDArray[np.int64]
Marks = tuple[tuple[str, float], ...]
"""Buckets of the ledger, and the second up to which one waits for each."""

KNOWN = 256
"""Plans that are kept in mind."""


class Host(Protocol):
    """Who runs the programs of those that meet."""

    def carried(self, begin: Begin, ranks: Ints, work: list[Work]) -> None:
        """The work of `ranks`, (n,), of what ends with `begin`, has reached the others."""
        ...

    def over(self, begin: Begin, meeting: "Meeting", ranks: list[int]) -> None:
        """A meeting is over for `ranks`, whether or not they wait for it."""
        ...


class Plans:
    """Reductions on the links as they are."""

    def __init__(self, testbed: Testbed, aggregation: Aggregation) -> None:
        self.testbed, self.aggregation = testbed, aggregation
        self._capacity = testbed.roster.fluid.capacity
        self._known: OrderedDict[tuple[str, float, bytes], Plan] = OrderedDict()

    def plan(self, word: str, members: Ints, nbytes: float) -> Plan:
        """Its activities among `members`, (n,)."""
        capacity = self.testbed.roster.fluid.capacity
        if capacity is not self._capacity:
            self._known.clear()
            self._capacity = capacity
        key = word, nbytes, members.tobytes()
        if key not in self._known:
            self._known[key] = self.aggregation.plan(word, members, nbytes, capacity)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return self._known[key]


class Gathering:
    """One reduction of a group: it begins when all of it that are there have come, and is over for all at once.

    Who drops out makes the others begin it anew where their collective cannot go on without it, as in lockstep.
    """

    def __init__(self, begin: Begin, expected: set[int], plans: Plans, host: Host) -> None:
        self._begin, self._plans, self._host = begin, plans, host
        self.expected = expected  # ranks that have not come yet
        self._arrived: dict[int, Work] = {}
        self._entry: Entry | None = None  # of the phase under way
        self._phases: Plan = ()  # that follow
        self._needs: set[int] = set()
        self._begun = self._tried = self._over = np.nan  # virtual seconds
        self._latency = self._arithmetic = 0.0  # seconds
        self.waiting: list[int] = []  # ranks that ask for its end

    @property
    def closed(self) -> bool:
        """Whether it is over, or nobody is in it any longer."""
        return not (np.isnan(self._over) and (self.expected or self._arrived))

    @property
    def counted(self) -> list[int]:
        """Whose work it has carried."""
        return list(self._arrived)

    def is_over(self, rank: int) -> bool:
        return self.closed

    def payloads(self, rank: int) -> int:
        """How many payloads `rank` decodes of it."""
        return 1

    def marks(self, rank: int) -> Marks:
        if np.isnan(self._over):
            return ()
        flows = self._tried + self._latency
        return (
            ("straggler_wait", self._begun),
            ("discarded", self._tried),
            ("latency", flows),
            ("aggregation", flows + self._arithmetic),
            ("bandwidth", self._over),
        )

    def arrive(self, rank: int, work: Work) -> None:
        """`rank` has come, with its work."""
        self.expected.remove(rank)
        self._arrived[rank] = work
        if not self.expected:
            self._start()

    def leave(self, ranks: set[int]) -> None:
        """`ranks` have dropped out."""
        if not np.isnan(self._over) or ranks.isdisjoint(self.expected | self._arrived.keys()):
            return
        self.expected -= ranks
        gone = [rank for rank in ranks if self._arrived.pop(rank, None) is not None]
        agenda, entry = self._plans.testbed.agenda, self._entry
        if entry is None:
            if self._arrived and not self.expected:
                self._start()
        elif not self._arrived:
            agenda.cancel(entry)
        elif self._needs & ranks:
            agenda.cancel(entry)
            self._try()
        elif gone:
            links = np.array([*gone, *(self._plans.testbed.workers + rank for rank in gone)])
            agenda.spare(entry, links)
            capacity = self._plans.testbed.roster.fluid.capacity
            self._phases = tuple(phase.without(links, capacity) for phase in self._phases)

    def give_up(self) -> None:
        """All of it is lost."""
        if self._entry is not None:
            self._plans.testbed.agenda.cancel(self._entry)

    def _start(self) -> None:
        self._begun = self._plans.testbed.now
        self._try()

    def _try(self) -> None:
        """All that are there begin, or begin anew."""
        begin, aggregation = self._begin, self._plans.aggregation
        members = np.array(sorted(self._arrived))
        phases = self._plans.plan(begin.word, members, begin.weight.wire_bytes)
        arithmetic = aggregation.arithmetic(begin.word, members, begin.payload_bytes)
        self._tried = self._plans.testbed.now
        self._latency = sum(phase.latency for phase in phases)
        self._arithmetic = sum(phase.latency for phase in arithmetic)
        self._phases = phases + arithmetic
        self._needs = set(aggregation.needs(members).tolist())
        self._next_phase()

    def _next_phase(self) -> None:
        if self._phases:
            phase, self._phases = self._phases[0], self._phases[1:]
            self._entry = self._plans.testbed.agenda.send(phase, min(self._arrived), self._next_phase)
            return
        self._over = self._plans.testbed.now
        ranks = sorted(self._arrived)
        self._host.carried(self._begin, np.array(ranks), [self._arrived[rank] for rank in ranks])
        self._host.over(self._begin, self, sorted(self.waiting))


@dataclass(frozen=True)
class Landed:
    """A payload has come."""

    left: float  # virtual second: when it left,
    flows: float  # when its bytes began to flow,
    at: float  # and when it was there


class Gossip:
    """One exchange between neighbours: who comes sends to all of its own at once, and needs the payload of each to go on.

    As with sends that do not block and receives that do. It is over for each by itself. Who drops out is not waited for; its
    work counts if the exchange was over for it before.
    """

    def __init__(self, begin: Begin, expected: set[int], testbed: Testbed, host: Host) -> None:
        assert begin.edges is not None
        self._begin, self._testbed, self._host = begin, testbed, host
        self.expected = expected
        self._arrived: dict[int, Work] = {}
        self._missing: dict[int, set[int]] = {rank: set() for rank in expected}  # whose payloads each still waits for
        self._targets: dict[int, list[int]] = {rank: [] for rank in expected}
        for target, source in begin.edges.tolist():
            if target in expected and source in expected:
                self._missing[target].add(source)
                self._targets[source].append(target)
        self._flights: dict[tuple[int, int], Entry] = {}  # by source and target
        self._last: dict[int, Landed] = {}  # of what each got
        self._got = dict.fromkeys(expected, 0)
        self._over: dict[int, float] = {}  # when
        self.waiting: list[int] = []  # ranks that ask for its end

    @property
    def closed(self) -> bool:
        """Whether it is over for all that are left in it."""
        return not self._missing

    @property
    def counted(self) -> list[int]:
        """Whose work it has carried."""
        return list(self._over)

    def is_over(self, rank: int) -> bool:
        return rank not in self._missing

    def payloads(self, rank: int) -> int:
        """How many payloads `rank` decodes of it."""
        return self._got.get(rank, 0)

    def marks(self, rank: int) -> Marks:
        if rank not in self._over:
            return ()
        last = self._last.get(rank)
        wait = (("straggler_wait", self._over[rank]),)
        return wait if last is None else (("straggler_wait", last.left), ("latency", last.flows), ("bandwidth", last.at), *wait)

    def arrive(self, rank: int, work: Work) -> None:
        """`rank` has come, with its work."""
        self.expected.remove(rank)
        self._arrived[rank] = work
        testbed = self._testbed
        for target in self._targets[rank]:
            transfer = testbed.messages.transfer(rank, target, self._begin.weight.wire_bytes)
            there = partial(self._land, rank, target, testbed.now, testbed.now + transfer.latency)
            self._flights[rank, target] = testbed.agenda.send(transfer, target, there)
        self._finish(rank)

    def leave(self, ranks: set[int]) -> None:
        """`ranks` have dropped out."""
        self.expected -= ranks
        waiting = []
        for rank in ranks & self._targets.keys():
            waiting += self._targets.pop(rank)
            self._missing.pop(rank, None)
        for source, target in [pair for pair in self._flights if not ranks.isdisjoint(pair)]:
            self._testbed.agenda.cancel(self._flights.pop((source, target)))
        for targets in self._targets.values():
            targets[:] = [target for target in targets if target not in ranks]
        for rank in sorted(set(waiting) & self._missing.keys()):
            self._missing[rank] -= ranks
            self._finish(rank)

    def give_up(self) -> None:
        """All of it is lost."""
        for entry in self._flights.values():
            self._testbed.agenda.cancel(entry)

    def _land(self, source: int, target: int, left: float, flows: float) -> None:
        del self._flights[source, target]
        self._missing[target].discard(source)
        self._got[target] += 1
        self._last[target] = Landed(left, flows, self._testbed.now)
        self._finish(target)

    def _finish(self, rank: int) -> None:
        """It is over for a worker that has come and has all that it waits for."""
        if self._missing.get(rank) or rank not in self._arrived:
            return
        del self._missing[rank]
        self._over[rank] = self._testbed.now
        self._host.carried(self._begin, np.array([rank]), [self._arrived[rank]])
        self._host.over(self._begin, self, [rank])


Meeting = Gathering | Gossip
"""Of those that are to meet, some may never come: they drop out before."""
