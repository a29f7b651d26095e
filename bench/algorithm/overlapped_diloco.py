"""DiLoCo whose communication overlaps the next round: delayed and eager outer updates (Kale et al., arXiv:2502.12996)."""

import torch

from bench.algorithm.ops import Algorithm, AllReduce, Handle, Program, Start, Train, Wait
from bench.optimizer import Nesterov
from bench.replicas import Replicas


class OverlappedDiLoCo(Algorithm):
    """DiLoCo's pseudo-gradients are averaged while the next round computes, and arrive one outer step late.

    Delayed, the outer step of each round is along the average of the round before. Eager, each of M workers puts what it has
    just computed in the place of its own part of that average: Δ_m / M, and the others' parts a round late; outer parameters
    and momentum are then each worker's own. In the first round nothing has arrived, which counts as zero. Where a worker's
    payload did not count, its part of the average is taken out nevertheless: M is the number of all workers.
    """

    def __init__(self, *, sync_every: int, eager: bool, outer_lr: float, outer_momentum: float) -> None:
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        if not 0 < outer_lr < float("inf"):
            raise ValueError(f"outer_lr must be above 0 and finite, got {outer_lr:g}")
        if not 0 <= outer_momentum < 1:
            raise ValueError(f"outer_momentum must be in [0, 1), got {outer_momentum:g}")
        self.sync_every, self.eager, self.outer_lr, self.outer_momentum = sync_every, eager, outer_lr, outer_momentum

    def run(self, replicas: Replicas) -> Program:
        workers = replicas.workers
        outer = Nesterov(lr=self.outer_lr, momentum=self.outer_momentum)
        anchor = replicas.params[:1].clone()  # (1, P), eager (W, P) from the first outer step on
        before = torch.zeros_like(replicas.params)  # (W, P) pseudo-gradients of the round before
        in_the_air: Handle | None = None  # their average
        while True:
            yield Train(self.sync_every)
            pseudo_gradients = anchor - replicas.params  # (W, P)
            started: Handle = yield Start(AllReduce(pseudo_gradients))
            average = torch.zeros_like(before[:1]) if in_the_air is None else (yield Wait(in_the_air))  # (1, P)
            if self.eager:
                average = pseudo_gradients / workers + (average - before / workers)  # (W, P)
            anchor = outer.step(anchor, average)
            replicas.params[:] = anchor
            before, in_the_air = pseudo_gradients, started
