"""What a worker meets others in, and what it asks of those who run their programs."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.events.nodes import Work
from bench.events.unrolled import Begin

Ints = NDArray[np.int64]
Marks = tuple[tuple[str, float], ...]
"""Buckets of the ledger, and the second up to which one waits for each."""


class Meeting(Protocol):
    """One operation of some workers, each of which may come to it, wait for its end, or drop out."""

    expected: set[int]
    """Ranks that are to come, and have not."""

    waiting: list[int]
    """Ranks that have asked for its end."""

    @property
    def closed(self) -> bool:
        """Whether it is over for all that are left in it."""
        ...

    @property
    def counted(self) -> list[int]:
        """Whose work it has carried."""
        ...

    def is_over(self, rank: int) -> bool:
        """Whether `rank` need not wait."""
        ...

    def payloads(self, rank: int) -> int:
        """How many payloads `rank` decodes of it."""
        ...

    def marks(self, rank: int) -> Marks:
        """What `rank` waited for, up to the second at which it was over."""
        ...

    def arrive(self, rank: int, work: Work) -> None:
        """`rank`, which is expected, has come with its work."""
        ...

    def leave(self, ranks: set[int]) -> None:
        """`ranks`, whether they are in it or not, have dropped out."""
        ...


class Host(Protocol):
    """Who runs the programs of those that meet."""

    def carried(self, begin: Begin, ranks: Ints, work: list[Work]) -> None:
        """The work of `ranks`, (n,), of what ends with `begin`, has reached the others."""
        ...

    def over(self, begin: Begin, meeting: Meeting, ranks: list[int]) -> None:
        """A meeting is over for `ranks`, whether or not they wait for it."""
        ...
