"""The reduction of a group of workers that do not move in step."""

from collections import OrderedDict

import numpy as np

from bench.aggregation import Aggregation
from bench.events.agenda import Entry
from bench.events.meetings import Host, Ints, Marks
from bench.events.messages import Weight
from bench.events.nodes import Work
from bench.events.testbed import Testbed
from bench.events.unrolled import Begin
from bench.network import Plan

KNOWN = 256
"""Plans that are kept in mind."""


class Gathering:
    """One reduction of a group: it begins when all of it that are there have come, and is over for all at once.

    It waits for those before it that have a member in common with it: they have the same connections. Who drops out makes the
    others begin it anew where their collective cannot go on without it, as in lockstep.
    """

    def __init__(self, begin: Begin, expected: set[int], plans: "Plans", host: Host) -> None:
        self._begin, self._plans, self._host = begin, plans, host
        self.expected = expected  # ranks that have not come yet
        self._arrived: dict[int, Work] = {}
        self._entry: Entry | None = None  # of the phase under way
        self._phases: Plan = ()  # that follow
        self._needs: set[int] = set()
        self._begun = self._cleared = self._tried = self._over = np.nan  # virtual seconds
        self._began = np.nan  # second of the timeline at which nothing was in the way any longer
        self._latency = self._recoding = self._arithmetic = 0.0  # seconds
        self.waiting: list[int] = []  # ranks that ask for its end

    @property
    def closed(self) -> bool:
        """Whether it is over, or nobody is in it any longer."""
        return not (np.isnan(self._over) and (self.expected or self._arrived))

    @property
    def members(self) -> set[int]:
        """Those that have come, and are in it still."""
        return set(self._arrived)

    @property
    def counted(self) -> list[int]:
        """Whose work it has carried."""
        return list(self._arrived)

    def is_over(self, rank: int) -> bool:
        return self.closed

    def payloads(self, rank: int) -> int:
        """How many payloads `rank` decodes of it."""
        coding = self._begin.weight.coding
        return 0 if coding is None else self._plans.aggregation.decoded(self._begin.word, len(self._arrived), coding)

    def marks(self, rank: int) -> Marks:
        if np.isnan(self._over):
            return ()
        flows = self._tried + self._latency
        coded = flows + self._recoding
        return (
            ("straggler_wait", self._begun),
            ("bandwidth", self._cleared),
            ("discarded", self._tried),
            ("latency", flows),
            ("codec", coded),
            ("aggregation", coded + self._arithmetic),
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
            if self._arrived and not self.expected and np.isnan(self._begun):
                self._start()
        elif not self._arrived:
            agenda.cancel(entry)
            self._plans.over(self)
        elif self._needs & ranks:
            agenda.cancel(entry)
            self._try()
        elif gone:
            links = np.array([*gone, *(self._plans.testbed.workers + rank for rank in gone)])
            agenda.spare(entry, links)
            capacity = self._plans.testbed.roster.fluid.capacity
            self._phases = tuple(phase.without(links, capacity) for phase in self._phases)

    def _start(self) -> None:
        self._begun = self._plans.testbed.now
        self._plans.enter(self)

    def fly(self) -> None:
        """Nothing is in the way any longer."""
        self._cleared, self._began = self._plans.testbed.now, self._plans.testbed.second
        self._try()

    def _try(self) -> None:
        """All that are there begin, or begin anew."""
        begin, aggregation = self._begin, self._plans.aggregation
        members = np.array(sorted(self._arrived))
        coding = begin.weight.coding
        phases = self._plans.plan(begin.word, members, begin.weight)
        recoding = aggregation.recoding(begin.word, members, coding)
        arithmetic = aggregation.arithmetic(begin.word, members, begin.payload_bytes)
        self._tried = self._plans.testbed.now
        self._latency = sum(phase.latency for phase in phases)
        self._recoding = sum(phase.latency for phase in recoding)
        self._arithmetic = sum(phase.latency for phase in arithmetic)
        self._phases = phases + recoding + arithmetic
        self._needs = set(aggregation.needs(members, coding).tolist())
        self._next_phase()

    def _next_phase(self) -> None:
        if self._phases:
            phase, self._phases = self._phases[0], self._phases[1:]
            self._entry = self._plans.testbed.agenda.send(phase, min(self._arrived), self._next_phase)
            return
        self._over = self._plans.testbed.now
        ranks, begin = sorted(self._arrived), self._begin
        if len(ranks) > 1:
            node = -1 if begin.groups is None else int(np.argmax(begin.groups == begin.groups[ranks[0]]))
            members = tuple(ranks) if node >= 0 else ()
            self._plans.testbed.span(begin.word, begin.index, node, begin.weight.wire_bytes, self._began, members)
        self._plans.over(self)
        self._host.carried(self._begin, np.array(ranks), [self._arrived[rank] for rank in ranks])
        self._host.over(self._begin, self, sorted(self.waiting))


class Plans:
    """Reductions on the links as they are, and which of them wait for which."""

    def __init__(self, testbed: Testbed, aggregation: Aggregation) -> None:
        self.testbed, self.aggregation = testbed, aggregation
        self._capacity = testbed.roster.fluid.capacity
        self._known: OrderedDict[tuple[str, Weight, bytes], Plan] = OrderedDict()
        self._flying: list[Gathering] = []
        self._waiting: list[Gathering] = []

    def enter(self, gathering: Gathering) -> None:
        """All of a gathering have come: it begins now, or when those before it that have a member of it are over."""
        self._waiting.append(gathering)
        self._next()

    def over(self, gathering: Gathering) -> None:
        """A gathering is over, or lost."""
        self._flying.remove(gathering)
        self._next()

    def _next(self) -> None:
        while (gathering := self._unhindered()) is not None:
            self._waiting.remove(gathering)
            self._flying.append(gathering)
            gathering.fly()  # which may be over at once, and lets others enter

    def _unhindered(self) -> Gathering | None:
        """The first that waits for nobody."""
        self._waiting = [gathering for gathering in self._waiting if not gathering.closed]
        taken = set[int]().union(*(gathering.members for gathering in self._flying))
        for gathering in self._waiting:
            if taken.isdisjoint(gathering.members):
                return gathering
            taken |= gathering.members
        return None

    def plan(self, word: str, members: Ints, weight: Weight) -> Plan:
        """Its activities among `members`, (n,), each with a payload of that `weight`."""
        capacity = self.testbed.roster.fluid.capacity
        if capacity is not self._capacity:
            self._known.clear()
            self._capacity = capacity
        key = word, weight, members.tobytes()
        if key not in self._known:
            self._known[key] = self.aggregation.plan(word, members, weight.wire_bytes, capacity, weight.coding)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return self._known[key]
