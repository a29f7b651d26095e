"""What one node sends to the others and gets from them: messages, on one TCP connection for each pair of nodes."""

import socket
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Condition, Thread
from typing import Any

from torch import Tensor

from bench.emulator.frames import Message, Tag, frame
from bench.emulator.links import Link, dial, who_dialled

_RETRY_SECONDS = 0.02
_HELLO_SECONDS = 5.0  # what a node that dials says first travels right behind the connection itself


class PeerLost(Exception):
    """The connection to a node is gone: it died, was killed, closed its own, or never came. -1 if it is not known which."""

    def __init__(self, peer: int, why: str = "") -> None:
        super().__init__(f"node {peer} is lost{': ' if why else ''}{why}")
        self.peer = peer


class Mesh:
    """Messages between nodes: one TCP connection for each pair, opened before it is needed. Any thread may call it.

    It listens at `addresses[node]`, a host and a port, which should be none that the system gives to dialling sockets. The
    node with the lower number dials. A node that was lost stays so, even if it dials again, until it is forgotten; one that
    closes is lost to the others, so none may while others need it. `patience` is how many seconds a node may take to be there.
    """

    def __init__(self, node: int, addresses: Mapping[int, tuple[str, int]], *, patience: float = 30.0) -> None:
        if node not in addresses:
            raise ValueError(f"addresses must hold node {node}, got {sorted(addresses)}")
        if not patience > 0:
            raise ValueError(f"patience must be above 0 s, got {patience:g}")
        self.node = node
        self.addresses = dict(addresses)
        self.lost: set[int] = set()
        self._patience = patience
        self._changed = Condition()  # guards all that follows, and tells those who wait
        self._links: dict[int, Link] = {}
        self._held: dict[int, Link] = {}  # of nodes that came back before they were forgotten; nobody reads these
        self._arrived: dict[tuple[int, Tag], deque[Message]] = defaultdict(deque)
        self._handlers: dict[str, Callable[[Message], None]] = {}
        self._opened: set[Link] = set()  # all whose threads may not have ended
        self._closed = False
        self._listener = socket.create_server(addresses[node], backlog=len(addresses) + 8)
        self._acceptor = Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def connect(self, nodes: Iterable[int]) -> None:
        """Return when there is a connection to each of `nodes`. Raises PeerLost if one is lost, or does not come in time."""
        deadline = time.monotonic() + self._patience
        nodes = set(nodes) - {self.node}
        dialling = [Thread(target=self._dial, args=(to, deadline), daemon=True) for to in nodes if to > self.node]
        for thread in dialling:
            thread.start()
        for thread in dialling:
            thread.join()
        with self._changed:
            self._changed.wait_for(
                lambda: not nodes.isdisjoint(self.lost) or all(map(self._is_known, nodes)), deadline - time.monotonic()
            )
            missing = nodes - self._links.keys()
            if missing:
                late = missing.isdisjoint(self.lost) and not self._closed
                raise PeerLost(min(missing & self.lost or missing), f"not there after {self._patience:g} s" if late else "")

    def send(self, to: int, tag: Tag, tensors: Sequence[Tensor] = (), header: Mapping[str, Any] | None = None) -> None:
        """Queue a message with copies of `tensors`, and a `header` of what JSON can say. Raises PeerLost if `to` is gone."""
        self.send_all((to,), tag, tensors, header)

    def send_all(
        self, to: Iterable[int], tag: Tag, tensors: Sequence[Tensor] = (), header: Mapping[str, Any] | None = None
    ) -> None:
        """As `send`, one message to each of `to`. If one of them is lost, no message goes to anybody."""
        pieces = frame(tag, tensors, header or {})
        with self._changed:
            links = []
            for node in to:
                if node not in self._links:
                    raise PeerLost(node)
                links.append(self._links[node])
        for link in links:
            link.send(pieces)

    def receive(self, source: int, tag: Tag, watching: Iterable[int] = ()) -> Message:
        """The next message of that tag from `source`; waits for it. Raises PeerLost if `source` is lost, or one of `watching`.

        What had arrived before the loss is still there to be received.
        """
        watched = {source, *watching} - {self.node}
        key = (source, tag)
        with self._changed:
            self._changed.wait_for(lambda: key in self._arrived or self._closed or not watched.isdisjoint(self.lost))
            if key not in self._arrived:
                raise PeerLost(min(watched & self.lost, default=source), "closed here" if self._closed else "")
            waiting = self._arrived[key]
            message = waiting.popleft()
            if not waiting:
                del self._arrived[key]
            return message

    def on(self, kind: str, handler: Callable[[Message], None]) -> None:
        """From now on messages of that kind go to `handler`, in the thread that reads them, and not to `receive`."""
        with self._changed:
            self._handlers[kind] = handler

    def discard(self, unwanted: Callable[[Tag], bool]) -> None:
        """Throw away what has arrived, and was not received, of those tags that are `unwanted`."""
        with self._changed:
            for key in [key for key in self._arrived if unwanted(key[1])]:
                del self._arrived[key]

    def first_lost(self, nodes: Iterable[int], seconds: float = 0.0) -> int | None:
        """The lowest of `nodes` that is lost, or None if none is, and none gets lost in the next `seconds`."""
        nodes = set(nodes)
        with self._changed:
            self._changed.wait_for(lambda: not nodes.isdisjoint(self.lost), seconds)
            return min(nodes & self.lost, default=None)

    def forget(self, node: int, address: tuple[str, int] | None = None) -> None:
        """The node's former process is over, with all that it sent: a new one is welcome, at a new `address` if given."""
        with self._changed:
            if node in self._links:
                self._links.pop(node).close()
            for key in [key for key in self._arrived if key[0] == node]:
                del self._arrived[key]
            self.lost.discard(node)
            if address is not None:
                self.addresses[node] = address
            if node in self._held:
                self._take(self._held.pop(node))
            self._changed.notify_all()

    def close(self, linger_seconds: float = 5.0) -> None:
        """Send what is queued, for `linger_seconds` at most, then close every connection; all threads have then ended."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            links = list(self._links.values())
            for held in self._held.values():
                held.close()
        deadline = time.monotonic() + linger_seconds
        for link in links:
            link.finish(deadline - time.monotonic())
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor
        self._acceptor.join()
        self._listener.close()
        for link in self._opened:
            link.close()
            link.join()

    def _is_known(self, node: int) -> bool:
        return node in self._links or node in self.lost or self._closed

    def _dial(self, to: int, deadline: float) -> None:
        """Connect with `to`, as soon as it listens. Gives up when it is lost, or at the deadline."""
        while not self._is_known(to) and (left := deadline - time.monotonic()) > 0:
            try:
                connection = dial(self.node, self.addresses[self.node], self.addresses[to], left)
            except OSError:  # nobody listens yet
                time.sleep(min(_RETRY_SECONDS, left))
            else:
                self._adopt(Link(to, connection))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            node = who_dialled(connection, _HELLO_SECONDS)
            if node is None or node not in self.addresses:
                connection.close()
            else:
                self._adopt(Link(node, connection))

    def _adopt(self, link: Link) -> None:
        """Take up a new connection, or hold it, if its node has another, which is then lost, or was not forgotten since."""
        with self._changed:
            if self._closed:
                link.close()
            elif link.node in self._links or link.node in self.lost:
                if link.node in self._links:
                    self._lose(self._links[link.node])
                if link.node in self._held:
                    self._held[link.node].close()
                self._held[link.node] = link
            else:
                self._take(link)

    def _take(self, link: Link) -> None:
        self._links[link.node] = link
        self._opened = {opened for opened in self._opened if not opened.is_over} | {link}
        link.start(self._received, self._lose)
        self._changed.notify_all()

    def _lose(self, link: Link) -> None:
        with self._changed:
            link.close()
            if self._links.get(link.node) is link:
                del self._links[link.node]
                self.lost.add(link.node)
                self._changed.notify_all()

    def _received(self, link: Link, message: Message) -> None:
        with self._changed:
            if self._links.get(link.node) is not link:  # of a process that is lost
                return
            handler = self._handlers.get(message.tag[0])
            if handler is None:
                self._arrived[link.node, message.tag].append(message)
                self._changed.notify_all()
        if handler is not None:
            handler(message)
