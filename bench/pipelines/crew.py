"""Those who serve the stages of a pipeline: who comes, who drops out, who moves to where more is needed."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.algorithm import FORWARD, Pipeline
from bench.errors import SkipError
from bench.pace import Load, Pace, Workload
from bench.pipelines.microbatches import Flow, Peer, fixed_order
from bench.pipelines.moves import Moves
from bench.pipelines.stages import Stages, message_seconds
from bench.pipelines.wires import Wires
from bench.roster import Roster
from bench.scenario import Scenario
from bench.timeline import Ledger

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """What a step in stages comes to, for a number of workers."""

    microbatches: int  # of all workers together
    nbytes: float  # of the activations of one, on the wire
    code_bytes: float  # that pass through a device's memory to encode or decode them

    @classmethod
    def of(cls, step: Pipeline, workload: Workload, workers: int) -> "Cut":
        """Raises SkipError where stages, microbatches, layers and workers do not go together."""
        between = workload.activations
        assert between is not None, "a model that is cut into stages must say what lies between its layers"
        stages, each = step.stages, step.microbatches
        if workers < stages:
            raise SkipError(f"{stages} stages need as many workers, and there are {workers}")
        if stages > between.layers:
            raise SkipError(f"{stages} stages need as many layers, and the model that is timed has {between.layers}")
        if (stages * workload.sequences) % each:
            raise SkipError(
                f"the {stages * workload.sequences} sequences of {stages} workers are not {each} equal microbatches"
            )
        if step.schedule != "routed" and workers % stages:
            raise SkipError(f"{workers} workers are no whole number of pipelines of {stages}")
        if (workers * each) % stages:
            raise SkipError(f"the batch of {workers} workers is no whole number of microbatches, {each} for {stages} workers")
        tokens = stages * workload.sequences // each * between.tokens
        exact = 4.0 * tokens * between.width
        scales = 4 * tokens if step.activation_bits == 8 else 0
        nbytes = exact * step.activation_bits / 32 + scales
        # Who changes anything reads one form and writes the other.
        return cls(workers * each // stages, nbytes, 0.0 if step.activation_bits == 32 else exact + nbytes)


class Crew:
    """The workers of one run, as peers of its stages."""

    def __init__(
        self, scenario: Scenario, step: Pipeline, cut: Cut, pace: Pace, roster: Roster, ledger: Ledger, state_bytes: float
    ) -> None:
        self._scenario, self._step, self._cut = scenario, step, cut
        self._pace, self._roster, self._ledger = pace, roster, ledger
        self._part = 1 / step.microbatches  # of a worker's whole step: its stage's work on one microbatch
        self._stages = Stages(step.stages, pace.step_seconds, self._part)
        self._wires = Wires(scenario.paths)
        self._moves = Moves(scenario, state_bytes)
        self._next_move = step.rebalance_every  # the second from which on somebody may move

    @property
    def carried(self) -> Floats:
        """The bytes of activations, and of the state that those who move download, on each link so far, (L,)."""
        return self._wires.carried + self._moves.carried

    def begin(self) -> Flow:
        """The microbatches of a step that begins now, with those who are there."""
        capacity, cut = self._roster.fluid.capacity, self._cut
        self._wires.set_capacity(capacity)
        self._stages.begin(message_seconds(self._scenario.network, capacity, cut.nbytes))
        self._arrivals()
        if self._rebalance():
            self._arrivals()  # where state is there at once
        flow = Flow(self._step.stages, cut.microbatches, cut.nbytes, self._wires, self._route, self._roster.now)
        flow.admit(self._peers(np.flatnonzero(self._roster.active & ~self._moves.away)), flow.now)
        return flow

    def go_on(self, flow: Flow, limit: float) -> None:
        """Let a flow go on until it is over, or to the second `limit`."""
        roster = self._roster
        while not flow.over and roster.now < limit:
            if flow.run(min(roster.next_drop(), limit)):
                roster.advance(flow.now)
            elif flow.stalled:
                roster.advance(max(flow.now, roster.now))
                self._wait_for_peers(flow, limit)
            else:
                roster.advance(min(roster.next_drop(), limit))
                self._drop(flow)

    def lose(self, flow: Flow, ranks: Collection[int]) -> None:
        """`ranks` have dropped out."""
        self._moves.give_up(ranks, self._roster.now)
        flow.lose(ranks, self._roster.now)

    def end(self) -> None:
        """A step is over: charge those who have been on their way."""
        ranks = np.flatnonzero(self._moves.away)
        self._ledger.fill("recovering", ranks, np.full(len(ranks), self._roster.now))

    def _wait_for_peers(self, flow: Flow, limit: float) -> None:
        """Nothing goes on before somebody is back, or moves to where nobody is."""
        roster = self._roster
        roster.wait_for_somebody(min(roster.next_drop(), self._moves.next_landing(), self._next_move, limit))
        self._drop(flow)
        flow.admit(self._peers(np.array(self._arrivals(), np.int64)), roster.now)
        if flow.stalled:
            movers = self._rebalance()
            self._ledger.fill("discarded", np.array(movers, np.int64), np.full(len(movers), roster.now))
            flow.lose(movers, roster.now)

    def _drop(self, flow: Flow) -> None:
        """Whoever drops out by now does."""
        if self._roster.next_drop() <= self._roster.now:
            ranks, at = self._roster.drop(self._roster.now)
            self._ledger.fill("discarded", ranks, at)
            self.lose(flow, ranks.tolist())

    def _arrivals(self) -> list[int]:
        """Those who can serve from now on: who is back, at the slowest stage, and who has moved."""
        now = self._roster.now
        self._moves.give_up(np.flatnonzero(self._moves.away & ~self._roster.active).tolist(), now)
        landed = self._moves.land(now)
        ranks = np.array(landed, np.int64)
        self._ledger.fill("recovering", ranks, np.full(len(ranks), now))
        back = self._roster.join().tolist()
        for rank in back:
            self._stages.join(rank, self._roster.active)
        return landed + back

    def _rebalance(self) -> list[int]:
        """Those who set out for another stage now: one for each time that somebody may have moved, as long as it helps."""
        roster, movers = self._roster, list[int]()
        while self._next_move <= roster.now:
            self._next_move += self._step.rebalance_every
            mover = self._stages.move(roster.active, roster.active & ~self._moves.away)
            if mover is None:
                self._next_move = roster.now + self._step.rebalance_every
                break
            self._moves.begin(mover, roster.active & ~self._moves.away, roster.fluid.capacity, roster.now)
            movers.append(mover)
        return movers

    def _peers(self, ranks: Ints) -> list[Peer]:
        """`ranks`, (n,), as peers from now on, with the seconds that this step takes each of them."""
        now = self._roster.now
        if not len(ranks):
            return []
        seconds = self._pace.compute(ranks, 1, now)  # (n,) of a whole step
        code = self._pace.code(ranks, Load(self._cut.code_bytes, 0.0))
        self._stages.observe(ranks, seconds)
        return [
            Peer(
                rank=rank,
                stage=int(self._stages.of[rank]),
                compute=(self._part * whole * FORWARD, self._part * whole * (1 - FORWARD)),
                code=float(code[place]),
                since=now,
                order=self._order(rank),
                places=None if self._ledger.tape is None else [],
            )
            for place, (rank, whole) in enumerate(zip(ranks.tolist(), seconds.tolist(), strict=True))
        ]

    def _route(self, stage: int, microbatch: int, ranks: list[int]) -> int:
        """Which of the `ranks` of a stage gets a microbatch."""
        return self._stages.route(stage, ranks) if self._step.schedule == "routed" else ranks[microbatch % len(ranks)]

    def _order(self, rank: int) -> deque[tuple[int, int]] | None:
        step = self._step
        if step.schedule == "routed":
            return None
        pipelines = self._scenario.workers // step.stages
        own = range(rank % pipelines, self._cut.microbatches, pipelines)
        return deque(fixed_order(step.schedule, int(self._stages.of[rank]), step.stages, list(own)))
