"""Programs whose workers do not move in step: for tests, not shipped."""

from dataclasses import dataclass

import numpy as np

from bench.algorithm import Algorithm, AllReduce, Average, Backward, Exchange, Pull, Push, Receive, Start, Train, Wait


@dataclass(frozen=True)
class Async(Algorithm):
    """Asynchronous SGD: pull, train, push, with a server at the host of rank `host`."""

    steps: int = 1
    host: int = 0
    lockstep = "none"

    def servers(self, workers):
        return (self.host,)

    def run(self, replicas):
        while True:
            pulled = yield Pull()
            replicas.params[:] = pulled
            yield Train(self.steps)
            yield Push(pulled - replicas.params)

    def server(self, number, params):
        while True:
            arrival = yield Receive(params)
            params = params - arrival.payload


@dataclass(frozen=True)
class Ahead(Async):
    """The same, training while the last push is under way."""

    def run(self, replicas):
        handle = None
        while True:
            yield Train(self.steps)
            if handle is not None:
                yield Wait(handle)
            handle = yield Start(Push(replicas.params))


@dataclass(frozen=True)
class Pairs(Algorithm):
    """After each step a worker averages with the next one, or with `peer`."""

    peer: int | None = None
    lockstep = "none"

    def run(self, replicas):
        peer = (replicas.rank + 1) % replicas.workers if self.peer is None else self.peer
        while True:
            gradient = yield Backward()
            if peer != replicas.rank:
                yield Average(peer)
            replicas.step(gradient)


def ring(workers):
    """Weights of 1/3 for oneself and each neighbour, (W, W)."""
    weights = np.eye(workers)
    for shift in (-1, 1):
        weights += np.roll(np.eye(workers), shift, axis=1)
    return weights / weights.sum(1, keepdims=True)


@dataclass(frozen=True)
class Neighbours(Algorithm):
    """Gossip on a ring after so many steps."""

    steps: int = 1
    lockstep = "groups"

    def run(self, replicas):
        weights = ring(len(replicas.params))
        while True:
            yield Train(self.steps)
            replicas.params[:] = yield Exchange(replicas.params, weights)


@dataclass(frozen=True)
class Grouped(Algorithm):
    """Groups average among themselves, the next time other groups, in turn."""

    groups: tuple[tuple[int, ...], ...]
    steps: int = 1
    lockstep = "groups"

    def run(self, replicas):
        while True:
            for groups in self.groups:
                yield Train(self.steps)
                replicas.params[:] = yield AllReduce(replicas.params, groups=np.array(groups))


@dataclass(frozen=True)
class Mixed(Algorithm):
    """All words of a program in groups: "x" exchanges on a ring, "g" reduces in pairs, "a" of all, "s" starts one of all and
    "S" one of pairs, "w" waits for the first that is in the air, and a number trains so many steps."""

    script: tuple[int | str, ...]
    lockstep = "groups"

    def run(self, replicas):
        params = replicas.params
        pairs = np.arange(len(params)) // 2
        in_the_air = []
        while True:
            for word in self.script:
                match word:
                    case "x":
                        yield Exchange(params, ring(len(params)))
                    case "g":
                        yield AllReduce(params, groups=pairs)
                    case "a":
                        yield AllReduce(params)
                    case "s" if len(in_the_air) < 3:
                        in_the_air.append((yield Start(AllReduce(params[:, :300]))))
                    case "S" if len(in_the_air) < 3:
                        in_the_air.append((yield Start(AllReduce(params[:, 300:], groups=pairs))))
                    case "w" if in_the_air:
                        yield Wait(in_the_air.pop(0))
                    case int():
                        yield Train(word)
