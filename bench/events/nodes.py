"""Workers and servers that each run a program of their own: how far each has come, and what it has under way."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from bench.algorithm import Arrival, Average, Handle, Program, Pull, Push
from bench.events.agenda import Entry
from bench.lockstep import Step
from bench.replicas import Replicas

Message = Pull | Push | Average


@dataclass
class Work:
    """What a worker has done that no model has yet."""

    steps: int = 0  # local ones
    compute: float = 0.0  # seconds
    codec: float = 0.0  # seconds
    until: float = 0.0  # virtual second at which the last of it was done


@dataclass(eq=False)
class Errand:
    """An operation that moves bytes, from when a program yields it until it is over."""

    node: "Node"
    number: int  # of all operations of the node's program that are not answered at once
    operation: Message
    work: Work = field(default_factory=Work)  # that it carries
    nbytes: float = 0.0  # of what one message of it brings, on the wire; 0 where nothing comes of it
    began: float = np.nan  # second of the timeline
    flows: float = np.inf  # virtual second from which on its bytes flow, once that is known
    entries: list[Entry] = field(default_factory=list)  # of the agenda
    missing: int = 1  # messages that are not there
    answer: Tensor | None = None

    @property
    def over(self) -> bool:
        return not self.missing


@dataclass(eq=False)
class Node:
    """One that runs a program."""

    number: int  # a worker's rank; of a server, the number of workers plus its own
    host: int  # rank at whose links it is
    program: Program
    numbered: int = 0  # operations so far
    handles: dict[Handle, Errand] = field(default_factory=dict)  # not waited for yet
    errands: dict[int, Errand] = field(default_factory=dict)  # not over, by their numbers
    waits_for: Errand | None = None
    work: Work = field(default_factory=Work)  # that nothing carries yet; of a server, what it has taken in

    def next_number(self) -> int:
        """The number of the operation that comes next."""
        self.numbered += 1
        return self.numbered - 1

    def load(self) -> Work:
        """The work for the next push, which carries all of it."""
        work, self.work = self.work, Work()
        return work


@dataclass(eq=False)
class Worker(Node):
    """One that computes; up to `since` its seconds are charged, or are those of some work."""

    replica: Replicas = field(kw_only=True)
    step: Step = field(kw_only=True)
    since: float = field(kw_only=True)
    step_seconds: float = 0.0  # of the step that is under way in parts
    busy: Entry | None = None  # computing or encoding


@dataclass(eq=False)
class Server(Node):
    """One that takes in what is pushed to it, in the order in which it arrives."""

    index: int = field(kw_only=True)  # of the servers
    published: Tensor = field(kw_only=True)  # (1, P)
    receiving: bool = False
    inbox: deque[Errand] = field(default_factory=deque)
    taken_in: int = 0  # arrivals so far,
    answered: dict[int, int] = field(default_factory=dict)  # and before each node's last Pull from it was answered

    def take_in(self) -> Arrival:
        """The first that has arrived."""
        errand = self.inbox.popleft()
        push, sender = errand.operation, errand.node.number
        assert isinstance(push, Push)
        staleness = self.taken_in - self.answered.get(sender, 0)
        self.taken_in += 1
        self.work.steps += errand.work.steps
        server = errand.node.index if isinstance(errand.node, Server) else None
        return Arrival(push.payload, push.part, sender, errand.work.steps, staleness, server)
