"""An emulated worker with a program of its own: it really computes, and fetches, sends and averages on real links."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor

from bench.algorithm import Arrival, Average, Backward, Forward, Pull, Push, Receive, Train
from bench.apart import Lasting
from bench.emulator.apart import Apart
from bench.emulator.board import Board
from bench.emulator.frames import Message
from bench.emulator.learner import Learner
from bench.emulator.mesh import PeerLost
from bench.emulator.pacer import Pacer
from bench.lockstep import Step
from bench.schedule import Kind
from bench.segment import Job, OwnWork, opened_steps, share_of


class Worker:
    """The worker at `apart`, whose replica is on the `board`.

    What it computes begins with its replica as it is then, and takes effect at the moment when it is over, as in the Replay.
    Two that average send each other their parameters; when both have got them, the replicas on the board become the mean.
    """

    def __init__(self, apart: Apart, board: Board, learner: Learner, pacer: Pacer) -> None:
        self._apart, self._board, self._learner, self._pacer = apart, board, learner, pacer
        self._rank = apart.node
        self.replica = board.replica(self._rank, learner.replicas)
        self._step = Step(self.replica.params.shape[1])
        self._begun = torch.empty(0)  # the replica when what is under way began, (1, P)
        self._draw = 0  # of the jitter, for the step under way
        self._missing: dict[int, int] = {}  # averages under way: messages that are not there
        self._sources: SimpleQueue[list[int]] = SimpleQueue()  # from whom to download
        handlers: dict[str, Callable[[Message], None]] = {
            "get_state": self._hand_out_state,
            "get_params": self._hand_out_params,
            "params": self._got_params,
            "got": self._averaged,
            "params_back": self._averaged,
        }
        for kind, handler in handlers.items():
            apart.mesh.on(kind, apart.guarded(handler))
        apart.bring(apart.setup.algorithm.run(self.replica), self)

    def begin(self) -> None:
        """Begin with the replica that all have at first."""
        with self._apart.journal.moment():
            self.replica.params.copy_(self._learner.replicas.params)
            self._apart.process.go_on()

    def come_back(self) -> None:
        """Download as many bytes as a worker's state has from others, then begin anew.

        The numbers are those of the board at that moment: the model that is evaluated, and the optimizer of one that stayed.
        """
        apart, journal = self._apart, self._apart.journal
        while not journal.is_over:
            apart.tell({"back": self._rank})
            sources = self._sources.get()
            try:
                self._download(sources)
                break
            except PeerLost:
                continue  # who is left is asked anew
        with journal.moment():
            self._take_over()
            journal.join(self._rank)
            apart.seen = journal.worker_steps
            self._learner.batches = int(journal.batches[self._rank])
            apart.process.go_on()
        apart.tell({"joined": self._rank})

    def hear(self, message: dict[str, Any]) -> None:
        """What the hub says on the way."""
        if "sources" in message:
            self._sources.put(message["sources"])
        if "lost" in message:
            # An average that is not under way yet finds out by itself that its peer is away.
            trips = [self._apart.trips.get(number) for number in list(self._missing)]
            for trip in [trip for trip in trips if trip is not None and trip.other == message["lost"]]:
                self._end_average(trip.index)

    def start(self, node: int, operation: Lasting, number: int) -> None:
        """Begin `operation` with everything as it is now."""
        match operation:
            case Train() | Forward() | Backward():
                self._start_computing(operation, number)
            case Pull() | Push():
                self._apart.depart(operation, number)
            case Average(peer=peer):
                if not 0 <= peer < self._apart.workers or peer == self._rank:
                    workers = self._apart.workers
                    raise ValueError(f"peer must be another rank than the worker's own, below {workers}, got {peer}")
                self._missing[number] = 2
                self._apart.task(lambda: self._average(peer, number))

    def receive(self, node: int, operation: Receive) -> Arrival | None:
        raise ValueError("a worker does not receive")

    def _start_computing(self, operation: OwnWork, number: int) -> None:
        apart, learner, rank = self._apart, self._learner, self._rank
        opens, local = self._step.begins(operation), 1
        if opens:
            steps = opened_steps(operation, apart.setup.scenario.split.local_steps_only)
            local = learner.local_steps(steps) if isinstance(operation, Train) else 1
            learner.taken = apart.seen / apart.workers
            self._begun = self.replica.params.clone()
            learner.replicas.params.copy_(self._begun)
            for name, tensor in self.replica.state.items():
                learner.replicas.state[name].copy_(tensor)
            apart.journal.changed[rank] = 0
            apart.journal.batches[rank] += local
            self._draw = int(apart.journal.draws[rank])
            apart.journal.draws[rank] += 1
        share = share_of(operation, opens, self.replica.params.shape[1])
        job = Job(local, self._draw, 0.0, self._draw) if share is None else Job(0, 0, share, self._draw)
        counts = 0 if self._step.is_open else local
        apart.task(lambda: self._compute(operation, opens, number, job, counts))

    def _compute(self, operation: OwnWork, opens: bool, number: int, job: Job, counts: int) -> None:
        """Do it, for as long as the scenario's device takes; local steps that are over with it `counts`."""
        apart, learner, journal, replica = self._apart, self._learner, self._apart.journal, self.replica
        begun = time.monotonic()
        answer = learner.compute(operation, opens)
        self._pacer.take(job, begun)
        with journal.moment():
            journal.append(Kind.DONE, self._rank, number)
            if isinstance(operation, Train):
                trained = learner.replicas.params
                changed = bool(journal.changed[self._rank])  # by an average; what was changed meanwhile stays changed
                replica.params.copy_(replica.params + (trained - self._begun) if changed else trained)
                for name, tensor in learner.replicas.state.items():
                    replica.state[name].copy_(tensor)
            journal.done(counts)
            apart.behind += counts
            apart.seen = journal.worker_steps
            if isinstance(operation, Backward):
                replica.step_index = learner.replicas.step_index
            counted = None if apart.servers or not counts else journal.count(counts)
            apart.process.end(number, self._answer(operation, answer))
        apart.tell_counted(counted)

    def _answer(self, operation: OwnWork, answer: Tensor | None) -> Tensor | None:
        if not isinstance(operation, Backward):
            return None
        assert answer is not None
        return answer.clone()  # a program may change what it is handed

    def _average(self, peer: int, number: int) -> None:
        """Exchange parameters with `peer`, if it is there: each sends its own, and who asked hears of both."""
        apart = self._apart
        apart.travels("average", number, peer, self.replica.params.nbytes)
        if apart.journal.away[peer]:
            self._end_average(number)
            return
        with suppress(PeerLost):  # the hub says so, too
            apart.mesh.connect([peer])
            apart.mesh.send(peer, ("get_params", number))
            apart.mesh.send(peer, ("params", number), (self.replica.params,))

    def _hand_out_params(self, message: Message) -> None:
        with suppress(PeerLost):
            self._apart.mesh.send(message.source, ("params_back", message.tag[1]), (self.replica.params,))

    def _got_params(self, message: Message) -> None:
        with suppress(PeerLost):
            self._apart.mesh.send(message.source, ("got", message.tag[1]))

    def _averaged(self, message: Message) -> None:
        """One of the two messages of an average is there."""
        number = message.tag[1]
        with self._apart.journal.moment():
            if number not in self._missing:
                return  # the hub said that the peer was lost
            self._missing[number] -= 1
            over = not self._missing[number]
        if over:
            self._end_average(number)

    def _end_average(self, number: int) -> None:
        """An average is over: if the peer is there, both have the mean."""
        apart, journal = self._apart, self._apart.journal
        with journal.moment():
            if number not in self._missing:
                return
            del self._missing[number]
            trip = apart.arrives(number)
            journal.append(Kind.DONE, self._rank, number)
            if not journal.away[trip.other]:
                mine, theirs = self.replica.params, self._board.params(trip.other)
                mean = torch.cat([mine, theirs]).mean(0, keepdim=True)
                mine.copy_(mean)
                theirs.copy_(mean)
                journal.changed[[self._rank, trip.other]] = 1
            apart.seen = journal.worker_steps
            apart.process.end(number, None)

    def _download(self, sources: list[int]) -> None:
        mesh = self._apart.mesh
        mesh.connect([*sources, *self._apart.servers])
        for share, source in enumerate(sources):
            mesh.send(source, ("get_state", share), header={"share": share, "shares": len(sources)})
        for share, source in enumerate(sources):
            mesh.receive(source, ("state", share))

    def _hand_out_state(self, request: Message) -> None:
        """A share of this worker's state, for one who comes back."""
        share, shares = request.header["share"], request.header["shares"]
        state = torch.cat([self.replica.params[0], *(tensor.flatten() for tensor in self.replica.state.values())])
        with suppress(PeerLost):
            self._apart.mesh.send(request.source, ("state", share), (state.tensor_split(shares)[share],))

    def _take_over(self) -> None:
        """The replica of one who comes back."""
        apart, journal, board = self._apart, self._apart.journal, self._board
        there = [rank for rank in range(apart.workers) if not journal.away[rank]]
        if apart.servers:
            self.replica.params.copy_(board.params(apart.servers[0]))
        elif there:
            self.replica.params.copy_(torch.cat([board.params(rank) for rank in there]).mean(0, keepdim=True))
        stayed = [rank for rank in there if not self._is_idle(rank)]  # idle: its optimizer has never stepped
        for name, tensor in self.replica.state.items():
            if stayed:
                tensor.copy_(board.state(stayed[0])[name])
            else:
                tensor.zero_()

    def _is_idle(self, rank: int) -> bool:
        """Whether a worker computes nothing now, since it is a bad one."""
        setup, workers = self._apart.setup, self._apart.workers
        adversary, step = setup.adversary, math.floor(self._apart.journal.worker_steps / workers)
        bad = bool(adversary.members(setup.conf["seed"], workers)[rank])
        return bad and step >= adversary.start and not adversary.computes
