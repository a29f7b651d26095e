"""What one worker did when, put together in any order: what is at known places, and what is where nothing else was."""

import sys
from bisect import bisect_left
from typing import NamedTuple

_ROUNDING = 64 * sys.float_info.epsilon  # of a second's value: what is shorter is no interval


class Interval(NamedTuple):
    """What a worker did between two virtual seconds, as a bucket of the ledger."""

    bucket: str
    begin: float
    end: float


class Line:
    """The intervals of one worker, ascending, as yet with gaps between them."""

    def __init__(self) -> None:
        self._begins, self._ends, self._buckets = list[float](), list[float](), list[str]()
        self.coding: list[tuple[float, float]] = []  # noted (begin, end), ascending
        self._tiled = 0  # so many of the intervals lie without a gap between them, from 0 on

    @property
    def tiled_to(self) -> float:
        """The second up to which nothing is free."""
        while self._tiled < len(self._begins) and self._begins[self._tiled] <= _after(self._end(self._tiled)):
            self._tiled += 1
        return self._end(self._tiled)

    def put(self, bucket: str, begin: float, end: float) -> int:
        """Something is at a place; returns by how many intervals there are more."""
        if end <= _after(begin):
            return 0
        place = bisect_left(self._begins, begin)
        if place and self._buckets[place - 1] == bucket and begin <= _after(self._ends[place - 1]):
            self._ends[place - 1] = end
            return 0
        self._begins.insert(place, begin)
        self._ends.insert(place, end)
        self._buckets.insert(place, bucket)
        self._tiled = min(self._tiled, place)
        return 1

    def take(self, bucket: str, seconds: float, until: float) -> int:
        """The last free `seconds` before `until` become a bucket; returns by how many intervals there are more.

        Of coding they are those that are noted, of other work the others, as far as these go.
        """
        new = 0
        for coded in (bucket == "codec", bucket != "codec"):
            for begin, end in self._free(until):
                for part_begin, part_end in reversed(self._parts(begin, end, coded)):
                    if seconds <= _after(until) - until:
                        return new
                    length = min(seconds, part_end - part_begin)
                    new += self.put(bucket, part_end - length, part_end)
                    seconds -= length
        return new

    def relabel(self, source: str, target: str, seconds: float, until: float) -> int:
        """The last `seconds` of one bucket before `until` belong to another."""
        place, before = bisect_left(self._begins, until), len(self._begins)
        while place and seconds > _after(until) - until:
            place -= 1
            if self._buckets[place] != source:
                continue
            begin, end = self._begins[place], self._ends[place]
            last = min(end, until)
            first = max(begin, last - seconds)
            seconds -= last - first
            parts = [(begin, first, source), (first, last, target), (last, end, source)]
            parts = [part for part in parts if part[1] > _after(part[0])]
            here = slice(place, place + 1)
            self._begins[here], self._ends[here], self._buckets[here] = map(list, zip(*parts, strict=True))
            self._tiled = min(self._tiled, place)
        return len(self._begins) - before

    def told(self) -> tuple[Interval, ...]:
        return tuple(map(Interval, self._buckets, self._begins, self._ends))

    def _free(self, until: float) -> list[tuple[float, float]]:
        """What is free before `until`, the last first."""
        free, end, least = [], until, self.tiled_to
        for place in range(bisect_left(self._begins, until), -1, -1):
            begin = self._end(place)
            if end > _after(begin):
                free.append((begin, end))
            if begin <= least:
                break
            end = min(end, self._begins[place - 1])
        return free

    def _parts(self, begin: float, end: float, coded: bool) -> list[tuple[float, float]]:
        """What of a free stretch is noted as coding, or is not, ascending."""
        first = bisect_left(self.coding, (begin, begin))
        first -= first > 0 and self.coding[first - 1][1] > _after(begin)
        noted = []
        for one in self.coding[first:]:
            if one[0] >= end:
                break
            noted.append((max(one[0], begin), min(one[1], end)))
        if coded:
            return noted
        edges = [begin, *(edge for pair in noted for edge in pair), end]
        return [(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if high > _after(low)]

    def _end(self, place: int) -> float:
        """The end of the interval before a place."""
        return self._ends[place - 1] if place else 0.0


def _after(second: float) -> float:
    """The second behind a rounding."""
    return second + _ROUNDING * abs(second)
