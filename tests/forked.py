"""Forked processes that stand for nodes on loopback: each runs a function with its own mesh and answers in JSON."""

import json
import os
import select
import signal
import time
import traceback
from pathlib import Path

import torch

from bench.emulator.communicator import Communicator
from bench.emulator.mesh import Mesh


def loopback(nodes, port=29_400):
    """An address for each node, of its own on 127/8 and of this process only; the port is none that dialling sockets get."""
    pid = os.getpid()
    return {node: (f"127.{10 + pid % 200}.{pid // 200 % 250}.{node + 1}", port) for node in nodes}


def sockets_and_threads(settled=1000):
    """How many sockets and threads this process has, once they are no more than `settled`, or after 5 s.

    A thread that has ended, and was joined, may be there a moment longer.
    """
    deadline = time.monotonic() + 5
    while len(os.listdir("/proc/self/task")) > settled and time.monotonic() < deadline:
        time.sleep(0.01)
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:  # the one that lists them
            continue
    return sum(link.startswith("socket") for link in links), len(os.listdir("/proc/self/task"))


class Forked:
    """Nodes, each a process that answers what its function returns, and lives until it is killed."""

    def __init__(self, nodes):
        self.addresses = loopback(nodes)
        self._running = {}  # node: (pid, pipe)

    def start(self, node, body, *arguments, addresses=None):
        """Fork a process that runs `body(mesh, *arguments)` with the mesh of `node`, connected with nobody."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                torch.set_num_threads(1)
                mesh = Mesh(node, addresses or self.addresses, patience=10.0)
                os.write(writing, json.dumps(body(mesh, *arguments)).encode() + b"\n")
                signal.pause()  # who leaves is lost to those who still work
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(writing)
        if node in self._running:  # it comes back
            self._end(node)
        self._running[node] = pid, reading

    def kill(self, node):
        """Kill -9; answers when, by the clock of all."""
        pid, _ = self._running[node]
        os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    def answer(self, node, seconds=20.0):
        """What its function returned, or None if it died before. Fails if it takes longer than so many seconds."""
        _, reading = self._running[node]
        ready, _, _ = select.select([reading], [], [], seconds)
        assert ready, f"node {node} has not answered after {seconds} s"
        with os.fdopen(os.dup(reading)) as pipe:
            text = pipe.readline()
        return json.loads(text) if text else None

    def all(self, body, *arguments):
        """Start every node with the same body; their answers, in order."""
        for node in self.addresses:
            self.start(node, body, *arguments)
        return [self.answer(node) for node in self.addresses]

    def close(self):
        for node in list(self._running):
            self._end(node)

    def _end(self, node):
        pid, reading = self._running.pop(node)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)


def formed(mesh, store, patience=10.0):
    """A communicator among all nodes of `mesh`, in generation 0."""
    mesh.connect(mesh.addresses)
    communicator = Communicator(mesh.node, mesh, Path(store), None, patience)
    communicator.form(list(mesh.addresses), 0)
    return communicator


def row_of(rank, n=10):
    """Whole numbers, so that sums are exact in any order."""
    return torch.arange(n, dtype=torch.float32) * (rank + 1)
