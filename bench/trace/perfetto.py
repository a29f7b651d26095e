"""A run as a trace of events in JSON, as ui.perfetto.dev and chrome://tracing open it.

The format is the JSON object format of Chrome's Trace Event Format: a process a worker, with a thread `work`, whose events are
named by buckets of the ledger, and a thread `network`, with what it had in the air. Times are virtual, in microseconds.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.tape import MOST_EVENTS
from bench.timeline import Timeline
from bench.trace.air import flights, lanes
from bench.units import TIME

_WORK = 1  # number of that thread; those of the network follow


class Event(NamedTuple):
    """Something between two virtual seconds, or, where they are one, at it."""

    begin: float
    process: int
    thread: int
    name: str
    end: float
    args: Mapping[str, Any] | None = None
    scope: str = ""  # of what happens at once: p, its process; g, all


class Trace(NamedTuple):
    """A trace's text, and the virtual second at which it ends."""

    text: str
    until: float


def perfetto(timeline: Timeline, names: Sequence[str], facts: Mapping[str, Any], *, most: int = MOST_EVENTS) -> Trace:
    """The trace of a timeline with intervals, for workers of these device `names`, with `facts` of the run beside it.

    It ends where the event after the `most` would begin.
    """
    assert timeline.intervals is not None
    air = [lanes(own) for own in flights(timeline)]
    events, until = sorted(_events(timeline, air), key=lambda event: event[:4]), timeline.intervals.until
    if len(events) > most:
        until = events[most].begin
        events = events[:most]
    told = {**facts, "traced_workers": len(air), "virtual_seconds": timeline.virtual_seconds, "until_virtual_second": until}
    lines = [*_names(names, air), *(_line(event, until) for event in events)]
    head = f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(told, allow_nan=False)}, "traceEvents": [\n'
    return Trace(head + ",\n".join(lines) + "\n]}\n", until)


def _events(timeline: Timeline, air: list[Any]) -> list[Event]:
    assert timeline.intervals is not None
    found = [
        Event(one.begin, rank + 1, _WORK, one.bucket, one.end)
        for rank, line in enumerate(timeline.intervals.of)
        for one in line
    ]
    for rank, own in enumerate(air):
        for lane, line in enumerate(own):
            for flight in line:
                args = {"bytes": flight.span.wire_bytes, "index": flight.span.index}
                found.append(Event(flight.begin, rank + 1, _WORK + 1 + lane, flight.span.word, flight.end, args))
    for mark in timeline.intervals.marks:
        scope = "g" if mark.rank < 0 else "p"
        found.append(Event(mark.at, max(mark.rank, 0) + 1, _WORK, mark.word, mark.at, scope=scope))
    return found


def _names(names: Sequence[str], air: list[Any]) -> list[str]:
    """What processes and threads are called, in the order of ranks."""
    told = []
    for rank, own in enumerate(air):
        told.append(_named("process_name", rank, 0, name=f"worker {rank}: {names[rank]}"))
        told.append(_named("process_sort_index", rank, 0, sort_index=rank))
        for thread in range(len(own) + 1):
            name = "work" if thread == 0 else "network" if thread == 1 else f"network {thread}"
            told.append(_named("thread_name", rank, thread + _WORK, name=name))
    return told


def _named(what: str, rank: int, thread: int, **args: str | int) -> str:
    return json.dumps({"ph": "M", "name": what, "pid": rank + 1, "tid": thread, "args": args})


def _line(event: Event, until: float) -> str:
    begin, end = _microseconds(event.begin), _microseconds(min(event.end, until))
    fields: dict[str, Any] = {"name": event.name, "pid": event.process, "tid": event.thread, "ts": begin}
    if event.scope:
        fields |= {"ph": "i", "s": event.scope}
    else:
        fields |= {"ph": "X", "dur": round(end - begin, 3)}
    return json.dumps(fields | ({"args": event.args} if event.args else {}), allow_nan=False)


def _microseconds(seconds: float) -> float:
    """To a nanosecond, which is as finely as viewers keep them."""
    return round(seconds / TIME.units["us"], 3)
