"""Delayed and eager outer updates against the update rule written out, and what they hide."""

import pytest
import torch
from loops import STEPS, W, distance, initial, put, rows, train, trained, workers
from worlds import scenario, simulate

from bench.algorithm.diloco import DiLoCo
from bench.algorithm.overlapped_diloco import OverlappedDiLoCo

OUTER = {"outer_lr": 0.7, "outer_momentum": 0.9}


@pytest.mark.parametrize("every", [2, 5])
def test_delayed_it_steps_along_the_average_of_the_round_before(every):
    everybody = workers()
    outer, velocity = initial(), torch.zeros_like(initial())
    average = torch.zeros_like(outer)
    for first in range(0, STEPS, every):
        train(everybody, first, every)
        arrived, average = average, (outer - rows(everybody)).mean(0)
        velocity = 0.9 * velocity + arrived
        outer = outer - 0.7 * (arrived + 0.9 * velocity)
        put(everybody, outer)
    ours = trained(OverlappedDiLoCo(sync_every=every, eager=False, **OUTER))
    assert distance(ours, rows(everybody)) <= 1e-5


@pytest.mark.parametrize("every", [2, 5])
def test_eager_each_worker_has_its_own_part_at_once_and_the_others_a_round_late(every):
    everybody = workers()
    anchors = [initial() for _ in range(W)]
    velocities = [torch.zeros_like(initial()) for _ in range(W)]
    before = [torch.zeros_like(initial()) for _ in range(W)]
    for first in range(0, STEPS, every):
        train(everybody, first, every)
        fresh = [anchor - inner.params for anchor, inner in zip(anchors, everybody, strict=True)]
        for m in range(W):
            g = (fresh[m] + sum(before[other] for other in range(W) if other != m)) / W
            velocities[m] = 0.9 * velocities[m] + g
            anchors[m] = anchors[m] - 0.7 * (g + 0.9 * velocities[m])
        before = fresh
        put(everybody, torch.stack(anchors))
    ours = trained(OverlappedDiLoCo(sync_every=every, eager=True, **OUTER))
    assert distance(ours, rows(everybody)) <= 1e-5
    assert not torch.equal(ours[0], ours[1])


def test_eager_and_alone_it_is_diloco():
    # The one worker's whole average is its own fresh part.
    ours = trained(OverlappedDiLoCo(sync_every=5, eager=True, **OUTER), workers=1)
    assert torch.equal(ours, trained(DiLoCo(sync_every=5, **OUTER), workers=1))


def test_delayed_and_without_momentum_the_second_round_ends_where_the_first_of_local_sgd_does():
    # One step a round, outer lr 1, no momentum, from θ0: the second round applies the first's average to θ0 itself, which gives
    # local SGD's parameters of that round.
    delayed = trained(OverlappedDiLoCo(sync_every=1, eager=False, outer_lr=1.0, outer_momentum=0.0), steps=2)
    local = trained(DiLoCo(sync_every=1, outer_lr=1.0, outer_momentum=0.0), steps=1)
    assert distance(delayed, local) <= 1e-6


@pytest.mark.parametrize("eager", [True, False])
def test_a_round_that_takes_longer_hides_all_that_is_sent(eager):
    # Ten steps of 1 s; a ring of 6 s flies while the next round computes. Only the last one is waited for.
    algorithm = OverlappedDiLoCo(sync_every=10, eager=eager, **OUTER)
    timeline = simulate(algorithm, scenario(4), steps=40)
    assert timeline.virtual_seconds == pytest.approx(40 + 6)
    assert timeline.schedule.steps == [10] * 4
    # Of a round that takes less, 4 s, the rest is waited for: the first ring flies from 4 to 10 s, the next until 16, …
    timeline = simulate(OverlappedDiLoCo(sync_every=4, eager=eager, **OUTER), scenario(4), steps=16)
    assert timeline.virtual_seconds == pytest.approx(4 + 4 * 6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sync_every": 0}, "sync_every must be >= 1, got 0"),
        ({"outer_lr": 0.0}, "outer_lr must be above 0 and finite, got 0"),
        ({"outer_momentum": 1.0}, r"outer_momentum must be in \[0, 1\), got 1"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        OverlappedDiLoCo(**({"sync_every": 5, "eager": True, **OUTER} | settings))
