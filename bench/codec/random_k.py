"""Random-k: numbers at random places, the same of all workers (arXiv:1809.07599; unbiased: Wangni et al., arXiv:1710.09854)."""

import torch
from torch import Tensor

from bench.codec.base import Codec, Cost
from bench.replicas.layout import Layout
from bench.seeds import stream


class RandomK(Codec):
    """A random `share` of the numbers, at least one, in fp32; the rest are 0. No places travel, and encodings can be added up.

    `unbiased`: what is kept is divided by its share, so that its mean over draws is the payload. Error feedback wants it as it
    is.
    """

    def __init__(self, *, share: float, unbiased: bool) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], got {share:g}")
        self.share, self.unbiased = share, unbiased
        self.encoding = self.decoding = Cost(reads=share, flops=10 * share)  # a random number for each

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        places = self._places(payload, draw, layout.columns)
        factor = layout.columns / len(places) if self.unbiased else 1.0
        return (payload[:, places] * factor,)

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        [values] = encoded
        rows = torch.zeros(len(values), layout.columns, device=values.device)
        rows[:, self._places(values, draw, layout.columns)] = values
        return rows

    def _places(self, near: Tensor, draw: int, columns: int) -> Tensor:
        """The columns of this draw, (k,), on the device of `near`."""
        k = max(1, round(self.share * columns))
        if near.is_meta:
            return torch.empty(k, dtype=torch.int64, device="meta")
        places = stream(draw, "random_k").permutation(columns)[:k]
        return torch.from_numpy(places).to(near.device)
