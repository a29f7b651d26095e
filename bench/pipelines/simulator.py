"""The Simulator of a model that is cut into stages: when all microbatches are through, and when the step is over."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.aggregation import Aggregation, Rule
from bench.algorithm import Algorithm, AllReduce, Pipeline
from bench.codec import Codec
from bench.errors import SkipError, VirtualTimeout
from bench.feedback import Feedback
from bench.lockstep import Compute, Shared, play
from bench.pace import Pace, Workload
from bench.participation import WaitForAll
from bench.pipelines.crew import Crew, Cut
from bench.pipelines.microbatches import Flow
from bench.reduction import Air, Reduction
from bench.replicas import Replicas
from bench.roster import Roster
from bench.scenario import Scenario
from bench.schedule import Recorder
from bench.tape import Tape
from bench.timeline import Ledger, Span, Timeline, in_order
from bench.units import seconds_text
from bench.verification import Hostile

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class PipelineSimulator:
    """An interpreter of Pipeline, and of the AllReduce that ends each step; all of the batch counts.

    All microbatches go through; then the peers of each stage reduce its gradient, all stages at once; when the last of these
    is over, the next step begins. Who drops out before that takes its gradient with it: its microbatches go through its stage
    again. A stage without any peer makes the others wait until somebody is back, or moves there. Who is back, or has moved,
    otherwise takes part from the next step on. Activations meet neither reductions nor downloads of state on the links. A
    failure of a cluster stops all of it at the end of its step, as in the Simulator of whole models. No codec but an exact one
    passes, so that `feedback` has nothing to do.
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
        _check(scenario, codec, rule, hostile)
        self._pace = Pace(scenario.fleet, scenario.jitter, workload, scenario.split, scenario.seed)
        self.step_seconds = self._pace.step_seconds  # (W,) of the whole model
        self._scenario, self._workload, self._max_virtual = scenario, workload, max_virtual
        self._ledger = Ledger(scenario.workers, tape)
        self._spans: list[Span] | None = [] if spans else None  # of reductions that are over, if they are asked for
        self._recorder = Recorder(scenario.workers, self._pace.effort)
        self._interruptions = scenario.failures.interruptions(scenario.seed, scenario.workers)
        self._failures, self._round_begin = 0, 0.0
        self._round_end: list[float] = []
        self._step: Pipeline | None = None  # the one under way

    def run(
        self, algorithm: Algorithm, replicas: Replicas, steps: int, progress: Callable[[int], None] = lambda done: None
    ) -> Timeline:
        """The timeline of `steps` steps; calls `progress(steps done)`.

        Raises VirtualTimeout where that takes more than the limit of virtual seconds, SkipError where the world is none for it.
        """
        scenario, workers = self._scenario, self._scenario.workers
        self._replicas, self._least_steps, self._progress = replicas, steps, progress
        self._state_bytes = algorithm.state_share(workers) * self._workload.state_bytes
        self._roster = Roster(
            churn=scenario.churn,
            paths=scenario.paths,
            changes=scenario.changes,
            recovery=scenario.recovery,
            state_bytes=self._state_bytes,
            ledger=self._ledger,
            seed=scenario.seed,
        )
        self._air = Air(self._roster, self._ledger, Aggregation(scenario, None))
        self._crew: Crew | None = None
        if algorithm.needs_everybody and (np.isfinite(self._roster.until).any() or not self._roster.active.all()):
            raise SkipError("each worker is a stage that its pipeline cannot go on without, and this churn drops some")
        play(algorithm.run(replicas), self, replicas.params.shape[1])
        return self._timeline()

    def compute(self, operation: Compute, opens: bool) -> Tensor:
        """The clock is moved where the gradient is reduced."""
        if not isinstance(operation, Pipeline) or self._step is not None:
            raise ValueError(f"an algorithm in stages must yield Pipeline and AllReduce in turns, got {operation!r}")
        self._step = operation
        return self._replicas.params

    def start(self, operation: Shared) -> Tensor:
        """The whole step, up to the second at which the gradients of all stages are there."""
        step, self._step = self._step, None
        plain = isinstance(operation, AllReduce) and operation.part is None and operation.groups is None
        if step is None or not plain:
            raise ValueError(f"an algorithm in stages must yield Pipeline and AllReduce in turns, got {operation!r}")
        row, crew = operation.payload[:1], self._crew or self._recruit(step)
        flow = crew.begin()
        while True:
            crew.go_on(flow, self._max_virtual)
            self._check_limit()
            gone = self._reduce(flow, row.nbytes / step.stages)
            crew.lose(flow, gone)
            if flow.over:
                break
        crew.end()
        return row

    def wait(self, started: Tensor) -> Tensor:
        """The step is over for everybody, and all of the batch is in it."""
        index = self._recorder.begin(1)
        self._recorder.end(index, np.ones(self._scenario.workers, bool))
        return started

    def end_round(self, steps: int) -> bool:
        """Let a cluster's failures stop all of it, and note where the clock is."""
        roster = self._roster
        pause = self._interruptions.after(self._round_begin, roster.now) if self._interruptions else None
        if pause is not None:
            begin = roster.now
            self._ledger.failed(pause.failures, begin)
            self._air.advance(begin + pause.seconds)
            there = np.flatnonzero(roster.active)
            for bucket in ("checkpoint", "discarded", "recovering"):
                seconds = getattr(pause, bucket)
                self._ledger.charge(bucket, there, seconds, begin=begin)
                begin += seconds
            self._failures += pause.failures
            self._check_limit()
        self._round_begin = roster.now
        self._round_end.append(roster.now)
        self._progress(steps)
        return steps >= self._least_steps

    def _recruit(self, step: Pipeline) -> Crew:
        cut = Cut.of(step, self._workload, self._scenario.workers)
        crew = Crew(self._scenario, step, cut, self._pace, self._roster, self._ledger, self._state_bytes)
        self._crew = crew
        return crew

    def _reduce(self, flow: Flow, nbytes: float) -> list[int]:
        """The peers of each stage that has computed anything reduce `nbytes`; returns who dropped out meanwhile."""
        roster, ledger = self._roster, self._ledger
        begun, there = roster.now, roster.active.copy()
        spent = flow.settle(begun)
        computed = spent.pop("compute", {})
        for bucket, seconds in spent.items():
            ledger.charge(bucket, np.array([*seconds]), np.array([*seconds.values()]))
        if ledger.tape is not None:
            flow.tell(ledger.tape)
        stages: dict[int, list[int]] = {}
        for peer in flow.peers.values():
            stages.setdefault(peer.stage, []).append(peer.rank)
        reductions = []
        for _, ranks in sorted(stages.items()):
            if not any(rank in computed for rank in ranks):
                continue  # nothing was lost since it was reduced
            members = np.array(sorted(ranks))
            compute = np.array([computed.get(rank, 0.0) for rank in members.tolist()])
            reductions.append(_reduction(members, compute, nbytes, begun))
            self._air.begin(reductions[-1])
        while any(reduction.in_the_air for reduction in reductions):
            self._check_limit()
            self._air.happen()
        self._check_limit()
        waiting = np.zeros(len(there), bool)  # (W,) in stages that had nothing to reduce
        waiting[[*flow.peers]] = True
        waiting &= roster.active
        for reduction in reductions:
            waiting[reduction.members] = False
            members = reduction.members[roster.active[reduction.members]]  # the others have been charged
            passed = reduction.tried + reduction.latency
            for bucket, begin, length in (
                ("discarded", begun, reduction.tried - begun),
                ("latency", reduction.tried, reduction.latency),
                ("bandwidth", passed, reduction.over - passed),
                ("pipeline_bubble", reduction.over, roster.now - reduction.over),
            ):
                ledger.charge(bucket, members, length, begin=begin)
            if self._spans is not None and len(reduction.members) > 1:
                index, peers = len(self._round_end), tuple(reduction.members.tolist())
                self._spans.append(Span("all_reduce", index, peers[0], nbytes, reduction.cleared, reduction.over, peers))
        ledger.charge("pipeline_bubble", np.flatnonzero(waiting), roster.now - begun, begin=begun)
        for peer in flow.peers.values():
            peer.since = roster.now
        return np.flatnonzero(there & ~roster.active).tolist()

    def _check_limit(self) -> None:
        if self._roster.now >= self._max_virtual:
            raise VirtualTimeout(
                f"after {len(self._round_end)} rounds the virtual clock passed max_virtual = {seconds_text(self._max_virtual)}"
            )

    def _timeline(self) -> Timeline:
        roster, workers, steps = self._roster, self._scenario.workers, len(self._round_end)
        assert self._crew is not None
        roster.settle()
        self._ledger.check(roster.now)
        carried = roster.carried + self._crew.carried
        return Timeline(
            virtual_seconds=roster.now,
            round_end=np.array(self._round_end),
            round_steps=np.arange(1, steps + 1),
            counted_steps=steps * workers,
            counted_sequences=steps * workers * self._workload.sequences,
            sent=carried[:workers],
            received=carried[workers : 2 * workers],
            drops=roster.drops,
            failures=self._failures,
            banned=0,
            ledger=self._ledger,
            schedule=self._recorder.schedule,
            spans=in_order(self._spans),
            intervals=self._ledger.intervals(roster.now),
        )


