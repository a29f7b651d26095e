"""The ranks that probe each other: messages between two, all-reduces of all, and a board on which each publishes JSON."""

import json
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch import Tensor

from bench.errors import FarbenchError
from bench.network.transfer import Floats

distributed: Any = torch.distributed
"""torch's own, whose types leave out most of its names."""


class Lost(FarbenchError):
    """A rank, or the way to it, is gone."""


class Ranks:
    """One rank's view of all; `store` is one of torch.distributed, which all of them reach.

    For what does not come a rank waits `patience_seconds`, then raises Lost, as when another died.
    """

    def __init__(self, *, store: Any, rank: int, size: int, patience_seconds: float = 300.0) -> None:
        self.rank, self.size = rank, size
        self._board = distributed.PrefixStore("probe", store)
        self._board.set_timeout(timedelta(seconds=patience_seconds))
        with lost("joining"):
            patience = timedelta(seconds=patience_seconds)
            self.group: Any = distributed.ProcessGroupGloo(distributed.PrefixStore("gloo", self._board), rank, size, patience)
            # Connections are made now, not inside of what is measured.
            self.group.allreduce([torch.zeros(1)]).wait()

    def send(self, tensor: Tensor, to: int) -> Any:
        return self.group.send([tensor], to, 0)

    def receive(self, tensor: Tensor, sender: int) -> Any:
        return self.group.recv([tensor], sender, 0)

    def nccl(self) -> Any:
        """A group of all ranks that goes through NCCL, from each one's current CUDA device."""
        with lost("joining through NCCL"):
            return distributed.ProcessGroupNCCL(distributed.PrefixStore("nccl", self._board), self.rank, self.size)

    def everyone(self, topic: str, value: Any) -> list[Any]:
        """What each rank says on one topic, by rank; `value` is this one's."""
        self.publish(f"{topic}/{self.rank}", value)
        return [self.read(f"{topic}/{rank}") for rank in range(self.size)]

    def publish(self, name: str, value: Any) -> None:
        """Say `value`, of JSON, to all."""
        with lost(name):
            self._board.set(name, json.dumps(value))

    def read(self, name: str) -> Any:
        """What was published as `name`, once it is. Raises Lost if whoever should have published it failed."""
        with lost(name):
            text = self._board.get(name)
        value = json.loads(text)
        if isinstance(value, dict) and "failed" in value:
            raise Lost(value["failed"])
        return value

    @contextmanager
    def telling(self, name: str) -> Iterator[None]:
        """If what happens inside fails, those who wait for `name` are told, and Lost is raised."""
        try:
            with lost(name):
                yield
        except Lost as error:
            with suppress(Lost), lost(name):
                self._board.set(name, json.dumps({"failed": str(error)}))
            raise

    def close(self) -> None:
        """Leave, once all have come so far; the first rank, which may have the store, last."""
        self.everyone("over", True)
        del self.group
        if self.rank:
            self.publish(f"left/{self.rank}", True)
        else:
            for rank in range(1, self.size):
                self.read(f"left/{rank}")

    def first_to_tell(self) -> bool:
        """Whether no other rank has told the user of a failure, as far as can be known."""
        try:
            with lost("telling"):
                return self._board.add("told", 1) == 1
        except Lost:
            return True


@contextmanager
def lost(what: str) -> Iterator[None]:
    """Turns what torch raises when a connection breaks or nobody answers into Lost."""
    try:
        yield
    except RuntimeError as error:  # torch's errors of its stores and groups are
        first = str(error).strip().split(". ")[0].splitlines()[0]
        reason = re.sub(r"^\[\S*\] ", "", first)  # where in gloo's sources
        raise Lost(f"a rank or its connection was lost ({what}): {reason}") from error


def timed_all_reduces(group: Any, payload: Tensor, repeats: int) -> Floats:
    """Seconds of each of `repeats` all-reduces back to back, the slowest rank's, (repeats,). `group` is gloo's or NCCL's."""
    ends = [time.monotonic()]
    for _ in range(repeats):
        group.allreduce([payload]).wait()
        if payload.is_cuda:
            torch.cuda.synchronize()
        ends.append(time.monotonic())
    seconds = torch.from_numpy(np.diff(ends)).to(payload.device)
    options = distributed.AllreduceOptions()
    options.reduceOp = distributed.ReduceOp.MAX
    group.allreduce([seconds], options).wait()
    return seconds.cpu().numpy()


def machine() -> str:
    """A name for this machine's network: ranks in one namespace of one kernel share it."""
    try:
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/net").readlink()
    except OSError:
        return platform.node()
    return f"{platform.node()} {kernel} {namespace}"
