"""The Simulator says when: it runs an algorithm's program on shadow tensors and moves a virtual clock."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.aggregation import Aggregation, Rule
from bench.algorithm import WORDS, Algorithm, AllGather, AllReduce, Exchange, Forward, Pipeline
from bench.clocks import Clocks, TimedSegment
from bench.codec import Codec
from bench.codings import Codings
from bench.errors import SkipError, VirtualTimeout
from bench.feedback import Feedback
from bench.lockstep import Compute, Shared, play
from bench.pace import Amount, Coding, Pace, Workload
from bench.participation import Participation, WaitForAll
from bench.reduction import Air, Reduction
from bench.replicas import Replicas
from bench.roster import Roster
from bench.scenario import Scenario
from bench.schedule import Recorder
from bench.segment import opened_steps, shadow_of
from bench.tape import Tape
from bench.timeline import Ledger, Span, Timeline, in_order
from bench.units import seconds_text
from bench.verification import Hostile
from bench.watch import Watch

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass
class Started:
    """An operation of the program, from the second at which its reduction begins."""

    index: int  # in the schedule
    step: int  # of the program, up to which its work goes
    local: Amount  # local steps of the segment that it ends
    redo: Amount  # to compute anew where all its work is lost
    word: str  # of a Reduction
    row: Tensor  # (1, n) of its payload
    coding: Coding | None  # None where the payload travels as it is
    reduction: Reduction | None = None


class Simulator:
    """A lockstep interpreter: one program drives all workers, vectorised over them.

    Each worker has a clock of its own. A reduction begins when its participation rule says so; those that follow with more of
    the same work, as buckets of one gradient do, wait for all whom it took. A worker that has sent its work goes on, up to a
    Wait for what is not over yet. Its seconds of work are charged when the reduction that carries it is over. Who is late then
    loses what it did since the start before, and goes on with the others; who drops out loses all that is not over. Where its
    collective cannot lose anybody, a drop makes the others begin anew what it is in. If nobody is left whose work would count,
    it is done again, by those who are there and those who return: at once if the reduction had not begun, else where it is
    waited for. A failure of a cluster stops all of it, at the end of the round in which it happens: what was done since the
    last checkpoint is done again, as fast as before.
    """

    def __init__(
        self,
        scenario: Scenario,
        workload: Workload,
        codec: Codec,
        max_virtual: float,
        *,
        rule: Rule | None = None,
        feedback: Feedback | None = None,
        hostile: Hostile | None = None,
        spans: bool = False,
        tape: Tape | None = None,
    ) -> None:
        workers, seed = scenario.workers, scenario.seed
        self._spans: list[Span] | None = [] if spans else None  # of what is over, if they are asked for
        self._pace = Pace(scenario.fleet, scenario.jitter, workload, scenario.split, seed)
        self.step_seconds = self._pace.step_seconds  # (W,)
        self._scenario, self._max_virtual = scenario, max_virtual
        self._codings = Codings(codec, feedback)
        self._ledger = Ledger(workers, tape)
        self._roster = Roster(
            churn=scenario.churn,
            paths=scenario.paths,
            changes=scenario.changes,
            recovery=scenario.recovery,
            state_bytes=workload.state_bytes,
            ledger=self._ledger,
            seed=seed,
        )
        self._aggregation = Aggregation(scenario, rule)
        self._air = Air(self._roster, self._ledger, self._aggregation)
        self._clocks = Clocks(self._roster, self._ledger)
        self._recorder = Recorder(workers, self._pace.effort)
        self._interruptions = scenario.failures.interruptions(seed, workers)
        self._watch = Watch(scenario.verification, hostile, seed)
        self._round_begin, self._round_end, self._round_steps = 0.0, list[float](), list[int]()
        self._counted_steps = self._counted_sequences = self._failures = 0
        self._steps = 0  # of the program, so far
        self._segment = TimedSegment(workers)
        self._checks = np.zeros(workers, bool)  # (W,) who verifies others' work instead of that under way
        self._step = np.zeros(workers)  # (W,) seconds of the program step under way, where it goes in parts
        self._redo: Amount = 0  # local steps of the last segment that had any

    def run(
        self, algorithm: Algorithm, replicas: Replicas, steps: int, progress: Callable[[int], None] = lambda done: None
    ) -> Timeline:
        """The timeline of at least `steps` program steps, in whole rounds; calls `progress(steps done)`.

        Raises VirtualTimeout where that takes more than the limit of virtual seconds, SkipError where the world is none for it.
        """
        self._replicas, self._least_steps, self._progress = replicas, steps, progress
        if algorithm.needs_everybody:
            self._check_everybody_stays()
        play(algorithm.run(replicas), self, replicas.params.shape[1])
        return self._timeline()

    def compute(self, operation: Compute, opens: bool) -> Tensor | None:
        """The clocks are moved by the next operation that asks where they are."""
        if isinstance(operation, Pipeline):
            raise ValueError("an algorithm whose model is cut into stages must set lockstep = 'stages'")
        segment, params = self._segment, self._replicas.params
        if opens:
            if not segment.steps:
                segment.void[:] = False
            steps = opened_steps(operation, self._scenario.split.local_steps_only)
            local = self._watch.working(self._pace.local_steps(steps), self._steps)
            segment.open(operation, steps, local)
            self._steps += steps
            if isinstance(operation, Forward):
                everybody = np.arange(self._scenario.workers)
                self._step = self._pace.compute(everybody, local, self._roster.now)
        segment.add(operation, opens, params.shape[1])
        return shadow_of(operation, params)

    def start(self, operation: Shared) -> Started:
        """Go on to the second at which the reduction begins."""
        if isinstance(operation, Exchange) or (isinstance(operation, AllReduce) and operation.groups is not None):
            raise ValueError("an algorithm in lockstep must have operations of all workers only; set lockstep = 'groups'")
        row = operation.payload[:1]
        coding = None
        if not isinstance(operation, AllGather) and operation.encoded:
            coding = self._codings.of(row, operation.part, self._replicas.layout)
        segment, self._segment = self._segment, TimedSegment(self._scenario.workers)
        if segment.steps:
            self._redo = segment.local
        index = self._recorder.begin(segment.steps)
        word = WORDS[type(operation)]
        started = Started(index, self._steps, segment.local, self._redo, word, row, coding)
        verifiers = self._watch.verifiers(self._present(), index) if segment.steps else None
        reduction = self._attempt(started, segment, verifiers)
        if reduction is None:
            self._clocks.discard(self._present(), segment)
            reduction = self._redone(started)
        self._fly(started, reduction)
        return started

    def wait(self, started: Started) -> Tensor:
        """Go on to the second at which the reduction is over."""
        segment = self._segment
        if segment.is_pending:
            ranks = self._present()
            self._clocks.compute(ranks, self._seconds(ranks, segment), segment)
            segment.settle()
        while (reduction := self._land(started)).lost:
            self._fly(started, self._redone(started))
        ranks = self._present()
        coding, decode = started.coding, None
        if coding is not None:
            count = self._aggregation.decoded(started.word, len(reduction.senders), coding)
            decode = self._pace.code(ranks, coding.decode * count)
        self._clocks.receive(ranks, reduction, decode, segment)
        counted = np.zeros(self._scenario.workers, bool)
        counted[reduction.senders] = True
        self._recorder.end(started.index, counted)
        crossed = self._ledger.tape is not None and reduction.over > reduction.cleared  # beside those who dropped out of it
        if self._spans is not None and (len(reduction.members) > 1 or crossed):
            span = Span(started.word, started.index, -1, float(reduction.nbytes), reduction.cleared, reduction.over)
            self._spans.append(span)
        self._watch.carried(reduction.hostile)
        self._count(started.local, reduction.senders, 1)
        self._count(started.local, reduction.hostile, -1)
        return started.row

    def end_round(self, steps: int) -> bool:
        """Note where the clocks are, let a cluster's failures stop all of it, and admit who is back."""
        end = max(self._clocks.last(), self._round_begin)  # who discards may be where it was before the last round ended
        self._check_limit(end)
        pause = self._interruptions.after(self._round_begin, end) if self._interruptions else None
        if pause is not None:
            self._ledger.failed(pause.failures, end)
            end += pause.seconds
            self._advance(end)
            self._clocks.pause({"checkpoint": pause.checkpoint, "discarded": pause.discarded, "recovering": pause.recovering})
            self._failures += pause.failures
        self._round_begin = end
        self._round_end.append(end)
        self._round_steps.append(steps)
        self._progress(steps)
        if steps < self._least_steps:
            self._admit()
            return False
        return True

    def _attempt(self, started: Started, segment: TimedSegment, verifiers: Mask | None = None) -> Reduction | None:
        """The reduction of those whose work of `segment` is ready when it begins, or None if all of them drop out before.

        `verifiers` (n,), of those that take part, have computed others' work and send nothing.
        """
        ranks = self._present()  # (n,)
        able = ~segment.void[ranks]
        rule = self._scenario.participation if np.any(started.local) else WaitForAll()  # it has chosen from this work before
        heard = rule.heard(self._scenario.seed, ranks, started.index)
        if heard is not None and (able & heard).any():
            able &= heard
        compute = self._seconds(ranks, segment)
        encode = None if started.coding is None else self._pace.code(ranks, started.coding.first)
        ready = self._clocks.busy[ranks]
        ready += compute
        if encode is not None:
            ready += encode
        begin = self._begin(rule, ranks, ready) if able.all() else self._begin(rule, ranks[able], ready[able])
        if begin == np.inf:
            self._advance(self._roster.until[ranks[able]].max(initial=self._roster.now))
            return None
        self._advance(begin)  # it may have passed: reductions begin in the order in which they are started
        if verifiers is not None:
            self._ban(ranks, verifiers & able & (ready <= self._roster.now), started.index)
        stays = self._roster.active[ranks]
        on_time = stays & able & (ready <= self._roster.now)
        sends = on_time if verifiers is None else on_time & ~verifiers
        if not sends.any():
            return None  # who found out the only others has nothing to send either
        if np.any(started.local):
            self._checks[:] = False
        checks = on_time & verifiers if verifiers is not None else stays & ~on_time & self._checks[ranks]
        if checks.any():
            self._clocks.verify(ranks[checks], compute[checks], segment)
            self._checks[ranks[checks]] = True
        if not (on_time | checks).all():
            self._clocks.discard(ranks[np.flatnonzero(stays & ~on_time & ~checks)], segment)
        chosen = slice(None) if sends.all() else np.flatnonzero(sends)  # a million need no copies
        senders = ranks[chosen]
        self._clocks.busy[senders] = ready[chosen]
        traced = self._ledger.tape is not None
        if traced and encode is not None:
            self._ledger.coding(senders, encode[chosen], ready[chosen] - encode[chosen])
        # What was decoded since the last start is charged with this, even where it is not encoded itself.
        coded = None if self._codings.exact else segment.coded[senders] + (0.0 if encode is None else encode[chosen])
        return Reduction(
            word=started.word,
            nbytes=started.row.nbytes if started.coding is None else started.coding.wire_bytes,
            coding=started.coding,
            payload_bytes=started.row.nbytes,
            members=senders if len(senders) == np.count_nonzero(stays) else ranks[np.flatnonzero(stays)],
            senders=senders,
            compute=segment.computed[senders] + compute[chosen],
            codec=coded,
            hostile=self._watch.hostile(senders, started.step),
            begun=self._roster.now,
            ready=ready[chosen] if traced else None,
        )

    def _seconds(self, ranks: Ints, segment: TimedSegment) -> Floats:
        """The seconds in which each of `ranks` does what of a segment is not in the clocks yet."""
        if not segment.share:
            return self._pace.compute(ranks, segment.pending, self._roster.now)
        parts = segment.share * self._step[ranks]
        return parts + self._pace.compute(ranks, segment.pending, self._roster.now) if np.any(segment.pending) else parts

    def _check_everybody_stays(self) -> None:
        """Raises SkipError where somebody may drop out, be late or be shut out."""
        scenario = self._scenario
        if np.isfinite(self._roster.until).any() or not self._roster.active.all():
            raise SkipError("each worker holds what the others cannot go on without, and this churn drops some")
        if not isinstance(scenario.participation, WaitForAll):
            raise SkipError("each worker holds what the others cannot go on without, and this participation leaves some out")
        if scenario.verification.share:
            raise SkipError("each worker holds what the others cannot go on without, and verification takes some away")

    def _ban(self, ranks: Ints, verified: Mask, index: int) -> None:
        """Of `ranks`, those whose attack on the last reduction the ones that `verified`, (n,), have found out are shut out."""
        there = self._roster.active[ranks]
        caught = self._watch.caught(ranks[verified & there], ranks[there], index)
        if len(caught):
            self._air.ban(caught)

    def _count(self, local: Amount, ranks: Ints, sign: int) -> None:
        """The work of `ranks` entered the model, or with a `sign` of -1 did not count after all."""
        steps, sequences = self._pace.work(ranks, local)
        self._counted_steps += sign * steps
        self._counted_sequences += sign * sequences

    def _begin(self, rule: Participation, ranks: Ints, ready: Floats) -> float:
        """The second at which the reduction of those of `ranks` that are `ready` begins, infinity if none lives to be."""
        until = self._roster.until[ranks]
        lives = until > ready
        if not lives.any():
            return np.inf
        begin = rule.begin(ready, until, self._clocks.busy[ranks].max())
        if not (lives & (ready <= begin) & (until > begin)).any():
            # All that were ready dropped out while they waited: the next one to be ready begins.
            begin = float(ready[lives & (ready > begin)].min(initial=np.inf))
        return begin

    def _redone(self, started: Started) -> Reduction:
        """All its work is lost: who is there, or comes back, computes it anew until somebody's is ready."""
        while True:
            self._clocks.discard(self._present(), TimedSegment(self._scenario.workers))  # the time up to now
            if not self._roster.active.any():
                self._roster.wait_for_somebody(self._max_virtual)
            self._check_limit(self._roster.now)
            self._admit(started.index)
            reduction = self._attempt(started, self._lost_work(started))
            if reduction is not None:
                return reduction

    def _lost_work(self, started: Started) -> TimedSegment:
        """What must be computed anew: nothing by those who did so for another reduction of the same steps."""
        workers, last = self._scenario.workers, self._segment
        if not np.any(started.local) and not last.steps and not last.void[self._present()].all():
            again = TimedSegment(workers)
            again.void[:] = last.void
            return again
        return TimedSegment(workers, started.redo)

    def _fly(self, started: Started, reduction: Reduction) -> None:
        started.reduction = reduction
        self._air.begin(reduction)
        if not self._segment.steps:
            # Should another start follow at once, it sends of the same work.
            self._segment.void[reduction.members] = True
            self._segment.void[reduction.senders] = False

    def _land(self, started: Started) -> Reduction:
        """The reduction when it is over, or lost."""
        assert started.reduction is not None
        while started.reduction.in_the_air:
            self._check_limit(self._roster.now)
            self._progress(self._round_steps[-1] if self._round_steps else 0)  # where many drop out, this takes its time
            self._air.happen()
        self._check_limit(self._roster.now)
        return started.reduction

    def _admit(self, index: int | None = None) -> None:
        """Who is back takes part from now on: in the operation `index` of the schedule, the next one unless it is given."""
        joined = self._roster.join()
        if not len(joined):
            return
        self._clocks.busy[joined] = self._roster.now
        segment = self._segment
        segment.computed[joined] = segment.coded[joined] = 0.0
        segment.void[joined] = True
        self._recorder.join(joined, index)

    def _present(self) -> Ints:
        return np.flatnonzero(self._roster.active)

    def _advance(self, to: float) -> None:
        self._air.advance(min(to, self._max_virtual))
        self._check_limit(self._roster.now)

    def _check_limit(self, second: float) -> None:
        if second >= self._max_virtual:
            raise VirtualTimeout(
                f"after {len(self._round_end)} rounds the virtual clock passed max_virtual = {seconds_text(self._max_virtual)}"
            )

    def _timeline(self) -> Timeline:
        """The run ends when the last worker is done, with what was left in the air; that belongs to the last round."""
        roster = self._roster
        self._advance(self._clocks.last())
        self._clocks.settle(self._segment)
        roster.settle()
        self._ledger.check(roster.now)
        self._round_end[-1] = roster.now
        workers, carried = self._scenario.workers, roster.carried
        return Timeline(
            virtual_seconds=roster.now,
            round_end=np.array(self._round_end),
            round_steps=np.array(self._round_steps),
            counted_steps=self._counted_steps,
            counted_sequences=self._counted_sequences,
            sent=carried[:workers],
            received=carried[workers : 2 * workers],
            drops=roster.drops,
            failures=self._failures,
            banned=self._watch.banned,
            ledger=self._ledger,
            schedule=self._recorder.schedule,
            spans=in_order(self._spans),
            intervals=self._ledger.intervals(roster.now),
        )
