"""DiLoCo against the update rule written out."""

import pytest
import torch
from loops import SCALES, STEPS, distance, mean_gradient, put, rows, train, trained, workers

from bench.algorithm.diloco import DiLoCo
from bench.algorithm.local_sgd import LocalSGD


@pytest.mark.parametrize(
    ("every", "lr", "momentum", "start"), [(1, 0.7, 0.9, 0), (5, 0.7, 0.9, 0), (4, 0.4, 0.5, 0), (4, 0.7, 0.9, 8)]
)
def test_it_is_an_outer_nesterov_step_on_the_mean_pseudo_gradient(every, lr, momentum, start):
    everybody = workers()
    for number in range(start):  # everybody on the mean gradient
        mean = mean_gradient(everybody[0].params, number)
        for inner in everybody:
            inner.step(mean, SCALES[number])
    outer = everybody[0].params
    velocity = torch.zeros_like(outer)
    for first in range(start, STEPS, every):
        train(everybody, first, every)
        pseudo_gradient = (outer - rows(everybody)).mean(0)
        # Sutskever et al. (2013), as PyTorch writes it: v ← μ v + g; θ ← θ - lr (g + μ v).
        velocity = momentum * velocity + pseudo_gradient
        outer = outer - lr * (pseudo_gradient + momentum * velocity)
        put(everybody, outer)
    ours = trained(DiLoCo(sync_every=every, outer_lr=lr, outer_momentum=momentum, start=start))
    assert distance(ours, rows(everybody)) <= 1e-5


def test_an_outer_step_of_one_without_momentum_is_local_sgd():
    # θ - (θ - mean of θ_i) = mean of θ_i.
    ours = trained(DiLoCo(sync_every=5, outer_lr=1.0, outer_momentum=0.0))
    assert distance(ours, trained(LocalSGD(sync_every=5))) <= 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sync_every": 0}, "sync_every must be >= 1, got 0"),
        ({"outer_lr": 0.0}, "outer_lr must be above 0 and finite, got 0"),
        ({"outer_momentum": 1.0}, r"outer_momentum must be in \[0, 1\), got 1"),
        ({"start": -1}, "start must be >= 0, got -1"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        DiLoCo(**({"sync_every": 5, "outer_lr": 0.7, "outer_momentum": 0.9} | settings))
