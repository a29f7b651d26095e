"""Local SGD: average the parameters every `sync_every` local steps (Stich, ICLR 2019, arXiv:1805.09767)."""

from bench.algorithm.ops import Algorithm, AllReduce, Program, Train
from bench.replicas import Replicas


class LocalSGD(Algorithm):
    """Workers step alone, then all take the mean of their parameters; optimizer states stay local."""

    def __init__(self, *, sync_every: int) -> None:
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        self.sync_every = sync_every

    def run(self, replicas: Replicas) -> Program:
        while True:
            yield Train(self.sync_every)
            replicas.params[:] = yield AllReduce(replicas.params)
