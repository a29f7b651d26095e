"""PowerSGD: matrices of low rank by one step of a power iteration (Vogels, Karimireddy & Jaggi, 2019, arXiv:1905.13727)."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from bench.codec.base import Codec, Cost
from bench.replicas.layout import Layout, Span
from bench.seeds import stream


class PowerSGD(Codec):
    """Each matrix M of worker i becomes P Qᵢᵀ of `rank` r: P = mean of Mᵢ Q over workers, orthonormal, and Qᵢ = Mᵢᵀ P.

    P and the mean of Qᵢ are sums, one all-reduce after the other. What has no two dimensions, or would be no smaller, travels
    as it is. Rows are not independent: the P of one comes from all. The Q to begin with is drawn anew each time; the paper
    begins with the last one, and finds that better at low rank.
    """

    rounds = 2

    def __init__(self, *, rank: int) -> None:
        if rank < 1:
            raise ValueError(f"rank must be >= 1, got {rank}")
        self.rank = rank
        self.encoding = Cost(reads=2, flops=4 * rank)  # M Q and Mᵀ P
        self.decoding = Cost(flops=2 * rank)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        encoded = []
        for (first, last), shape in self._tensors(layout):
            part = payload[:, first:last]
            if shape is None:
                encoded.append(part)
                continue
            M = part.unflatten(1, shape)  # (W, a, b)
            Q = self._begin(payload, shape[1], draw, first)  # (b, r)
            P = torch.linalg.qr((M @ Q).mean(0)).Q  # (a, r)
            encoded += [P.expand(len(payload), -1, -1), M.mT @ P]
        return tuple(encoded)

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        tensors = iter(encoded)
        parts = []
        for _, shape in self._tensors(layout):
            first = next(tensors)
            parts.append(first if shape is None else (first @ next(tensors).mT).flatten(1))
        return torch.cat(parts, dim=1)

    def _tensors(self, layout: Layout) -> Iterator[tuple[Span, tuple[int, int] | None]]:
        """The columns of each tensor, and the matrix that it is, or none if it travels as it is."""
        for name, shape in layout.shapes.items():
            matrix = (shape[0], math.prod(shape[1:]))
            smaller = self.rank * sum(matrix) < math.prod(matrix)  # so the rank is below both sides, too
            yield layout.spans[name], matrix if len(shape) > 1 and smaller else None

    def _begin(self, near: Tensor, columns: int, draw: int, first: int) -> Tensor:
        """A random matrix, (columns, r), of the tensor that begins at the column `first`."""
        if near.is_meta:
            return torch.empty(columns, self.rank, device="meta")
        values = stream(draw, "power_sgd", first).standard_normal((columns, self.rank), dtype="float32")
        return torch.from_numpy(values).to(near.device)
