"""Microbatches on their way through the stages of a pipeline, forward and back, event by event."""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from heapq import heappop, heappush

from bench.pipelines.wires import Message, Wires
from bench.tape import Tape

FORWARD, BACKWARD = 0, 1
Order = list[tuple[int, int]]
"""(direction, microbatch) one after the other."""


@dataclass(eq=False)
class Visit:
    """What one stage does with one microbatch: forward, then backward, both at one peer. Pairs are (forward, backward)."""

    microbatch: int
    stage: int
    peer: int | None = None  # rank
    message: list[Message | None] = field(default_factory=lambda: [None, None])  # on its way to the peer, or arrived
    there: list[bool] = field(default_factory=lambda: [False, False])  # what it begins with
    done: list[bool] = field(default_factory=lambda: [False, False])


@dataclass(eq=False)
class Peer:
    """A worker that serves a stage."""

    rank: int
    stage: int
    compute: tuple[float, float]  # seconds of a microbatch, forward and backward
    code: float  # seconds in which it encodes or decodes one message
    since: float  # virtual second at which it was done with the last thing it did
    order: deque[tuple[int, int]] | None = None  # in which it works; None: backward first, and what comes first
    ready: tuple[deque[Visit], deque[Visit]] = field(default_factory=lambda: (deque(), deque()))
    task: "Task | None" = None
    spent: dict[str, float] = field(default_factory=dict)  # seconds, by bucket of the ledger
    places: list[tuple[str, float, float]] | None = None  # where a tape asks: buckets, but compute, from when to when

    def spend(self, bucket: str, seconds: float, *edges: float) -> None:
        """Add to one bucket, which it was at between the seconds `edges`, two and two."""
        self.spent[bucket] = self.spent.get(bucket, 0.0) + seconds
        if self.places is not None:
            self.places += [(bucket, begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


@dataclass(frozen=True, eq=False)
class Task:
    """One direction of a visit, while its peer is at it."""

    peer: Peer
    visit: Visit
    direction: int
    code: float  # seconds of it, at both ends


class Flow:
    """One step's microbatches, from the second `now` on.

    `route` says which of the ranks that serve a stage gets a microbatch; each message has `nbytes`. A peer that is lost takes
    all its visits with it, gradients included: others do them again, with what the neighbouring stages have sent or send anew.
    """

    def __init__(
        self,
        stages: int,
        microbatches: int,
        nbytes: float,
        wires: Wires,
        route: Callable[[int, int, list[int]], int],
        now: float,
    ) -> None:
        self.now, self.peers = now, dict[int, Peer]()
        self._serving: list[list[int]] = [[] for _ in range(stages)]  # ranks of each stage
        self._visits = [[Visit(microbatch, stage) for microbatch in range(microbatches)] for stage in range(stages)]
        self._nbytes, self._wires, self._route = nbytes, wires, route
        self._left = stages * microbatches  # visits that are not done
        self._events: list[tuple[float, int, int, Message | Task]] = []  # at one second, messages come first
        self._numbers = 0  # of events
        self._flying: dict[Message, tuple[Visit, int]] = {}

    @property
    def over(self) -> bool:
        """Whether every stage has gone forward and back with every microbatch."""
        return not self._left

    @property
    def stalled(self) -> bool:
        """Whether nothing goes on before somebody comes."""
        return not (self.over or self._flying or any(peer.task for peer in self.peers.values()))

    def admit(self, peers: Collection[Peer], now: float) -> None:
        """`peers` serve their stages from the second `now` on."""
        self.now = now
        for peer in peers:
            self.peers[peer.rank] = peer
            self._serving[peer.stage].append(peer.rank)
        self._assign_all()

    def lose(self, ranks: Collection[int], now: float) -> None:
        """`ranks` are gone at the second `now`, with all that they did and that is on its way from or to them."""
        self.now = now
        for rank in ranks:
            if rank in self.peers:
                self._serving[self.peers.pop(rank).stage].remove(rank)
        for message, (visit, direction) in list(self._flying.items()):
            if message.source in ranks or message.target in ranks:
                self._wires.carry(message, now)
                visit.message[direction] = None
                del self._flying[message]
        for stage, visits in enumerate(self._visits):
            for number, visit in enumerate(visits):
                if visit.peer in ranks:
                    self._left += visit.done[BACKWARD]
                    visits[number] = Visit(number, stage)
        self._assign_all()

    def run(self, until: float) -> bool:
        """Let all that happens up to the second `until` happen; returns whether it is over then."""
        while self._left and self._events and self._events[0][0] <= until:
            at, _, _, event = heappop(self._events)
            if isinstance(event, Task):
                if event.peer.task is event and self.peers.get(event.peer.rank) is event.peer:
                    self.now = at
                    self._finish(event)
            elif event in self._flying:
                self.now = at
                self._wires.carry(event, at)
                self._come(*self._flying.pop(event))
        return self.over

    def settle(self, now: float) -> dict[str, dict[int, float]]:
        """What peers did up to the second `now`, and waited for: seconds by bucket and rank, told once."""
        last: dict[int, float] = {}
        for peer in self.peers.values():
            last[peer.stage] = max(last.get(peer.stage, 0.0), peer.since)
        told: dict[str, dict[int, float]] = {}
        for peer in self.peers.values():
            peer.spend("straggler_wait", last[peer.stage] - peer.since, peer.since, last[peer.stage])
            peer.spend("pipeline_bubble", now - last[peer.stage], last[peer.stage], now)
            peer.since = now
            for bucket, seconds in peer.spent.items():
                told.setdefault(bucket, {})[peer.rank] = seconds
            peer.spent = {}
        return told

    def tell(self, tape: Tape) -> None:
        """Tell when peers did what is settled: all but what they computed, which is not before it is reduced."""
        for peer in self.peers.values():
            for bucket, begin, end in peer.places or ():
                tape.begins(bucket, peer.rank, end - begin, begin)
            peer.places = []

    def _assign_all(self) -> None:
        """Find a peer for whatever has none and could be begun."""
        for stage, visits in enumerate(self._visits):
            for visit in visits:
                if visit.peer is None and (stage == 0 or self._visits[stage - 1][visit.microbatch].done[FORWARD]):
                    self._assign(visit)

    def _assign(self, visit: Visit) -> None:
        if not self._serving[visit.stage]:
            return
        visit.peer = self._route(visit.stage, visit.microbatch, self._serving[visit.stage])
        if visit.stage == 0:
            self._come(visit, FORWARD)  # tokens are everywhere
        for direction in (FORWARD, BACKWARD):
            giver = self._neighbour(visit, 1 - direction)
            if giver is not None and giver.done[direction]:
                self._send(giver, visit, direction)

    def _neighbour(self, visit: Visit, direction: int) -> Visit | None:
        """Where the microbatch goes next in a direction, if anywhere."""
        stage = visit.stage + (1 if direction == FORWARD else -1)
        return self._visits[stage][visit.microbatch] if 0 <= stage < len(self._visits) else None

    def _send(self, giver: Visit, taker: Visit, direction: int) -> None:
        assert giver.peer is not None and taker.peer is not None
        message = self._wires.send(giver.peer, taker.peer, self._nbytes, self.now)
        taker.message[direction] = message
        self._flying[message] = taker, direction
        self._push(message.arrival, message)

    def _come(self, visit: Visit, direction: int) -> None:
        """What a visit needs in one direction is there."""
        visit.there[direction] = True
        if direction == FORWARD or visit.done[FORWARD]:
            self._make_ready(visit, direction)

    def _make_ready(self, visit: Visit, direction: int) -> None:
        assert visit.peer is not None
        peer = self.peers[visit.peer]
        peer.ready[direction].append(visit)
        self._go_on(peer)

    def _go_on(self, peer: Peer) -> None:
        """An idle peer begins what is next and ready, if that is: it waited for its message, or for who had to send that."""
        if peer.task is not None or (next_ := self._next(peer)) is None:
            return
        visit, direction = next_
        waited, message = self.now - peer.since, visit.message[direction]
        travelled = min(waited, self.now - message.ready) if message else 0.0
        latency = min(travelled, message.latency) if message else 0.0
        sent, through = self.now - travelled, self.now - latency  # latency comes last: the last byte's
        peer.spend("latency", latency, through, self.now)
        peer.spend("bandwidth", travelled - latency, sent, through)
        peer.spend("pipeline_bubble", waited - travelled, peer.since, sent)
        peer.since = self.now
        ends = sum(self._neighbour(visit, way) is not None for way in (FORWARD, BACKWARD))
        peer.task = Task(peer, visit, direction, ends * peer.code)
        self._push(self.now + peer.compute[direction] + peer.task.code, peer.task)

    def _next(self, peer: Peer) -> tuple[Visit, int] | None:
        """The visit, and the direction, that it is a peer's turn to begin, if that can be begun."""
        if peer.order is None:
            for direction in (BACKWARD, FORWARD):
                if peer.ready[direction]:
                    return peer.ready[direction].popleft(), direction
        elif peer.order:
            direction, microbatch = peer.order[0]
            visit = self._visits[peer.stage][microbatch]
            if visit in peer.ready[direction]:
                peer.ready[direction].remove(visit)
                peer.order.popleft()
                return visit, direction
        return None

    def _finish(self, task: Task) -> None:
        """A peer is done with one direction of a visit: it hands it on, unless the next stage has it already."""
        peer, visit, direction = task.peer, task.visit, task.direction
        # It decodes what came, if anything did, and encodes what goes on, if anything does.
        decoded = peer.since + (peer.code if visit.message[direction] is not None else 0.0)
        peer.spend("compute", self.now - peer.since - task.code)
        peer.spend("codec", task.code, peer.since, decoded, self.now - task.code + (decoded - peer.since), self.now)
        peer.task, peer.since = None, self.now
        visit.done[direction] = True
        taker = self._neighbour(visit, direction)
        if direction == BACKWARD:
            self._left -= 1
        elif taker is None:
            visit.there[BACKWARD] = True  # the loss is known
        if taker is not None and taker.message[direction] is None:
            if taker.peer is not None:
                self._send(visit, taker, direction)
            elif direction == FORWARD:
                self._assign(taker)
        if direction == FORWARD and visit.there[BACKWARD]:
            peer.ready[BACKWARD].append(visit)
        self._go_on(peer)

    def _push(self, at: float, event: Message | Task) -> None:
        self._numbers += 1
        heappush(self._events, (at, isinstance(event, Task), self._numbers, event))


def fixed_order(schedule: str, stage: int, stages: int, microbatches: list[int]) -> Order:
    """What a stage does one after the other with `microbatches`.

    gpipe: forward with all, then backward from the last to the first. 1f1b: forward with as many as there are stages behind it,
    then in turns forward and backward.
    """
    count = len(microbatches)
    ahead = count if schedule == "gpipe" else min(stages - 1 - stage, count)
    order = [(FORWARD, microbatch) for microbatch in microbatches[:ahead]]
    if schedule == "gpipe":
        return order + [(BACKWARD, microbatch) for microbatch in reversed(microbatches)]
    for number, microbatch in enumerate(microbatches):
        if ahead + number < count:
            order.append((FORWARD, microbatches[ahead + number]))
        order.append((BACKWARD, microbatch))
    return order
