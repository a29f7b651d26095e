"""One TCP connection with another node: a thread that reads messages from it, and one that writes those that are queued."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread, current_thread

from bench.emulator.frames import Frame, Message, receive_bytes, receive_frame, send_frame

_HELLO = struct.Struct("!4sI")  # what a node that dials says first: a word by which it is known, and its number
_WORD = b"farb"


class Link:
    """A connection with `node`. Nothing is read or written before `start`."""

    def __init__(self, node: int, connection: socket.socket) -> None:
        self.node = node
        self._connection = connection
        self._queue: SimpleQueue[Frame | None] = SimpleQueue()  # None is the end
        self._reader: Thread | None = None
        self._writer = Thread(target=self._write, daemon=True)
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self, received: Callable[["Link", Message], None], ended: Callable[["Link"], None]) -> None:
        """Begin to read and write: each message goes to `received`, in the reader's thread, which calls `ended` last."""
        self._reader = Thread(target=self._read, args=(received, ended), daemon=True)
        self._writer.start()
        self._reader.start()

    def send(self, pieces: Frame) -> None:
        """Queue a message."""
        self._queue.put(pieces)

    def finish(self, seconds: float) -> None:
        """Wait until all that is queued is written, but no longer than so many seconds; nothing can be queued after it."""
        self._queue.put(None)
        if self._reader is not None:
            self._writer.join(max(0.0, seconds))

    def close(self) -> None:
        """Break the connection; a reader that was started then ends, and closes the socket, which nobody else may do before."""
        with suppress(OSError):  # the other side may have done it
            self._connection.shutdown(socket.SHUT_RDWR)
        if self._reader is None:
            self._connection.close()

    @property
    def is_over(self) -> bool:
        """Whether it was started, and both threads have ended."""
        return self._reader is not None and self._reader.ident is not None and not self._reader.is_alive()

    def join(self) -> None:
        """Wait until both threads have ended, unless it is one of them that asks."""
        if self._reader is not None and self._reader is not current_thread():
            self._reader.join()

    def _read(self, received: Callable[["Link", Message], None], ended: Callable[["Link"], None]) -> None:
        try:
            while True:
                received(self, receive_frame(self._connection, self.node))
        except (OSError, EOFError):
            pass
        finally:
            ended(self)
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            self._queue.put(None)
            self._writer.join()
            self._connection.close()

    def _write(self) -> None:
        try:
            while (pieces := self._queue.get()) is not None:
                send_frame(self._connection, pieces)
        except OSError:
            self.close()  # the reader reads what is there, then ends


def dial(node: int, source: tuple[str, int], target: tuple[str, int], seconds: float) -> socket.socket:
    """A connection from `node`, whose host is that of `source`, with who listens at `target`. Raises OSError if nobody does."""
    connection = socket.create_connection(target, seconds, (source[0], 0))
    try:
        connection.sendall(_HELLO.pack(_WORD, node))
    except OSError:
        connection.close()
        raise
    return connection


def who_dialled(connection: socket.socket, seconds: float) -> int | None:
    """The number of the node that dialled, or None if it does not say so properly in time."""
    connection.settimeout(seconds)
    try:
        word, node = _HELLO.unpack(receive_bytes(connection, _HELLO.size))
    except (OSError, EOFError):
        return None
    return node if word == _WORD else None
