"""A replay without batching or looking ahead: each operation computed when it is begun, one worker at a time."""

from itertools import count

from plain import PlainGPT

from bench.algorithm import Average, Backward, Handle, Pull, Push, Receive, Start, Train, Wait
from bench.algorithm.ops import Arrival
from bench.replicas import Layout, Replicas
from bench.schedule import Kind


def gradient(shape, params, tokens):
    """Of plain torch modules with parameters `params`, (P,)."""
    module = PlainGPT(shape).load(params)
    module(tokens).backward()
    return module.gradient()


class Slowly:
    """The replicas and server parameters after an order; the optimizer steps whole rows, nobody is bad, nothing is encoded."""

    def __init__(self, algorithm, order, *, model, corpus, optimizer, lr_schedule):
        self.algorithm, self.W, self.effort, self.shape, self.corpus = (
            algorithm,
            order.workers,
            order.effort,
            model.shape,
            corpus,
        )
        self.lr_schedule, self.optimizer = lr_schedule, optimizer
        self.sequences = order.effort.sequences(self.shape.batch, self.W)
        initial = model.initial(0)
        self.replicas = Replicas(initial.repeat(self.W, 1), optimizer, lr_schedule, Layout(model.tensors))
        self.batches, self.done = [count() for _ in range(self.W)], 0
        self.published, self.taken_in, self.servers = {}, {}, {}
        self.programs, self.views, self.started, self.waits, self.handles, self.numbers = {}, {}, {}, {}, {}, {}
        self.over, self.behind, self.pulled, self.arrivals = {}, {}, {}, []
        for number in range(len(algorithm.servers(self.W))):
            self.taken_in[number] = 0
            self.begin(self.W + number, algorithm.server(number, initial[None].clone()))
        joiners = {}
        for kind, node, _ in order:
            if kind in (Kind.DROP, Kind.JOIN):
                joiners.setdefault(node, kind == Kind.JOIN)
        for rank in range(self.W):
            if not joiners.get(rank):
                self.begin_worker(rank)
        for kind, node, number in order:
            if kind == Kind.TAKEN:
                operation = self.started[node][number][0]
                published = self.published[operation.server]
                whole = published if operation.part is None else operation.part.of(published)
                self.started[node][number] = operation, whole.clone()
                self.pulled[node, operation.server] = self.taken_in[operation.server]
            elif kind == Kind.DONE:
                self.end(node, number)
            elif kind == Kind.DROP:
                del self.programs[node]
            elif kind == Kind.JOIN:
                self.replicas.params[node] = self.model()[0]
                stayed = min(rank for rank in self.programs if rank < self.W)
                self.replicas.copy_state(stayed, [node])
                for server, arrivals in self.taken_in.items():
                    self.pulled[node, server] = arrivals
                self.begin_worker(node)

    def model(self):
        if self.published:
            return self.published[0]
        there = [rank for rank in range(self.W) if rank in self.programs]
        return self.replicas.params[there].mean(0, keepdim=True)

    def begin_worker(self, rank):
        self.views[rank] = self.replicas.one(rank)
        self.begin(rank, self.algorithm.run(self.views[rank]))

    def begin(self, node, program):
        self.programs[node], self.started[node], self.handles[node], self.over[node] = program, {}, {}, {}
        self.numbers[node], self.waits[node], self.behind[node] = count(), None, 0
        self.go_on(node, None)

    def go_on(self, node, answer):
        while True:
            operation = self.programs[node].send(answer)
            if isinstance(operation, Start):
                answer = Handle()
                self.handles[node][answer] = self.start(node, operation.operation)
            elif isinstance(operation, Wait):
                number = self.handles[node].pop(operation.handle)
                if number in self.started[node]:
                    self.waits[node] = number
                    return
                answer = self.over[node].pop(number)
            elif isinstance(operation, Receive):
                self.published[node - self.W] = operation.params
                return
            else:
                self.waits[node] = self.start(node, operation)
                return

    def start(self, node, operation):
        number, result = next(self.numbers[node]), None
        if isinstance(operation, Train):
            steps = int(self.effort.local_steps(operation.steps, self.W)[node])
            before = self.replicas.params[node].clone()
            after, state = before[None].clone(), {name: rows[[node]] for name, rows in self.replicas.state.items()}
            for step in range(steps):
                scale = self.lr_schedule.scale(self.done / self.W + (step + 1) * operation.steps / steps - 1)
                self.optimizer.step(after, self.gradient(node, after[0])[None], state, scale, self.replicas.layout.shapes)
            result = after[0] - before, state, steps
        elif isinstance(operation, Backward):
            result = self.gradient(node, self.replicas.params[node])[None], self.done / self.W
        elif isinstance(operation, Push):
            sender = node - self.W if node >= self.W else None
            result = Arrival(operation.payload.clone(), operation.part, node, self.behind[node], 0, sender)
            self.behind[node] = 0
        self.started[node][number] = operation, result
        return number

    def gradient(self, rank, params):
        number = next(self.batches[rank])
        tokens = self.corpus.batch(0, rank, number, int(self.sequences[rank]), self.shape.context)
        return gradient(self.shape, params, tokens)

    def end(self, node, number):
        operation, result = self.started[node].pop(number)
        answer = None
        if isinstance(operation, Train):
            change, state, steps = result
            self.replicas.params[node] += change
            for name, rows in state.items():
                self.replicas.state[name][[node]] = rows
            self.done += steps
            self.behind[node] += steps
        elif isinstance(operation, Backward):
            answer, self.views[node].step_index = result
            self.done += 1
            self.behind[node] += 1
        elif isinstance(operation, Pull):
            answer = result
        elif isinstance(operation, Average):
            if operation.peer in self.programs:
                mean = (self.replicas.params[node] + self.replicas.params[operation.peer]) / 2
                self.replicas.params[node] = self.replicas.params[operation.peer] = mean
        elif isinstance(operation, Push):
            server = operation.server
            stale = self.taken_in[server] - self.pulled.get((node, server), 0)
            self.taken_in[server] += 1
            arrival = Arrival(result.payload, result.part, node, result.steps, stale, result.server)
            self.arrivals.append((server, node, result.steps, stale))
            self.behind[self.W + server] += result.steps
            self.go_on(self.W + server, arrival)
        if self.waits[node] == number:
            self.waits[node] = None
            self.go_on(node, answer)
        else:
            self.over[node][number] = answer
