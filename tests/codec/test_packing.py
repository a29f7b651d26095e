"""Codes of a few bits in bytes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.codec.packing import pack, unpack, width


@given(st.integers(1, 17), st.integers(1, 40), st.integers(0, 2**31))
def test_codes_come_back_from_as_few_bytes_as_hold_them(bits, count, seed):
    codes = torch.randint(2**bits, (3, count), generator=torch.Generator().manual_seed(seed))
    packed = pack(codes, bits)
    assert packed.dtype == torch.uint8
    assert packed.shape == (3, (count * bits + 7) // 8)
    assert torch.equal(unpack(packed, bits, count), codes)


def test_bits_lie_side_by_side():
    # Of 1 bit, the first is the lowest of a byte: 1 + 4 + 128, then 1.
    assert pack(torch.tensor([[1, 0, 1, 0, 0, 0, 0, 1, 1]]), 1).tolist() == [[133, 1]]
    # Of 2 bits: 3 + 1 * 4 + 0 * 16 + 2 * 64.
    assert pack(torch.tensor([[3, 1, 0, 2]]), 2).tolist() == [[135]]
    # Of 4 bits: 5 + 9 * 16.
    assert pack(torch.tensor([[5, 9]]), 4).tolist() == [[149]]
    # Of 12 bits the low bytes, 0x23 and 0xBC; then the four bits above of each, 1 + 10 * 16.
    assert pack(torch.tensor([[0x123, 0xABC]]), 12).tolist() == [[0x23, 0xBC, 0xA1]]
    # Of 3 bits eight make three bytes: 1 + 2 * 8 + 3 * 64 + 4 * 512, the rest being 0.
    assert pack(torch.tensor([[1, 2, 3, 4, 0, 0, 0, 0]]), 3).tolist() == [[209, 8, 0]]


@pytest.mark.parametrize(("size", "bits"), [(1, 1), (2, 1), (3, 2), (64, 6), (65, 7), (4096, 12), (4097, 13)])
def test_a_place_takes_the_logarithm_of_the_places_in_bits(size, bits):
    assert width(size) == bits
