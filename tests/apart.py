"""Programs whose workers do not move in step: for tests, not shipped."""

from dataclasses import dataclass

import numpy as np

from bench.algorithm import (
    Algorithm,
    AllReduce,
    Arrival,
    Average,
    Backward,
    Exchange,
    Handle,
    Pull,
    Push,
    Receive,
    Start,
    Train,
    Wait,
)


@dataclass(frozen=True)
class Async(Algorithm):
    """Asynchronous SGD: pull, train, push, with a server at the host of rank `host`."""

    steps: int = 1
    host: int = 0
    lockstep = "none"

    def servers(self, workers):
        return (self.host,)

    def run(self, replicas):
        while True:
            pulled = yield Pull()
            replicas.params[:] = pulled
            yield Train(self.steps)
            yield Push(pulled - replicas.params)

    def server(self, number, params):
        while True:
            arrival = yield Receive(params)
            params = params - arrival.payload


@dataclass(frozen=True)
class Ahead(Async):
    """The same, training while the last push is under way."""

    def run(self, replicas):
        handle = None
        while True:
            yield Train(self.steps)
            if handle is not None:
                yield Wait(handle)
            handle = yield Start(Push(replicas.params))


@dataclass(frozen=True)
class Relayed(Algorithm):
    """Workers push to a server at the host of rank 0, and this one pushes on to another at the host of rank 1."""

    lockstep = "none"

    def servers(self, workers):
        return 1, 0

    def run(self, replicas):
        while True:
            yield Train(1)
            yield Push(replicas.params, server=1)

    def server(self, number, params):
        while True:
            arrival = yield Receive(params)
            if number == 1:
                yield Push(arrival.payload, server=0)


@dataclass(frozen=True)
class Pairs(Algorithm):
    """After each step a worker averages with the next one, or with `peer`, unless that is itself."""

    peer: int | None = None
    lockstep = "none"

    def run(self, replicas):
        peer = (replicas.rank + 1) % replicas.workers if self.peer is None else self.peer
        while True:
            gradient = yield Backward()
            if peer != replicas.rank:
                yield Average(peer)
            replicas.step(gradient)


def ring(workers):
    """Weights of 1/3 for oneself and each neighbour, (W, W)."""
    weights = np.eye(workers)
    for shift in (-1, 1):
        weights += np.roll(np.eye(workers), shift, axis=1)
    return weights / weights.sum(1, keepdims=True)


@dataclass(frozen=True)
class Neighbours(Algorithm):
    """Gossip on a ring after so many steps."""

    steps: int = 1
    lockstep = "groups"

    def run(self, replicas):
        weights = ring(len(replicas.params))
        while True:
            yield Train(self.steps)
            replicas.params[:] = yield Exchange(replicas.params, weights)


@dataclass(frozen=True)
class Grouped(Algorithm):
    """Groups average among themselves, the next time other groups, in turn."""

    groups: tuple[tuple[int, ...], ...]
    steps: int = 1
    lockstep = "groups"

    def run(self, replicas):
        while True:
            for groups in self.groups:
                yield Train(self.steps)
                replicas.params[:] = yield AllReduce(replicas.params, groups=np.array(groups))


@dataclass(frozen=True)
class Mixed(Algorithm):
    """All words of a program in groups: "x" exchanges on a ring, "g" reduces in pairs, "a" of all, "s" starts one of all and
    "S" one of pairs, "w" waits for the first that is in the air, and a number trains so many steps."""

    script: tuple[int | str, ...]
    lockstep = "groups"

    def run(self, replicas):
        params = replicas.params
        pairs = np.arange(len(params)) // 2
        in_the_air = []
        while True:
            for word in self.script:
                match word:
                    case "x":
                        yield Exchange(params, ring(len(params)))
                    case "g":
                        yield AllReduce(params, groups=pairs)
                    case "a":
                        yield AllReduce(params)
                    case "s" if len(in_the_air) < 3:
                        in_the_air.append((yield Start(AllReduce(params[:, :300]))))
                    case "S" if len(in_the_air) < 3:
                        in_the_air.append((yield Start(AllReduce(params[:, 300:], groups=pairs))))
                    case "w" if in_the_air:
                        yield Wait(in_the_air.pop(0))
                    case int():
                        yield Train(word)


def follow(order, algorithm, replicas):
    """Run programs as an order says, and only so: the numbers, in order, of its rounds.

    It fails if the order tells of what no program has asked for, or leaves out what one needs to go on.
    """
    workers = replicas.workers
    nodes = {rank: Followed(algorithm.run(replicas.one(rank))) for rank in range(workers)}
    for number in range(len(algorithm.servers(workers))):
        nodes[workers + number] = Followed(algorithm.server(number, replicas.params[:1]))
    rounds, counted = [], 0
    for kind, node, number in order:
        match kind.name:
            case "DROP":
                del nodes[node]
            case "JOIN":
                assert node not in nodes
                nodes[node] = Followed(algorithm.run(replicas.one(node)))
            case "TAKEN":
                assert isinstance(nodes[node].under_way[number], Pull)
                nodes[node].taken.add(number)
            case "DONE":
                one = nodes[node]
                operation = one.under_way.pop(number)
                assert not isinstance(operation, Pull) or number in one.taken
                if isinstance(operation, Train | Backward):
                    local = order.effort.local_steps(getattr(operation, "steps", 1), workers)[node]
                    one.steps += local
                if isinstance(operation, Push):
                    nodes[workers + operation.server].take(Arrival(operation.payload, None, node, one.sent.pop(number), 0))
                    counted += one.counts.pop(number) if node < workers else 0
                elif not algorithm.servers(workers):
                    counted, one.steps = counted + one.steps, 0
                answers = {Pull: replicas.params[:1], Backward: replicas.params[:1]}
                one.finish(number, answers.get(type(operation)))
            case "ROUND":
                assert number == counted // workers
                rounds.append(number)
    return rounds


class Followed:
    """A program that goes on as far as it can, and the operations that it has asked for."""

    def __init__(self, program):
        self.program = program
        self.numbered, self.under_way, self.taken, self.sent, self.counts = 0, {}, set(), {}, {}
        self.handles, self.answers, self.inbox = {}, {}, []
        self.steps = 0
        self.blocked = None  # a number, or "inbox"
        self.go(None)

    def finish(self, number, answer):
        self.answers[number] = answer
        if self.blocked == number:
            self.go(answer)

    def take(self, arrival):
        self.inbox.append(arrival)
        if self.blocked == "inbox":
            self.go(self.inbox.pop(0))

    def ask(self, operation):
        number, self.numbered = self.numbered, self.numbered + 1
        self.under_way[number] = operation
        if isinstance(operation, Push):
            self.sent[number] = self.counts[number] = self.steps
            self.steps = 0
        return number

    def go(self, answer):
        self.blocked = None
        while self.blocked is None:
            match self.program.send(answer):
                case Receive():
                    if not self.inbox:
                        self.blocked = "inbox"
                        return
                    arrival = self.inbox.pop(0)
                    self.steps += arrival.steps
                    answer = arrival
                case Start(operation=operation):
                    answer = Handle()
                    self.handles[answer] = self.ask(operation)
                case Wait(handle=handle):
                    number = self.handles.pop(handle)
                    if number in self.under_way:
                        self.blocked = number
                    answer = self.answers.get(number)
                case operation:
                    self.blocked = self.ask(operation)
