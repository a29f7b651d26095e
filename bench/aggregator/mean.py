"""The plain mean: what an all-reduce computes on the way."""

from typing import Protocol

from torch import Tensor


class Aggregator(Protocol):
    """One payload from those of the workers that counted."""

    linear: bool
    """True if it is the plain mean, which commutes with taking the gradient of a joint batch."""

    def aggregate(self, payloads: Tensor) -> Tensor:
        """(n, P) payloads to (1, P)."""
        ...


class Mean:
    """The mean over workers, each with equal weight."""

    linear = True

    def aggregate(self, payloads: Tensor) -> Tensor:
        return payloads.mean(0, keepdim=True)
