"""DeMo's payload: the largest coefficients of a cosine transform of chunks (Peng, Quesnelle & Kingma, arXiv:2411.19870)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.codec.base import Codec, Cost, check_size, check_traffic
from bench.codec.sparse import SELECTION, pack_places, select, spread, unpack_places
from bench.replicas.layout import Layout, Span

Sides = tuple[int, int]


class DCTTopK(Codec):
    """Each matrix in blocks of `chunk` x `chunk`; of the orthonormal DCT-II of each block the `k` largest coefficients.

    A coefficient travels in fp32, and its place in as many bits as it takes (`packed`) or in an int64, as the authors send it:
    then 12 k bytes for each chunk² numbers. Blocks at an edge are filled up with zeros, where the authors look for a divisor;
    a vector is folded into rows of `chunk`, where they have blocks of one dimension.
    """

    def __init__(self, *, k: int, chunk: int, packed: bool, traffic: str = "all_gather") -> None:
        check_size("k", k)
        check_size("chunk", chunk)
        self.k, self.chunk, self.packed, self.traffic = k, chunk, packed, check_traffic(traffic)
        self.encoding = Cost(reads=2, flops=4 * chunk + SELECTION)  # a product along each dimension
        self.decoding = Cost(flops=4 * chunk)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        encoded: list[Tensor] = []
        for (h, w), matrices in self._grouped(layout).items():
            cut = [_cut(payload[:, slice(*span)], sides, h, w) for span, sides in matrices]
            coefficients = _dct(h, payload) @ torch.cat(cut, dim=1) @ _dct(w, payload).T  # (W, m, h, w)
            values, places = select(coefficients.flatten(2), min(self.k, h * w))
            encoded += [values, pack_places(places, h * w) if self.packed else places]
        return tuple(encoded)

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        parts: dict[Span, Tensor] = {}
        tensors = iter(encoded)
        for (h, w), matrices in self._grouped(layout).items():
            values, places = next(tensors), next(tensors)
            if self.packed:
                places = unpack_places(places, h * w, *values.shape[1:])
            coefficients = spread(values, places, h * w).unflatten(2, (h, w))
            blocks = _dct(h, values).T @ coefficients @ _dct(w, values)  # (W, m, h, w)
            counts = [-(-a // h) * -(-b // w) for _, (a, b) in matrices]
            for (span, sides), block in zip(matrices, blocks.split(counts, dim=1), strict=True):
                parts[span] = _joined(block, sides)[:, : span[1] - span[0]]
        return torch.cat([parts[span] for span in layout.spans.values()], dim=1)

    def _grouped(self, layout: Layout) -> dict[Sides, list[tuple[Span, Sides]]]:
        """By the sides of their blocks: the columns of each tensor, and the sides of the matrix that it is."""
        groups: dict[Sides, list[tuple[Span, Sides]]] = {}
        for name, shape in layout.shapes.items():
            first, last = layout.spans[name]
            rest = math.prod(shape[1:]) if len(shape) > 1 else min(self.chunk, last - first)
            sides = -(-(last - first) // rest), rest
            block = min(self.chunk, sides[0]), min(self.chunk, sides[1])
            groups.setdefault(block, []).append(((first, last), sides))
        return groups


def _cut(part: Tensor, sides: Sides, h: int, w: int) -> Tensor:
    """A matrix of the `sides` (a, b), flat, (W, a b) or less, as blocks, (W, m, h, w)."""
    a, b = sides
    matrix = F.pad(part, (0, a * b - part.shape[1])).unflatten(1, sides)
    matrix = F.pad(matrix, (0, -b % w, 0, -a % h))
    return matrix.unflatten(2, (-1, w)).unflatten(1, (-1, h)).transpose(2, 3).flatten(1, 2)


def _joined(blocks: Tensor, sides: Sides) -> Tensor:
    """The inverse of _cut: (W, a b)."""
    (a, b), (h, w) = sides, blocks.shape[2:]
    matrix = blocks.unflatten(1, (-(-a // h), -(-b // w))).transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return matrix[:, :a, :b].flatten(1)


def _dct(size: int, near: Tensor) -> Tensor:
    """The orthonormal DCT-II, (size, size): row f is √(2/size) cos(π f (2 t + 1) / (2 size)), the first over √2."""
    if near.is_meta:
        return torch.empty(size, size, device="meta")
    t = torch.arange(size, dtype=torch.float64)
    rows = math.sqrt(2 / size) * torch.cos(math.pi * t[:, None] * (2 * t + 1) / (2 * size))
    rows[0] /= math.sqrt(2)
    return rows.to(near)
