"""What the nodes of an emulation saw, put together: operations, seconds, bytes, and a schedule for the Trainer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.schedule import Recorder, Schedule
from bench.split import Effort


@dataclass(frozen=True)
class Seen:
    """One operation, in seconds since the start; as in bench.timeline.Span."""

    word: str
    index: int
    node: int
    began: float
    over: float


@dataclass(frozen=True)
class Measured:
    """One measurement of an emulation."""

    seconds: float  # from the start until all is over
    seen: list[Seen]
    sent: list[float]  # (W,) bytes of frames on each worker's line; NaN where links are not shaped
    received: list[float]  # (W,)
    late_seconds: float  # that computing took longer than in the scenario, of the worst worker
    compute_seconds: float  # of the scenario's or this machine's devices, whichever paced it, of the worst worker
    busy: float  # share of all processors' time that was used
    waited: float  # share of the seconds in which somebody had to wait for a processor; NaN where the kernel does not tell
    overruns: int  # frames that the switch had no room for

    @property
    def communication_seconds(self) -> float:
        """Of all operations together."""
        return sum(one.over - one.began for one in self.seen)


def measured(raw: Mapping[str, Any]) -> Measured:
    """What a hub reported, put together."""
    start, nodes = raw["start"], raw["nodes"]
    found: dict[tuple[str, int, int], Seen] = {}
    for report in nodes.values():
        for entry in report["operations"]:
            key = entry["word"], entry["index"], entry["node"]
            # A push is over when it is there, as in the Simulator; that its sender hears of it takes a little longer.
            over = entry["arrived"] if entry["word"] == "push" else entry["over"]
            began, over = entry["began"] - start, over - start
            if key in found:
                began, over = max(began, found[key].began), max(over, found[key].over)
            found[key] = Seen(*key, began, over)
    rounds = [second - start for report in nodes.values() for _, second in report["rounds"]]
    load = raw["load"]
    return Measured(
        seconds=max([*rounds, *(one.over for one in found.values())]),
        seen=sorted(found.values(), key=lambda one: (one.began, one.index, one.node)),
        sent=raw["sent"],
        received=raw["received"],
        late_seconds=max(report.get("late_seconds", 0.0) for report in nodes.values()),  # servers do not compute
        compute_seconds=max(report.get("paced_seconds", 0.0) for report in nodes.values()),
        busy=load["busy"],
        waited=float("nan") if load["waited"] is None else load["waited"],
        overruns=raw["overruns"],
    )


def disagree(raw: Mapping[str, Any]) -> bool:
    """Whether workers saw different payloads in one reduction, which no schedule can say.

    Neighbours may, of whom one had the payload of somebody who dropped out, and another had not.
    """
    seen: dict[int, list[int]] = {}
    entries = [entry for report in raw["nodes"].values() for entry in report["operations"]]
    return any(list(entry["counted"]) != seen.setdefault(entry["index"], list(entry["counted"])) for entry in entries)


def schedule_of(raw: Mapping[str, Any], workers: int, effort: Effort) -> Schedule:
    """Who took part in what, as the workers that were there to the end saw it."""
    recorder = Recorder(workers, effort)
    entries: dict[int, Mapping[str, Any]] = {}
    back: dict[int, int] = {}  # the first reduction of each worker that came back
    for node, report in raw["nodes"].items():
        for entry in report["operations"]:
            entries.setdefault(entry["index"], entry)
        if report["joined_at"] is not None:
            back[int(node)] = report["joined_at"]
    for index in sorted(entries):
        for rank in [rank for rank, first in back.items() if first == index]:
            recorder.join(np.array([rank]))
        assert recorder.begin(entries[index]["steps"]) == index
        counted = np.zeros(workers, bool)
        counted[list(entries[index]["counted"])] = True
        recorder.end(index, counted)
    return recorder.schedule
