"""The exchange of payloads between neighbours that do not move in step."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.events.agenda import Entry
from bench.events.meetings import Host, Marks
from bench.events.nodes import Work
from bench.events.testbed import Testbed
from bench.events.unrolled import Begin


class Neighbours:
    """One exchange between neighbours: who comes sends to all of its own at once, and needs the payload of each to go on.

    As with sends that do not block and receives that do. It is over for each by itself. Who drops out is not waited for; its
    work counts if the exchange was over for it before.
    """

    def __init__(self, begin: Begin, expected: set[int], testbed: Testbed, host: Host) -> None:
        assert begin.edges is not None
        self._begin, self._testbed, self._host = begin, testbed, host
        self.expected = expected
        self._arrived: dict[int, Work] = {}
        self._began: dict[int, float] = {}  # second of the timeline at which each came
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
        self._began[rank] = testbed.second
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
        if self._got[rank] or self._targets[rank]:
            begin = self._begin
            self._testbed.span(begin.word, begin.index, rank, begin.weight.wire_bytes, self._began[rank])
        self._host.carried(self._begin, np.array([rank]), [self._arrived[rank]])
        self._host.over(self._begin, self, [rank])


@dataclass(frozen=True)
class Landed:
    """A payload has come."""

    left: float  # virtual second: when it left,
    flows: float  # when its bytes began to flow,
    at: float  # and when it was there
