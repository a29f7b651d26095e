"""Stochastic gradient descent with heavy-ball momentum (Polyak, 1964), as torch.optim.SGD has it."""

import torch
from torch import Tensor

from bench.optimizer.base import Shapes, State, check_positive, check_share


class SGD:
    """v ← momentum v + g;  p ← p - lr v."""

    def __init__(self, *, lr: float, momentum: float) -> None:
        check_positive(lr=lr)
        check_share(momentum=momentum)
        self.lr, self.momentum = lr, momentum

    def state(self, params: Tensor, shapes: Shapes) -> State:
        return {"velocity": torch.zeros_like(params)} if self.momentum else {}

    def step(self, params: Tensor, gradient: Tensor, state: State, lr_scale: float, shapes: Shapes) -> None:
        if self.momentum:
            gradient = state["velocity"].mul_(self.momentum).add_(gradient)
        params.add_(gradient, alpha=-self.lr * lr_scale)
