"""DeMo against its update rule written out."""

import torch
from loops import SCALES, STEPS, distance, initial, mean_gradient, trained
from worlds import scenario, simulate

from bench.algorithm.ddp import DDP
from bench.algorithm.demo import DeMo
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


def test_each_parameter_moves_by_the_learning_rate():
    moved = (trained(DeMo(), optimizer=SMALL, steps=1)[0] - initial()).abs()
    moving = moved > 0
    torch.testing.assert_close(moved[moving], torch.full_like(moved[moving], 0.003 * SCALES[0]), rtol=1e-3, atol=1e-7)
    assert moving.float().mean() > 0.8  # tokens that no batch has stay


def test_it_takes_as_long_as_ddp():
    ours, ddp = (simulate(algorithm, scenario(4), steps=3) for algorithm in (DeMo(), DDP()))
    assert ours.round_end.tolist() == ddp.round_end.tolist()
