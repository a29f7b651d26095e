"""bfloat16 on the wire: half the bytes of fp32, 8 bits of precision."""

import torch
from torch import Tensor


class BF16:
    """Each number rounded to bfloat16."""

    exact = False

    def encode(self, payload: Tensor) -> tuple[Tensor, ...]:
        return (payload.to(torch.bfloat16),)

    def decode(self, encoded: tuple[Tensor, ...]) -> Tensor:
        return encoded[0].to(torch.float32)
