"""Programs whose workers do not move in step: for tests, not shipped."""

from dataclasses import dataclass

from bench.algorithm import Algorithm, Average, Backward, Pull, Push, Receive, Start, Train, Wait


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
