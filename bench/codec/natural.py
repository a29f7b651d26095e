"""Natural compression: random rounding to powers of two (Horváth et al., MSML 2022, arXiv:1905.10988)."""

import torch
from torch import Tensor

from bench.codec.base import Codec, Cost, check_traffic
from bench.codec.packing import pack, unpack
from bench.replicas.layout import Layout

MANTISSA = 23  # bits of fp32's
INFINITY = 255 << MANTISSA  # its bits without the sign


class Natural(Codec):
    """Each number becomes one of the two powers of two around it, the nearer one more likely: its mean is the number.

    What travels is fp32's sign and its 8 bits of exponent: 9 bits. Numbers below 2^-126 become that or 0, and of those above
    2^127 the next power would be infinite: they become 2^127.
    """

    encoding = Cost(flops=12)  # a random number (some 10), a sum and a shift
    decoding = Cost(flops=2)

    def __init__(self, *, traffic: str = "sharded") -> None:
        self.traffic = check_traffic(traffic)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        bits = payload.contiguous().view(torch.int32)
        magnitude = bits & 0x7FFFFFFF
        # The mantissa is how far it is to the next power: with a random one added, it is carried over as often.
        carried = (magnitude + _random(payload, draw)) >> MANTISSA
        exponent = torch.where(magnitude < INFINITY, carried.clamp(max=254), 255)
        return (pack(exponent + 256 * (payload < 0), 9),)

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        codes = unpack(encoded[0], 9, layout.columns)
        magnitude = ((codes & 255) << MANTISSA).to(torch.int32).view(torch.float32)
        return torch.where(codes >= 256, -magnitude, magnitude)


def _random(payload: Tensor, draw: int) -> Tensor:
    """Random mantissas, of the payload's shape."""
    if payload.is_meta:
        return torch.empty_like(payload, dtype=torch.int32)
    generator = torch.Generator(payload.device).manual_seed(draw)
    return torch.randint(2**MANTISSA, payload.shape, dtype=torch.int32, generator=generator, device=payload.device)
