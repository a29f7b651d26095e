"""A program of all workers as a list of what each of them does, for workers that do not do it at the same time."""

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from bench.aggregation import Rule
from bench.algorithm import Algorithm, AllGather, AllReduce, Backward, Exchange, Forward, Pipeline, ReduceScatter, Train
from bench.errors import SkipError
from bench.events.messages import Messages, Weight
from bench.lockstep import Compute, Shared, play
from bench.pace import Amount, Ints, Pace
from bench.replicas import Replicas
from bench.simulator import FORWARD

WORDS = {AllReduce: "all_reduce", ReduceScatter: "reduce_scatter", AllGather: "all_gather"}


@dataclass(frozen=True)
class Job:
    """Compute: local steps, and a share of a step that goes in parts."""

    local: Amount
    draw: int  # of the jitter, for these steps,
    share: float
    step_draw: int  # and for that step


@dataclass(frozen=True)
class Begin:
    """The operation `index` of the schedule begins, for who comes here."""

    index: int
    steps: int  # of the program since the one before
    local: Amount  # local steps in these
    step: int  # of the program, up to here
    word: str  # all_reduce, reduce_scatter, all_gather or exchange
    weight: Weight  # of one worker's payload,
    payload_bytes: int  # and without a codec
    groups: Ints | None = None  # (W,)
    edges: Ints | None = None  # (n, 2): who gets the payload of whom


@dataclass(frozen=True)
class Await:
    """The operation `index` is over, for who goes on."""

    index: int


@dataclass(frozen=True)
class RoundEnd:
    """So many program steps are done."""

    steps: int


Item = Job | Begin | Await | RoundEnd


@dataclass
class Segment:
    """Compute since the last start."""

    steps: int = 0  # of the program
    local: Amount = 0
    pending: Amount = 0  # local steps that are in no job yet
    share: float = 0.0  # of a step in parts, likewise


@dataclass
class Unrolled:
    """Reads a program, and notes what it asks of each worker."""

    pace: Pace
    messages: Messages
    replicas: Replicas
    least_steps: int
    local_steps_only: bool  # the split's
    linear: bool  # the aggregator's
    items: list[Item] = field(default_factory=list)
    _segment: Segment = field(default_factory=Segment)
    _steps: int = 0
    _operations: int = 0
    _draws: int = 0
    _step_draw: int = 0
    _last_edges: Ints | None = None

    def compute(self, operation: Compute, opens: bool) -> Tensor | None:
        segment, params = self._segment, self.replicas.params
        if isinstance(operation, Pipeline):
            raise ValueError("workers that form groups must not yield Pipeline; set lockstep = 'stages'")
        part = None if isinstance(operation, Train) else operation.part
        forward = isinstance(operation, Forward)
        if opens:
            if not isinstance(operation, Train) and self.local_steps_only:
                raise SkipError("this split divides local steps, and the algorithm takes gradients without any")
            steps = operation.steps if isinstance(operation, Train) else 1
            local = self.pace.local_steps(steps)
            segment.steps += steps
            segment.local = segment.local + local
            self._steps += steps
            if forward:
                self._step_draw = self._draw()
            else:
                segment.pending = segment.pending + local
        if forward or not opens:
            share = 1.0 if part is None else part.size / params.shape[1]
            segment.share += share * (FORWARD if forward else 1 - FORWARD)
        if isinstance(operation, Backward):
            return params if part is None else part.of(params)
        return None

    def start(self, operation: Shared) -> tuple[int, Tensor]:
        self._compute_now()
        segment, self._segment = self._segment, Segment()
        row = operation.payload[:1]
        encoded = isinstance(operation, Exchange) or (not isinstance(operation, AllGather) and operation.encoded)
        part = None if isinstance(operation, AllGather) else operation.part
        groups = edges = None
        if isinstance(operation, Exchange):
            edges = self._edges(operation)
        elif isinstance(operation, AllReduce):
            groups = operation.groups
        index, self._operations = self._operations, self._operations + 1
        begin = Begin(
            index=index,
            steps=segment.steps,
            local=segment.local,
            step=self._steps,
            word="exchange" if isinstance(operation, Exchange) else WORDS[type(operation)],
            weight=self.messages.weight(row, part, self.replicas.layout, encoded),
            payload_bytes=row.nbytes,
            groups=groups,
            edges=edges,
        )
        self.items.append(begin)
        return index, row if edges is None and groups is None else operation.payload

    def wait(self, started: tuple[int, Tensor]) -> Tensor:
        if np.any(self._segment.pending) or self._segment.share:
            self._compute_now()
        index, answer = started
        self.items.append(Await(index))
        return answer

    def end_round(self, steps: int) -> bool:
        self.items.append(RoundEnd(steps))
        return steps >= self.least_steps

    def _compute_now(self) -> None:
        """Who comes here has done its jobs. Jitter is drawn as the Simulator of all workers draws it."""
        segment = self._segment
        draw = self._draw() if np.any(segment.pending) or not segment.share else 0
        if np.any(segment.pending) or segment.share:
            self.items.append(Job(segment.pending, draw, segment.share, self._step_draw))
        segment.pending, segment.share = 0, 0.0

    def _draw(self) -> int:
        self._draws += 1
        return self._draws - 1

    def _edges(self, operation: Exchange) -> Ints:
        """(n, 2): of each payload that travels, who gets it and whose it is."""
        if not self.linear:
            raise SkipError("this aggregator treats all payloads alike, and gossip weighs each")
        workers = self.replicas.workers
        if operation.weights.shape != (workers, workers):
            raise ValueError(f"weights must be ({workers}, {workers}), got {operation.weights.shape}")
        edges = np.argwhere(operation.weights)
        edges = edges[edges[:, 0] != edges[:, 1]].astype(np.int32)
        if self._last_edges is None or not np.array_equal(edges, self._last_edges):
            self._last_edges = edges  # a graph that stays is kept once
        return self._last_edges


def unrolled(
    algorithm: Algorithm,
    replicas: Replicas,
    steps: int,
    *,
    pace: Pace,
    messages: Messages,
    local_steps_only: bool,
    rule: Rule | None,
) -> list[Item]:
    """What each worker does in at least `steps` program steps, in whole rounds, and until all is over that it started."""
    reader = Unrolled(pace, messages, replicas, steps, local_steps_only, rule is None or rule.linear)
    play(algorithm.run(replicas), reader, replicas.params.shape[1])
    return reader.items
