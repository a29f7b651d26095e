"""Islands that are synchronous inside, with DiLoCo between them (Douillard et al., arXiv:2311.08105)."""

import numpy as np

from bench.algorithm.ops import Algorithm, AllReduce, Backward, Program
from bench.errors import SkipError
from bench.optimizer import Nesterov
from bench.optimizer.base import check_positive, check_share
from bench.replicas import Replicas


class Hierarchical(Algorithm):
    """The gradients of each step are averaged within an island, the pseudo-gradients of `sync_every` steps between all.

    Islands are consecutive ranks, as equal as can be. All workers take part in the outer all-reduce, though those of an island
    send the same, so that it needs no leader who may drop out. What crosses the slow lines is then up to the collective: over
    an island's exit, a hierarchical one sends every byte once and a ring nearly twice.
    """

    lockstep = "groups"

    def __init__(self, *, islands: int, sync_every: int, outer_lr: float, outer_momentum: float) -> None:
        for name, value in (("islands", islands), ("sync_every", sync_every)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        check_positive(outer_lr=outer_lr)
        check_share(outer_momentum=outer_momentum)
        self.islands, self.sync_every, self.outer_lr, self.outer_momentum = islands, sync_every, outer_lr, outer_momentum

    def run(self, replicas: Replicas) -> Program:
        workers = replicas.workers
        if workers < self.islands:
            raise SkipError(f"{self.islands} islands need as many workers at least, and there are {workers}")
        island = np.arange(workers) * self.islands // workers  # (W,)
        anchor = replicas.params[:1].clone()  # (1, P)
        outer = Nesterov(lr=self.outer_lr, momentum=self.outer_momentum)
        while True:
            for _ in range(self.sync_every):
                gradients = yield Backward()
                gradients = yield AllReduce(gradients, groups=island)
                replicas.step(gradients)
            pseudo_gradient = yield AllReduce(anchor - replicas.params)
            anchor = outer.step(anchor, pseudo_gradient)
            replicas.params[:] = anchor
