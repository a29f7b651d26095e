"""Where the tensors of a model lie in its flat vector, and parts of that vector that travel by themselves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

Span = tuple[int, int]
"""The first column, and the one after the last."""


@dataclass(frozen=True)
class Part:
    """Some columns of a flat vector, as spans in ascending order."""

    spans: tuple[Span, ...]

    @cached_property
    def size(self) -> int:
        """How many columns it has."""
        return sum(last - first for first, last in self.spans)

    def of(self, rows: Tensor) -> Tensor:
        """Its columns of (n, P), (n, size): a view where it has one span, else a copy."""
        if len(self.spans) == 1:
            return rows[:, slice(*self.spans[0])]
        return torch.cat([rows[:, first:last] for first, last in self.spans], dim=1)

    def put(self, rows: Tensor, values: Tensor) -> None:
        """Write `values`, (n, size) or (1, size), into its columns of `rows`, (n, P)."""
        sizes = [last - first for first, last in self.spans]
        for (first, last), columns in zip(self.spans, values.split(sizes, dim=1), strict=True):
            rows[:, first:last] = columns


@dataclass(frozen=True)
class Layout:
    """Named tensors one after the other in a flat vector of P columns."""

    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def plain(cls, columns: int) -> "Layout":
        """One vector, where nothing more is known."""
        return cls({"": (columns,)})

    @cached_property
    def columns(self) -> int:
        """P."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @cached_property
    def spans(self) -> dict[str, Span]:
        """The columns of each tensor."""
        spans, first = {}, 0
        for name, shape in self.shapes.items():
            spans[name] = first, first + math.prod(shape)
            first = spans[name][1]
        return spans

    @cached_property
    def blocks(self) -> tuple[Span, ...]:
        """Consecutive tensors of one layer, whose names begin with its number; and what lies before and after layers."""
        blocks: list[Span] = []
        last = None
        for name, (first, end) in self.spans.items():
            layer = name.partition(".")[0] if name[:1].isdigit() else ""
            if blocks and layer == last:
                blocks[-1] = blocks[-1][0], end
            else:
                blocks.append((first, end))
            last = layer
        return tuple(blocks)

    def whole(self) -> Part:
        """All columns."""
        return Part(((0, self.columns),))

    def parts(self, count: int, *, strided: bool = False) -> tuple[Part, ...]:
        """All columns in `count` parts, or one a column where there are fewer.

        Consecutive parts are equal. Strided ones take every count-th block each (Streaming DiLoCo, arXiv:2501.18512); where the
        model has fewer blocks than there are parts, they are the consecutive ones.
        """
        if strided and len(self.blocks) >= count:
            return tuple(Part(self.blocks[start::count]) for start in range(count))
        count = min(count, self.columns)
        cuts = [self.columns * number // count for number in range(count + 1)]
        return tuple(Part(((first, last),)) for first, last in pairwise(cuts))

    def about(self, part: Part | None, columns: int) -> "Layout":
        """The tensors in the `columns` of a payload that is about `part`, or about all of this; of any other, one vector."""
        if part is not None and part.size == columns:
            return self.within(part)
        return self if columns == self.columns else Layout.plain(columns)

    def within(self, part: Part) -> "Layout":
        """The tensors that lie wholly in `part`, in its order; of one that it cuts, its whole rows, and what is left over."""
        shapes: dict[str, tuple[int, ...]] = {}
        for begin, end in part.spans:
            for name, (first, last) in self.spans.items():
                low, high = max(begin, first), min(end, last)
                if (low, high) == (first, last):
                    shapes[name] = self.shapes[name]
                elif low < high:
                    pieces = _pieces(self.shapes[name], low - first, high - first)
                    shapes |= {f"{name}[{low}:{high}].{number}": piece for number, piece in enumerate(pieces)}
        return Layout(shapes)


def _pieces(shape: tuple[int, ...], low: int, high: int) -> list[tuple[int, ...]]:
    """What the columns from `low` to `high` of a tensor are: the end of a row, whole rows, the beginning of one."""
    row = math.prod(shape[1:])
    above, below = -(-low // row) * row, high // row * row  # where whole rows begin and end
    if len(shape) == 1 or above >= below:
        return [(high - low,)]
    pieces = [(above - low,), ((below - above) // row, *shape[1:]), (high - below,)]
    return [piece for piece in pieces if piece[0]]
