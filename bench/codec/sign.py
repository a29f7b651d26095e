"""Signs and a scale (EF-SignSGD: Karimireddy et al., "Error feedback fixes SignSGD", ICML 2019, arXiv:1901.09847)."""

import torch
from torch import Tensor

from bench.codec.base import Codec, Cost, check_size, check_traffic
from bench.codec.blocks import blocks, flat
from bench.codec.packing import pack, unpack
from bench.replicas.layout import Layout


class Sign(Codec):
    """Each number becomes the mean magnitude of its `block` with its sign, that of 0 being +: 1 + 32 / block bits.

    The paper has a scale for each layer; without a block, the whole payload has one.
    """

    encoding = Cost(reads=2, flops=5)  # magnitude and sum; comparison, shift and or
    decoding = Cost(flops=3)

    def __init__(self, *, block: int | None, traffic: str = "sharded") -> None:
        check_size("block", block)
        self.block, self.traffic = block, check_traffic(traffic)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        columns = layout.columns
        rows = blocks(payload, self.block)  # (W, m, size)
        counts = blocks(torch.ones_like(payload[:1]), self.block).sum(-1)  # (1, m): the last block may have fewer
        scale = (rows / counts[..., None]).abs().sum(-1)  # (W, m); divided first: huge numbers have a finite mean
        return pack(flat(rows >= 0, columns).to(torch.uint8), 1), scale

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        packed, scale = encoded
        signs = 2.0 * unpack(packed, 1, layout.columns) - 1
        return flat(blocks(signs, self.block) * scale[..., None], layout.columns)
