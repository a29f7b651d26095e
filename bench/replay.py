"""The Replay says what where each worker has a program of its own: it follows the order of events, and knows no time."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.adversary import Adversary
from bench.aggregator import Aggregator
from bench.algorithm import (
    Algorithm,
    Arrival,
    Average,
    Backward,
    Forward,
    Handle,
    Program,
    Pull,
    Push,
    Receive,
    Start,
    Train,
    Wait,
)
from bench.codec import Codec
from bench.data import Corpus
from bench.delivery import Delivery
from bench.errors import SkipError
from bench.lanes import Lanes
from bench.lockstep import Compute, Step
from bench.model import GPT
from bench.optimizer import LearningRateSchedule, Optimizer
from bench.pending import Pending, Work
from bench.replicas import Layout, Replicas
from bench.schedule import Kind, Order
from bench.seeds import stream
from bench.stacked import Stacked
from bench.trainer import Curve, Evaluation


@dataclass
class _Started:
    """An operation that is not over."""

    operation: Compute | Pull | Push | Average
    work: Work | None = None  # of compute; None where a free rider does none, or its end is not in the order
    answer: Tensor | None = None  # of a Pull, once it was taken
    arrival: Arrival | None = None  # of a Push


@dataclass
class _Node:
    """A worker or a server, and where its program is."""

    program: Program
    replica: Replicas | None  # a worker's, of one row
    step: Step
    count: int = 0  # operations that it has begun
    started: dict[int, _Started] = field(default_factory=dict)
    over: dict[int, Tensor | None] = field(default_factory=dict)  # answers that the program has not waited for
    handles: dict[Handle, int] = field(default_factory=dict)
    waits_for: int | None = None
    gradient: Work | None = None  # of the step under way
    changed: bool = False  # by an Average, since the local steps under way began
    behind: int = 0  # local steps since its last Push
    pulled: dict[int, int] = field(default_factory=dict)  # server: arrivals it had taken in at the last Pull from it
    published: Tensor = field(default_factory=lambda: torch.empty(0))  # a server's
    inbox: deque[tuple[Arrival, int]] = field(default_factory=deque)  # and what its sender's `pulled` was
    receiving: bool = False
    arrivals: int = 0  # taken in


class Replay:
    """An interpreter with real tensors of algorithms in which no worker waits for all others.

    Operations take effect when the order says that they are over. What a worker computes depends on its replica when it began,
    so nothing is computed before the first result is needed: then all that has begun is, in stacks, save what no event ends.

    The learning-rate schedule goes by the worker-steps that all workers have done together, over their number, when a Train or
    Backward begins. A server takes payloads in one by one: nothing is aggregated, and no attack can look at others' payloads.
    A free rider that sends what it got sends the last payload of that size that any server has taken in.
    """

    def __init__(
        self,
        *,
        model: GPT,
        corpus: Corpus,
        optimizer: Optimizer,
        lr_schedule: LearningRateSchedule,
        codec: Codec,
        aggregator: Aggregator,
        adversary: Adversary,
        evaluation: Evaluation,
        seed: int,
        stack: int,
        lanes: Lanes,
        device: str = "cpu",
    ) -> None:
        self._optimizer, self._lr_schedule, self._codec, self._aggregator = optimizer, lr_schedule, codec, aggregator
        self._adversary, self._evaluation, self._seed, self._shape = adversary, evaluation, seed, model.shape
        self._layout = Layout(model.tensors)
        self._stacked = Stacked(model, corpus, evaluation.sequences, seed, lanes, device)
        self._pending = Pending(self._stacked, optimizer, lr_schedule, lanes, stack)

    def run(self, algorithm: Algorithm, order: Order, progress: Callable[[int], None] = lambda done: None) -> Curve:
        """The curve of a whole order; calls `progress(steps done)`. Stops where the held-out loss is not finite.

        Raises SkipError where a rule or an attack needs several payloads at once, ValueError where the order is not that of
        the algorithm's programs.
        """
        self._check_one_by_one()
        self._algorithm, self._workers, self._effort = algorithm, order.workers, order.effort
        self._delivery = Delivery(self._codec, self._aggregator, self._adversary, self._seed, order.workers)
        self._sequences = order.effort.sequences(self._shape.batch, order.workers)  # (W,) a step
        self._batches = np.zeros(order.workers, np.int64)  # (W,) that each has begun
        self._worker_steps = self._pushes = 0  # done, by all workers; begun
        self._last: dict[int, Tensor] = {}  # payload's size: the last that a server took in, (1, n)
        self._ends = _Ends(order)
        initial = self._stacked.initial()  # (1, P)
        self.replicas = Replicas(initial.repeat(order.workers, 1), self._optimizer, self._lr_schedule, self._layout)
        self._nodes: dict[int, _Node] = {}
        for number in range(len(algorithm.servers(order.workers))):
            self._begin(order.workers + number, algorithm.server(number, initial.clone()))
        for rank in range(order.workers):
            if rank not in self._ends.absent:
                self._begin_worker(rank)
        curve = Curve([0], [self._stacked.held_out_loss(self.model())])
        for kind, node, number in order:
            match kind:
                case Kind.TAKEN:
                    self._take(node, number)
                case Kind.DONE:
                    self._end(node, number)
                case Kind.DROP:
                    self._drop(node)
                case Kind.JOIN:
                    self._join(node)
                case Kind.ROUND:
                    last = number == self._ends.steps
                    if last or number - curve.steps[-1] >= self._evaluation.every:
                        curve.steps.append(number)
                        curve.losses.append(self._stacked.held_out_loss(self.model()))
                    progress(number)
                    if last or not math.isfinite(curve.losses[-1]):
                        break
        for state in self._nodes.values():
            state.program.close()
        return curve

    def model(self) -> Tensor:
        """What server 0 publishes, or without one the mean of all replicas that are there, or else of all, (1, P)."""
        if self._workers in self._nodes:
            return self._nodes[self._workers].published
        return self.replicas.params[sorted(self._nodes) or slice(None)].mean(0, keepdim=True)

    def _check_one_by_one(self) -> None:
        if not self._aggregator.linear:
            raise SkipError("a server takes payloads in one by one, and this aggregator compares several")
        if self._adversary.sees_others and self._adversary.fraction:
            raise SkipError("payloads are sent one by one, and this adversary looks at those of others to make its own")

    def _begin_worker(self, rank: int) -> None:
        replica = self.replicas.one(rank)
        self._begin(rank, self._algorithm.run(replica), replica)

    def _begin(self, node: int, program: Program, replica: Replicas | None = None) -> None:
        self._nodes[node] = _Node(program, replica, Step(self._layout.columns))
        self._go_on(node, None)

    def _go_on(self, node: int, answer: Any) -> None:
        """Run the program of `node` with the `answer` that it waits for, until it waits again."""
        state = self._nodes[node]
        while True:
            try:
                operation = state.program.send(answer)
            except StopIteration:
                raise ValueError(f"a program must go on until it is closed; that of node {node} ended by itself") from None
            match operation:
                case Start(operation=(Pull() | Push() | Average()) as begun):
                    answer = Handle()
                    state.handles[answer] = self._start(node, begun)
                case Wait(handle=Handle() as handle) if handle in state.handles:
                    number = state.handles.pop(handle)
                    if number in state.started:
                        state.waits_for = number
                        return
                    answer = state.over.pop(number)
                case Wait():
                    raise ValueError("Wait must be given a handle that Start answered in this program, once")
                case Pull() | Push():
                    state.waits_for = self._start(node, operation)
                    return
                case Train() | Forward() | Backward() | Average() if state.replica is not None:
                    state.waits_for = self._start(node, operation)
                    return
                case Receive() if state.replica is None:
                    state.published = operation.params
                    if not state.inbox:
                        state.receiving = True
                        return
                    answer = self._received(state)
                case _:
                    raise ValueError(f"the program of a single worker or server must not yield {operation!r}")

    def _start(self, node: int, operation: Compute | Pull | Push | Average) -> int:
        """Begin `operation`; returns its number in the program."""
        state = self._nodes[node]
        number, state.count = state.count, state.count + 1
        started = state.started[number] = _Started(operation)
        match operation:
            case Train() | Forward() | Backward():
                if state.step.begins(operation):
                    started.work = self._work(node, operation, self._ends.has(node, number))
                    state.changed = False
                if not isinstance(operation, Train):
                    state.gradient = started.work or state.gradient
            case Push():
                server = node - self._workers if node >= self._workers else None
                started.arrival = Arrival(self._sent(node, operation), operation.part, node, state.behind, 0, server)
                state.behind = 0
        return number

    def _work(self, rank: int, operation: Compute, ends: bool) -> Work:
        """What `rank` begins to compute, put off; never to be computed, if no event `ends` it."""
        begun = self._worker_steps / self._workers
        train = isinstance(operation, Train)
        if isinstance(operation, Train):
            count = self._local_steps(rank, operation)
            points = [begun + (step + 1) * operation.steps / count - 1 for step in range(count)]
        else:
            points = [begun]
        flips = [bool(self._delivery.mislabelled(max(0, math.ceil(point)))[rank]) for point in points]
        row = slice(rank, rank + 1)
        work = Work(
            rank=rank,
            params=self.replicas.params[row].clone(),
            state={name: tensor[row] for name, tensor in self.replicas.state.items()} if train else {},
            batch=int(self._batches[rank]),
            sequences=int(self._sequences[rank]),
            points=points,
            flips=flips,
            steps=train,
        )
        self._batches[rank] += len(points)
        if self._delivery.idle(math.floor(begun))[rank]:
            work.result, work.state_after = work.params if train else torch.zeros_like(work.params), work.state
        elif ends:
            self._pending.add(work)
        return work

    def _local_steps(self, rank: int, operation: Train) -> int:
        return int(self._effort.local_steps(operation.steps, self._workers)[rank])

    def _sent(self, node: int, push: Push) -> Tensor:
        """What a server will get of a payload, (1, n): attacked, encoded and decoded."""
        payload = push.payload.clone()
        index, self._pushes = self._pushes, self._pushes + 1
        last_step = max(0, math.ceil(self._worker_steps / self._workers) - 1)
        if node < self._workers and self._delivery.attacking(last_step)[node]:
            draw = int(stream(self._seed, "reduction", index).integers(2**63))
            everybody = torch.ones(1, dtype=torch.bool, device=payload.device)
            payload = self._adversary.attack(payload, everybody, self._last.get(payload.shape[1]), draw)
        return self._codec.decode(self._codec.encode(payload)) if push.encoded else payload

    def _take(self, node: int, number: int) -> None:
        """A server's parameters leave it, for the Pull of that `number`."""
        started = self._started(node, number)
        assert isinstance(started.operation, Pull)
        server, part = self._nodes[self._workers + started.operation.server], started.operation.part
        started.answer = (server.published if part is None else part.of(server.published)).clone()
        self._nodes[node].pulled[started.operation.server] = server.arrivals

    def _end(self, node: int, number: int) -> None:
        """An operation takes effect, and whoever waits for it goes on."""
        started, state = self._started(node, number), self._nodes[node]
        del state.started[number]
        answer = started.answer
        match started.operation:
            case Train():
                assert started.work is not None
                self._put(started.work, state.changed)
                self._count(state, len(started.work.points))
            case Forward() | Backward():
                if started.work is not None:  # the step began with it
                    self._count(state, 1)
                if isinstance(started.operation, Backward):
                    answer = self._gradient(state, started.operation)
            case Push(server=server):
                assert started.arrival is not None
                self._arrive(server, started.arrival, state.pulled.get(server, 0))
            case Average(peer=peer) if peer in self._nodes:
                rows = self.replicas.params[[node, peer]]
                self.replicas.params[[node, peer]] = rows.mean(0, keepdim=True)
                state.changed = self._nodes[peer].changed = True
        if state.waits_for == number:
            state.waits_for = None
            self._go_on(node, answer)
        else:
            state.over[number] = answer

    def _started(self, node: int, number: int) -> _Started:
        if node not in self._nodes or number not in self._nodes[node].started:
            raise ValueError(f"the order ends operation {number} of node {node}, which has begun no such operation")
        return self._nodes[node].started[number]

    def _put(self, work: Work, changed: bool) -> None:
        """Local steps take effect; what was changed meanwhile stays changed."""
        trained = self._pending.result(work)
        row = self.replicas.params[work.rank : work.rank + 1]
        row.copy_(row + (trained - work.params) if changed else trained)
        for name, tensor in work.state_after.items():
            work.state[name].copy_(tensor)

    def _count(self, state: _Node, steps: int) -> None:
        self._worker_steps += steps
        state.behind += steps

    def _gradient(self, state: _Node, operation: Backward) -> Tensor:
        """The gradient of the step under way, or its columns, (1, n)."""
        assert state.gradient is not None and state.replica is not None
        state.replica.step_index = state.gradient.points[0]
        gradient = self._pending.result(state.gradient)
        return gradient if operation.part is None else operation.part.of(gradient)

    def _arrive(self, server: int, arrival: Arrival, pulled: int) -> None:
        """A payload arrives at a server, whose program goes on if it is waiting for one."""
        node = self._workers + server
        state = self._nodes[node]
        state.inbox.append((arrival, pulled))
        if state.receiving:
            state.receiving = False
            self._go_on(node, self._received(state))

    def _received(self, state: _Node) -> Arrival:
        """The next arrival of a server, taken in."""
        arrival, pulled = state.inbox.popleft()
        staleness = state.arrivals - pulled
        state.arrivals += 1
        state.behind += arrival.steps
        if self._delivery.bad.any():
            self._last[arrival.payload.shape[1]] = arrival.payload.clone()  # the server may change what it was handed
        return Arrival(arrival.payload, arrival.part, arrival.sender, arrival.steps, staleness, arrival.server)

    def _drop(self, rank: int) -> None:
        self._ends.next_life(rank)
        if rank in self._nodes:
            self._nodes.pop(rank).program.close()

    def _join(self, rank: int) -> None:
        """A worker comes back with the model that is evaluated, and the optimizer state of one that has stayed."""
        self._drop(rank)
        row = slice(rank, rank + 1)
        if self._nodes:
            self.replicas.params[row] = self.model()
        idle = self._delivery.idle(self._worker_steps // self._workers)  # their optimizer has never stepped
        stayed = [other for other in sorted(self._nodes) if other < self._workers and not idle[other]]
        if stayed:
            self.replicas.copy_state(stayed[0], [rank])
        else:
            for name, fresh in self._optimizer.state(self.replicas.params[row]).items():
                self.replicas.state[name][row] = fresh
        servers = {node - self._workers: state.arrivals for node, state in self._nodes.items() if node >= self._workers}
        self._begin_worker(rank)
        self._nodes[rank].pulled = servers


class _Ends:
    """What lies ahead in an order: which operations end, in which of a node's lives."""

    def __init__(self, order: Order) -> None:
        self._life = dict.fromkeys(range(order.workers), 0)
        self._ended: set[tuple[int, int, int]] = set()
        self.absent: set[int] = set()  # who is not there at the start: joins before it ever drops out
        self.steps = 0  # of the program, at the last round
        life = dict(self._life)
        for kind, node, number in order:
            if kind == Kind.DONE:
                self._ended.add((node, life.get(node, 0), number))
            elif kind == Kind.ROUND:
                self.steps = number
            elif kind in (Kind.DROP, Kind.JOIN):
                if kind == Kind.JOIN and life[node] == 0:
                    self.absent.add(node)
                life[node] += 1

    def has(self, node: int, number: int) -> bool:
        """Whether the operation of that `number` of the node's life under way ends."""
        return (node, self._life.get(node, 0), number) in self._ended

    def next_life(self, rank: int) -> None:
        """`rank` drops out or comes back."""
        self._life[rank] += 1
