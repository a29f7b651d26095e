"""What activations lose between the stages of a pipeline, forward and back (SWARM, Ryabinin et al., arXiv:2301.11913)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Boundaries:
    """The `layers` before which a stage ends, and the `bits` of each number that crosses to the next one, or back."""

    layers: frozenset[int]
    bits: int

    @classmethod
    def between(cls, stages: int, layers: int, bits: int) -> "Boundaries":
        """Those of so many equal stages of a model of so many layers; before each layer, where there are fewer than stages."""
        return cls(frozenset(layers * stage // stages for stage in range(1, stages)), bits)

    def cross(self, layer: int, x: Tensor) -> Tensor:
        """What `layer` gets of the activations `x`, (R, B*T, D), of what is before it; and the gradient likewise, back."""
        return torch.as_tensor(_Crossing.apply(x, self.bits)) if self.bits < 32 and layer in self.layers else x


class _Crossing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int) -> Tensor:
        ctx.bits = bits
        return rounded(x, bits)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return rounded(gradient, ctx.bits), None


def rounded(x: Tensor, bits: int) -> Tensor:
    """`x`, (…, D), as it comes out at the other end: of bfloat16, or of int8 with a scale for each row of D."""
    if bits == 16:
        return x.to(torch.bfloat16).to(x.dtype)
    scale = x.abs().amax(-1, keepdim=True) / 127
    return torch.where(scale > 0, (x / scale).round() * scale, x)
