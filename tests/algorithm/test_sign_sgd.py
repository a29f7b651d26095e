"""signSGD and Signum against their update rule written out."""

import pytest
import torch
from loops import SCALES, STEPS, W, distance, gradient, initial, trained

from bench.algorithm.demo import DeMo
from bench.algorithm.sign_sgd import SignSGD
from bench.optimizer import SGD

SMALL = SGD(lr=0.003, momentum=0.0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_majority_of_the_workers_signs_decides(momentum):
    params, velocities = initial(), [torch.zeros_like(initial()) for _ in range(W)]
    for number in range(STEPS):
        votes = torch.zeros_like(params)
        for rank in range(W):
            velocities[rank] = momentum * velocities[rank] + (1 - momentum) * gradient(params, rank, number)
            votes += torch.where(velocities[rank] > 0, 1, torch.where(velocities[rank] < 0, -1, 0))
        # Three workers: two or three of a kind decide, and one alone where the others have no opinion.
        params = params - 0.003 * SCALES[number] * votes.clamp(-1, 1)
    ours = trained(SignSGD(momentum=momentum), optimizer=SMALL)
    # A gradient of zero but for rounding may have either sign.
    assert (ours[0] - params).abs().gt(1e-5).float().mean() < 0.01
    assert distance(ours[0], initial()) > 1e-3


def test_alone_without_momentum_it_steps_along_the_sign_of_the_gradient():
    assert torch.equal(*(trained(algorithm, workers=1, optimizer=SMALL) for algorithm in (SignSGD(momentum=0.0), DeMo())))


def test_a_vote_is_not_the_sign_of_the_mean():
    vote, mean = (trained(algorithm, optimizer=SMALL) for algorithm in (SignSGD(momentum=0.0), DeMo()))
    assert distance(vote, mean) > 1e-3


def test_a_bad_setting_is_refused_by_name():
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1"):
        SignSGD(momentum=1.0)
