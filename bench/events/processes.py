"""The clock of workers and servers that each run a program of their own."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.algorithm import (
    WORDS,
    Algorithm,
    Arrival,
    Average,
    Backward,
    Forward,
    Handle,
    Pull,
    Push,
    Receive,
    Start,
    Train,
    Wait,
)
from bench.errors import SkipError
from bench.events.errands import Errands
from bench.events.nodes import Errand, Message, Node, Server, Work, Worker
from bench.events.testbed import Testbed
from bench.lockstep import Step
from bench.replicas import Replicas
from bench.roster import Ints
from bench.schedule import Kind, Order
from bench.segment import OwnWork, opened_steps, shadow_of, share_of


class Processes:
    """Runs programs of an algorithm with lockstep "none" and writes down what happens in which order.

    A worker's steps count when the push that follows them arrives, or where there are no servers when they are done. Programs
    of servers compute in no time, and never drop out. Who drops out loses what it has under way and all work that did not
    count; its part in an average is nothing then. Who is back begins its program anew. What is under way when the last step
    counts is lost, too.
    """

    def __init__(
        self, testbed: Testbed, algorithm: Algorithm, replicas: Replicas, steps: int, progress: Callable[[int], None]
    ) -> None:
        workers = testbed.workers
        self._testbed, self._algorithm, self._replicas = testbed, algorithm, replicas
        self._least_steps, self._progress = steps, progress
        self.order = Order(workers, testbed.pace.effort)
        self.staleness: list[int] = []  # of all arrivals
        self._counted = 0  # worker-steps
        self._draws = [0] * workers  # of each worker's jitter
        self._workers: dict[int, Worker] = {}  # that are there, by rank
        initial = replicas.params[:1].clone()  # (1, P)
        self._servers = [
            Server(workers + number, host, algorithm.server(number, initial), index=number, published=initial)
            for number, host in enumerate(algorithm.servers(workers))
        ]

        self._errands = Errands(testbed, self.order, self._workers, self._servers, self._finish)

    def run(self) -> None:
        """Go on until enough steps count."""
        testbed = self._testbed
        for rank in np.flatnonzero(~testbed.roster.active).tolist():
            self.order.append(Kind.DROP, rank)
        for server in self._servers:
            self._go_on(server)
        for rank in np.flatnonzero(testbed.roster.active).tolist():
            self._begin(rank)
        agenda, events = testbed.agenda, 0
        while not agenda.closed:
            agenda.happen(self._drop, self._join)
            events += 1
            if events % 100 == 0:
                self._progress(self.order.steps)
        for worker in self._workers.values():
            self._charge(worker)
            for work in (worker.work, *(errand.work for errand in worker.errands.values())):
                testbed.ledger.charge("discarded", worker.number, work.compute + work.codec, until=work.until)

    def _begin(self, rank: int) -> None:
        """A program of `rank` begins."""
        replica, now = self._replicas.one(rank), self._testbed.now
        program = self._algorithm.run(replica)
        worker = Worker(rank, rank, program, replica=replica, step=Step(replica.params.shape[1]), since=now)
        self._workers[rank] = worker
        self._go_on(worker)

    def _go_on(self, node: Node, answer: Any = None) -> None:
        """Answer a program, and do what it asks for until it has to wait."""
        while True:
            try:
                operation = node.program.send(answer)
            except StopIteration:
                raise ValueError("a program must go on until it is closed; one has ended by itself") from None
            match operation:
                case Train() | Forward() | Backward() if isinstance(node, Worker):
                    self._compute(node, operation)
                    return
                case Pull() | Push() | Average():
                    self._send(node, operation, None)
                    return
                case Start(operation=(Pull() | Push() | Average()) as message):
                    answer = Handle()
                    if not self._send(node, message, answer):
                        return
                case Wait(handle=Handle() as handle) if handle in node.handles:
                    errand = node.handles.pop(handle)
                    if not errand.over:
                        node.waits_for = errand
                        return
                    answer = errand.answer
                case Wait():
                    raise ValueError(f"Wait must be given once a handle that Start answered here, got {operation.handle!r}")
                case Receive(params=params) if isinstance(node, Server):
                    node.published = params
                    if not node.inbox:
                        node.receiving = True
                        return
                    answer = self._take_in(node)
                case _:
                    who = "worker" if isinstance(node, Worker) else "server"
                    raise ValueError(f"the program of one {who} must not yield {operation!r}")

    def _compute(self, worker: Worker, operation: OwnWork) -> None:
        """A worker is busy with part of a step, one step or several."""
        testbed, rank = self._testbed, worker.number
        opens, local = worker.step.begins(operation), 1
        if opens:
            steps = opened_steps(operation, testbed.scenario.split.local_steps_only)
            local = testbed.local_steps(steps, rank)
            worker.step_seconds = testbed.step_seconds(rank, local, self._draws[rank])
            self._draws[rank] += 1
        share = share_of(operation, opens, worker.replica.params.shape[1])
        seconds = worker.step_seconds * (1.0 if share is None else share)
        then = partial(self._computed, worker, operation, worker.next_number(), 0 if worker.step.is_open else local)
        worker.busy = testbed.agenda.at(testbed.now + seconds, rank, then)

    def _computed(self, worker: Worker, operation: OwnWork, number: int, local: int) -> None:
        now = self._testbed.now
        worker.work.steps += local
        worker.work.compute += now - worker.since
        worker.work.until = worker.since = now
        self.order.append(Kind.DONE, worker.number, number)
        if local and not self._servers:
            self._count(worker, worker.load())
        self._resume(worker, shadow_of(operation, worker.replica.params))

    def _send(self, node: Node, operation: Message, handle: Handle | None) -> bool:
        """Begin an errand, which takes with it what the node has done; false if it has to be encoded before."""
        testbed = self._testbed
        if isinstance(operation, Average) and not testbed.messages.plain:
            raise SkipError("two workers average their parameters as they are, and this codec would change them")
        self._errands.check(node, operation)
        errand = Errand(node, node.next_number(), operation)
        node.errands[errand.number] = errand
        if isinstance(operation, Push):
            errand.work = node.load()
            weight = testbed.messages.weight(operation.payload, operation.part, self._replicas.layout, operation.encoded)
            errand.nbytes = weight.wire_bytes
            if weight.coding and isinstance(node, Worker):
                encoded = testbed.now + testbed.codec_seconds(node.number, weight.coding.first)
                node.busy = testbed.agenda.at(encoded, node.number, partial(self._encoded, errand, handle))
                return False
        self._depart(errand, handle)
        return True

    def _encoded(self, errand: Errand, handle: Handle | None) -> None:
        node = errand.node
        assert isinstance(node, Worker)
        now = self._testbed.now
        errand.work.codec, errand.work.until = now - node.since, now
        self._testbed.ledger.coding(node.number, errand.work.codec, node.since)
        node.since = now
        self._depart(errand, handle)
        if handle is not None:
            self._go_on(node, handle)

    def _depart(self, errand: Errand, handle: Handle | None) -> None:
        """An errand begins; its node waits for it where it has no `handle`."""
        node = errand.node
        if handle is None:
            node.waits_for = errand
        else:
            node.handles[handle] = errand
        self._errands.depart(errand)

    def _finish(self, errand: Errand) -> None:
        """An errand is over: it takes effect, and who waits for it goes on."""
        node, operation = errand.node, errand.operation
        del node.errands[errand.number]
        errand.entries.clear()
        self.order.append(Kind.DONE, node.number, errand.number)
        if errand.nbytes:
            members = (node.number, operation.peer) if isinstance(operation, Average) else ()
            self._testbed.span(WORDS[type(operation)], errand.number, node.number, errand.nbytes, errand.began, members)
        if isinstance(operation, Push):
            server = self._servers[operation.server]
            server.inbox.append(errand)
            if server.receiving:
                server.receiving = False
                self._go_on(server, self._take_in(server))
            if isinstance(node, Worker):
                self._count(node, errand.work)
        if node.waits_for is errand:
            if isinstance(node, Worker):
                self._charge(node)
            node.waits_for = None
            self._resume(node, errand.answer)

    def _take_in(self, server: Server) -> Arrival:
        arrival = server.take_in()
        self.staleness.append(arrival.staleness)
        return arrival

    def _count(self, worker: Worker, work: Work) -> None:
        """Work of a worker has reached the model."""
        testbed, order = self._testbed, self.order
        testbed.count(np.array([worker.number]), work.steps, work.compute, order.steps + 1, work.until)
        testbed.ledger.charge("codec", worker.number, work.codec, until=work.until)
        self._counted += work.steps
        steps = self._counted // testbed.workers
        if steps > order.steps:
            order.append(Kind.ROUND, 0, steps)
            testbed.end_round(steps)
            self._progress(steps)
            if steps >= self._least_steps:
                testbed.agenda.close()

    def _resume(self, node: Node, answer: Any) -> None:
        if not self._testbed.agenda.closed:
            self._go_on(node, answer)

    def _charge(self, worker: Worker) -> None:
        """The ledger of a worker up to now: what it waited for, or what it is busy with and will not finish."""
        now, since, errand = self._testbed.now, worker.since, worker.waits_for
        spent, worker.since = now - since, now
        ledger, rank = self._testbed.ledger, worker.number
        if errand is None:
            ledger.charge("discarded", rank, spent, begin=since)
            return
        latency = min(max(min(errand.flows, now) - (now - spent), 0.0), spent)
        ledger.charge("latency", rank, latency, begin=since)
        ledger.charge("bandwidth", rank, spent - latency, begin=since + latency)

    def _drop(self, ranks: Ints) -> None:
        """`ranks` are gone: their programs are closed, and nobody waits for them."""
        testbed = self._testbed
        testbed.ledger.fill("discarded", ranks, np.full(len(ranks), testbed.now))
        for rank in ranks.tolist():
            worker = self._workers.pop(rank)
            worker.program.close()
            if worker.busy is not None:
                testbed.agenda.cancel(worker.busy)
            for errand in worker.errands.values():
                self._errands.give_up(errand)
            self.order.append(Kind.DROP, rank)
        alone = [
            errand
            for _, worker in sorted(self._workers.items())
            for errand in worker.errands.values()
            if isinstance(errand.operation, Average) and errand.operation.peer in ranks
        ]
        for errand in alone:
            self._errands.give_up(errand)
            errand.missing, errand.nbytes = 0, 0.0
            self._finish(errand)

    def _join(self, ranks: Ints) -> None:
        """`ranks` are back."""
        for rank in ranks.tolist():
            self.order.append(Kind.JOIN, rank)
            self._begin(rank)
