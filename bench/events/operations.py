"""The operations of a program that workers come to at times of their own: who meets whom in each, and which are over."""

from collections.abc import Iterable

import numpy as np

from bench.aggregation import Aggregation
from bench.events.gathering import Gathering, Plans
from bench.events.meetings import Host, Meeting
from bench.events.neighbours import Neighbours
from bench.events.testbed import Testbed
from bench.events.unrolled import Begin
from bench.schedule import Recorder


class Operations:
    """Those of one run, and the schedule that they make."""

    def __init__(self, testbed: Testbed, aggregation: Aggregation, begins: list[Begin], host: Host) -> None:
        self._testbed, self.begins, self._host = testbed, begins, host
        self._plans = Plans(testbed, aggregation)
        self.recorder = Recorder(testbed.workers, testbed.pace.effort)
        for begin in begins:
            self.recorder.begin(begin.steps)
        self.left = len(begins)  # that are not over
        self._over = [False] * len(begins)
        self._under_way: dict[int, dict[int, Meeting]] = {}  # by operation and group, 0 where there are none
        self._reached = -1  # the last that somebody has come to

    @property
    def under_way(self) -> list[int]:
        """Operations that somebody has come to, and are not over."""
        return sorted(self._under_way)

    def upcoming(self) -> int:
        """The next operation that nobody has come to; as many as there are, if there is none."""
        index = self._reached + 1
        while index < len(self.begins) and (self._over[index] or index in self._under_way):
            index += 1
        return index

    def meetings(self, index: int) -> list[Meeting]:
        """Those of an operation that is under way; of others there are none."""
        return list(self._under_way.get(index, {}).values())

    def meeting(self, index: int, rank: int) -> Meeting | None:
        """That of the group of `rank`, if the operation is under way and its group has one."""
        return self._under_way.get(index, {}).get(self._group(self.begins[index], rank))

    def come(self, index: int, rank: int, ranks: Iterable[int]) -> Meeting | None:
        """Where `rank` is expected, which comes to an operation that `ranks` will take part in; None if it is not."""
        begin = self.begins[index]
        if not self._over[index] and index not in self._under_way:
            self._under_way[index] = self._convene(begin, ranks)
            self._reached = max(self._reached, index)
        meeting = self.meeting(index, rank)
        return meeting if meeting is not None and rank in meeting.expected else None

    def close(self, index: int) -> bool:
        """Enter an operation into the schedule if it is over; false if nobody is left whose work it carries."""
        meetings = self.meetings(index)
        if not all(meeting.closed for meeting in meetings):
            return True
        counted = np.zeros(self._testbed.workers, bool)
        for meeting in meetings:
            counted[meeting.counted] = True
        del self._under_way[index]
        if not counted.any():
            return False
        self._over[index] = True
        self.left -= 1
        self.recorder.end(index, counted)
        return True

    def go_back(self, index: int) -> None:
        """Nobody has come to the operation `index` yet, which is not under way."""
        self._reached = index - 1

    def _convene(self, begin: Begin, ranks: Iterable[int]) -> dict[int, Meeting]:
        """The meetings of `ranks` in an operation, by group."""
        if begin.word == "exchange":
            return {0: Neighbours(begin, set(ranks), self._testbed, self._host)}
        members: dict[int, set[int]] = {}
        for rank in ranks:
            members.setdefault(self._group(begin, rank), set()).add(rank)
        return {group: Gathering(begin, expected, self._plans, self._host) for group, expected in members.items()}

    @staticmethod
    def _group(begin: Begin, rank: int) -> int:
        return 0 if begin.groups is None else int(begin.groups[rank])
