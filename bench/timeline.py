"""When it happened, and where every worker-second went."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.schedule import Order, Schedule
from bench.tape import Intervals, Tape

Floats = NDArray[np.float64]
Ranks = NDArray[np.integer] | int

BUCKETS = (
    "compute",  # steps that entered the model
    "codec",  # encoding and decoding payloads
    "aggregation",  # a robust rule's own arithmetic
    "verification",  # computing others' work again
    "bandwidth",  # bytes on the links
    "latency",  # hops of the links
    "straggler_wait",  # ready, but others are not
    "pipeline_bubble",  # a stage waits for its neighbours
    "discarded",  # work that was lost: dropped out, too late, hostile, since a checkpoint, or a transfer begun anew
    "checkpoint",  # writing one while all wait
    "recovering",  # back up: downloading state, then waiting for the next round; a cluster that restarts
    "down",
)


class Ledger:
    """Seconds of each worker in each bucket; where it has a `tape`, that is told when."""

    def __init__(self, workers: int, tape: Tape | None = None) -> None:
        self.seconds = {bucket: np.zeros(workers) for bucket in BUCKETS}  # each (W,)
        self.tape = tape

    def charge(
        self,
        bucket: str,
        ranks: Ranks,
        seconds: Floats | float,
        *,
        begin: Floats | float | None = None,
        until: Floats | float | None = None,
    ) -> None:
        """Add `seconds` to one bucket of `ranks`, which are distinct.

        They lie from `begin` on, or are the last free ones before `until`; a tape is told of them apart where neither is given.
        """
        self.seconds[bucket][ranks] += seconds
        if self.tape is not None:
            if begin is not None:
                self.tape.begins(bucket, ranks, seconds, begin)
            elif until is not None:
                self.tape.ends(bucket, ranks, seconds, until)

    def fill(self, bucket: str, ranks: NDArray[np.integer], until: Floats) -> None:
        """Charge to one bucket whatever the ledger of `ranks` lacks up to the seconds `until`, (n,)."""
        self.charge(bucket, ranks, until - np.sum([seconds[ranks] for seconds in self.seconds.values()], axis=0))
        if self.tape is not None:
            self.tape.fill(bucket, ranks, until)

    def discard(self, ranks: Ranks, seconds: Floats | float, coded: Floats | float, until: Floats | float) -> None:
        """Work of `ranks`, and what they `coded` in it, is charged up to `until`; what came after it does not happen."""
        if self.tape is not None:
            self.tape.cut(ranks, until)
        self.charge("codec", ranks, coded, until=until)
        self.charge("discarded", ranks, seconds, until=until)

    def move(self, source: str, target: str, ranks: NDArray[np.integer], seconds: Floats, until: Floats | float | None) -> None:
        """The last `seconds` of one bucket before `until` belong to another."""
        self.charge(source, ranks, -seconds)
        self.charge(target, ranks, seconds)
        if self.tape is not None and until is not None:
            self.tape.relabel(source, target, ranks, seconds, until)

    def coding(self, ranks: Ranks, seconds: Floats | float, begin: Floats | float) -> None:
        """`ranks` encode or decode from `begin` on; it is charged later."""
        if self.tape is not None:
            self.tape.coding(ranks, seconds, begin)

    def stand_still(self, at: float, lengths: Mapping[str, float]) -> None:
        """All workers stood still for {bucket: seconds} at the second `at` of a clock that does not know of it."""
        for bucket, seconds in lengths.items():
            self.charge(bucket, np.arange(len(self.seconds[bucket])), seconds)
        if self.tape is not None:
            self.tape.pause(at, *lengths.items())

    def failed(self, failures: int, at: float) -> None:
        """So many failures stopped all of a cluster; at the second `at` that is told of."""
        if self.tape is not None and failures:
            self.tape.mark("failure", -1, at)

    def intervals(self, virtual_seconds: float) -> Intervals | None:
        """What the tape holds at the end of a run, if there is one."""
        return None if self.tape is None else self.tape.told(virtual_seconds)

    def check(self, virtual_seconds: float) -> None:
        """Every worker's buckets sum to the length of the run, or time was lost or counted twice."""
        sums = np.sum(list(self.seconds.values()), axis=0)
        worst = int(np.argmax(np.abs(sums - virtual_seconds)))
        assert abs(sums[worst] - virtual_seconds) <= 1e-9 * max(virtual_seconds, 1e-9), (
            f"the ledger of rank {worst} holds {sums[worst]!r} s of a run of {virtual_seconds!r} s"
        )

    def shares(self) -> dict[str, float]:
        """The share of all worker-seconds in each bucket."""
        totals = {bucket: float(seconds.sum()) for bucket, seconds in self.seconds.items()}
        whole = sum(totals.values())
        return {bucket: total / whole if whole else 0.0 for bucket, total in totals.items()}


@dataclass(frozen=True)
class Span:
    """One operation that moved bytes, on the virtual clock.

    Encoding what is sent comes before it; decoding what is received follows it, but for an aggregate that is encoded anew.
    """

    word: str  # all_reduce, reduce_scatter, all_gather, exchange, pull, push or average
    index: int  # in the schedule; of a message, its number among the operations of its node, as in an Order
    node: int  # of a group, its smallest rank; of an exchange or a message, whose it is, as in an Order; else -1: all workers'
    wire_bytes: float  # of one payload as it travels; of an all_gather, that of all shares together
    began: float  # virtual second at which all were ready, and those before it over; or at which its node asked for it
    over: float  # virtual second at which it was over for all in it, or for its node
    members: tuple[int, ...] = ()  # ranks, of a group or an average; else its node, or all that were there


@dataclass(frozen=True)
class Timeline:
    """What the Simulator found out about one run."""

    virtual_seconds: float
    round_end: Floats  # (rounds,) virtual second at which each round's result was there
    round_steps: NDArray[np.int64]  # (rounds,) program steps that every worker had taken by then
    counted_steps: int  # worker-steps that entered the model, without those of bad actors
    counted_sequences: int  # that these took
    sent: Floats  # (W,) bytes
    received: Floats  # (W,) bytes
    drops: int  # times that a worker dropped out
    failures: int  # times that all of a cluster stopped
    banned: int  # bad actors that were shut out
    ledger: Ledger
    schedule: Schedule | Order
    staleness: float = 0.0  # mean over all arrivals at servers,
    staleness_max: int = 0  # and the most
    spans: tuple[Span, ...] = ()  # by index, then node, if they were asked for; none where nobody else was there
    intervals: Intervals | None = None  # if they were asked for

    def seconds_after(self, steps: int) -> float:
        """The virtual second at which the model of `steps` program steps was there; `steps` ends a round, or is 0."""
        if steps == 0:
            return 0.0
        index = int(np.searchsorted(self.round_steps, steps))
        assert index < len(self.round_steps) and self.round_steps[index] == steps, f"no round ends after {steps} steps"
        return float(self.round_end[index])


def in_order(spans: list[Span] | None) -> tuple[Span, ...]:
    """Spans by index, then node; none where they were not asked for."""
    return tuple(sorted(spans or (), key=lambda span: (span.index, span.node)))
