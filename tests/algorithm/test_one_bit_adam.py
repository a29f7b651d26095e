"""1-bit Adam against its update rule written out, with a codec of one bit."""

import pytest
import torch
from loops import ADAMW, SCALES, STEPS, W, distance, gradient, initial, mean_gradient, trained
from worlds import scenario, simulate

from bench.algorithm.ddp import DDP
from bench.algorithm.one_bit_adam import OneBitAdam
from bench.codec import BF16, Sign
from bench.feedback import ErrorFeedback
from bench.optimizer import AdamW

SETTINGS = {"lr": 3e-3, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}


SIGN = {"codec": Sign(block=None), "feedback": ErrorFeedback(decay=1.0)}


def one_bit(row):
    return torch.where(row >= 0, 1.0, -1.0) * row.abs().mean()


@pytest.mark.parametrize("encoded", [False, True])
def test_after_the_warm_up_the_variance_is_frozen_and_momenta_are_sent(encoded):
    params, warmup = initial(), 8
    m, v = torch.zeros_like(params), torch.zeros_like(params)
    errors, error = torch.zeros(W, len(params)), torch.zeros_like(params)
    for number in range(STEPS):
        t = number + 1
        if t <= warmup:
            g = mean_gradient(params, number)
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
            deviation = (v / (1 - 0.99**t)).sqrt()
        else:
            sent = torch.stack([0.9 * m + 0.1 * gradient(params, rank, number) for rank in range(W)])
            m = sent.mean(0)
            if encoded:  # by each worker, and the mean by the server, each with an error of its own
                errors += sent
                received = torch.stack([one_bit(row) for row in errors])
                errors -= received
                error += received.mean(0)
                m = one_bit(error)
                error = error - m
        params = params - 3e-3 * SCALES[number] * m / (1 - 0.9**t) / (deviation + 1e-8)
    ours = trained(OneBitAdam(warmup=warmup, **SETTINGS), **(SIGN if encoded else {}))[0]
    if encoded:
        # What is zero but for rounding has either sign, and one that differs is off by a whole step.
        assert (ours - params).abs().gt(1e-4).float().mean() < 0.02
    else:
        assert distance(ours, params) <= 1e-5


def test_a_warm_up_that_lasts_is_adam():
    adam = AdamW(**SETTINGS, weight_decay=0.0)
    ours = trained(OneBitAdam(warmup=STEPS, **SETTINGS), **SIGN)  # which whole gradients do not pass
    ddp = trained(DDP(), optimizer=adam)
    # What the codec may not touch is a mean of gradients here, and a gradient of the joint batch there.
    assert distance(ours, ddp) <= 1e-4
    assert distance(trained(OneBitAdam(warmup=STEPS, **SETTINGS)), ddp) <= 1e-5


def test_the_optimizer_of_the_conf_has_no_part_in_it():
    algorithm = OneBitAdam(warmup=5, **SETTINGS)
    assert torch.equal(trained(algorithm), trained(algorithm, optimizer=ADAMW.__class__(**SETTINGS, weight_decay=0.5)))


def test_only_what_follows_the_warm_up_is_encoded():
    # Four steps of 1 s and a ring of 6 s; from the third step on half the bytes, and 12 ms for encoding and decoding.
    timeline = simulate(OneBitAdam(warmup=2, **SETTINGS), scenario(4), steps=4, codec=BF16())
    assert timeline.round_end == pytest.approx([7, 14, 14 + 4.012, 14 + 2 * 4.012])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup": 0}, "warmup must be >= 1, got 0"),
        ({"lr": 0.0}, "lr must be above 0 and finite, got 0"),
        ({"eps": 0.0}, "eps must be above 0 and finite, got 0"),
        ({"beta1": 1.0}, r"beta1 must be in \[0, 1\), got 1"),
        ({"beta2": -0.5}, r"beta2 must be in \[0, 1\), got -0.5"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        OneBitAdam(**({"warmup": 5, **SETTINGS} | settings))
