"""Who takes part, and what the absent are doing: down, downloading state, or waiting for the next round."""

import numpy as np
from numpy.typing import NDArray

from bench.churn import Churn
from bench.downloads import downloads
from bench.network import Changes, Fluid, Paths
from bench.recovery import Recovery
from bench.timeline import Ledger

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Roster:
    """The workers of a run and its clock, which `advance` alone moves.

    All that happens to the absent before they take part again is theirs alone, unless their downloads meet others' transfers
    on the links. So it is told when somebody asks who is back; where downloads meet others, it happens second by second.
    """

    def __init__(
        self,
        *,
        churn: Churn,
        paths: Paths,
        changes: Changes | None,
        recovery: Recovery,
        state_bytes: float,
        ledger: Ledger,
        seed: int,
    ) -> None:
        network = paths.network
        self._presence = churn.presence(seed, network.region if network.several_regions else np.full(network.workers, -1))
        up, until = self._presence.up, self._presence.until
        self.active = up.copy()  # (W,) takes part in the round under way
        self.drops = 0  # so far
        self.fluid = Fluid(network.capacity if changes is None else changes.capacity(0.0), changes)
        self._downloads = downloads(paths, changes, recovery, state_bytes, self.fluid)
        self._ledger, self._workers = ledger, network.workers
        self._drop_at = np.where(up, until, np.inf)  # (W,) of those who take part
        self._turn_at = np.where(up, np.inf, until)  # (W,) of the absent: when they come up, or go down again
        self._charged = np.zeros(network.workers)  # (W,) an absent worker's ledger reaches to this second
        self._next_drop: float | None = None  # None: to be found out
        self._next_turn: float | None = None

    @property
    def now(self) -> float:
        """The virtual second."""
        return self.fluid.now

    @property
    def until(self) -> Floats:
        """(W,) the second at which each worker's current interval, up or down, ends."""
        return self._presence.until

    @property
    def apart(self) -> bool:
        """True if nothing that the absent do is felt by those who take part."""
        return self._downloads.apart

    @property
    def carried(self) -> Floats:
        """The bytes that really crossed each link so far, (L,)."""
        return self.fluid.carried + self._downloads.carried()

    def next_event(self) -> float:
        """The virtual second of the next change on the links; infinity if there is none."""
        return self.fluid.next_event() if self.apart else min(self._first_turn(), self.fluid.next_event())

    def next_return(self) -> float:
        """The virtual second at which somebody may be back with state: `join` tells; infinity while nobody will be."""
        return min(self._first_turn(), float(self._downloads.over.min()))

    def advance(self, to: float) -> list[int]:
        """Let everything up to the second `to` happen; returns the numbers of the transfers, not downloads, that ended."""
        ended = []
        while (at := self.next_event()) <= to:
            ended += [number for number in self.fluid.advance(at) if not self._downloads.landed(number)]
            if not self.apart:
                self._tell(at)
        self.fluid.advance(to)
        return ended

    def next_drop(self) -> float:
        """The virtual second at which the first of those who take part drops out."""
        if self._next_drop is None:
            self._next_drop = float(self._drop_at.min())
        return self._next_drop

    def drops_by(self, at: float) -> int:
        """How many of those who take part drop out up to the second `at`."""
        return int(np.count_nonzero(self._drop_at <= at))

    def drop(self, by: float) -> tuple[Ints, Floats]:
        """Of those who take part, all who drop out up to the second `by` do; returns who, (n,), and when."""
        ranks = np.flatnonzero(self._drop_at <= by)
        begin = self.until[ranks]
        self._leave(ranks, begin)
        self._mark("drop", ranks, begin)
        self.drops += len(ranks)
        self._presence.next(ranks)
        self._turn_at[ranks] = self.until[ranks]
        return ranks, begin

    def ban(self, ranks: Ints) -> None:
        """`ranks`, which take part, are shut out now and for ever."""
        self._leave(ranks, np.full(len(ranks), self.now))
        self._mark("ban", ranks, self.now)
        self._presence.up[ranks] = False
        self._presence.until[ranks] = np.inf

    def join(self) -> Ints:
        """Admit to the next round everybody who is back with state; returns who that is, (n,)."""
        ready = self._ready()
        since = self._charged[ready]
        self._ledger.charge("recovering", ready, self.now - since, begin=since)
        self._mark("return", ready, self.now)
        self._downloads.stop(ready, np.full(len(ready), self.now))
        self.active[ready] = True
        self._drop_at[ready] = self.until[ready]
        self._turn_at[ready] = np.inf
        self._next_drop = self._next_turn = None
        return ready

    def wait_for_somebody(self, limit: float) -> None:
        """With nobody active, advance until a worker is back with state, or to `limit`."""
        while not len(self._ready()) and self.now < limit:
            over = self._downloads.over
            state = float(over[over > self.now].min(initial=np.inf))
            self.advance(min(self._first_turn(), state, self.next_event(), limit))

    def settle(self) -> None:
        """Charge the absent up to now, at the end of a run."""
        self._tell(self.now)
        ranks = np.flatnonzero(~self.active)
        self._charge(ranks, np.full(len(ranks), self.now))
        self._downloads.stop(ranks, np.full(len(ranks), self.now))

    def _ready(self) -> Ints:
        """Who is absent, up, and has its state."""
        self._tell(self.now)
        over = self._downloads.over
        ready = np.flatnonzero(over <= self.now)
        return ready[self.until[ready] > self.now]

    def _tell(self, to: float) -> None:
        """All that the absent have turned to up to the second `to`."""
        while self._first_turn() <= to:
            ranks = np.flatnonzero(self._turn_at <= to)
            at = self.until[ranks]
            self._charge(ranks, at)
            self._downloads.stop(ranks, at)
            self._presence.next(ranks)
            self._turn_at[ranks] = self.until[ranks]
            up = np.flatnonzero(self._presence.up[ranks])
            self._downloads.begin(ranks[up], at[up], self.active)
            self._next_turn = None

    def _first_turn(self) -> float:
        if self._next_turn is None:
            self._next_turn = float(self._turn_at.min())
        return self._next_turn

    def _leave(self, ranks: Ints, at: Floats) -> None:
        self.active[ranks] = False
        self._charged[ranks] = at
        self._drop_at[ranks] = np.inf
        self._next_drop = self._next_turn = None

    def _mark(self, word: str, ranks: Ints, at: Floats | float) -> None:
        if self._ledger.tape is not None:
            self._ledger.tape.mark(word, ranks, at)

    def _charge(self, ranks: Ints, to: Floats) -> None:
        """The absent `ranks` up to the seconds `to`, (n,), in which their intervals end or which lie in them."""
        since = self._charged[ranks]
        seconds = to - since
        self._charged[ranks] = to
        for bucket, up in (("recovering", True), ("down", False)):
            chosen = self._presence.up[ranks] == up
            self._ledger.charge(bucket, ranks[chosen], seconds[chosen], begin=since[chosen])
