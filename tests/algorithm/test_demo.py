"""DeMo against its update rule written out."""

import torch
from loops import SCALES, SHAPE, STEPS, W, distance, gradient, initial, mean_gradient, trained
from plain import PlainGPT
from scipy.fft import dctn, idctn
from worlds import scenario, simulate

from bench.algorithm.ddp import DDP
from bench.algorithm.demo import DeMo
from bench.codec import DCTTopK
from bench.feedback import ErrorFeedback
from bench.optimizer import SGD

SMALL = SGD(lr=0.003, momentum=0.0)


def test_without_codec_and_feedback_it_steps_along_the_sign_of_the_mean_gradient():
    params = initial()
    for number in range(STEPS):
        params = params - 0.003 * SCALES[number] * mean_gradient(params, number).sign()
    ours = trained(DeMo(), optimizer=SMALL)
    # A gradient of zero but for rounding may have either sign: so few parameters that the mean hardly sees them.
    assert (ours[0] - params).abs().gt(1e-5).float().mean() < 0.01
    assert distance(ours[0], initial()) > 1e-3


def fast_part(row, k):
    """Of each matrix, (P,) holding all, what its k largest cosine coefficients are; a norm's scale and shift are one."""
    tensors = PlainGPT(SHAPE).vector()
    parts, fast, scale = row.split([tensor.numel() for tensor in tensors]), [], None
    for tensor, part in zip(tensors, parts, strict=True):
        if tensor.dim() == 1 and scale is None:
            scale = part
            continue
        matrix = part.view(tensor.shape) if tensor.dim() == 2 else torch.stack([scale, part])
        scale = None
        coefficients = torch.from_numpy(dctn(matrix.numpy(), norm="ortho"))
        least = coefficients.abs().flatten().topk(min(k, coefficients.numel())).values[-1]
        coefficients[coefficients.abs() < least] = 0
        fast.append(torch.from_numpy(idctn(coefficients.numpy(), norm="ortho")).flatten())
    return torch.cat(fast)


def test_with_them_each_worker_keeps_a_momentum_of_what_it_did_not_send():
    params, momenta = initial(), torch.zeros(W, len(initial()))
    for number in range(STEPS):
        # Algorithm 1: m ← β m + g; q is the fast part of m; m ← m - q; θ ← θ - lr sign(mean of q).
        sent = torch.zeros_like(momenta)
        for rank in range(W):
            momenta[rank] = 0.9 * momenta[rank] + gradient(params, rank, number)
            sent[rank] = fast_part(momenta[rank], 8)
            momenta[rank] -= sent[rank]
        params = params - 0.003 * SCALES[number] * sent.mean(0).sign()
    codec = DCTTopK(k=8, chunk=64, packed=False)  # 64: each tensor is one block
    ours = trained(DeMo(), optimizer=SMALL, codec=codec, feedback=ErrorFeedback(decay=0.9))
    # Of two coefficients that are alike but for rounding either may be the k-th.
    assert (ours[0] - params).abs().gt(1e-5).float().mean() < 0.01


def test_each_parameter_moves_by_the_learning_rate():
    moved = (trained(DeMo(), optimizer=SMALL, steps=1)[0] - initial()).abs()
    moving = moved > 0
    torch.testing.assert_close(moved[moving], torch.full_like(moved[moving], 0.003 * SCALES[0]), rtol=1e-3, atol=1e-7)
    assert moving.float().mean() > 0.8  # tokens that no batch has stay


def test_it_takes_as_long_as_ddp():
    ours, ddp = (simulate(algorithm, scenario(4), steps=3) for algorithm in (DeMo(), DDP()))
    assert ours.round_end.tolist() == ddp.round_end.tolist()
