"""How a payload is encoded for the wire; the bytes that are charged are those of the encoded tensors. One file a codec."""

from bench.codec.base import Codec, Cost
from bench.codec.bf16 import BF16
from bench.codec.dct_top_k import DCTTopK
from bench.codec.e3m0 import E3M0
from bench.codec.fp16 import FP16
from bench.codec.int4 import Int4
from bench.codec.int8 import Int8
from bench.codec.natural import Natural
from bench.codec.none import NoCodec
from bench.codec.power_sgd import PowerSGD
from bench.codec.random_k import RandomK
from bench.codec.sign import Sign
from bench.codec.top_k import TopK
from bench.codec.top_k_2bit import TopK2Bit

__all__ = [
    "BF16",
    "E3M0",
    "FP16",
    "Codec",
    "Cost",
    "DCTTopK",
    "Int4",
    "Int8",
    "Natural",
    "NoCodec",
    "PowerSGD",
    "RandomK",
    "Sign",
    "TopK",
    "TopK2Bit",
]
