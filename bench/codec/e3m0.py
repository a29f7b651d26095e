"""FP4 of a sign, three bits of exponent and no mantissa, as Streaming DiLoCo sends (Douillard et al., arXiv:2501.18512)."""

import torch
from torch import Tensor

from bench.codec.base import Codec, Cost, check_size, check_traffic
from bench.codec.blocks import blocks, flat, largest, relative
from bench.codec.packing import pack, unpack
from bench.replicas.layout import Layout


class E3M0(Codec):
    """Each number over the largest magnitude of its `block` becomes the nearest of 0, ±1/64, ±1/32, …, ±1: 4 + 32 / block bits.

    The paper does not say how numbers are scaled; a scale for each block, or without one for the whole payload, is our choice.
    """

    encoding = Cost(reads=2, flops=8)  # magnitude and comparison; product, exponent, bounds, shift and or
    decoding = Cost(flops=4)

    def __init__(self, *, block: int | None, traffic: str = "sharded") -> None:
        check_size("block", block)
        self.block, self.traffic = block, check_traffic(traffic)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        rows = blocks(payload, self.block)  # (W, m, size)
        scale = largest(rows)  # (W, m)
        part = relative(rows, scale)
        size = part.abs()
        # Between 2^e and 2^(e+1) the middle is 1.5 * 2^e; between 0 and 2^-6 it is 2^-7.
        exponent = (size / 0.75).log2().floor().clamp(-6, 0)
        codes = torch.where(size < 2**-7, 0, exponent + 7) + 8 * (part < 0)
        return pack(flat(codes, layout.columns).to(torch.uint8), 4), scale

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        packed, scale = encoded
        levels = torch.tensor([0.0] + [2.0**exponent for exponent in range(-6, 1)], device=packed.device)
        part = torch.cat([levels, -levels])[unpack(packed, 4, layout.columns)]  # (W, n)
        return flat(blocks(part, self.block) * scale[..., None], layout.columns)
