"""What happens to nodes that each have a program of their own, in one order that all processes of an emulation write."""

import fcntl
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np

from bench.schedule import Kind, Order
from bench.split import Effort

Event = tuple[int, int, int, float]
"""Kind, node and number as in an Order, and the monotonic second."""

_RECORD = struct.Struct("<Biqd")


class Over(Exception):
    """Enough steps have counted: nothing happens any more."""


class Journal:
    """Events and counters in files that all nodes share: beside the links, for the run is observed by it and ended by it.

    One thing happens at a `moment`: whoever writes, or changes a counter, is in one. Each process opens its own.
    """

    def __init__(self, folder: Path, workers: int, nodes: int, steps: int) -> None:
        self._workers, self._steps = workers, steps
        self._events = os.open(folder / "events", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        path, names = folder / "counters", ("life", "away", "draws", "batches", "changed")
        path.touch()
        os.truncate(path, 8 * (5 + len(names) * nodes))  # bytes; what is there stays
        counters = np.memmap(path, np.int64, "r+")
        self._totals = counters[:5]
        of_nodes = counters[5:].reshape(len(names), nodes)
        self.life, self.away, self.draws, self.batches, self.changed = of_nodes  # (N,) each
        self._lock = Lock()
        self._absent: list[int] = []

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Nothing else happens meanwhile. Raises Over when nothing happens any more."""
        with self._lock:
            fcntl.flock(self._events, fcntl.LOCK_EX)  # of a process that is killed, it is released
            try:
                if self.is_over:
                    raise Over
                yield
            finally:
                fcntl.flock(self._events, fcntl.LOCK_UN)

    def append(self, kind: Kind, node: int, number: int = 0) -> None:
        """This happens now."""
        os.write(self._events, _RECORD.pack(kind, node, number, time.monotonic()))

    def leave_out(self, node: int) -> None:
        """`node` is not there at the start."""
        self.away[node] = 1
        self._absent.append(node)

    def drop(self, node: int) -> None:
        """`node` is gone: what it sent before and arrives later is nothing."""
        self.append(Kind.DROP, node)
        self.life[node] += 1
        self.away[node] = 1

    def join(self, node: int) -> None:
        """`node` is there again."""
        self.append(Kind.JOIN, node)
        self.away[node] = 0

    def is_current(self, node: int, life: int) -> bool:
        """Whether `node` is there, in that one of its lives."""
        return not self.away[node] and int(self.life[node]) == life

    @property
    def worker_steps(self) -> int:
        """Local steps that all workers have done."""
        return int(self._totals[0])

    def done(self, steps: int) -> None:
        """A worker has done so many local steps more."""
        self._totals[0] += steps

    def count(self, steps: int) -> int | None:
        """So many local steps more have counted; returns how many program steps have, if it is a new number."""
        self._totals[1] += steps
        counted = int(self._totals[1]) // self._workers
        if counted <= self._totals[2]:
            return None
        self.append(Kind.ROUND, 0, counted)
        self._totals[2] = counted
        return counted

    def next_push(self) -> int:
        """The number of a push among all."""
        self._totals[3] += 1
        return int(self._totals[3]) - 1

    @property
    def origin(self) -> float:
        """The monotonic second of the start, for those who come later."""
        return int(self._totals[4]) / 1e9

    def begin(self, second: float) -> None:
        """This is the second of the start."""
        self._totals[4] = round(second * 1e9)

    @property
    def is_over(self) -> bool:
        """Whether enough steps have counted."""
        return bool(self._totals[2] >= self._steps)

    def events(self) -> list[Event]:
        """All that has happened, in the process that knows whom it left out: a Replay drops those of them that never join."""
        events = list(_RECORD.iter_unpack(os.pread(self._events, os.fstat(self._events).st_size, 0)))
        joined = {node for kind, node, _, _ in events if kind == Kind.JOIN}
        begun = events[0][3] if events else 0.0
        return [(int(Kind.DROP), node, 0, begun) for node in self._absent if node not in joined] + events

    def close(self) -> None:
        os.close(self._events)


def order_of(events: Iterable[Event], workers: int, effort: Effort) -> Order:
    """What a Replay follows, to come to the parameters to which the emulation came."""
    order = Order(workers, effort)
    for kind, node, number, _ in events:
        order.append(Kind(kind), node, number)
    return order
