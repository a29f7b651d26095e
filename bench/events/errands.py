"""Pulls, pushes and averages on their way between programs that do not move in step."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from bench.algorithm import Average, Pull, Push
from bench.events.nodes import Errand, Message, Node, Server, Worker
from bench.events.testbed import Testbed
from bench.schedule import Kind, Order


class Errands:
    """Moves errands along, up to `finish`, which is told when one is over."""

    def __init__(
        self,
        testbed: Testbed,
        order: Order,
        workers: Mapping[int, Worker],  # that are there, by rank
        servers: Sequence[Server],
        finish: Callable[[Errand], None],
    ) -> None:
        self._testbed, self._order, self._workers, self._servers = testbed, order, workers, servers
        self._finish = finish

    def check(self, node: Node, operation: Message) -> None:
        """Raises ValueError where there is no such server or peer."""
        match operation:
            case Average(peer=peer):
                workers = self._testbed.workers
                if not (isinstance(node, Worker) and 0 <= peer < workers and peer != node.number):
                    raise ValueError(f"peer must be another rank than the worker's own, below {workers}, got {peer}")
            case Pull(server=number) | Push(server=number):
                servers = len(self._servers)
                if not (0 <= number < servers and self._servers[number] is not node):
                    raise ValueError(f"server must be the number of another one, below {servers}, got {number}")

    def depart(self, errand: Errand) -> None:
        """An errand begins."""
        testbed, node = self._testbed, errand.node
        errand.began = testbed.second
        match errand.operation:
            case Pull(server=number):
                there = testbed.now + testbed.messages.latency(node.host, self._servers[number].host)
                errand.entries = [testbed.agenda.at(there, node.number, partial(self._taken, errand))]
            case Push(server=number):
                self._transfer(errand, node.host, self._servers[number].host, errand.nbytes)
            case Average(peer=peer) if peer in self._workers and isinstance(node, Worker):
                errand.missing, errand.nbytes = 2, node.replica.params.nbytes
                for source, target in ((node.host, peer), (peer, node.host)):
                    self._transfer(errand, source, target, errand.nbytes)
            case Average():
                errand.entries = [testbed.agenda.at(testbed.now, node.number, partial(self._arrived, errand))]

    def give_up(self, errand: Errand) -> None:
        """It will not be over."""
        for entry in errand.entries:
            self._testbed.agenda.cancel(entry)

    def _transfer(self, errand: Errand, source: int, target: int, nbytes: float) -> None:
        """One message of an errand. Of several, the one with the most latency says when its bytes flow."""
        testbed = self._testbed
        transfer = testbed.messages.transfer(source, target, nbytes)
        flows = testbed.now + transfer.latency
        errand.flows = flows if errand.flows == np.inf else max(errand.flows, flows)
        errand.entries.append(testbed.agenda.send(transfer, errand.node.number, partial(self._arrived, errand)))

    def _taken(self, errand: Errand) -> None:
        """The request of a pull has reached its server, which sends what it publishes."""
        node, operation = errand.node, errand.operation
        assert isinstance(operation, Pull)
        server = self._servers[operation.server]
        self._order.append(Kind.TAKEN, node.number, errand.number)
        server.answered[node.number] = server.taken_in
        part, published = operation.part, server.published
        errand.answer = published if part is None else part.of(published)
        errand.nbytes = errand.answer.nbytes
        self._transfer(errand, server.host, node.host, errand.nbytes)

    def _arrived(self, errand: Errand) -> None:
        """One of its messages is there."""
        errand.missing -= 1
        if errand.over:
            self._finish(errand)
