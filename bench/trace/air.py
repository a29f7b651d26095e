"""Which operations each worker had in the air, and from when to when."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.tape import Intervals, Mark
from bench.timeline import Span, Timeline

ABSENT = ("down", "recovering")


class Flight(NamedTuple):
    """One worker's part of an operation."""

    span: Span
    begin: float  # virtual seconds
    end: float


def flights(timeline: Timeline) -> tuple[tuple[Flight, ...], ...]:
    """Of each traced worker, by the second at which they began.

    An operation of all is that of all who are there when it begins, until it is over or they drop out. What moves pipelines'
    activations is no operation.
    """
    intervals = timeline.intervals
    assert intervals is not None
    found: list[list[Flight]] = [[] for _ in intervals.of]
    away = [absences(intervals, rank) for rank in range(len(found))]
    for span in timeline.spans:
        everybody = span.node == -1
        for rank in range(len(found)) if everybody else span.members or (span.node,):
            if rank >= len(found) or span.began >= intervals.until:
                continue
            end = _leaves(away[rank], span.began, span.over) if everybody else span.over
            if end > span.began:
                found[rank].append(Flight(span, span.began, min(end, intervals.until)))
    return tuple(tuple(sorted(each, key=lambda one: (one.begin, one.span.index))) for each in found)


def lanes(own: Iterable[Flight]) -> list[list[Flight]]:
    """Flights, ascending, in as few lines as hold them without two at once."""
    lines: list[list[Flight]] = []
    for flight in own:
        for line in lines:
            if line[-1].end <= flight.begin:
                line.append(flight)
                break
        else:
            lines.append([flight])
    return lines


def absences(intervals: Intervals, rank: int) -> list[tuple[float, float]]:
    """From when to when a worker took no part, ascending."""
    own: Sequence[Mark] = [mark for mark in intervals.marks if mark.rank == rank]
    first = intervals.of[rank][:1]
    gone = 0.0 if (own and own[0].word == "return") or (not own and first and first[0].bucket in ABSENT) else None
    away = []
    for mark in own:
        if mark.word == "return":
            away.append((gone or 0.0, mark.at))
            gone = None
        else:
            gone = mark.at
    return away if gone is None else [*away, (gone, intervals.until)]


def _leaves(away: list[tuple[float, float]], began: float, over: float) -> float:
    """The second at which a worker is no longer in what began and is over at these; where it never was, that of its begin."""
    for gone, back in away:
        if gone <= began < back:
            return began
        if began < gone < over:
            return gone
    return over
