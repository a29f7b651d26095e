"""Begins a hub, tells it what to emulate, and hears what came of it."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from torch import Tensor

from bench.emulator.channel import Channel
from bench.emulator.isolation import isolated
from bench.emulator.probed import Probed
from bench.errors import EmulationError, SkipError

Hear = Callable[[Mapping[str, Any]], None]


class Launcher:
    """A hub of its own, isolated or not, as a context: all its processes and hosts end with it."""

    def __init__(self, *, shaped: bool) -> None:
        here, there = socket.socketpair()
        argv = [sys.executable, "-m", "bench.emulator.hub", str(there.fileno()), *(["--isolated"] if shaped else [])]
        command = isolated(argv) if shaped else argv
        # A Ctrl-C of the terminal is the launcher's to deal with.
        self._process = subprocess.Popen(command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, start_new_session=True)
        there.close()
        self._hub = Channel(here)

    def emulate(
        self, message: Mapping[str, Any], predict: Callable[[Probed], None], hear: Hear = lambda message: None
    ) -> tuple[dict[str, Any], list[Tensor]]:
        """What was measured, and the parameters of each worker that reported, (1, P).

        `predict` is called when all nodes are there and links are not shaped yet, with what was probed of them if it was asked
        for; `hear` with all that the hub says on the way. Raises EmulationError or SkipError.
        """
        self._hub.send(message)
        while True:
            try:
                answer, tensors = self._hub.receive()
            except EOFError:
                raise EmulationError(f"the emulator's hub ended with code {self._process.wait()}") from None
            match answer:
                case {"error": text, "kind": "SkipError"}:
                    raise SkipError(text)
                case {"error": text, "trace": trace}:
                    raise EmulationError(text, trace)
                case {"ready": probed}:
                    predict(Probed(**probed))
                    self._hub.send({"go": True})
                case {"measured": measured}:
                    return measured, tensors
                case _:
                    hear(answer)

    def __enter__(self) -> "Launcher":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._hub.close()
        try:
            self._process.wait(10 if kind is None else 0.5)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
