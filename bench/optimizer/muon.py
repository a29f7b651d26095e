"""Muon: momentum, orthogonalised by Newton-Schulz iterations (Jordan et al., 2024, kellerjordan.github.io/posts/muon)."""

import math

import torch
from torch import Tensor

from bench.optimizer.adamw import AdamW
from bench.optimizer.base import Shapes, State, check_positive, check_share

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the odd quintic that is applied over and over: its slope at 0 is steep, and what is near 1 stays between 0.7 and 1.2."""


class Muon:
    """v ← momentum v + g;  W ← (1 - lr decay) W - lr √max(1, rows/columns) O(g + momentum v), O being U Vᵀ of U S Vᵀ, nearly.

    So step the matrices of the layers, queries, keys and values each for itself; embeddings and norms have AdamW with
    `adamw_lr`. Both learning rates follow the schedule. Our iterations are in fp32, theirs in bf16.
    """

    def __init__(
        self,
        *,
        lr: float,
        momentum: float,
        iterations: int,
        weight_decay: float,
        adamw_lr: float,
        beta1: float,
        beta2: float,
        eps: float,
    ) -> None:
        check_positive(lr=lr, adamw_lr=adamw_lr)
        check_share(momentum=momentum)
        if iterations < 1:
            raise ValueError(f"iterations must be >= 1, got {iterations}")
        self._adamw = AdamW(lr=adamw_lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)
        self.lr, self.momentum, self.iterations, self.weight_decay = lr, momentum, iterations, weight_decay

    def state(self, params: Tensor, shapes: Shapes) -> State:
        size = sum(math.prod(shape) for name, shape in shapes.items() if _is_matrix(name))
        rest = params.new_empty(len(params), params.shape[1] - size)
        return {"velocity": params.new_zeros(len(params), size)} | self._adamw.state(rest, {})

    def step(self, params: Tensor, gradient: Tensor, state: State, lr_scale: float, shapes: Shapes) -> None:
        sizes = [math.prod(shape) for shape in shapes.values()]
        tensors = list(zip(params.split(sizes, dim=1), gradient.split(sizes, dim=1), strict=True))
        others = [pair for name, pair in zip(shapes, tensors, strict=True) if not _is_matrix(name)]
        rest, along = (torch.cat(parts, dim=1) for parts in zip(*others, strict=True))
        self._adamw.step(rest, along, state, lr_scale, {})
        for (tensor, _), stepped in zip(others, rest.split([part.shape[1] for part, _ in others], dim=1), strict=True):
            tensor.copy_(stepped)
        lr, first = self.lr * lr_scale, 0
        for (name, shape), (tensor, g) in zip(shapes.items(), tensors, strict=True):
            if _is_matrix(name):
                last = first + g.shape[1]
                v = state["velocity"][:, first:last].mul_(self.momentum).add_(g)
                rows, columns = shape[0] // _stacked(name), shape[1]
                update = orthogonal((g + self.momentum * v).view(-1, rows, columns), self.iterations)
                scale = lr * math.sqrt(max(1.0, rows / columns))
                tensor.mul_(1 - lr * self.weight_decay).sub_(update.reshape(g.shape), alpha=scale)
                first = last


def orthogonal(matrices: Tensor, iterations: int) -> Tensor:
    """U Vᵀ of each of `matrices`, (n, rows, columns), whose singular value decomposition is U S Vᵀ, nearly.

    Each iteration, a X + b (X Xᵀ) X + c (X Xᵀ)² X, takes the singular values towards 1, and leaves them between 0.7 and 1.2.
    """
    a, b, c = COEFFICIENTS
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(iterations):
        gram = x @ x.mT  # (n, k, k), k the shorter side
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT


def _is_matrix(name: str) -> bool:
    """True of a product's weights: what belongs to a layer, whose number its name begins with, and is no norm."""
    return name[:1].isdigit() and not name.endswith("norm")


def _stacked(name: str) -> int:
    """How many matrices lie in one tensor."""
    return 3 if name.endswith("qkv") else 1
