"""Linux network namespaces from Python, by setns(2) and unshare(2): making one, entering it and coming back; and mount(2)."""

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.errors import EmulationError

_LIBC = ctypes.CDLL(None, use_errno=True)
_NETWORK = 0x40000000  # CLONE_NEWNET
_OWN = "/proc/thread-self/ns/net"


def new_network() -> int:
    """A file descriptor of a new network namespace, which lasts as long as it is open or a process is in there."""
    with _coming_back():
        _checked(_LIBC.unshare(_NETWORK), "unshare")
        return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


def enter_network(descriptor: int) -> None:
    """Move the calling thread, and all that it will start, into the network namespace of `descriptor`."""
    _checked(_LIBC.setns(descriptor, _NETWORK), "setns")


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """The calling thread is in the network namespace of `descriptor` meanwhile."""
    with _coming_back():
        enter_network(descriptor)
        yield


def run(descriptor: int, command: Sequence[str], text: str = "", pass_fds: Sequence[int] = ()) -> str:
    """What a command answers that runs in the network namespace of `descriptor` and reads `text`."""
    with inside(descriptor):
        done = subprocess.run(command, input=text, capture_output=True, text=True, pass_fds=pass_fds)
    if done.returncode != 0:
        raise EmulationError(f"'{command[0]}' failed: {' '.join(done.stderr.split())}")
    return done.stdout


def mount(source: str, target: str, kind: str) -> None:
    """Mount a file system of this kind."""
    _checked(_LIBC.mount(source.encode(), target.encode(), kind.encode(), 0, None), f"mount {target}")


@contextmanager
def _coming_back() -> Iterator[None]:
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        try:
            enter_network(home)
        finally:
            os.close(home)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
