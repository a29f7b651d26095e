"""A little is enough: lies that stay within the spread of the honest (Baruch et al., NeurIPS 2019, arXiv:1902.06156)."""

from math import isfinite
from statistics import NormalDist

from torch import Tensor

from bench.adversary.base import BadActors, honest


class ALittleIsEnough(BadActors):
    """All bad workers send mean - z * deviation of the honest payloads, number by number.

    Without a `z` it is the paper's, the most that hides m bad among n: see `hidden`.
    """

    sees_others = True

    def __init__(self, *, fraction: float, start: int, z: float | None = None) -> None:
        super().__init__(fraction=fraction, start=start)
        if z is not None and not isfinite(z):
            raise ValueError(f"z must be finite, got {z:g}")
        self.z = z

    def forged(self, payloads: Tensor, bad: Tensor, last: Tensor | None, draw: int) -> Tensor:
        seen = honest(payloads, bad)
        z = hidden(len(bad), int(bad.sum())) if self.z is None else self.z
        return seen.mean(0, keepdim=True) - z * seen.std(0, correction=0, keepdim=True)


def hidden(workers: int, bad: int) -> float:
    """The paper's z_max: with s = floor(n/2 + 1) - m honest supporters, the z whose normal CDF is (n - m - s) / (n - m).

    The bad and s of the honest, who happen to lie further out, then are a majority. At 0 there is no room for a lie: such is
    n = 10, m = 2. From where the bad have a majority of their own any z hides; it is cut off at what one of n - m can reach.
    """
    good = workers - bad
    supporters = workers // 2 + 1 - bad
    share = (good - supporters) / max(1, good)
    least = 1 / (2 * max(1, good))
    return NormalDist().inv_cdf(min(max(share, least), 1 - least))
