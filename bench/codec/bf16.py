"""bfloat16 on the wire: half the bytes of fp32, 8 bits of precision (Kalamkar et al., arXiv:1905.12322)."""

import torch
from torch import Tensor

from bench.codec.base import Codec
from bench.replicas.layout import Layout


class BF16(Codec):
    """Each number rounded to bfloat16."""

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        return (payload.to(torch.bfloat16),)

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        return encoded[0].to(torch.float32)
