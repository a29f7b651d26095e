"""Local SGD against the update rule written out."""

import pytest
from loops import STEPS, distance, initial, put, rows, train, trained, workers
from worlds import scenario, simulate

from bench.algorithm.local_sgd import LocalSGD


@pytest.mark.parametrize("every", [1, 5, 20])
def test_it_averages_parameters_and_keeps_optimizer_states_local(every):
    everybody = workers()
    for first in range(0, STEPS, every):
        train(everybody, first, every)
        put(everybody, rows(everybody).mean(0))
    assert distance(trained(LocalSGD(sync_every=every)), rows(everybody)) <= 1e-5


def test_all_replicas_are_equal_after_a_round():
    ours = trained(LocalSGD(sync_every=5))
    assert (ours == ours[0]).all()
    assert distance(ours[0], initial()) > 1e-2


def test_it_pays_an_all_reduce_a_round():
    timeline = simulate(LocalSGD(sync_every=5), scenario(4), steps=10)
    assert timeline.virtual_seconds == pytest.approx(2 * (5 + 6))  # the ring of 4: 6 s


def test_a_bad_setting_is_refused_by_name():
    with pytest.raises(ValueError, match="sync_every must be >= 1, got 0"):
        LocalSGD(sync_every=0)
