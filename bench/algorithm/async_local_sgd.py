"""Asynchronous Local-SGD Training for Language Modeling (Liu et al., 2024, arXiv:2401.09135)."""

from torch import Tensor

from bench.algorithm.ops import Algorithm, Program, Pull, Push, Receive, Train
from bench.optimizer import DelayedNesterov
from bench.optimizer.base import check_positive, check_share
from bench.replicas import Replicas


class AsyncLocalSGD(Algorithm):
    """DiLoCo in which nobody waits for others: the server takes an outer step at each pseudo-gradient that arrives.

    Its momentum is renewed every `delay` arrivals (Delayed Nesterov): with 1, at each of them, which is the naive way.
    `activation` is the paper's c. Inner optimizer states stay local.
    """

    lockstep = "none"

    def __init__(self, *, sync_every: int, outer_lr: float, outer_momentum: float, delay: int, activation: float) -> None:
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        check_positive(outer_lr=outer_lr)
        check_share(outer_momentum=outer_momentum)
        if delay < 1:
            raise ValueError(f"delay must be >= 1, got {delay}")
        if not 0 <= activation <= 1 / delay:
            raise ValueError(f"activation must be in [0, 1 / delay], got {activation:g}")
        self.sync_every, self.outer_lr, self.outer_momentum = sync_every, outer_lr, outer_momentum
        self.delay, self.activation = delay, activation

    def servers(self, workers: int) -> tuple[int, ...]:
        return (0,)

    def run(self, replicas: Replicas) -> Program:
        while True:
            anchor = yield Pull()  # (1, P)
            replicas.params[:] = anchor
            yield Train(self.sync_every)
            yield Push(anchor - replicas.params)

    def server(self, number: int, params: Tensor) -> Program:
        outer = DelayedNesterov(lr=self.outer_lr, momentum=self.outer_momentum, delay=self.delay, activation=self.activation)
        while True:
            arrival = yield Receive(params)
            params = outer.step(params, arrival.payload)
