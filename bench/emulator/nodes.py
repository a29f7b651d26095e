"""The processes of an emulation's nodes: forked, told, heard, killed and reaped."""

import os
import selectors
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from bench.emulator.channel import Channel, channels
from bench.emulator.node import PATIENCE, Post, work
from bench.errors import EmulationError

Message = tuple[dict[str, Any], list[Tensor]]


@dataclass
class Child:
    """One node's process."""

    node: int
    pid: int
    main: Channel  # what it reports, and rounds
    breaks: Channel
    news: Channel  # who is back
    report: dict[str, Any] | None = None
    tensors: list[Tensor] = field(default_factory=list)

    def close(self) -> None:
        """Its channels, here."""
        for channel in (self.main, self.breaks, self.news):
            channel.close()


class Nodes:
    """Those that are there. Raises EmulationError where one fails, or ends unbidden."""

    def __init__(self, launcher: Channel) -> None:
        self._launcher = launcher
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()

    def __iter__(self) -> Iterator[Child]:
        return iter([child for _, child in sorted(self._children.items())])

    def __getitem__(self, node: int) -> Child:
        return self._children[node]

    def get(self, node: int) -> Child | None:
        """The process of a node, if it is there."""
        return self._children.get(node)

    @property
    def through(self) -> bool:
        """Whether all have reported."""
        return all(child.report is not None for child in self)

    def begin(self, post: Post) -> None:
        """Fork the process of a node."""
        main, theirs = channels()
        breaks, their_breaks = channels()
        news, their_news = channels()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                for child in self:
                    child.close()
                for channel in (main, breaks, news, self._launcher):
                    channel.close()
                work(post, theirs, their_breaks, their_news)
                status = 0
            finally:
                os._exit(status)
        for channel in (theirs, their_breaks, their_news):
            channel.close()
        child = Child(post.node, pid, main, breaks, news)
        self._children[post.node] = child
        for channel in (main, breaks):
            self._selector.register(channel, selectors.EVENT_READ, child)

    def tell(self, message: dict[str, Any]) -> None:
        """Tell all of them."""
        for child in self:
            child.main.send(message)

    def heard(self, until: float) -> Iterator[tuple[Child, Message]]:
        """What they say up to that second of the machine's clock, or the next one at most; comes back as soon as one speaks."""
        for key, _ in self._selector.select(max(0.0, min(until - time.monotonic(), 1.0))):
            child: Child = key.data
            if self._children.get(child.node) is child:  # else it was killed meanwhile
                yield child, _next(child, key.fileobj)  # type: ignore[arg-type]

    def everybody(self, what: str) -> list[dict[str, Any]]:
        """That message of every node."""
        got: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + 2 * PATIENCE
        while len(got) < len(self._children):
            for child, (message, _) in self.heard(deadline):
                if what not in message:
                    raise EmulationError(f"node {child.node} said {message} instead of '{what}'")
                got[child.node] = message
            if time.monotonic() > deadline:
                silent = sorted(self._children.keys() - got.keys())
                raise EmulationError(f"nodes {silent} did not come to '{what}' within {2 * PATIENCE:g} s")
        return list(got.values())

    def kill(self, child: Child) -> None:
        """At once, with no chance to tell anybody."""
        self._forget(child)
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)

    def end(self) -> None:
        """Let those that are through exit, and kill the others: no process is left."""
        for child in self:
            if child.report is None:
                os.kill(child.pid, signal.SIGKILL)
            else:
                with suppress(OSError):  # it is gone
                    child.main.send({"exit": True})
        for child in self:
            os.waitpid(child.pid, 0)
            self._forget(child)
        self._selector.close()

    def _forget(self, child: Child) -> None:
        del self._children[child.node]
        for channel in (child.main, child.breaks):
            self._selector.unregister(channel)
        child.close()


def _next(child: Child, channel: Channel) -> Message:
    """The next message of a node."""
    try:
        message, tensors = channel.receive()
    except EOFError:
        raise EmulationError(f"node {child.node} ended without a word") from None
    if "failed" in message:
        trace = message["failed"]
        raise EmulationError(f"node {child.node} failed: {trace.strip().splitlines()[-1]}", trace)
    return message, tensors
