"""Codecs: what goes over the wire, and what comes out."""

import torch

from bench.codec import BF16, NoCodec


def test_no_codec_sends_the_payload_itself():
    payload = torch.randn(3, 10)
    assert NoCodec().encode(payload)[0] is payload
    assert torch.equal(NoCodec().decode(NoCodec().encode(payload)), payload)


def test_bf16_halves_the_bytes_and_rounds_to_eight_bits():
    payload = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    encoded = BF16().encode(payload)
    assert sum(part.nbytes for part in encoded) == payload.nbytes / 2
    error = (BF16().decode(encoded) - payload).abs() / payload.abs()
    assert 0 < error.max() <= 2**-8  # half a unit of the eighth bit


def test_shadow_tensors_have_the_same_bytes():
    real, shadow = torch.ones(2, 8), torch.empty(2, 8, device="meta")
    for codec in (NoCodec(), BF16()):
        assert [part.nbytes for part in codec.encode(shadow)] == [part.nbytes for part in codec.encode(real)]
