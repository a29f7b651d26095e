"""Who took part in what: the only thing that the Trainer learns from the Simulator."""

import hashlib
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

    def digest(self) -> str:
        """A name for this schedule: equal schedules, whatever world they come from, train the same model."""
        parts = [b"" if part is None else part.tobytes() for part in (self.effort.batch, self.effort.steps)]
        text = repr((self.workers, self.steps)).encode() + b"|".join(parts) + b"".join(self._masks)
        return hashlib.sha256(text).hexdigest()


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


class Kind(IntEnum):
    """What happens to a node: a rank, or the number of workers plus that of a server."""

    TAKEN = 0
    """The server's parameters were taken for the k-th operation of the node's program, a Pull."""
    DONE = 1
    """The k-th operation of the node's program is over and takes effect; if the node waits for it, its program goes on."""
    DROP = 2
    """The node's program is closed."""
    JOIN = 3
    """The node's program begins anew, and its operations are counted from 0 again."""
    ROUND = 4
    """So many program steps are done, which the number says."""


Event = tuple[Kind, int, int]
"""What, of which node, and the number of the operation, or of program steps."""


@dataclass
class Order:
    """What happened in a run in which each worker has a program of its own, one event after the other.

    The k-th operation of a program is the k-th that is not answered at once: Train, Forward, Backward, Pull, Push or Average,
    waited for on the spot or started.
    """

    workers: int
    effort: Effort = field(default_factory=Effort)
    events: list[Event] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)
