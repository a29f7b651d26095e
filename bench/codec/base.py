"""What every codec offers."""

from typing import Protocol

from torch import Tensor


class Codec(Protocol):
    """Encodes the rows of a payload, (W, P), each for itself."""

    exact: bool
    """True if decode(encode(payload)) is the payload, bit for bit."""

    def encode(self, payload: Tensor) -> tuple[Tensor, ...]:
        """The tensors that go over the wire, each with W rows."""
        ...

    def decode(self, encoded: tuple[Tensor, ...]) -> Tensor:
        """The payload as its receiver sees it, (W, P), in fp32."""
        ...
