"""Post-local SGD: synchronous first, local steps later (Lin et al., ICLR 2020, arXiv:1808.07217)."""

from bench.algorithm.ops import Algorithm, AllReduce, Program, Train
from bench.replicas import Replicas


class PostLocalSGD(Algorithm):
    """Parameters are averaged after every one of the first `start` steps, and every `sync_every` steps from then on.

    The paper changes over when it first lowers the learning rate. With plain SGD the first phase is data parallelism on the
    mean gradient, as in the paper; the states of other optimizers stay local in it, too.
    """

    def __init__(self, *, start: int, sync_every: int) -> None:
        if start < 0:
            raise ValueError(f"start must be >= 0, got {start}")
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        self.start, self.sync_every = start, sync_every

    def run(self, replicas: Replicas) -> Program:
        step = 0
        while True:
            steps = 1 if step < self.start else self.sync_every
            yield Train(steps)
            replicas.params[:] = yield AllReduce(replicas.params)
            step += steps
