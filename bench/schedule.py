"""Who took part in what, or what happened in which order: the only thing that training learns from the clock."""

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bench.split import Effort

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Entry:
    """One reduction: the local steps since the one before it began, perhaps none, and whose work of those steps it carried."""

    steps: int
    counted: Mask  # (W,) finished in time and stayed until the reduction was over
    joined: Mask  # (W,) of those, who came back before these steps, with state downloaded from the others


@dataclass
class Schedule:
    """The reductions of a run, in the order in which they began. Masks are kept packed: a million workers take 250 kB each."""

    workers: int
    effort: Effort = field(default_factory=Effort)  # the part of each worker in all of them
    steps: list[int] = field(default_factory=list)
    _masks: list[bytes] = field(default_factory=list)

    def append(self, steps: int, counted: Mask, joined: Mask) -> None:
        self.steps.append(steps)
        self._masks.append(np.packbits(np.stack([counted, joined]), axis=1).tobytes())

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> Entry:
        packed = np.frombuffer(self._masks[index], np.uint8).reshape(2, -1)
        counted, joined = np.unpackbits(packed, axis=1, count=self.workers).astype(bool)
        return Entry(self.steps[index], counted, joined)

    def segment(self, index: int) -> list[Entry]:
        """The entry `index`, and those after it that send work of the same steps: no step lies between them."""
        entries = [self[index]]
        while index + len(entries) < len(self) and self.steps[index + len(entries)] == 0:
            entries.append(self[index + len(entries)])
        return entries

    @property
    def total_steps(self) -> int:
        """Program steps of the run."""
        return sum(self.steps)

    def digest(self) -> str:
        """A name for this schedule: equal schedules, whatever world they come from, train the same model."""
        text = repr((self.workers, self.steps)).encode() + _bytes(self.effort) + b"".join(self._masks)
        return hashlib.sha256(text).hexdigest()


class Kind(IntEnum):
    """What can happen to a node: a worker, by its rank, or a server, by the number of workers plus its own.

    `number` counts the operations of a node's current program that are not answered at once, in the order in which it yields
    them, those that it starts included: Train, Forward, Backward, Pull, Push and Average.
    """

    TAKEN = 0  # what the server publishes was taken for this Pull
    DONE = 1  # this operation is over: it takes effect, and who waits for it goes on
    DROP = 2  # the node's program is closed
    JOIN = 3  # a new program of the node begins
    ROUND = 4  # so many program steps are done: all that counted by now, divided by the number of workers


@dataclass
class Order:
    """What happened in a run of programs that go their own ways, in this order."""

    workers: int
    effort: Effort = field(default_factory=Effort)  # the part of each worker
    steps: int = 0  # of the program, in all of the run
    _kinds: "array[int]" = field(default_factory=lambda: array("B"))
    _nodes: "array[int]" = field(default_factory=lambda: array("i"))
    _numbers: "array[int]" = field(default_factory=lambda: array("q"))

    def append(self, kind: Kind, node: int, number: int = 0) -> None:
        self._kinds.append(kind)
        self._nodes.append(node)
        self._numbers.append(number)
        if kind == Kind.ROUND:
            self.steps = number

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[tuple[Kind, int, int]]:
        return zip(map(Kind, self._kinds), self._nodes, self._numbers, strict=True)

    @property
    def total_steps(self) -> int:
        """Program steps of the run."""
        return self.steps

    def digest(self) -> str:
        """A name for this order: equal orders, whatever world they come from, train the same model."""
        events = (part.tobytes() for part in (self._kinds, self._nodes, self._numbers))
        return hashlib.sha256(repr(self.workers).encode() + _bytes(self.effort) + b"".join(events)).hexdigest()


def _bytes(effort: Effort) -> bytes:
    return b"|".join(b"" if part is None else part.tobytes() for part in (effort.batch, effort.steps))


class Recorder:
    """Writes a schedule as reductions begin and, in any order, end."""

    def __init__(self, workers: int, effort: Effort) -> None:
        self.schedule = Schedule(workers, effort)
        self._steps: list[int] = []  # of every reduction that began
        self._joined: dict[int, Mask] = {}  # who came back before each; only where somebody did
        self._counted: dict[int, Mask] = {}  # of those that ended before an earlier one did
        self._returned = np.zeros(workers, bool)  # (W,) back, and has not counted yet

    def join(self, ranks: NDArray[np.integer], index: int | None = None) -> None:
        """`ranks`, (n,), came back before the steps of the reduction `index`, the next one to begin unless it is given."""
        index = len(self._steps) if index is None else index
        self._joined.setdefault(index, np.zeros(self.schedule.workers, bool))[ranks] = True

    def begin(self, steps: int) -> int:
        """A reduction begins, `steps` after the one before; returns its index."""
        self._steps.append(steps)
        return len(self._steps) - 1

    def end(self, index: int, counted: Mask) -> None:
        """A reduction is over."""
        self._counted[index] = counted
        while (next_ := len(self.schedule)) in self._counted:
            counted = self._counted.pop(next_)
            self._returned |= self._joined.pop(next_, False)
            self.schedule.append(self._steps[next_], counted, self._returned & counted)
            self._returned &= ~counted
