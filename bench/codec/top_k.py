"""Top-k: the largest numbers and their places (Stich et al., "Sparsified SGD with memory", 2018, arXiv:1809.07599)."""

from torch import Tensor

from bench.codec.base import Codec, Cost, check_size, check_traffic
from bench.codec.blocks import blocks, flat
from bench.codec.sparse import SELECTION, pack_places, select, spread, unpack_places
from bench.replicas.layout import Layout


class TopK(Codec):
    """The `share` of each `chunk` whose magnitudes are largest, rounded, at least one, in fp32; the rest are 0.

    A place takes as many bits as it takes to tell those of a chunk apart. Without a chunk, the whole payload is one, as in the
    paper.
    """

    def __init__(self, *, share: float, chunk: int | None, traffic: str = "all_gather") -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], got {share:g}")
        check_size("chunk", chunk)
        self.share, self.chunk, self.traffic = share, chunk, check_traffic(traffic)
        self.encoding = Cost(reads=2, flops=SELECTION)
        self.decoding = Cost(reads=2 * share)  # added where they belong: read and written

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        chunks = blocks(payload, self.chunk)  # (W, m, size)
        size = chunks.shape[-1]
        values, places = select(chunks, max(1, round(self.share * size)))
        return values, pack_places(places, size)

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        values, packed = encoded
        size = min(self.chunk or layout.columns, layout.columns)
        places = unpack_places(packed, size, *values.shape[1:])
        return flat(spread(values, places, size), layout.columns)
