"""DiLoCo: Distributed Low-Communication Training of Language Models (Douillard et al., arXiv:2311.08105)."""

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Program, Train
from bench.optimizer import Nesterov
from bench.replicas import Replicas


class DiLoCo(Algorithm):
    """Local steps, then an outer Nesterov step on the averaged pseudo-gradient; inner optimizer states stay local.

    The first `start` steps are synchronous data parallelism: the paper's models are trained in one place first.
    """

    def __init__(self, *, sync_every: int, outer_lr: float, outer_momentum: float, start: int = 0) -> None:
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        if not 0 < outer_lr < float("inf"):
            raise ValueError(f"outer_lr must be above 0 and finite, got {outer_lr:g}")
        if not 0 <= outer_momentum < 1:
            raise ValueError(f"outer_momentum must be in [0, 1), got {outer_momentum:g}")
        if start < 0:
            raise ValueError(f"start must be >= 0, got {start}")
        self.sync_every, self.outer_lr, self.outer_momentum, self.start = sync_every, outer_lr, outer_momentum, start

    def run(self, replicas: Replicas) -> Program:
        for _ in range(self.start):
            gradients = yield Backward()
            replicas.step((yield AllReduce(gradients)))
        anchor = replicas.params[:1].clone()  # (1, P)
        outer = Nesterov(lr=self.outer_lr, momentum=self.outer_momentum)
        while True:
            yield Train(self.sync_every)
            pseudo_gradient = yield AllReduce(anchor - replicas.params)
            anchor = outer.step(anchor, pseudo_gradient)
            replicas.params[:] = anchor
