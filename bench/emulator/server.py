"""An emulated server: takes in what arrives, in the order in which it does, and answers pulls meanwhile."""

from collections import deque
from contextlib import suppress

from torch import Tensor

from bench.algorithm import Arrival, Pull, Push, Receive
from bench.apart import Lasting
from bench.emulator.apart import Apart
from bench.emulator.board import Board
from bench.emulator.frames import Message
from bench.emulator.mesh import PeerLost
from bench.emulator.pushes import part_of
from bench.schedule import Kind


class Server:
    """The server of that number, which begins with `params`, (1, P)."""

    def __init__(self, apart: Apart, board: Board, params: Tensor) -> None:
        self._apart, self._number = apart, apart.node - apart.workers
        self.published = board.params(apart.node)  # (1, P)
        self._inbox: deque[tuple[Arrival, int]] = deque()  # and the arrivals before its sender's last pull
        self._taken_in = 0  # arrivals
        self._answered: dict[int, int] = {}  # node: arrivals before its last pull
        for kind, handler in (("pull", self._pull), ("push", self._push)):
            apart.mesh.on(kind, apart.guarded(handler))
        apart.bring(apart.setup.algorithm.server(self._number, params), self)

    def begin(self) -> None:
        """Publish what it begins with."""
        with self._apart.journal.moment():
            self._apart.process.go_on()

    def start(self, node: int, operation: Lasting, number: int) -> None:
        """Begin to send or to fetch."""
        assert isinstance(operation, Pull | Push)
        self._apart.depart(operation, number)

    def receive(self, node: int, operation: Receive) -> Arrival | None:
        """What has arrived and was not taken in yet, if anything has."""
        self.published.copy_(operation.params)
        return self._take_in() if self._inbox else None

    def _pull(self, message: Message) -> None:
        """Answer with what is published at this moment."""
        apart, number, part = self._apart, message.tag[1], part_of(message.header["part"])
        with apart.journal.moment():
            if not apart.journal.is_current(message.source, message.header["life"]):
                return
            apart.journal.append(Kind.TAKEN, message.source, number)
            self._answered[message.source] = self._taken_in
            answer = (self.published if part is None else part.of(self.published)).clone()
        with suppress(PeerLost):  # it is gone
            apart.mesh.send(message.source, ("pulled", number), (answer,))

    def _push(self, message: Message) -> None:
        """Take in a payload, or put it where the program finds it."""
        apart, header, number, source = self._apart, message.header, message.tag[1], message.source
        payload = apart.pushes.decode(message.tensors, header)
        server = source - apart.workers if source >= apart.workers else None
        arrival = Arrival(payload, part_of(header["part"]), source, header["steps"], 0, server)
        with apart.journal.moment():
            if not apart.journal.is_current(source, header["life"]):
                return
            apart.journal.append(Kind.DONE, source, number)
            seen = apart.seen = apart.journal.worker_steps
            self._inbox.append((arrival, self._answered.get(source, 0)))
            if apart.process.is_receiving:
                apart.process.go_on(self._take_in())
            counted = apart.journal.count(header["steps"]) if server is None else None
        with suppress(PeerLost):  # it is gone
            apart.mesh.send(source, ("pushed", number), header={"seen": seen, "arrived": message.arrived_seconds})
        apart.tell_counted(counted)

    def _take_in(self) -> Arrival:
        arrival, answered = self._inbox.popleft()
        staleness = self._taken_in - answered
        self._taken_in += 1
        self._apart.behind += arrival.steps
        return Arrival(arrival.payload, arrival.part, arrival.sender, arrival.steps, staleness, arrival.server)
