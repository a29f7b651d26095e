"""Blocks of 4-bit integers and their scales, as those of 8 bits (bench/codec/int8.py; arXiv:2110.02861)."""

import torch
from torch import Tensor

from bench.codec.base import Codec, Cost, check_size, check_traffic
from bench.codec.blocks import blocks, flat, largest, relative
from bench.codec.packing import pack, unpack
from bench.replicas.layout import Layout


class Int4(Codec):
    """Each number rounded to one of 15 equidistant ones, up to the largest magnitude of its `block`: 4 + 32 / block bits.

    Without a block, all numbers of a payload share a scale. Two codes travel in a byte.
    """

    encoding = Cost(reads=2, flops=6)  # magnitude and comparison; product, rounding, shift and or
    decoding = Cost(flops=3)

    def __init__(self, *, block: int | None, traffic: str = "sharded") -> None:
        check_size("block", block)
        self.block, self.traffic = block, check_traffic(traffic)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        rows = blocks(payload, self.block)  # (W, m, size)
        scale = largest(rows)  # (W, m)
        codes = (7 * relative(rows, scale)).round() + 7  # 0 to 14
        return pack(flat(codes, layout.columns).to(torch.uint8), 4), scale

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        packed, scale = encoded
        codes = unpack(packed, 4, layout.columns).to(torch.float32) - 7
        return flat(blocks(codes, self.block) / 7 * scale[..., None], layout.columns)
