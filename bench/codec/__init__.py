"""How a payload is encoded for the wire; the bytes that are charged are those of the encoded tensors."""

from bench.codec.codecs import BF16, Codec, NoCodec

__all__ = ["BF16", "Codec", "NoCodec"]
