"""HALoS: Hierarchical Asynchronous Local SGD over Slow Networks (Kim et al., ICML 2025, arXiv:2506.04531)."""

import numpy as np
from torch import Tensor

from bench.algorithm.ops import Algorithm, Program, Pull, Push, Receive, Start, Train
from bench.errors import SkipError
from bench.optimizer import DelayedNesterov
from bench.optimizer.base import check_positive, check_share
from bench.replicas import Replicas


class HALoS(Algorithm):
    """Workers train with the server of their island, island servers with a global one; nobody waits for another worker.

    Islands are consecutive blocks of ranks, as equal as can be, each with its server at its first rank; the global one, server
    0, stands at rank 0. An island's server takes a step at each pseudo-gradient of a worker. After `accumulate` of them since
    it last merged, it sends how far it has come and goes on; the global server takes a step, and sends its model back, of
    which the island's takes over the share `merge`, and begins to count anew. What came in meanwhile stays in the rest of its
    model and reaches the global one no other way, as in the authors' code (utnslab/halos). Both have Delayed Nesterov.
    """

    lockstep = "none"

    def __init__(
        self,
        *,
        islands: int,
        sync_every: int,
        accumulate: int,
        merge: float,
        local_lr: float,
        local_momentum: float,
        local_delay: int,
        global_lr: float,
        global_momentum: float,
        global_delay: int,
    ) -> None:
        counts = {"islands": islands, "sync_every": sync_every, "accumulate": accumulate}
        for name, value in (counts | {"local_delay": local_delay, "global_delay": global_delay}).items():
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        if not 0 < merge <= 1:
            raise ValueError(f"merge must be in (0, 1], got {merge:g}")
        check_positive(local_lr=local_lr, global_lr=global_lr)
        check_share(local_momentum=local_momentum, global_momentum=global_momentum)
        self.islands, self.sync_every, self.accumulate, self.merge = islands, sync_every, accumulate, merge
        self.local_lr, self.local_momentum, self.local_delay = local_lr, local_momentum, local_delay
        self.global_lr, self.global_momentum, self.global_delay = global_lr, global_momentum, global_delay

    def servers(self, workers: int) -> tuple[int, ...]:
        if workers < self.islands:
            raise SkipError(f"{self.islands} islands are more than there are workers, {workers}")
        first = np.searchsorted(np.arange(workers) * self.islands // workers, np.arange(self.islands))
        return (0, *map(int, first))

    def run(self, replicas: Replicas) -> Program:
        server = 1 + replicas.rank * self.islands // replicas.workers
        while True:
            anchor = yield Pull(server)  # (1, P)
            replicas.params[:] = anchor
            yield Train(self.sync_every)
            yield Push(anchor - replicas.params, server=server)

    def server(self, number: int, params: Tensor) -> Program:
        return self._island(params) if number else self._global(params)

    def _island(self, params: Tensor) -> Program:
        outer = DelayedNesterov(lr=self.local_lr, momentum=self.local_momentum, delay=self.local_delay)
        anchor, count = params, 0  # after the last merge, and pseudo-gradients since
        while True:
            arrival = yield Receive(params)
            if arrival.server is not None:
                params = (1 - self.merge) * params + self.merge * arrival.payload
                anchor, count = params, 0
                continue
            params = outer.step(params, arrival.payload)
            count += 1
            if count == self.accumulate:
                yield Start(Push(anchor - params, server=0))

    def _global(self, params: Tensor) -> Program:
        outer = DelayedNesterov(lr=self.global_lr, momentum=self.global_momentum, delay=self.global_delay)
        while True:
            arrival = yield Receive(params)
            params = outer.step(params, arrival.payload)
            yield Start(Push(params, server=arrival.server, encoded=False))
