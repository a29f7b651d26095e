"""No codec: payloads travel as they are, in fp32."""

from torch import Tensor


class NoCodec:
    """The payload as it is."""

    exact = True

    def encode(self, payload: Tensor) -> tuple[Tensor, ...]:
        return (payload,)

    def decode(self, encoded: tuple[Tensor, ...]) -> Tensor:
        return encoded[0]
