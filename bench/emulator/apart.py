"""A node whose program is its own: what workers and servers of an emulation have in common."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import ceil
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import torch
from torch import Tensor

from bench.algorithm import Program, Pull, Push
from bench.apart import Interpreter, Process
from bench.emulator.channel import Channel
from bench.emulator.frames import Message
from bench.emulator.journal import Journal, Over
from bench.emulator.mesh import Mesh, PeerLost
from bench.emulator.pushes import Pushes, spans_of
from bench.schedule import Kind
from bench.setup import Setup

_WARM = 2**16  # numbers over each link before the start: connections learn what these are like


@dataclass
class Trip:
    """One operation that moves bytes, as its node saw it; seconds of the machine's clock."""

    word: str  # pull, push or average
    node: int
    index: int  # among the operations of its program, as in an Order
    other: int  # node
    began: float
    nbytes: int = 0  # of its payload, one way
    arrived: float = float("nan")  # of a push, at its server
    over: float = float("nan")  # of a push, when that was heard of


class Apart:
    """One node of them. Its program goes on in whatever thread ends what it waits for, at a moment of the journal.

    What takes time is done by the thread of `run`, one `task` after the other. Whoever pushes goes on when it has heard that
    the payload arrived, and takes for its moment that of the arrival.
    """

    def __init__(self, node: int, setup: Setup, mesh: Mesh, journal: Journal, main: Channel) -> None:
        self.node, self.setup, self.mesh, self.journal = node, setup, mesh, journal
        self.workers = setup.scenario.workers
        self.servers = [self.workers + number for number in range(len(setup.algorithm.servers(self.workers)))]
        self.life = int(journal.life[node])
        self.seen = 0  # worker-steps that were done when the program went on last
        self.behind = 0  # local steps behind the next push
        self.pushes = Pushes(setup, node)
        self.trips: dict[int, Trip] = {}  # under way
        self._over: list[Trip] = []
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._main, self._sending = main, Lock()
        mesh.on("pulled", self.guarded(self._pulled))
        mesh.on("pushed", self.guarded(self._pushed))

    def bring(self, program: Program, interpreter: Interpreter[None]) -> None:
        """This is its program."""
        self.process: Process[None] = Process(self.node, program, interpreter, is_server=self.node >= self.workers)

    def meet(self, others: Sequence[int], begin: Callable[[], None]) -> float:
        """Connect with all who are there at the start, with the hub's word, and `begin`; returns the second of the start.

        Programs begin one after the other, as in the Replay: servers first, then workers. What they ask for waits for `run`.
        """
        self.mesh.connect(others)
        self.tell({"met": self.node})
        for _ in ("probe", "go"):
            self._main.receive()
        self.mesh.send_all(others, ("warm", 0), (torch.zeros(min(_WARM, self.setup.shape.parameters)),))
        for other in others:
            self.mesh.receive(other, ("warm", 0))
        nodes = sorted([self.node, *others], key=lambda node: (node < self.workers, node))
        turn = nodes.index(self.node)
        if turn:
            self.mesh.receive(nodes[turn - 1], ("begun", 0))
        begin()
        if turn + 1 < len(nodes):
            self.mesh.send(nodes[turn + 1], ("begun", 0))
        self.tell({"warm": self.node})
        message, _ = self._main.receive()
        return float(message["start"])

    def run(self, heard: Callable[[dict[str, Any]], None]) -> None:
        """Do what is due until the hub says stop; what else it says is `heard`, too."""
        Thread(target=self._work, daemon=True).start()
        while True:
            message, _ = self._main.receive()
            if "stop" in message:
                break
            if "returned" in message:
                self.mesh.forget(message["returned"])
                Thread(target=self._expect, args=(message["returned"],), daemon=True).start()
            self._guard(partial(heard, message))

    def report(self) -> Mapping[str, Any]:
        """What it saw of what it sent and got."""
        return {
            "operations": [asdict(trip) for trip in self._over],
            "rounds": [(number, second) for kind, _, number, second in self.journal.events() if kind == Kind.ROUND],
            "answers": [],
        }

    def task(self, task: Callable[[], None]) -> None:
        """Have it done by the thread of `run`, when what was asked for before is."""
        self._tasks.put(task)

    def tell(self, message: Mapping[str, Any], tensors: Sequence[Tensor] = ()) -> None:
        """Tell the hub, from any thread."""
        with self._sending:
            self._main.send(message, tensors)

    def tell_counted(self, steps: int | None) -> None:
        """That so many program steps have counted, if it is a new number."""
        if steps is not None:
            self.tell({"counted": steps})

    def guarded(self, handler: Callable[[Message], None]) -> Callable[[Message], None]:
        """A handler whose failure the hub is told of, and that does nothing when all is over."""
        return lambda message: self._guard(lambda: handler(message))

    def depart(self, operation: Pull | Push, number: int) -> None:
        """A pull or a push begins, at a moment. Raises ValueError where there is no such server."""
        server = self.workers + operation.server
        if server not in self.servers or server == self.node:
            raise ValueError(f"server must be the number of another one, below {len(self.servers)}, got {operation.server}")
        if isinstance(operation, Pull):
            self.task(lambda: self._pull(operation, number))
            return
        held = replace(operation, payload=operation.payload.clone())  # it goes on computing on what that is a view of
        header = self.pushes.header(held, self.journal.next_push()) | {"steps": self.behind, "life": self.life}
        self.behind, step = 0, max(0, ceil(self.seen / self.workers) - 1)
        self.task(lambda: self._push(held, number, header, step))

    def travels(self, word: str, number: int, other: int, nbytes: int = 0) -> None:
        """An operation begins to move bytes."""
        self.trips[number] = Trip(word, self.node, number, other, time.monotonic(), nbytes)

    def arrives(self, number: int) -> Trip:
        """An operation is over."""
        trip = self.trips.pop(number)
        trip.over = time.monotonic()
        self._over.append(trip)
        return trip

    def _pull(self, operation: Pull, number: int) -> None:
        server = self.workers + operation.server
        self.travels("pull", number, server)
        self.mesh.send(server, ("pull", number), header={"life": self.life, "part": spans_of(operation.part)})

    def _push(self, operation: Push, number: int, header: dict[str, Any], step: int) -> None:
        encoded, server = self.pushes.encode(operation, header["index"], step), self.workers + operation.server
        self.travels("push", number, server, sum(tensor.nbytes for tensor in encoded))
        self.mesh.send(server, ("push", number), encoded, header)

    def _pulled(self, message: Message) -> None:
        """A server has answered."""
        [answer] = message.tensors
        with self.journal.moment():
            trip = self.arrives(message.tag[1])
            trip.nbytes, trip.over = answer.nbytes, message.arrived_seconds
            self.journal.append(Kind.DONE, self.node, trip.index)
            self.seen = self.journal.worker_steps
            self.process.end(trip.index, answer)

    def _pushed(self, message: Message) -> None:
        """A server has what was pushed; it wrote so."""
        with self.journal.moment():
            trip = self.arrives(message.tag[1])
            trip.arrived, trip.over = message.header["arrived"], message.arrived_seconds
            self.seen = max(self.seen, message.header["seen"])
            self.process.end(trip.index, None)

    def _work(self) -> None:
        while True:
            self._guard(self._tasks.get())

    def _guard(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Over:
            pass
        except Exception:
            if not self.journal.is_over:
                self.tell({"failed": traceback.format_exc()})

    def _expect(self, other: int) -> None:
        """Be connected with one who comes back."""
        with suppress(PeerLost):  # it is gone again
            self.mesh.connect([other])
