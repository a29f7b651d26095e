"""How a payload is encoded for the wire; the bytes that are charged are those of the encoded tensors. One file a codec."""

from bench.codec.base import Codec
from bench.codec.bf16 import BF16
from bench.codec.none import NoCodec

__all__ = ["BF16", "Codec", "NoCodec"]
