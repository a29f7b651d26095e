"""Post-local SGD against its update rule written out."""

import pytest
import torch
from loops import PLAIN_SGD, STEPS, distance, put, rows, train, trained, workers
from worlds import scenario, simulate

from bench.algorithm.ddp import DDP
from bench.algorithm.local_sgd import LocalSGD
from bench.algorithm.post_local_sgd import PostLocalSGD


def test_it_averages_every_step_up_to_the_start_and_every_few_steps_from_then_on():
    everybody, step = workers(), 0
    for steps in [1] * 8 + [4] * 3:
        train(everybody, step, steps)
        put(everybody, rows(everybody).mean(0))
        step += steps
    assert step == STEPS
    assert distance(trained(PostLocalSGD(start=8, sync_every=4)), rows(everybody)) <= 1e-5


def test_without_a_synchronous_phase_it_is_local_sgd():
    assert torch.equal(trained(PostLocalSGD(start=0, sync_every=5)), trained(LocalSGD(sync_every=5)))


def test_with_plain_sgd_the_synchronous_phase_is_ddp():
    ours = trained(PostLocalSGD(start=STEPS, sync_every=4), optimizer=PLAIN_SGD)
    assert distance(ours[0], trained(DDP(), optimizer=PLAIN_SGD)[0]) <= 1e-5


def test_it_pays_an_all_reduce_a_step_at_first():
    timeline = simulate(PostLocalSGD(start=3, sync_every=5), scenario(4), steps=13)
    assert timeline.schedule.steps == [1, 1, 1, 5, 5]
    assert timeline.virtual_seconds == pytest.approx(13 + 5 * 6)  # the ring of 4: 6 s


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"start": -1}, "start must be >= 0, got -1"), ({"sync_every": 0}, "sync_every must be >= 1, got 0")],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        PostLocalSGD(**({"start": 5, "sync_every": 5} | settings))
