"""Linear layers of stacked replicas: x @ weight.T for each of R replicas.

On CPU in fp32 the products go through oneDNN, one replica at a time: on AMD processors the other library, MKL, takes a path
that is 1.5 to 2 times slower. Elsewhere they are one batched product.
"""

from typing import Any

import torch
from torch import Tensor

try:
    _linear = torch.ops.mkldnn._linear_pointwise if torch.backends.mkldnn.is_available() else None
except (AttributeError, RuntimeError):  # a build without oneDNN
    _linear = None


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """(R, N, I) activations and (R, O, I) weights to (R, N, O)."""
    if _linear is not None and x.device.type == "cpu" and x.dtype == torch.float32:
        return torch.as_tensor(_OneDNN.apply(x, weight))
    return torch.bmm(x, weight.transpose(1, 2))


class _OneDNN(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.stack([_product(a, w) for a, w in zip(x, weight, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        triples = list(zip(x, weight, gradient.contiguous(), strict=True))
        to_x = torch.stack([_product(g, w.t()) for _, w, g in triples])
        to_weight = torch.stack([_weight_gradient(g, a) for a, _, g in triples])
        return to_x, to_weight


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b.T"""
    assert _linear is not None
    return torch.as_tensor(_linear(a, b, None, "none", [], ""))


def _weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """gradient.T @ x, with the wider side last, which is the faster way round."""
    if x.shape[1] >= gradient.shape[1]:
        return _product(gradient.t(), x.t())
    return _product(x.t(), gradient.t()).t()
