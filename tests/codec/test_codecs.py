"""Each codec against its formula written out number by number, and its bytes, derived by hand."""

import math

import numpy as np
import pytest
import scipy.fft
import torch

from bench.codec import (
    BF16,
    E3M0,
    FP16,
    Codec,
    DCTTopK,
    Int4,
    Int8,
    Natural,
    NoCodec,
    PowerSGD,
    RandomK,
    Sign,
    TopK,
    TopK2Bit,
)
from bench.replicas import Layout


def rows(columns: int, workers: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(workers, columns, generator=torch.Generator().manual_seed(seed))


def passed(codec: Codec, payload: torch.Tensor, layout: Layout | None = None, draw: int = 5) -> torch.Tensor:
    layout = layout or Layout.plain(payload.shape[1])
    return codec.decode(codec.encode(payload, draw, layout), draw, layout)


def row_bytes(codec: Codec, columns: int, layout: Layout | None = None) -> int:
    """Bytes on the wire of one worker's payload."""
    return sum(part.nbytes for part in codec.encode(torch.ones(1, columns), 5, layout or Layout.plain(columns)))


def test_no_codec_sends_the_payload_itself():
    payload = rows(10)
    [sent] = NoCodec().encode(payload, 0, Layout.plain(10))
    assert sent is payload
    assert passed(NoCodec(), payload) is payload


def test_bf16_halves_the_bytes_and_rounds_to_eight_bits():
    payload = rows(1000)
    assert row_bytes(BF16(), 1000) == 2000
    error = (passed(BF16(), payload) - payload).abs() / payload.abs()
    assert 2**-10 < error.max() <= 2**-8  # half a unit of the eighth bit


def test_fp16_halves_the_bytes_and_rounds_to_eleven_bits_within_its_range():
    payload = rows(1000)
    assert row_bytes(FP16(), 1000) == 2000
    np.testing.assert_array_equal(passed(FP16(), payload), payload.numpy().astype(np.float16))
    large = torch.tensor([[65504.0, 1e6, -1e30, torch.inf]])
    assert passed(FP16(), large).tolist() == [[65504.0, 65504.0, -65504.0, torch.inf]]


def by_levels(x: float, largest: float, levels: int) -> float:
    """The nearest of `levels` equidistant numbers each way up to `largest`."""
    return min((k * largest / levels for k in range(-levels, levels + 1)), key=lambda level: abs(level - x))


@pytest.mark.parametrize(
    ("codec", "levels", "block"), [(Int8(block=7), 127, 7), (Int4(block=7), 7, 7), (Int8(block=None), 127, 20)]
)
def test_integers_are_the_nearest_levels_of_their_block(codec, levels, block):
    payload = rows(20)
    decoded = passed(codec, payload)
    for row, back in zip(payload.tolist(), decoded.tolist(), strict=True):
        for place, x in enumerate(row):
            first = place // block * block
            largest = max(abs(other) for other in row[first : first + block])
            assert back[place] == pytest.approx(by_levels(x, largest, levels), abs=1e-6)


def by_fp4(x: float, largest: float) -> float:
    levels = [0.0] + [sign * largest * 2.0**exponent for exponent in range(-6, 1) for sign in (1, -1)]
    return min(levels, key=lambda level: abs(level - x))


def test_e3m0_is_the_nearest_of_seven_powers_of_two_and_zero():
    payload = rows(4000, 1) ** 3  # small ones, too
    decoded = passed(E3M0(block=None), payload)[0]
    largest = float(payload.abs().max())
    expected = [by_fp4(x, largest) for x in payload[0].tolist()]
    torch.testing.assert_close(decoded, torch.tensor(expected))
    assert {abs(round(64 * x / largest)) for x in decoded.tolist()} == {0, 1, 2, 4, 8, 16, 32, 64}


def test_e3m0_has_a_scale_for_each_block():
    payload = torch.tensor([[1.0, 0.5, 100.0, 24.0, -3.0]])
    # 24 is nearer to 25 than to 12.5; the last block has one number.
    assert passed(E3M0(block=2), payload).tolist() == [[1.0, 0.5, 100.0, 25.0, -3.0]]


def test_bits_and_scales_are_all_that_travels():
    # 1000 numbers in blocks of 64: 16 scales of 4 bytes.
    assert row_bytes(Int8(block=64), 1000) == 1000 + 64
    assert row_bytes(Int4(block=64), 1000) == 500 + 64
    assert row_bytes(E3M0(block=64), 1000) == 500 + 64
    assert row_bytes(Sign(block=64), 1000) == 125 + 64
    assert row_bytes(Natural(), 1000) == 1125  # 9 bits each
    assert row_bytes(Int8(block=None), 1000) == 1004
    assert row_bytes(Sign(block=None), 1001) == 126 + 4


def test_signs_carry_the_mean_magnitude_of_their_block():
    payload = torch.tensor([[3.0, -1.0, 2.0, -6.0, 0.5]])
    assert passed(Sign(block=2), payload).tolist() == [[2.0, -2.0, 4.0, -4.0, 0.5]]
    assert passed(Sign(block=None), payload).tolist() == [[2.5, -2.5, 2.5, -2.5, 2.5]]
    assert passed(Sign(block=None), torch.tensor([[0.0, 2.0]])).tolist() == [[1.0, 1.0]]  # 0 counts as +


def test_natural_compression_gives_a_power_of_two_next_to_the_number():
    payload = rows(2000)
    decoded = passed(Natural(), payload)
    below = torch.exp2(payload.abs().log2().floor()) * payload.sign()
    assert bool(((decoded == below) | (decoded == 2 * below)).all())
    assert 0.2 < (decoded == 2 * below).float().mean() < 0.8
    exact = torch.tensor([[1.0, -0.25, 0.0, 64.0, 2.0**127]])
    assert torch.equal(passed(Natural(), exact), exact)
    assert float(passed(Natural(), torch.tensor([[3e38]]))) == 2.0**127


def test_natural_compression_is_right_in_the_mean():
    payload = rows(40, 1)
    draws = 2000
    mean = sum(passed(Natural(), payload, draw=draw) for draw in range(draws)) / draws
    # E C(x)² <= 9/8 x² (the paper's theorem 1): the mean's deviation is at most |x| √(1/8 / draws); five are never reached.
    assert bool(((mean - payload).abs() < 5 * payload.abs() * math.sqrt(1 / 8 / draws)).all())
    assert not torch.equal(mean, payload)


def test_workers_do_not_round_alike():
    same = rows(500, 1).expand(2, -1)
    one, other = passed(Natural(), same)
    assert 0.2 < (one != other).float().mean() < 0.8  # mean of 2 p (1 - p) is about 1/3


def test_top_k_keeps_the_largest_of_each_chunk():
    payload = rows(23)
    decoded = passed(TopK(share=0.3, chunk=10), payload)
    for row, back in zip(payload.tolist(), decoded.tolist(), strict=True):
        for first in (0, 10, 20):
            chunk = row[first : first + 10]
            kept = sorted(chunk, key=abs)[-3:]  # the last chunk has three, filled up with zeros
            assert back[first : first + 10] == [x if x in kept else 0.0 for x in chunk]


def test_top_k_of_all_is_the_payload():
    for chunk in (None, 1, 7, 64):
        assert torch.equal(passed(TopK(share=1.0, chunk=chunk), rows(50)), rows(50))


def test_top_k_sends_fp32_values_and_places_of_as_few_bits_as_it_takes():
    # 3 chunks of 4096: 41 of each, with 12 bits of place: 123 * 4 + 123 * 12 / 8.
    assert row_bytes(TopK(share=0.01, chunk=4096), 3 * 4096) == 123 * 4 + 185  # 184.5
    # Without chunks, 100 of 10,000 with 14 bits.
    assert row_bytes(TopK(share=0.01, chunk=None), 10_000) == 100 * 4 + 175
    assert row_bytes(TopK(share=0.001, chunk=10), 10) == 4 + 1  # one at least


def test_top_k_in_two_bits_sends_the_mean_of_small_and_of_large_ones():
    payload = torch.tensor([[5.0, 0.1, -9.0, 0.2, -1.0, 0.3, 0.0, 2.0]])
    # Two of each four: 5 and -9, -1 and 2. Their mean magnitude is 4.25: small are 1 and 2, large 5 and 9.
    decoded = passed(TopK2Bit(k=2, chunk=4), payload)
    assert decoded.tolist() == [[7.0, 0.0, -7.0, 0.0, -1.5, 0.0, 0.0, 1.5]]


def test_large_are_those_above_the_mean_of_all_that_are_kept_of_a_payload():
    payload = rows(60)
    decoded = passed(TopK2Bit(k=8, chunk=20), payload)
    for row, back in zip(payload.tolist(), decoded.tolist(), strict=True):
        kept = [place for first in (0, 20, 40) for place in sorted(range(first, first + 20), key=lambda p: -abs(row[p]))[:8]]
        middle = sum(abs(row[place]) for place in kept) / 24
        for large in (True, False):
            kind = [place for place in kept if (abs(row[place]) > middle) == large]
            level = sum(abs(row[place]) for place in kind) / len(kind)
            assert [back[place] for place in kind] == pytest.approx([math.copysign(level, row[place]) for place in kind])
        assert sum(x != 0 for x in back) == 24


def test_sparse_loco_sends_146_times_less():
    columns = 4096 * 1000
    # 64 places of 12 bits and 64 codes of 2 bits: 112 bytes of 16,384; two levels a payload.
    shadow = TopK2Bit(k=64, chunk=4096).encode(torch.empty(1, columns, device="meta"), 0, Layout.plain(columns))
    nbytes = sum(part.nbytes for part in shadow)
    assert nbytes == 112 * 1000 + 8
    assert round(4 * columns / nbytes, 1) == 146.3


def test_random_k_keeps_the_same_places_of_all_workers():
    payload = rows(100)
    decoded = passed(RandomK(share=0.2, unbiased=False), payload)
    kept = decoded[0] != 0
    assert kept.sum() == 20
    assert torch.equal(decoded, payload * kept)
    assert torch.equal(passed(RandomK(share=0.2, unbiased=True), payload), 5 * payload * kept)
    assert not torch.equal(passed(RandomK(share=0.2, unbiased=False), payload, draw=6), decoded)
    assert row_bytes(RandomK(share=0.2, unbiased=False), 100) == 80  # no places


def test_random_k_of_all_is_the_payload():
    assert torch.equal(passed(RandomK(share=1.0, unbiased=True), rows(50)), rows(50))


def test_unbiased_random_k_is_right_in_the_mean():
    payload, draws = rows(40, 1), 2000
    mean = sum(passed(RandomK(share=0.25, unbiased=True), payload, draw=draw) for draw in range(draws)) / draws
    # 4 x with probability 1/4, else 0: a variance of 3 x².
    assert bool(((mean - payload).abs() < 5 * payload.abs() * math.sqrt(3 / draws)).all())


MATRICES = Layout({"a": (12, 10), "bias": (7,), "b": (10, 4, 3)})


def test_power_sgd_projects_each_matrix_on_what_a_random_one_spans():
    payload, rank = rows(MATRICES.columns), 2
    encoded = PowerSGD(rank=rank).encode(payload, 5, MATRICES)
    decoded = PowerSGD(rank=rank).decode(encoded, 5, MATRICES)
    assert [tuple(part.shape) for part in encoded] == [(3, 12, 2), (3, 10, 2), (3, 7), (3, 10, 2), (3, 12, 2)]
    assert torch.equal(decoded[:, 120:127], payload[:, 120:127])  # vectors as they are
    for (first, last), shape, P in (((0, 120), (12, 10), encoded[0]), ((127, 247), (10, 12), encoded[3])):
        M = payload[:, first:last].view(3, *shape)
        assert torch.equal(P[0], P[1])
        torch.testing.assert_close(P[0].T @ P[0], torch.eye(rank), atol=1e-5, rtol=0)
        # The best that a worker can do with this P: the projection of its own matrix on its columns.
        torch.testing.assert_close(decoded[:, first:last].view(3, *shape), P[0] @ P[0].T @ M)


def test_power_sgds_p_spans_the_mean_of_the_workers_products():
    payload = rows(MATRICES.columns)
    [P, *_] = PowerSGD(rank=2).encode(payload, 5, MATRICES)
    [alone, *_] = PowerSGD(rank=2).encode(payload.mean(0, keepdim=True), 5, MATRICES)
    torch.testing.assert_close(P[0] @ P[0].T, alone[0] @ alone[0].T)  # the mean of Mᵢ Q is that of Mᵢ, times Q


def test_power_sgd_keeps_a_matrix_of_its_rank():
    left, right = torch.randn(20, 3), torch.randn(3, 16)
    layout = Layout({"m": (20, 16)})
    payload = (left @ right).view(1, -1)
    torch.testing.assert_close(passed(PowerSGD(rank=3), payload, layout), payload, atol=1e-4, rtol=1e-4)
    assert row_bytes(PowerSGD(rank=3), 320, layout) == 3 * (20 + 16) * 4


def test_power_sgd_leaves_alone_what_would_be_no_smaller():
    layout = Layout({"norm": (2, 50), "small": (4, 4)})
    payload = rows(116)
    assert torch.equal(passed(PowerSGD(rank=2), payload, layout), payload)
    assert row_bytes(PowerSGD(rank=2), 116, layout) == 4 * 116


def by_dct(matrix: np.ndarray, chunk: int, k: int) -> np.ndarray:
    """The k largest coefficients of each block, with SciPy's transform."""
    a, b = matrix.shape
    h, w = min(chunk, a), min(chunk, b)
    padded = np.zeros((-(-a // h) * h, -(-b // w) * w))
    padded[:a, :b] = matrix
    for top in range(0, len(padded), h):
        for left in range(0, padded.shape[1], w):
            block = padded[top : top + h, left : left + w]
            coefficients = scipy.fft.dctn(block, type=2, norm="ortho")
            least = np.sort(np.abs(coefficients).ravel())[-k]
            coefficients[np.abs(coefficients) < least] = 0
            block[:] = scipy.fft.idctn(coefficients, type=2, norm="ortho")
    return padded[:a, :b]


@pytest.mark.parametrize("packed", [True, False])
def test_demo_keeps_the_largest_cosines_of_each_block(packed):
    layout = Layout({"even": (8, 12), "edge": (6, 5), "flat": (2, 9), "vector": (11,), "short": (3,)})
    payload = rows(layout.columns, 2)
    decoded = passed(DCTTopK(k=3, chunk=4, packed=packed), payload, layout)
    # A vector is folded into rows of `chunk`, or is one row if it is shorter.
    matrices = {"even": (8, 12), "edge": (6, 5), "flat": (2, 9), "vector": (3, 4), "short": (1, 3)}
    for name, (a, b) in matrices.items():
        first, last = layout.spans[name]
        for row, back in zip(payload[:, first:last].numpy(), decoded[:, first:last].numpy(), strict=True):
            matrix = np.concatenate([row, np.zeros(a * b - len(row))]).reshape(a, b)
            np.testing.assert_allclose(back, by_dct(matrix, 4, 3).ravel()[: len(row)], atol=1e-5)


def test_demo_with_all_coefficients_is_the_payload():
    layout = Layout({"even": (8, 12), "edge": (6, 5), "vector": (11,)})
    payload = rows(layout.columns)
    torch.testing.assert_close(passed(DCTTopK(k=16, chunk=4, packed=True), payload, layout), payload)


@pytest.mark.parametrize("k", [1, 2, 4, 8, 16, 32])
def test_demo_sends_what_its_authors_send(k):
    layout = Layout({"a": (1024, 4096), "b": (4096, 512)})
    columns = layout.columns

    def nbytes(packed: bool) -> int:
        encoded = DCTTopK(k=k, chunk=64, packed=packed).encode(torch.empty(1, columns, device="meta"), 0, layout)
        return sum(part.nbytes for part in encoded)

    # 12 k bytes for 4096 numbers (their table of megabytes a step); packed, 32 + 12 bits for each.
    assert nbytes(False) == 12 * k * columns // 4096
    assert nbytes(True) == 5.5 * k * columns // 4096
