"""IEEE half precision on the wire: half the bytes of fp32, 11 bits of precision (Micikevicius et al., arXiv:1710.03740)."""

import torch
from torch import Tensor

from bench.codec.base import Codec
from bench.replicas.layout import Layout

LARGEST = torch.finfo(torch.float16).max


class FP16(Codec):
    """Each number rounded to float16; a finite one beyond its range, 65504, becomes the largest that there is."""

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        within = torch.where(payload.isfinite(), payload.clamp(-LARGEST, LARGEST), payload)
        return (within.to(torch.float16),)

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        return encoded[0].to(torch.float32)
