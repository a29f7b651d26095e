"""DDP against the update rule written out, in buckets and with accumulated gradients."""

import pytest
import torch
from loops import PLAIN_SGD, SCALES, SHAPE, STEPS, Inner, distance, gradient, mean_gradient, trained
from worlds import scenario, simulate

from bench.algorithm.ddp import DDP
from bench.algorithm.local_sgd import LocalSGD
from bench.data import Corpus
from bench.model import Shape
from bench.optimizer import LearningRateSchedule


@pytest.mark.parametrize("buckets", [1, 8])
def test_it_is_adamw_on_the_mean_gradient(buckets):
    inner = Inner()
    for number in range(STEPS):
        inner.step(mean_gradient(inner.params, number), SCALES[number])
    ours = trained(DDP(buckets=buckets))
    assert ours.shape[0] == 1
    assert distance(ours[0], inner.params) <= 1e-5


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulated_gradients_are_the_mean_of_several_batches(accumulate):
    inner = Inner()
    for first in range(0, STEPS, accumulate):
        mean = sum(mean_gradient(inner.params, first + number) for number in range(accumulate)) / accumulate
        # A batch is a program step: the learning rate is that of the last.
        inner.step(mean, SCALES[first + accumulate - 1])
    assert distance(trained(DDP(buckets=3, accumulate=accumulate))[0], inner.params) <= 1e-5


def test_two_accumulated_batches_are_a_batch_twice_as_large(monkeypatch):
    # The larger batch of a step is made of the two that the smaller ones take.
    batch, constant = Corpus.batch, LearningRateSchedule(warmup=0, final=1.0, steps=STEPS)

    def joined(self, seed, rank, step, sequences, context):
        half = sequences // 2
        return torch.cat([batch(self, seed, rank, 2 * step + k, half, context) for k in range(2)])

    accumulated = trained(DDP(accumulate=2), optimizer=PLAIN_SGD, lr_schedule=constant)
    large = Shape(**{name: getattr(SHAPE, name) for name in ("layers", "width", "heads", "vocabulary", "context")}, batch=4)
    monkeypatch.setattr(Corpus, "batch", joined)
    together = trained(DDP(), optimizer=PLAIN_SGD, lr_schedule=constant, steps=STEPS // 2, shape=large)
    assert distance(accumulated, together) <= 1e-5


def test_buckets_change_nothing_that_is_learnt():
    one = trained(DDP())
    for buckets in (2, 8, 50):
        assert torch.equal(trained(DDP(buckets=buckets)), one)


def test_buckets_hide_what_is_sent_while_the_backward_pass_goes_on():
    # A step of 1 s, 1/3 of it forward. The ring of 4 takes 6 s for all of it: two buckets of 3 s, the first from 2/3 s on.
    assert simulate(DDP(buckets=2), scenario(4), steps=1).virtual_seconds == pytest.approx(2 / 3 + 6)
    # Over links 100 times as fast, 0.03 s each: the first is over by the time the second begins, at 1 s.
    fast = scenario(4, uplink=1e5, downlink=1e5)
    assert simulate(DDP(buckets=2), fast, steps=1).virtual_seconds == pytest.approx(1 + 0.03)
    assert simulate(DDP(buckets=1), fast, steps=1).virtual_seconds == pytest.approx(1 + 0.06)


def test_accumulated_batches_share_one_all_reduce():
    timeline = simulate(DDP(accumulate=3), scenario(4), steps=6)
    assert timeline.schedule.steps == [3, 3]
    assert timeline.virtual_seconds == pytest.approx(2 * (3 + 6))


def test_local_sgd_with_sync_every_one_and_plain_sgd_is_ddp():
    # The mean of p - lr g is p - lr times the mean of g.
    local = trained(LocalSGD(sync_every=1), optimizer=PLAIN_SGD)
    assert distance(local[0], trained(DDP(), optimizer=PLAIN_SGD)[0]) <= 1e-5
    # … which AdamW, with a state for each worker, is not.
    assert distance(trained(LocalSGD(sync_every=1))[0], trained(DDP())[0]) > 1e-3


def test_one_worker_is_plain_training():
    inner = Inner()
    for number in range(STEPS):
        inner.step(gradient(inner.params, 0, number), SCALES[number])
    assert distance(trained(DDP(buckets=4), workers=1)[0], inner.params) <= 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"buckets": 0}, "buckets must be >= 1, got 0"), ({"accumulate": 0}, "accumulate must be >= 1, got 0")],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        DDP(**settings)
