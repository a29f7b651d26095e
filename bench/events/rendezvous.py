"""The clock of workers that all follow one program, each at its own pace, and wait only for those whom they meet."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from bench.aggregation import Aggregation
from bench.events.agenda import Entry
from bench.events.meetings import Ints, Meeting
from bench.events.nodes import Work
from bench.events.operations import Operations
from bench.events.testbed import Testbed
from bench.events.unrolled import Await, Begin, Item, RoundEnd
from bench.schedule import Schedule
from bench.segment import Job, JobSeconds


@dataclass(eq=False)
class Walker:
    """A worker that is there; up to `since` its seconds are charged, or are those of some work."""

    rank: int
    first: int  # operation that it takes part in
    since: float
    job_seconds: JobSeconds
    cursor: int = 0  # in the list of items: what it does, or waits for
    work: Work = field(default_factory=Work)  # that nothing carries yet
    met: dict[int, Meeting] = field(default_factory=dict)  # by operations that it has not waited for yet
    waits_for: Meeting | None = None
    busy: Entry | None = None  # computing, encoding or decoding


class Rendezvous:
    """Lets each worker walk through the items of a program.

    Who drops out loses all work that no operation has carried when it was over. Who is back begins with the work for the next
    operation that nobody has come to. Where an operation loses everybody in it, those who are there or come next begin anew
    with the work for it.
    """

    def __init__(self, testbed: Testbed, aggregation: Aggregation, items: list[Item], progress: Callable[[int], None]) -> None:
        self._testbed, self._items, self._progress = testbed, items, progress
        self._operations = Operations(testbed, aggregation, [item for item in items if isinstance(item, Begin)], self)
        self._places = [place for place, item in enumerate(items) if isinstance(item, Begin)]  # of operations
        self._rounds = [item.steps for item in items if isinstance(item, RoundEnd)]
        self._round_places = [place for place, item in enumerate(items) if isinstance(item, RoundEnd)]
        self._walkers: dict[int, Walker] = {}  # by rank
        self._walking = 0  # that are not at the end
        self._passed = np.full(testbed.workers, len(self._rounds))  # (W,) ends of rounds; of the absent, all

    @property
    def schedule(self) -> Schedule:
        return self._operations.recorder.schedule

    def run(self) -> None:
        """Go on until all is over."""
        testbed, events = self._testbed, 0
        self._admit(np.flatnonzero(testbed.roster.active).tolist(), 0)
        while self._walking or self._operations.left:
            testbed.agenda.happen(self._drop, self._join)
            events += 1
            if events % 100 == 0:
                self._progress(testbed.round_steps[-1] if testbed.round_steps else 0)
        for steps in self._rounds[len(testbed.round_end) :]:
            testbed.end_round(steps)
        for walker in self._walkers.values():
            ledger, rank = testbed.ledger, walker.rank
            ledger.charge("straggler_wait", rank, testbed.now - walker.since, begin=walker.since)
            ledger.discard(rank, walker.work.compute, walker.work.codec, walker.since)

    def carried(self, begin: Begin, ranks: Ints, work: list[Work]) -> None:
        """The work of `ranks`, (n,), of what ends with `begin`, has reached the others."""
        testbed = self._testbed
        until = np.array([one.until for one in work])
        testbed.ledger.charge("codec", ranks, np.array([one.codec for one in work]), until=until)
        testbed.count(ranks, begin.local, np.array([one.compute for one in work]), begin.step, until)

    def over(self, begin: Begin, meeting: Meeting, ranks: list[int]) -> None:
        """A meeting is over for `ranks`, whether or not they wait for it."""
        self._operations.close(begin.index)
        self._resume(meeting, ranks)

    def _resume(self, meeting: Meeting, ranks: list[int]) -> None:
        """Charge the wait to those who waited; they go on."""
        for rank in ranks:
            walker = self._walkers.get(rank)
            if walker is None or walker.waits_for is not meeting:
                continue
            for bucket, end in (*meeting.marks(rank), ("straggler_wait", self._testbed.now)):
                if end > walker.since:
                    self._testbed.ledger.charge(bucket, rank, end - walker.since, begin=walker.since)
                    walker.since = end
            walker.waits_for = None
            self._walk(walker)

    def _walk(self, walker: Walker) -> None:
        """Go on, item by item, until there is something to wait for."""
        while walker.cursor < len(self._items):
            item = self._items[walker.cursor]
            match item:
                case Job():
                    goes_on = self._compute(walker, item)
                case Begin():
                    goes_on = self._begin(walker, item)
                case Await():
                    goes_on = self._await(walker, item)
                case RoundEnd():
                    goes_on = True
                    self._passed[walker.rank] += 1
                    self._end_rounds()
            if not goes_on:
                return
            walker.cursor += 1
        self._walking -= 1

    def _next(self, walker: Walker) -> None:
        walker.cursor += 1
        self._walk(walker)

    def _compute(self, walker: Walker, job: Job) -> bool:
        return self._goes_on_after(walker, walker.job_seconds.of(job), "compute", self._next)

    def _begin(self, walker: Walker, begin: Begin) -> bool:
        """Encode what is sent, and come; or pass by what others have begun."""
        begins, index = self._operations.begins, begin.index
        meeting = None
        if walker.first <= index:
            others = (other.rank for other in self._walkers.values() if other.first <= index)
            meeting = self._operations.come(index, walker.rank, others)
        if meeting is not None:
            coding = begin.weight.coding
            seconds = self._testbed.codec_seconds(walker.rank, coding.first) if coding else 0.0
            if not self._goes_on_after(walker, seconds, "codec", partial(self._come, index=index, meeting=meeting)):
                return False
            self._arrive(walker, index, meeting)
        elif index + 1 == len(begins) or begins[index + 1].steps:
            self._discard(walker)  # or the work is sent once more
        return True

    def _come(self, walker: Walker, index: int, meeting: Meeting) -> None:
        self._arrive(walker, index, meeting)
        self._next(walker)

    def _arrive(self, walker: Walker, index: int, meeting: Meeting) -> None:
        work, walker.work = walker.work, Work()
        walker.met[index] = meeting
        meeting.arrive(walker.rank, work)

    def _await(self, walker: Walker, item: Await) -> bool:
        """Go on if the operation is over, once its payloads are decoded."""
        meeting = walker.met.get(item.index) or self._operations.meeting(item.index, walker.rank)
        if meeting is None:
            return True
        if not meeting.is_over(walker.rank):
            walker.waits_for = meeting
            meeting.waiting.append(walker.rank)
            return False
        walker.met.pop(item.index, None)
        coding = self._operations.begins[item.index].weight.coding
        load = coding.decode * meeting.payloads(walker.rank) if coding else None
        seconds = self._testbed.codec_seconds(walker.rank, load) if load else 0.0
        return self._goes_on_after(walker, seconds, "codec", self._next)

    def _goes_on_after(self, walker: Walker, seconds: float, bucket: str, then: Callable[[Walker], None]) -> bool:
        """Be busy for some time, `then` go on; true, at once, if it takes none."""
        if seconds:
            testbed = self._testbed
            done = partial(self._worked, walker, bucket, then)
            walker.busy = testbed.agenda.at(testbed.now + seconds, walker.rank, done)
        return not seconds

    def _worked(self, walker: Walker, bucket: str, then: Callable[[Walker], None]) -> None:
        since, walker.since, walker.busy = walker.since, self._testbed.now, None
        spent, walker.work.until = walker.since - since, walker.since
        if bucket == "compute":
            walker.work.compute += spent
        else:
            walker.work.codec += spent
            self._testbed.ledger.coding(walker.rank, spent, since)
        then(walker)

    def _end_rounds(self) -> None:
        """A round ends when all that are there have passed its end."""
        testbed = self._testbed
        ended = int(self._passed.min()) if self._walkers else 0
        while len(testbed.round_end) < ended:
            steps = self._rounds[len(testbed.round_end)]
            testbed.end_round(steps)
            self._progress(steps)

    def _drop(self, ranks: Ints) -> None:
        """`ranks` are gone, and nobody waits for them."""
        testbed, operations, gone = self._testbed, self._operations, set(ranks.tolist())
        testbed.ledger.fill("discarded", ranks, np.full(len(ranks), testbed.now))
        for rank in gone:
            walker = self._walkers.pop(rank)
            if walker.busy is not None:
                testbed.agenda.cancel(walker.busy)
            self._walking -= walker.cursor < len(self._items)
        self._passed[ranks] = len(self._rounds)
        for index in operations.under_way:
            for meeting in operations.meetings(index):
                meeting.leave(gone)
            left = [meeting for meeting in operations.meetings(index) if meeting.closed]
            if left and not operations.close(index):
                self._go_back(index)
            for meeting in left:
                self._resume(meeting, sorted(meeting.waiting))
        index = operations.upcoming()
        if index < len(operations.begins) and all(walker.first > index for walker in self._walkers.values()):
            self._go_back(index)
        self._end_rounds()

    def _go_back(self, index: int) -> None:
        """All who are there begin anew with the work for an operation."""
        self._operations.go_back(index)
        for walker in self._walkers.values():
            if walker.busy is not None:
                self._testbed.agenda.cancel(walker.busy)
            self._walking -= walker.cursor < len(self._items)
            self._discard(walker)
            self._place(walker, index)
        self._walk_all(list(self._walkers))

    def _discard(self, walker: Walker) -> None:
        """What a worker has done since it sent something is lost, and the time up to now."""
        now = self._testbed.now
        self._testbed.ledger.discard(walker.rank, now - walker.since + walker.work.compute, walker.work.codec, now)
        walker.work, walker.since = Work(), now

    def _join(self, ranks: Ints) -> None:
        """`ranks` are back; if the next operation sends what was computed for the one before, they begin with that after it."""
        begins, index = self._operations.begins, self._operations.upcoming()
        if any(walker.first <= index for walker in self._walkers.values()):
            while index < len(begins) and not begins[index].steps:
                index += 1
        if index < len(begins):
            self._operations.recorder.join(ranks, index)
        self._admit(ranks.tolist(), index)

    def _admit(self, ranks: list[int], index: int) -> None:
        """`ranks` take part from the operation `index` on."""
        for rank in ranks:
            self._walkers[rank] = Walker(rank, index, self._testbed.now, JobSeconds(rank, self._testbed.step_seconds))
            self._place(self._walkers[rank], index)
        self._walk_all(ranks)

    def _place(self, walker: Walker, index: int) -> None:
        """A worker is to begin with the work for the operation `index`."""
        begins = self._operations.begins
        walker.first, walker.waits_for, walker.busy = index, None, None
        while 0 < index < len(begins) and not begins[index].steps:
            index -= 1
        walker.cursor = self._places[index - 1] + 1 if index else 0
        self._passed[walker.rank] = bisect_left(self._round_places, walker.cursor)
        self._walking += 1

    def _walk_all(self, ranks: list[int]) -> None:
        for rank in sorted(ranks):
            self._walk(self._walkers[rank])