def _reduction(members: Ints, compute: Floats, nbytes: float, begun: float) -> Reduction:
    return Reduction(
        word="all_reduce",
        nbytes=nbytes,
        payload_bytes=nbytes,
        members=members,
        senders=members,
        compute=compute,
        codec=None,
        hostile=members[:0],
        begun=begun,
        ready=np.full(len(members), begun),
    )


def _check(scenario: Scenario, codec: Codec, rule: Rule | None, hostile: Hostile | None) -> None:
    """Raises SkipError where a model in stages has no meaning in this world, or none that this Simulator knows."""
    reason = ""
    if not isinstance(scenario.participation, WaitForAll):
        reason = "a stage cannot go on without what the others send, and this participation leaves some out"
    elif scenario.verification.share:
        reason = "what a stage does is not what any other worker could verify alone"
    elif hostile is not None or (rule is not None and not rule.linear):
        reason = "attacks and robust rules compare whole gradients, and each worker has a stage's"
    elif scenario.split.local_steps_only or scenario.split.effort(np.array([1.0, 2.0])).batch is not None:
        reason = "microbatches are divided between the peers of a stage, not batches between workers"
    elif not codec.exact:
        reason = "codecs work on the gradient of a worker's whole model, and each has a stage's"
    if reason:
        raise SkipError(reason)
