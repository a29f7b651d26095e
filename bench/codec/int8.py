"""Blocks of 8-bit integers and their scales (block-wise quantization, Dettmers et al., ICLR 2022, arXiv:2110.02861)."""

import torch
from torch import Tensor

from bench.codec.base import Codec, Cost, check_size, check_traffic
from bench.codec.blocks import blocks, flat, largest, relative
from bench.replicas.layout import Layout


class Int8(Codec):
    """Each number rounded to one of 255 equidistant ones, up to the largest magnitude of its `block`: 8 + 32 / block bits.

    Without a block, all numbers of a payload share a scale. (The paper's levels are not equidistant; its blocks are these.)
    """

    encoding = Cost(reads=2, flops=4)  # magnitude and comparison; then product and rounding
    decoding = Cost(flops=1)

    def __init__(self, *, block: int | None, traffic: str = "sharded") -> None:
        check_size("block", block)
        self.block, self.traffic = block, check_traffic(traffic)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        rows = blocks(payload, self.block)  # (W, m, size)
        scale = largest(rows)  # (W, m)
        codes = (127 * relative(rows, scale)).round().to(torch.int8)
        return flat(codes, layout.columns), scale

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        codes, scale = encoded
        return flat(blocks(codes.to(torch.float32), self.block) / 127 * scale[..., None], layout.columns)
