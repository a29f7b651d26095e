"""How far each worker has come, and which of its seconds the ledger does not hold yet."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.pace import Amount
from bench.reduction import Reduction
from bench.roster import Roster
from bench.segment import Segment
from bench.timeline import Ledger

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class TimedSegment(Segment):
    """A segment of all workers. Its seconds are charged when the reduction that carries it is over."""

    def __init__(self, workers: int, pending: Amount = 0) -> None:
        super().__init__(local=pending, pending=pending)  # pending: not in the clocks yet
        self.computed, self.coded = np.zeros((2, workers))  # each (W,) seconds that are in the clocks
        self.void = np.zeros(workers, bool)  # (W,) missed some of it: has nothing to send


class Clocks:
    """`busy` (W,) is the virtual second up to which each worker that takes part has done what the program says.

    It may lie behind the roster's clock, where a worker went on before the others were ready, or ahead of it, where it computes
    beside what is in the air.
    """

    def __init__(self, roster: Roster, ledger: Ledger) -> None:
        self.busy = np.zeros(len(roster.active))
        self._roster, self._ledger = roster, ledger

    def compute(self, ranks: Ints, seconds: Floats, segment: TimedSegment) -> None:
        """`ranks` take the pending steps of their segment, in `seconds`, (n,)."""
        self.busy[ranks] += seconds
        segment.computed[ranks] += seconds

    def discard(self, ranks: Ints, segment: TimedSegment) -> None:
        """What `ranks` computed in a segment is lost, with the time up to now; what they decoded in it is not."""
        since = self.busy[ranks] - segment.computed[ranks] - segment.coded[ranks]
        self.busy[ranks] = until = np.maximum(since, self._roster.now)
        spent = until - since
        decoded = np.minimum(segment.coded[ranks], spent)
        self._ledger.discard(ranks, spent - decoded, decoded, until)

    def verify(self, ranks: Ints, seconds: Floats, segment: TimedSegment) -> None:
        """What `ranks` computed in a segment, and in `seconds` more, (n,), was others' work: charge it, and decoding."""
        self.busy[ranks] += seconds
        until = self.busy[ranks]
        self._ledger.charge("verification", ranks, segment.computed[ranks] + seconds, until=until)
        self._ledger.charge("codec", ranks, segment.coded[ranks], until=until)

    def receive(self, ranks: Ints, reduction: Reduction, decode: Floats | None, segment: TimedSegment) -> None:
        """`ranks` have a result: charge who waited for it, by what it waited for; then they `decode` it, in seconds, (n,)."""
        busy: Floats | float = self.busy[ranks]
        passed = 0.0
        for bucket, end in (
            ("straggler_wait", reduction.begun),
            ("bandwidth", reduction.cleared),  # for what is on the links before it
            ("discarded", reduction.tried),
            ("latency", reduction.tried + reduction.latency),
            ("codec", reduction.tried + reduction.latency + reduction.recoding),
            ("aggregation", reduction.tried + reduction.latency + reduction.recoding + reduction.arithmetic),
            ("bandwidth", reduction.over),
        ):
            if end > passed:
                later = np.maximum(busy, end)
                self._ledger.charge(bucket, ranks, later - busy, begin=busy)
                # From where all of them wait on, one number stands for all.
                busy, passed = end if np.max(later, initial=end) == end else later, end
        if decode is None:
            self.busy[ranks] = busy
        else:
            self.busy[ranks] = busy + decode
            self._ledger.coding(ranks, decode, busy)
            segment.coded[ranks] += decode

    def pause(self, seconds: Mapping[str, float]) -> None:
        """The world stood still up to now: charge it to those who take part, {bucket: seconds}."""
        ranks = np.flatnonzero(self._roster.active)
        begin = self.busy[ranks]
        for bucket, length in seconds.items():
            self._ledger.charge(bucket, ranks, length, begin=begin)
            begin = begin + length
        self.busy[ranks] += sum(seconds.values())

    def last(self) -> float:
        """The second at which the last worker is done, not before now."""
        return float((self.busy * self._roster.active).max(initial=self._roster.now))

    def settle(self, segment: TimedSegment) -> None:
        """Charge those who take part up to now, at the end of a run."""
        ranks = np.flatnonzero(self._roster.active)
        busy = self.busy[ranks]
        self._ledger.charge("codec", ranks, segment.coded[ranks], until=busy)
        self._ledger.charge("straggler_wait", ranks, self._roster.now - busy, begin=busy)
