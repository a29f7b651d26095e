"""Asynchronous SGD with a parameter server, as Downpour SGD has it (Dean et al., NeurIPS 2012)."""

import torch
from torch import Tensor

from bench.algorithm.ops import Algorithm, Backward, Program, Pull, Push, Receive
from bench.optimizer.base import check_positive, check_share
from bench.replicas import Replicas


class AsyncSGD(Algorithm):
    """Each worker fetches the parameters, computes a gradient and sends it, and waits for nobody; the server steps at once.

    The server's optimizer is Adam. If `staleness_aware`, a gradient that s others overtook moves the parameters with the
    learning rate / (1 + s) (Zhang et al., IJCAI 2016, arXiv:1511.05950, where what is fresh counts as 1).
    """

    lockstep = "none"

    def __init__(self, *, lr: float, beta1: float, beta2: float, eps: float, staleness_aware: bool) -> None:
        check_positive(lr=lr, eps=eps)
        check_share(beta1=beta1, beta2=beta2)
        self.lr, self.beta1, self.beta2, self.eps, self.staleness_aware = lr, beta1, beta2, eps, staleness_aware

    def servers(self, workers: int) -> tuple[int, ...]:
        return (0,)

    def run(self, replicas: Replicas) -> Program:
        while True:
            replicas.params[:] = yield Pull()
            gradient = yield Backward()
            yield Push(gradient)

    def server(self, number: int, params: Tensor) -> Program:
        mean, square, count = torch.zeros_like(params), torch.zeros_like(params), 0  # (1, P) each
        while True:
            arrival = yield Receive(params)
            g, count = arrival.payload, count + 1
            lr = self.lr / (1 + arrival.staleness) if self.staleness_aware else self.lr
            mean = self.beta1 * mean + (1 - self.beta1) * g
            square = self.beta2 * square + (1 - self.beta2) * g * g
            unbiased_mean = mean / (1 - self.beta1**count)
            unbiased_square = square / (1 - self.beta2**count)
            params = params - lr * unbiased_mean / (unbiased_square.sqrt() + self.eps)
