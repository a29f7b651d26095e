"""AD-PSGD: Asynchronous Decentralized Parallel SGD (Lian et al., ICML 2018, arXiv:1710.06952)."""

from typing import Literal

from bench.algorithm.ops import Algorithm, Average, Backward, Program
from bench.replicas import Replicas
from bench.seeds import stream


class ADPSGD(Algorithm):
    """Each worker computes a gradient, averages its parameters with those of a random neighbour, and takes its step.

    Meanwhile others may have averaged with it, so that its gradient is one of older parameters. Both sides of an average
    change at one moment, which is all that the paper needs its bipartite graph for. `neighbours` are the two next to a worker
    on a ring of ranks, or all others; `seed` is of the stream from which they are drawn.
    """

    lockstep = "none"

    def __init__(self, *, neighbours: Literal["ring", "all"], seed: int) -> None:
        if neighbours not in ("ring", "all"):
            raise ValueError(f"neighbours must be ring or all, got '{neighbours}'")
        self.neighbours, self.seed = neighbours, seed

    def run(self, replicas: Replicas) -> Program:
        rank, workers = replicas.rank, replicas.workers
        distances = range(1, workers) if self.neighbours == "all" else sorted({1, workers - 1} - {0})
        random = stream(self.seed, "ad_psgd", rank)
        while True:
            gradient = yield Backward()
            if workers > 1:
                yield Average((rank + int(random.choice(distances))) % workers)
            replicas.step(gradient)
