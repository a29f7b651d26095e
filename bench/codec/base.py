"""What every codec offers: an encoding of each row of a payload, how it travels, and what it costs a device."""

from dataclasses import dataclass

from torch import Tensor

from bench.errors import did_you_mean
from bench.replicas.layout import Layout

TRAFFIC = ("sharded", "all_gather")
"""How encodings travel that cannot be added up on the way."""


@dataclass(frozen=True)
class Cost:
    """What encoding, or decoding, asks of a device for each number of a payload, beside the encoding itself in its memory."""

    reads: float = 1.0
    """Times that it passes through memory."""
    flops: float = 0.0
    """Arithmetic; a comparison counts as one, a cast as none."""


class Codec:
    """Encodes the rows of a payload, (W, n), in fp32, each for itself unless it says otherwise."""

    exact = False
    """True if decode(encode(payload)) is the payload, bit for bit."""

    traffic: str = "all_reduce"
    """all_reduce: encodings are added up on the way. sharded: each worker gets everybody's n-th, decodes, aggregates, encodes
    again, and sends that to all: the aggregate passes through the codec, too. all_gather: every encoding reaches everybody, who
    decodes all of them."""

    rounds = 1
    """All-reduces of equal size, one after the other, in which the encoding travels."""

    encoding = Cost()
    decoding = Cost()
    """Of one payload."""

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        """The tensors that go over the wire, each with W rows; `draw` seeds what is random, `layout` says what the columns are.

        A number that is not finite makes some of what is decoded not finite either, unless it is left out. On the meta device
        it gives their shapes.
        """
        raise NotImplementedError

    def decode(self, encoded: tuple[Tensor, ...], draw: int, layout: Layout) -> Tensor:
        """The payload as its receiver sees it, (W, n), in fp32, from the same `draw` and `layout`."""
        raise NotImplementedError


def check_traffic(traffic: str) -> str:
    """`traffic`. Raises ValueError unless it is one of TRAFFIC."""
    if traffic not in TRAFFIC:
        raise ValueError(f"traffic must be {' or '.join(TRAFFIC)}, got '{traffic}'{did_you_mean(traffic, TRAFFIC)}")
    return traffic


def check_size(name: str, value: int | None) -> None:
    """Raises ValueError, naming the setting, for a size below 1; none is no limit."""
    if value is not None and value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
