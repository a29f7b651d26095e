"""When each worker did what, for a run that is to be looked at second by second.

The ledger says how long, the tape also when. Waiting is charged as soon as it is over, so its place is known. Work is charged
when it is settled whether it counts, long after it was done, and beside a reduction in the air other work follows it. What is
left free before the second at which the work was done is its place: nothing else happened there.
"""

from bisect import insort
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.tape.line import Interval, Line

Floats = NDArray[np.float64]

MOST_WORKERS = 64
MOST_EVENTS = 2_000_000


class Mark(NamedTuple):
    """Something that happened at one virtual second."""

    word: str  # drop, return, ban or failure
    rank: int  # -1: all workers
    at: float


class Intervals(NamedTuple):
    """What a tape holds at the end of a run."""

    of: tuple[tuple[Interval, ...], ...]  # of each traced worker, the first ones by rank: without a gap from 0 to `until`
    marks: tuple[Mark, ...]  # by second
    until: float  # virtual second at which the run ended, or the tape


class Tape:
    """The intervals of the first `workers` of a run, up to `most` of them and all that began with the last."""

    def __init__(self, *, workers: int = MOST_WORKERS, most: int = MOST_EVENTS) -> None:
        if workers < 1:
            raise ValueError(f"workers must be >= 1, got {workers}")
        if most < 1:
            raise ValueError(f"most must be >= 1, got {most}")
        self._most, self._count, self._ended = most, 0, np.inf
        self._lines = [Line() for _ in range(workers)]
        self._marks: list[Mark] = []
        self._pauses: list[tuple[float, tuple[tuple[str, float], ...]]] = []  # seconds of the clock at which it stood still

    def begins(self, bucket: str, ranks: Any, seconds: Floats | float, begin: Floats | float) -> None:
        """`ranks`, (n,) or one, were at `bucket` for so many `seconds` from `begin` on; each (n,), or one for all."""
        self._end_if_full()
        for rank, length, at in self._each(ranks, seconds, begin):
            self._count += self._lines[rank].put(bucket, at, at + length)

    def ends(self, bucket: str, ranks: Any, seconds: Floats | float, until: Floats | float) -> None:
        """The last so many `seconds` before `until` that are free were `bucket`; coding is where it was noted."""
        self._end_if_full()
        for rank, length, at in self._each(ranks, seconds, until):
            self._count += self._lines[rank].take(bucket, length, at)

    def fill(self, bucket: str, ranks: Any, until: Floats | float) -> None:
        """All that is free before `until` was `bucket`; what lies after it did not happen."""
        self._end_if_full()
        self.cut(ranks, until)
        for rank, at in self._each(ranks, until):
            self._count += self._lines[rank].take(bucket, np.inf, at)

    def relabel(self, source: str, target: str, ranks: Any, seconds: Floats | float, until: Floats | float) -> None:
        """The last so many `seconds` of `source` before `until` were `target`."""
        for rank, length, at in self._each(ranks, seconds, until):
            self._count += self._lines[rank].relabel(source, target, length, at)

    def coding(self, ranks: Any, seconds: Floats | float, begin: Floats | float) -> None:
        """`ranks` encode or decode for so many `seconds` from `begin` on, which is charged later."""
        for rank, length, at in self._each(ranks, seconds, begin):
            insort(self._lines[rank].coding, (at, at + length))

    def cut(self, ranks: Any, until: Floats | float) -> None:
        """What was noted after `until` did not happen."""
        for rank, at in self._each(ranks, until):
            coding = self._lines[rank].coding
            while coding and coding[-1][0] >= at:
                coding.pop()

    def mark(self, word: str, ranks: Any, at: Floats | float) -> None:
        """It happened to `ranks`, (n,) or one; -1 stands for all."""
        if np.ndim(ranks) == 0 and ranks == -1:
            self._marks.append(Mark(word, -1, float(np.max(at))))
            return
        self._marks += [Mark(word, rank, second) for rank, second in self._each(ranks, at)]

    def pause(self, at: float, *lengths: tuple[str, float]) -> None:
        """All workers stood still for (bucket, seconds) at the second `at` of a clock that does not know of it."""
        self._count += 2 * len(self._lines)
        self._pauses.append((at, tuple((bucket, seconds) for bucket, seconds in lengths if seconds > 0)))

    def _end_if_full(self) -> None:
        if self._count >= self._most and self._ended == np.inf:
            self._ended = min(line.tiled_to for line in self._lines)

    def told(self, virtual_seconds: float) -> Intervals:
        """All of it, for a run that has ended."""
        stood_still = sum(seconds for at, lengths in self._pauses for _, seconds in lengths if at < self._ended)
        until = min(virtual_seconds, self._ended + stood_still)
        of = tuple(_cropped(self._with_pauses(line.told()), until, virtual_seconds) for line in self._lines)
        marks = sorted((mark for mark in self._marks if mark.at <= until), key=lambda mark: (mark.at, mark.rank, mark.word))
        return Intervals(of, tuple(marks), until)

    def _each(self, ranks: Any, *values: Floats | float) -> Iterator[tuple[Any, ...]]:
        """Rank and values of each of the traced among `ranks`; none any more once the tape has ended."""
        if self._ended < np.inf:
            return iter(())
        ranks = np.atleast_1d(ranks)
        own = np.flatnonzero(ranks < len(self._lines))
        columns = [np.broadcast_to(value, ranks.shape)[own].tolist() for value in values]
        return zip(ranks[own].tolist(), *columns, strict=True)

    def _with_pauses(self, line: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """What lies after a pause lies later; what it lies in, on both sides of it."""
        spread, shift, place = list[Interval](), 0.0, 0
        for bucket, begin, end in (*line, Interval("", np.inf, np.inf)):
            while place < len(self._pauses) and (at := self._pauses[place][0]) < end:
                if begin < at:
                    spread.append(Interval(bucket, begin + shift, at + shift))
                    begin = at
                for still, seconds in self._pauses[place][1]:
                    spread.append(Interval(still, at + shift, at + shift + seconds))
                    shift += seconds
                place += 1
            spread.append(Interval(bucket, begin + shift, end + shift))
        return tuple(spread[:-1])


def _cropped(line: tuple[Interval, ...], until: float, virtual_seconds: float) -> tuple[Interval, ...]:
    """A line without a gap from 0 to `until`: roundings between neighbours are taken away."""
    tiled, reached, most = list[Interval](), 0.0, 1e-9 * max(virtual_seconds, 1e-9)
    for bucket, begin, end in line:
        if begin >= until:
            break
        assert abs(begin - reached) <= most, f"a tape has {bucket} at {begin!r} s, and reaches to {reached!r} s"
        end = min(end, until)
        if tiled and tiled[-1].bucket == bucket:
            tiled[-1] = tiled[-1]._replace(end=max(end, reached))
        elif end > reached:
            tiled.append(Interval(bucket, reached, end))
        reached = max(end, reached)
    assert abs(until - reached) <= most, f"a tape reaches to {reached!r} s of {until!r} s"
    if tiled:
        tiled[-1] = tiled[-1]._replace(end=until)
    return tuple(tiled)
