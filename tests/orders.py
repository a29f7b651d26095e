"""Orders of events from fixed seconds: a plain event loop without network, devices or ledger, to replay and to compare with."""

import heapq

import torch

from bench.algorithm import Average, Backward, Forward, Handle, Pull, Push, Receive, Start, Train, Wait
from bench.algorithm.ops import Arrival
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Layout, Replicas
from bench.schedule import Kind, Order
from bench.split import Effort


def order(algorithm, seconds, steps, *, columns=1000, layout=None, latency=0.1, away=(), effort=None):
    """Events of at least `steps` program steps of as many workers as there are `seconds`, each of one step of that worker.

    Whatever is sent takes `latency` seconds one way, of a worker its own where there are several. `away` lists (rank, from,
    to) seconds for which a worker is not there; `to` None is for ever.
    """
    return Clock(algorithm, seconds, steps, layout or Layout.plain(columns), latency, away, effort or Effort()).run()


def recorded(workers, events, effort=None):
    """An Order of events that are written out."""
    found = Order(workers, effort or Effort())
    for kind, node, number in events:
        found.append(kind, node, number)
    return found


class Clock:
    def __init__(self, algorithm, seconds, steps, layout, latency, away, effort):
        self.algorithm, self.seconds, self.steps, self.effort, self.away = algorithm, seconds, steps, effort, away
        self.W = len(seconds)
        self.latency = latency if isinstance(latency, list) else [latency] * self.W
        optimizer, schedule = SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=steps)
        self.replicas = Replicas(torch.empty(self.W, layout.columns, device="meta"), optimizer, schedule, layout)
        self.heap, self.events, self.now = [], [], 0.0
        self.counted, self.rounds, self.lives = 0, 0, dict.fromkeys(range(self.W), 0)
        self.programs, self.operations, self.waits, self.handles, self.behind, self.inbox = {}, {}, {}, {}, {}, {}
        self.columns = {}  # rank: of a gradient that goes in parts, those that are done
        self.words = {}  # node: what its program yielded, as text

    def run(self):
        params = self.replicas.params[:1]
        self.servers = len(self.algorithm.servers(self.W))
        for number in range(self.servers):
            self.begin(self.W + number, self.algorithm.server(number, params.clone()))
        for rank in range(self.W):
            if not any(who == rank and first == 0 for who, first, _ in self.away):
                self.begin(rank, self.algorithm.run(self.replicas.one(rank)))
        for rank, first, last in self.away:
            if first:
                heapq.heappush(self.heap, (first, rank, -1, -1, Kind.DROP))
            if last is not None:
                heapq.heappush(self.heap, (last, rank, -1, -1, Kind.JOIN))
        while self.rounds < self.steps:
            self.now, node, life, number, kind = heapq.heappop(self.heap)
            if kind == Kind.DROP:
                self.events.append((kind, node, 0))
                self.programs.pop(node).close()
            elif kind == Kind.JOIN:
                self.events.append((kind, node, 0))
                self.lives[node] += 1
                self.begin(node, self.algorithm.run(self.replicas.one(node)))
            elif node in self.programs and life == self.lives.get(node, 0):
                self.events.append((kind, node, number))
                if kind == Kind.DONE:
                    self.end(node, number)
        return recorded(self.W, self.events, self.effort)

    def begin(self, node, program):
        self.programs[node], self.operations[node], self.handles[node] = program, {}, {}
        self.waits[node], self.behind[node] = None, 0
        self.inbox.setdefault(node, [])
        self.count = {**getattr(self, "count", {}), node: 0}
        self.go_on(node, None)

    def go_on(self, node, answer):
        while True:
            operation = self.programs[node].send(answer)
            self.words.setdefault(node, []).append(word(operation))
            match operation:
                case Start():
                    answer = Handle()
                    self.handles[node][answer] = self.start(node, operation.operation)
                case Wait():
                    number = self.handles[node].pop(operation.handle)
                    if number in self.operations[node]:
                        self.waits[node] = number
                        return
                    answer = self.answer(self.done[node, number])
                case Receive():
                    if not self.inbox[node]:
                        self.waits[node] = "arrival"
                        return
                    answer = self.inbox[node].pop(0)
                case _:
                    self.waits[node] = self.start(node, operation)
                    return

    def start(self, node, operation):
        number = self.count[node]
        self.count[node] += 1
        self.operations[node][number] = operation
        life = self.lives.get(node, 0)
        way = self.latency[node] if node < self.W else max(self.latency)
        match operation:
            case Train():
                takes = self.seconds[node] * int(self.effort.local_steps(operation.steps, self.W)[node])
            case Forward():
                takes = self.seconds[node] / 3
            case Backward():
                takes = self.seconds[node]
            case Pull() | Average():
                takes = 2 * way
            case Push():
                takes = way
        if isinstance(operation, Pull):
            heapq.heappush(self.heap, (self.now + way, node, life, number, Kind.TAKEN))
        heapq.heappush(self.heap, (self.now + takes, node, life, number, Kind.DONE))
        return number

    def end(self, node, number):
        operation = self.operations[node].pop(number)
        self.done = {**getattr(self, "done", {}), (node, number): operation}
        counts = 0
        match operation:
            case Train():
                counts = int(self.effort.local_steps(operation.steps, self.W)[node])
            case Backward():
                self.columns[node] = self.columns.get(node, 0) + (operation.part or self.replicas.layout.whole()).size
                counts, self.columns[node] = divmod(self.columns[node], self.replicas.layout.columns)
            case Push():
                server = self.W + operation.server
                number_of_sender = node - self.W if node >= self.W else None
                arrival = Arrival(operation.payload, operation.part, node, self.behind[node], 0, number_of_sender)
                if node < self.W:
                    self.count_steps(self.behind[node])
                self.behind[node] = 0
                self.inbox[server].append(arrival)
                if self.waits[server] == "arrival":
                    self.waits[server] = None
                    self.go_on(server, self.inbox[server].pop(0))
        self.behind[node] += counts
        if not self.servers:
            self.count_steps(counts)
        if self.waits[node] == number:
            self.waits[node] = None
            self.go_on(node, self.answer(operation))

    def answer(self, operation):
        params = self.replicas.params[:1]
        match operation:
            case Pull() | Backward():
                return params if operation.part is None else operation.part.of(params)

    def count_steps(self, steps):
        self.counted += steps
        if self.counted // self.W > self.rounds:
            self.rounds = self.counted // self.W
            self.events.append((Kind.ROUND, 0, self.rounds))


def word(operation):
    """An operation as text: everything about it but numbers in tensors."""
    match operation:
        case Start():
            return f"start {word(operation.operation)}"
        case Push():
            return f"push {tuple(operation.payload.shape)} to {operation.server}"
        case Receive():
            return f"receive {tuple(operation.params.shape)}"
        case Wait():
            return "wait"
        case Pull() | Forward() | Backward():
            return f"{type(operation).__name__} {operation.part and operation.part.spans}"
        case _:
            return repr(operation)
