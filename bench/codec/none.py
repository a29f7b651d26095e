"""No codec: payloads travel as they are, in fp32."""

from torch import Tensor

from bench.codec.base import Codec
from bench.replicas.layout import Layout


class NoCodec(Codec):
    """The payload as it is."""

    exact = True

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        return (payload,)

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        return encoded[0]
