"""Codecs without state: the payload as it is, or rounded to a shorter floating-point format."""

from typing import Protocol

import torch
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


class NoCodec:
    """The payload as it is."""

    exact = True

    def encode(self, payload: Tensor) -> tuple[Tensor, ...]:
        return (payload,)

    def decode(self, encoded: tuple[Tensor, ...]) -> Tensor:
        return encoded[0]


class BF16:
    """Rounded to bfloat16: half the bytes of fp32, 8 bits of precision."""

    exact = False

    def encode(self, payload: Tensor) -> tuple[Tensor, ...]:
        return (payload.to(torch.bfloat16),)

    def decode(self, encoded: tuple[Tensor, ...]) -> Tensor:
        return encoded[0].to(torch.float32)
