"""What every adversary offers, and what all attacks share: who is bad, and from when."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.seeds import uniforms


class Adversary(Protocol):
    """Some of the workers, who from some step on send other payloads than they should."""

    fraction: float
    """Share of the workers that is bad, in [0, 1); as many as it rounds to."""
    start: int
    """Program step from which they attack."""
    computes: bool
    """False if they do no work for what they send, so that their compute takes no time."""
    flips_labels: bool
    """True if they train on wrong targets: t becomes V - 1 - t."""
    sees_others: bool
    """True if what they send is made of the payloads that others send at the same time."""

    def members(self, seed: int, workers: int) -> NDArray[np.bool_]:
        """Who is bad, (W,): the same workers all through a run, drawn from its seed."""
        ...

    def attack(self, payloads: Tensor, bad: Tensor, last: Tensor | None, draw: int) -> Tensor:
        """What the n workers that count really send, (n, P); `payloads` is left as it is.

        `payloads`, (n, P), is what they should send and `bad`, (n,), marks those that are bad, at least one. `last` is the
        last aggregate of payloads of this size that has arrived, (1, P), or that each of the m bad ones got, (m, P), or None.
        `draw` names the run and the reduction: what is random is drawn from streams of that seed.
        """
        ...


class BadActors:
    """`round(fraction * W)` bad workers, who compute like all others and attack from the program step `start` on."""

    computes = True
    flips_labels = False
    sees_others = False

    def __init__(self, *, fraction: float, start: int) -> None:
        if not 0 <= fraction < 1:
            raise ValueError(f"fraction must be in [0, 1), got {fraction:g}")
        if start < 0:
            raise ValueError(f"start must be >= 0, got {start}")
        self.fraction, self.start = fraction, start

    def members(self, seed: int, workers: int) -> NDArray[np.bool_]:
        """Those with the smallest of W numbers of the stream "adversary"; a larger fraction adds to them."""
        drawn = uniforms(seed, "adversary", ranks=np.arange(workers))
        bad = np.zeros(workers, bool)
        bad[np.argsort(drawn, kind="stable")[: round(self.fraction * workers)]] = True
        return bad

    def attack(self, payloads: Tensor, bad: Tensor, last: Tensor | None, draw: int) -> Tensor:
        """Each bad row replaced by what `forged` says."""
        sent = payloads.clone()
        sent[bad] = self.forged(payloads, bad, last, draw)
        return sent

    def forged(self, payloads: Tensor, bad: Tensor, last: Tensor | None, draw: int) -> Tensor:
        """What the bad ones among n workers send: (m, P), or (1, P) if all send the same."""
        raise NotImplementedError


def honest(payloads: Tensor, bad: Tensor) -> Tensor:
    """The payloads that an omniscient attack looks at, (n - m, P): the honest ones, or all where nobody else counted."""
    return payloads if bool(bad.all()) else payloads[~bad]


def check_finite(**settings: float) -> None:
    """Raises ValueError, naming the setting, for one that is not above 0 and finite."""
    for name, value in settings.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be above 0 and finite, got {value:g}")
