"""SGD with Nesterov momentum, as PyTorch and the DiLoCo paper have it (Sutskever et al., ICML 2013)."""

import torch
from torch import Tensor


class Nesterov:
    """An outer optimizer: it keeps its momentum across calls."""

    def __init__(self, *, lr: float, momentum: float) -> None:
        self.lr, self.momentum = lr, momentum
        self._velocity: Tensor | None = None  # (1, P)

    def step(self, params: Tensor, gradient: Tensor) -> Tensor:
        """The parameters after one step along `gradient`, (1, P)."""
        if self._velocity is None:
            self._velocity = torch.zeros_like(params)
        self._velocity = self.momentum * self._velocity + gradient
        return params - self.lr * (gradient + self.momentum * self._velocity)
