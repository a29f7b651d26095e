"""SparseLoCo's payload: top-k of chunks, in 2 bits (Sarfi et al., arXiv:2508.15706; Covenant-72B, arXiv:2603.08163)."""

import torch
from torch import Tensor

from bench.codec.base import Codec, Cost, check_size, check_traffic
from bench.codec.blocks import blocks, flat
from bench.codec.packing import pack, unpack
from bench.codec.sparse import SELECTION, pack_places, select, spread, unpack_places
from bench.replicas.layout import Layout


class TopK2Bit(Codec):
    """The `k` numbers of each `chunk` whose magnitudes are largest: place, sign, and one bit for a small or a large magnitude.

    Large are those above the mean of all that are kept of a payload; small and large ones become the mean of their kind, two
    fp32 numbers a payload. Of 64 of 4096 travel 112 bytes, 146.3 times fewer than in fp32. The papers do not say how they
    quantize to 2 bits: this is the symmetric rule of least assumptions, and ours.
    """

    def __init__(self, *, k: int, chunk: int, traffic: str = "all_gather") -> None:
        check_size("k", k)
        check_size("chunk", chunk)
        if k > chunk:
            raise ValueError(f"k must be at most chunk = {chunk}, got {k}")
        self.k, self.chunk, self.traffic = k, chunk, check_traffic(traffic)
        share = k / chunk
        self.encoding = Cost(reads=2 + 2 * share, flops=SELECTION + 6 * share)  # then the mean, and the two levels
        self.decoding = Cost(reads=2 * share, flops=6 * share)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        chunks = blocks(payload, self.chunk)  # (W, m, size)
        values, places = select(chunks, min(self.k, chunks.shape[-1]))
        kept = values.flatten(1)  # (W, m * k)
        size = kept.abs()
        large = size > _mean(size, torch.ones_like(size))
        levels = torch.cat([_mean(size, ~large), _mean(size, large)], dim=1)  # (W, 2)
        return pack(2 * (kept < 0) + 1 * large, 2), levels, pack_places(places, chunks.shape[-1])

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        codes, levels, packed = encoded
        columns = layout.columns
        size = min(self.chunk, columns)
        m, k = -(-columns // size), min(self.k, size)
        code = unpack(codes, 2, m * k)
        values = levels.gather(1, code & 1) * (1 - (code & 2))
        return flat(spread(values.unflatten(1, (m, k)), unpack_places(packed, size, m, k), size), columns)


def _mean(size: Tensor, chosen: Tensor) -> Tensor:
    """The mean of those numbers of each row that are `chosen`, both (W, n), or 0: (W, 1)."""
    count = chosen.sum(1, keepdim=True).clamp(min=1)
    return (size / count * chosen).sum(1, keepdim=True)
