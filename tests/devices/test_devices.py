"""Step times and fleets."""

import numpy as np
import pytest
from scipy.special import ndtri

from bench.devices import Device, fleet, jittered_steps, step_seconds
from bench.seeds import uniforms


def device(**changes):
    defaults = {"peak": 100e12, "memory": 1e9, "memory_bandwidth": 1e12, "efficiency": 0.5, "source": "", "verified": True}
    return Device(**(defaults | changes))


CATALOGUE = {"fast": device(peak=400e12), "slow": device(), "starved": device(memory_bandwidth=1e10)}


def test_a_step_takes_the_slower_of_arithmetic_and_traffic():
    devices = fleet({"fast": 0.25, "slow": 0.5, "starved": 0.25}, 0.0, CATALOGUE, 4, seed=0)
    seconds = dict(zip(devices.names, step_seconds(devices, flops=1e13, nbytes=5e9), strict=True))
    # 1e13 / (400e12 / 2) = 0.05 s; 1e13 / 50e12 = 0.2 s; 5e9 / 1e10 = 0.5 s of traffic.
    assert seconds == {"fast": pytest.approx(0.05), "slow": pytest.approx(0.2), "starved": pytest.approx(0.5)}


def test_an_unknown_device_is_refused_with_a_near_name():
    with pytest.raises(ValueError, match="got 'slwo'; did you mean 'slow'"):
        fleet({"slwo": 1.0}, 0.0, CATALOGUE, 4, seed=0)


@pytest.mark.parametrize("jitter", [-0.1, 10.0, float("nan")])
def test_jitter_must_make_sense(jitter):
    with pytest.raises(ValueError, match="jitter must be in"):
        fleet({"slow": 1.0}, jitter, CATALOGUE, 4, seed=0)


@pytest.mark.parametrize("changes", [{"efficiency": 1.2}, {"efficiency": 0.0}, {"peak": 0.0}, {"memory_bandwidth": -1.0}])
def test_a_device_must_be_possible(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        device(**changes)


@pytest.mark.parametrize("steps", [1, 20])
def test_jitter_keeps_the_mean_and_shrinks_with_the_number_of_steps(steps):
    normal = ndtri(uniforms(0, "test", ranks=np.arange(200_000)))
    taken = jittered_steps(steps, 0.3, normal)
    # Independent steps: the mean adds up, and the coefficient of variation falls with the root of their number.
    assert taken.mean() == pytest.approx(steps, rel=0.005)
    assert taken.std() / taken.mean() == pytest.approx(0.3 / np.sqrt(steps), rel=0.02)


def test_no_jitter_is_exact():
    assert jittered_steps(7, 0.0, np.array([-3.0, 3.0])).tolist() == [7, 7]
