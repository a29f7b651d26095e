"""A program of all workers as a list of what each of them does, for workers that do not do it at the same time."""

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from bench.aggregation import Rule
from bench.algorithm import WORDS, Algorithm, AllGather, AllReduce, Exchange, Pipeline
from bench.errors import SkipError
from bench.events.messages import Messages, Weight
from bench.lockstep import Compute, Shared, play
from bench.pace import Amount, Ints, Pace
from bench.replicas import Replicas
from bench.segment import Job, Jobs, shadow_of


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
class Unrolled:
    """Reads a program, and notes what it asks of each worker."""

    jobs: Jobs
    messages: Messages
    replicas: Replicas
    least_steps: int
    linear: bool  # the aggregator's
    items: list[Item] = field(default_factory=list)
    _operations: int = 0
    _last_edges: Ints | None = None

    def compute(self, operation: Compute, opens: bool) -> Tensor | None:
        if isinstance(operation, Pipeline):
            raise ValueError("workers that form groups must not yield Pipeline; set lockstep = 'stages'")
        self.jobs.read(operation, opens)
        return shadow_of(operation, self.replicas.params)

    def start(self, operation: Shared) -> tuple[int, Tensor]:
        job, segment = self.jobs.before_start()
        self.items += [job] if job else []
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
            step=self.jobs.steps,
            word=WORDS[type(operation)],
            weight=self.messages.weight(row, part, self.replicas.layout, encoded),
            payload_bytes=row.nbytes,
            groups=groups,
            edges=edges,
        )
        self.items.append(begin)
        return index, row if edges is None and groups is None else operation.payload

    def wait(self, started: tuple[int, Tensor]) -> Tensor:
        job = self.jobs.before_wait()
        self.items += [job] if job else []
        index, answer = started
        self.items.append(Await(index))
        return answer

    def end_round(self, steps: int) -> bool:
        self.items.append(RoundEnd(steps))
        return steps >= self.least_steps

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
    columns = replicas.params.shape[1]
    jobs = Jobs(pace.local_steps, columns, local_steps_only=local_steps_only)
    reader = Unrolled(jobs, messages, replicas, steps, rule is None or rule.linear)
    play(algorithm.run(replicas), reader, columns)
    return reader.items
