"""Delayed Nesterov: momentum that is renewed at every N-th gradient only (Liu et al., 2024, arXiv:2401.09135, algorithm 3)."""

import torch
from torch import Tensor


class DelayedNesterov:
    """An outer optimizer for gradients that arrive one by one; it keeps its momentum across calls.

    Each gradient g moves the parameters by an N-th of itself at once, and joins a sum. At the N-th, the momentum m takes in the
    mean of the N and moves the parameters too. With an `activation` c above 0, at most 1 / N, each of the other gradients also
    moves them by c times the momentum, and the N-th by what is left, 1 - (N - 1) c. With a `delay` N of 1 it is Nesterov.
    """

    def __init__(self, *, lr: float, momentum: float, delay: int, activation: float = 0.0) -> None:
        self.lr, self.momentum, self.delay, self.activation = lr, momentum, delay, activation
        self._velocity: Tensor | None = None  # (1, P)

    def step(self, params: Tensor, gradient: Tensor) -> Tensor:
        """The parameters after one step along `gradient`, (1, P)."""
        if self._velocity is None:
            self._velocity, self._sum, self._count = torch.zeros_like(params), torch.zeros_like(params), 0
        N, c, beta = self.delay, self.activation, self.momentum
        self._sum = self._sum + gradient
        self._count += 1
        share = c
        if self._count == N:
            self._velocity = beta * self._velocity + self._sum / N
            self._sum, self._count = torch.zeros_like(params), 0
            share = 1 - c * N + c
        return params - self.lr * (share * beta * self._velocity + gradient / N)
