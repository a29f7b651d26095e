"""The largest numbers of each chunk, and where they are."""

from torch import Tensor

from bench.codec.packing import pack, unpack, width

SELECTION = 8.0
"""Comparisons and shifts for each number that a selection looks at; assumed (radix selection: four digits of 8 bits)."""


def select(chunks: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k numbers of largest magnitude of each chunk, (W, m, size), and their places in it, both (W, m, k)."""
    places = chunks.abs().topk(k, dim=-1, sorted=False).indices
    return chunks.gather(-1, places), places


def spread(values: Tensor, places: Tensor, size: int) -> Tensor:
    """Numbers at their places, both (W, m, k), in chunks of zeros, (W, m, size)."""
    return values.new_zeros(*values.shape[:2], size).scatter(-1, places, values)


def pack_places(places: Tensor, size: int) -> Tensor:
    """Places in chunks of `size`, (W, m, k), in as many bits as it takes to tell them apart: (W, bytes)."""
    return pack(places.flatten(1), width(size))


def unpack_places(packed: Tensor, size: int, m: int, k: int) -> Tensor:
    """The places, (W, m, k)."""
    return unpack(packed, width(size), m * k).unflatten(1, (m, k))
