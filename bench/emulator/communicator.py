"""What one worker's reductions go over, among the members of the moment: all-reduces by gloo, all else by messages."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import torch
from torch import Tensor
from torch.distributed import FileStore, ProcessGroupGloo  # type: ignore[attr-defined]  # its stubs leave out a few names

from bench.emulator.frames import Tag
from bench.emulator.mesh import Mesh, PeerLost

_LOOK_SECONDS = 0.02  # how often somebody who waits for gloo looks whether a member is lost
_NAME_SECONDS = 0.5  # how long after gloo broke a lost member may take to be noticed, to be named
_SUMMED = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int8,
    torch.uint8,
    torch.int32,
    torch.int64,
)


class Communicator:
    """Reductions of the worker `rank`, each of which all members call, from one thread, in the same order.

    Each may be `among` some of the members, in order of rank and with this worker; it is among all if that is not given. Each
    raises PeerLost if one of those is lost before it is over here; others may then have its result. After that nothing but
    `form` helps. The peer is -1 where gloo broke and nobody is known to be lost, as when nothing moved for `patience` seconds.
    `store` is a folder that all members see. `interface` is the network interface that gloo is to use: of the mesh's address
    if None.
    """

    def __init__(self, rank: int, mesh: Mesh, store: Path, interface: str | None, patience: float) -> None:
        if not patience > 0:
            raise ValueError(f"patience must be above 0 s, got {patience:g}")
        self._rank = rank
        self._mesh = mesh
        self._store = store
        self._patience = timedelta(seconds=patience)
        self._interface = interface
        self._members: tuple[int, ...] = ()
        self._generation = -1
        self.began_seconds = self.over_seconds = math.nan  # of what was reduced since `wind`, by this machine's clock
        self._groups: dict[tuple[int, ...], Any] = {}  # of gloo; no frame that an exception may keep alive holds one

    def form(self, members: Sequence[int], generation: int) -> None:
        """Go on among these members, who all call it with the same `generation`, higher than any before.

        Returns when all have called it and gloo has reduced a number among them. What members sent before it is thrown away.
        Raises PeerLost if one is lost before; then a `generation` still higher is due.
        """
        if generation <= self._generation:
            raise ValueError(f"generation must be > {self._generation}, got {generation}")
        self._groups.clear()
        self._generation = generation
        self._members = tuple(sorted(members))
        self._mesh.discard(self._is_old)
        self._ensure_group(self._among(None))

    def all_reduce(self, row: Tensor, among: Sequence[int] | None = None) -> Tensor:
        """The sum of everybody's `row`, which is of any shape: a new tensor. Raises ValueError for numbers gloo cannot add."""
        return self.sum_up(row.detach().clone(memory_format=torch.contiguous_format), among)

    def sum_up(self, total: Tensor, among: Sequence[int] | None = None) -> Tensor:
        """As `all_reduce`, in place: `total`, contiguous, which is one's own at first; of no use any more after PeerLost."""
        if total.dtype not in _SUMMED:
            raise ValueError(f"a tensor that gloo sums must be one of {', '.join(map(str, _SUMMED))}, got {total.dtype}")
        ranks = self._among(among)
        if len(ranks) > 1:
            self._ensure_group(ranks)
            with self._timed():
                self._watched(lambda: self._sum(total, ranks), ranks)
        return total

    def wind(self) -> None:
        """Forget when what was reduced so far began and was over."""
        self.began_seconds = self.over_seconds = math.nan

    def gather(self, index: int, tensors: Sequence[Tensor], among: Sequence[int] | None = None) -> list[tuple[Tensor, ...]]:
        """Everybody's tensors, in order of rank, straight from each to each. One's own are those that were given."""
        ranks = self._among(among)
        tag = self._tag("gather", index)
        with self._timed():
            self._mesh.send_all((rank for rank in ranks if rank != self._rank), tag, tensors)
            return [tuple(tensors) if rank == self._rank else self._receive(rank, tag, ranks) for rank in ranks]

    def scatter(
        self, index: int, shards: Sequence[Sequence[Tensor]], among: Sequence[int] | None = None
    ) -> list[tuple[Tensor, ...]]:
        """What everybody had for this worker, in order of rank: `shards[k]` is for the k-th of them. As `gather`."""
        ranks = self._among(among)
        if len(shards) != len(ranks):
            raise ValueError(f"shards must be as many as those they are for, {len(ranks)}, got {len(shards)}")
        tag = self._tag("scatter", index)
        own = tuple(shards[ranks.index(self._rank)])
        with self._timed():
            for rank, shard in zip(ranks, shards, strict=True):
                if rank != self._rank:
                    self._mesh.send(rank, tag, shard)
            return [own if rank == self._rank else self._receive(rank, tag, ranks) for rank in ranks]

    def ring_reduce_scatter(self, index: int, row: Tensor, among: Sequence[int] | None = None) -> Tensor:
        """This worker's share of the sum of all rows, each (n,) or (1, n): the k-th of `tensor_split` for the k-th of them.

        A ring (Patarasu & Yuan, 2009): in each of n - 1 passes a partial sum of one share goes one worker on.
        """
        ranks = self._among(among)
        tag = self._tag("ring reduce-scatter", index)
        k, n = ranks.index(self._rank), len(ranks)
        shares = torch.tensor_split(row.detach(), n, dim=-1)
        partial = shares[k - 1].clone()
        with self._timed():
            for done in range(n - 1):
                self._mesh.send(ranks[(k + 1) % n], tag, (partial,))
                (partial,) = self._receive(ranks[k - 1], tag, ranks)
                partial += shares[(k - 2 - done) % n]
        return partial

    def ring_all_gather(self, index: int, share: Tensor, among: Sequence[int] | None = None) -> Tensor:
        """All shares beside each other, in order of rank, from everybody's `share`, (m,) or (1, m), of any sizes.

        A ring: in each of n - 1 passes every worker hands on the share that it got last.
        """
        ranks = self._among(among)
        tag = self._tag("ring all-gather", index)
        k, n = ranks.index(self._rank), len(ranks)
        shares = [share.detach()] * n
        with self._timed():
            for done in range(n - 1):
                self._mesh.send(ranks[(k + 1) % n], tag, (shares[k - done],))
                (shares[k - done - 1],) = self._receive(ranks[k - 1], tag, ranks)
        return torch.cat(shares, dim=-1)

    def exchange(
        self,
        index: int,
        to: Sequence[int],
        sources: Sequence[int],
        tensors: Sequence[Tensor],
        among: Sequence[int] | None = None,
    ) -> dict[int, tuple[Tensor, ...]]:
        """Gossip: send `tensors` to each of `to`, and get what each of `sources` sends. Answers that by rank.

        As it waits for its sources it also watches all of `among`.
        """
        ranks = self._among(among)
        tag = self._tag("exchange", index)
        with self._timed():
            self._mesh.send_all(to, tag, tensors)
            return {source: self._receive(source, tag, ranks) for source in sources}

    @property
    def group(self) -> ProcessGroupGloo:
        """gloo's group of all members; who holds on to it may keep others waiting when one of them drops out."""
        return self._groups[self._members]

    def close(self) -> None:
        """Leave all of gloo's groups. The mesh stays as it is."""
        self._groups.clear()
        self._members = ()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """What moves bytes."""
        if math.isnan(self.began_seconds):
            self.began_seconds = time.monotonic()
        yield
        self.over_seconds = time.monotonic()

    def _among(self, among: Sequence[int] | None) -> tuple[int, ...]:
        ranks = self._members if among is None else tuple(among)
        if self._rank not in ranks or list(ranks) != sorted(set(ranks) & set(self._members)):
            raise ValueError(f"those among whom rank {self._rank} reduces must be members {self._members}, sorted; got {ranks}")
        return ranks

    def _tag(self, name: str, index: int) -> Tag:
        return f"{name}@{self._generation}", index

    def _is_old(self, tag: Tag) -> bool:
        _, at, generation = tag[0].rpartition("@")
        return bool(at) and int(generation) < self._generation

    def _receive(self, source: int, tag: Tag, ranks: tuple[int, ...]) -> tuple[Tensor, ...]:
        return self._mesh.receive(source, tag, watching=ranks).tensors

    def _ensure_group(self, ranks: tuple[int, ...]) -> None:
        """Have a gloo group of these, whose connections are open."""
        if ranks in self._groups or len(ranks) == 1:
            return
        name = ".".join(map(str, ranks))
        others = [rank for rank in ranks if rank != self._rank]
        # Gloo gives up on those who come later than its patience: all are here before it begins.
        tag = self._tag(f"group {name}", 0)
        self._mesh.send_all(others, tag)
        for rank in others:
            self._receive(rank, tag, ranks)
        self._watched(lambda: self._open_group(ranks, self._store / f"{self._generation}-{name}"), ranks)

    def _open_group(self, ranks: tuple[int, ...], path: Path) -> None:
        generation = self._generation
        options: Any = ProcessGroupGloo._Options()  # type: ignore[attr-defined]
        options._devices = [self._device()]
        options._timeout = self._patience
        group: Any = ProcessGroupGloo(FileStore(str(path), len(ranks)), ranks.index(self._rank), len(ranks), options)
        group.allreduce([torch.zeros(1)]).wait()
        if generation == self._generation:  # else it was given up meanwhile
            self._groups[ranks] = group

    def _sum(self, total: Tensor, ranks: tuple[int, ...]) -> None:
        group = self._groups[ranks]  # held until it is over: the destructor waits for that, and stops every thread meanwhile
        group.allreduce([total]).wait()

    def _device(self) -> ProcessGroupGloo.Device:
        if self._interface is None:
            return ProcessGroupGloo.create_device(hostname=self._mesh.addresses[self._rank][0])
        return ProcessGroupGloo.create_device(interface=self._interface)

    def _watched(self, task: Callable[[], object], ranks: tuple[int, ...]) -> None:
        """Run what waits for gloo, in a thread of its own: gloo cannot be interrupted, but be left alone when a member is lost.

        Then, as when it breaks by itself, all groups are dropped, and so break where others wait for us.
        """
        outcome: SimpleQueue[Exception | None] = SimpleQueue()

        def body() -> None:
            try:
                task()
            except Exception as error:
                outcome.put(error.with_traceback(None))  # a traceback would hold the group
            else:
                outcome.put(None)

        Thread(target=body, daemon=True).start()
        while True:
            try:
                error = outcome.get(timeout=_LOOK_SECONDS)
            except Empty:
                lost = self._mesh.first_lost(ranks)
                if lost is None:
                    continue
                self.close()
                raise PeerLost(lost) from None
            if error is None:
                return
            self.close()
            if not isinstance(error, RuntimeError):
                raise error
            lost = self._mesh.first_lost(ranks, _NAME_SECONDS)
            raise PeerLost(-1 if lost is None else lost, str(error))
