"""Seconds of each worker's own work, and what waiting for the slowest of many costs."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from worlds import scenario, simulate

from bench.algorithm.ddp import DDP
from bench.devices import Device, Matmul, Work, device_seconds, fleet
from bench.errors import FitError
from bench.jitter import HeavyTail, LogNormal, NoJitter
from bench.pace import Pace, Workload
from bench.split import BySpeed, Effort, Uniform

SLOW, FAST = (
    Device(peak=peak, memory=1e9, memory_bandwidth=1e12, efficiency=1.0, source="", verified=True) for peak in (1e12, 4e12)
)


@dataclass(frozen=True)
class Given:
    """A split into these sequences of two a worker on average."""

    sequences: tuple[int, ...]
    local_steps_only: bool = False

    def effort(self, step_seconds):
        return Effort(batch=np.array(self.sequences) / 2.0)


def pace(workers, *, split=None, work=lambda sequences: Work(flops=4e12 * sequences)):
    devices = fleet({"slow": SLOW, "fast": FAST}, workers, 0, list=["slow", "fast"][:workers])
    return Pace(devices, NoJitter(), Workload(work, 2, 1.0, 1.0), split or Uniform(), 0)


def one_second_each(workers, jitter, seed=0):
    """A step of each worker takes a second, but for its jitter."""
    workload = Workload(lambda sequences: Work(flops=1e12), 1, 1.0, 1.0)
    return Pace(fleet({"slow": SLOW}, workers, seed, list=["slow"]), jitter, workload, Uniform(), seed)


def one_step(pace):
    """Seconds of a step of each worker, (W,)."""
    return pace.compute(np.arange(len(pace.step_seconds)), 1, 0.0)


def test_a_step_is_that_of_the_workers_device_and_sequences():
    # 4 TFLOP a sequence on 1 and 4 TFLOP/s: 4 s and 1 s; two sequences unless each has its own.
    assert list(one_step(pace(3))) == [8, 2, 8]
    assert list(one_step(pace(4, split=Given((1, 4, 2, 1))))) == [4, 4, 8, 1]


def test_what_sequences_cost_is_asked_of_the_workload_and_not_scaled():
    # Products of more rows reach more of the device: half as many sequences again take less than half as long again.
    def work(sequences):
        return Work((Matmul(1, 64 * sequences, 512, 512),))

    seconds = one_step(pace(4, split=Given((2, 1, 3, 2)), work=work))
    expected = [device_seconds(device, work(n)) for device, n in ((SLOW, 2), (FAST, 1), (SLOW, 3), (FAST, 2))]
    np.testing.assert_array_equal(seconds, expected)
    assert seconds[0] < seconds[2] < 1.5 * seconds[0]


def given(seconds, split=None, resident=1.0):
    """Steps of four sequences that take the seconds given, whatever the devices; these have a memory of 1 GB."""
    devices = fleet({"slow": SLOW, "fast": FAST}, 2, 0, list=["slow", "fast"])
    workload = Workload(lambda sequences: Work(flops=4e12), 4, 1.0, resident, step_seconds=np.array(seconds))
    return Pace(devices, NoJitter(), workload, split or Uniform(), 0)


def test_given_seconds_of_a_step_stand_in_for_those_of_the_device():
    assert list(one_step(given([0.5, 2.0]))) == list(given([0.5, 2.0]).step_seconds) == [0.5, 2.0]
    assert list(given([0.5, 2.0]).compute(np.array([1]), 3, 0.0)) == [6.0]


def test_given_seconds_are_shared_out_over_sequences():
    # One and seven sequences of the four of an equal split: a quarter of 0.5 s, and seven quarters of 2 s.
    uneven = given([0.5, 2.0], Given((0.5, 3.5)))
    assert list(one_step(uneven)) == [0.125, 3.5]
    assert list(uneven.step_seconds) == [0.5, 2.0]  # of an equal split still


def test_a_split_by_speed_goes_by_given_seconds():
    # Speeds 2 and 0.5 a second, of mean 1.25: 1.6 and 0.4 of four sequences, 6.4 and 1.6, in whole ones 6 and 2.
    assert list(one_step(given([0.5, 2.0], BySpeed()))) == [0.5 * 6 / 4, 2.0 * 2 / 4]


def test_a_workload_whose_seconds_are_given_must_fit_memory_all_the_same():
    with pytest.raises(FitError, match="more than the memory of slow"):
        given([0.5, 2.0], resident=2e9)


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        ([1.0], r"step_seconds must be of 2 workers, got shape \(1,\)"),
        ([1.0, 0.0], r"step_seconds must be above 0 s and finite, got \[1.0, 0.0\]"),
        ([np.nan, 1.0], r"step_seconds must be above 0 s and finite, got \[nan, 1.0\]"),
    ],
)
def test_given_seconds_are_checked(seconds, message):
    with pytest.raises(ValueError, match=message):
        given(seconds)


def test_sequences_are_those_of_the_workers_that_took_them():
    # Three steps of workers 1 and 2, of 4 and of 2 sequences; and where worker 1 took five and worker 2 one.
    uneven = pace(4, split=Given((1, 4, 2, 1)))
    assert uneven.work(np.array([1, 2]), 3) == (6, 3 * 4 + 3 * 2)
    assert uneven.work(np.array([1, 2]), np.array([9, 5, 1, 9])) == (6, 5 * 4 + 1 * 2)


def test_steps_may_differ_from_worker_to_worker():
    # Worker 0 takes one step of 8 s, worker 2 none, worker 1 five of 2 s.
    assert list(pace(3).compute(np.array([0, 2, 1]), np.array([1, 5, 0]), 0.0)) == [8, 0, 10]


WORKERS = [8, 64, 1000, 10_000, 100_000, 1_000_000]
ROUNDS = [20_000, 5000, 2000, 1200, 350, 140]
"""The longest of more workers varies less, so fewer rounds say as much: the standard error is below half of 1 % of the wait."""


def expected_longest(workers, distribution):
    """E[max] of independent draws: the integral of 1 - F(x)^W from 0 (David & Nagaraja, Order Statistics, 2003)."""
    x = np.linspace(0, distribution.isf(1e-9 / workers), 400_001)
    return np.trapezoid(-np.expm1(workers * distribution.logcdf(x)), x)


def log_normal(variation):
    sigma = np.sqrt(np.log1p(variation**2))
    return stats.lognorm(sigma, scale=np.exp(-(sigma**2) / 2))


@pytest.mark.parametrize(("workers", "rounds"), list(zip(WORKERS, ROUNDS, strict=True)))
def test_the_straggler_wait_is_that_of_order_statistics(workers, rounds):
    ranks, steps = np.arange(workers), one_second_each(workers, LogNormal(variation=0.05))
    longest = np.array([steps.compute(ranks, 1, 0.0).max() for _ in range(rounds)])
    wait = expected_longest(workers, log_normal(0.05)) - 1  # all but the longest wait for it; their mean step is 1
    assert longest.std() / np.sqrt(rounds) < 0.005 * wait
    assert longest.mean() - 1 == pytest.approx(wait, rel=0.01)


@pytest.mark.parametrize("workers", [8, 64, 1000, 10_000])
def test_the_simulator_charges_as_straggler_wait_what_the_longest_steps_take(workers):
    # Links without limit: a round lasts as long as its longest step. The same draws, asked of the pace one by one.
    jitter, rounds = LogNormal(variation=0.3), 20
    world = scenario(workers, jitter=jitter, uplink=np.inf, downlink=np.inf)
    timeline = simulate(DDP(), world, rounds)
    alone = one_second_each(workers, jitter)
    taken = np.array([one_step(alone) for _ in range(rounds)])  # (rounds, W)
    assert timeline.virtual_seconds == pytest.approx(taken.max(1).sum())
    assert timeline.ledger.shares()["straggler_wait"] == pytest.approx(1 - taken.mean(1).sum() / taken.max(1).sum())


def test_the_simulators_straggler_wait_is_that_of_order_statistics():
    # Of 1000 workers over 400 rounds, as a share of all worker-seconds: 1 - 1 / E[max].
    timeline = simulate(DDP(), scenario(1000, jitter=0.3, uplink=np.inf, downlink=np.inf), 400)
    longest = expected_longest(1000, log_normal(0.3))
    assert timeline.virtual_seconds / 400 == pytest.approx(longest, rel=0.01)
    assert timeline.ledger.shares()["straggler_wait"] == pytest.approx(1 - 1 / longest, rel=0.01)


def test_a_drawing_may_be_named():
    ranks = np.arange(4)
    pace = one_second_each(4, LogNormal(variation=0.3))
    third = pace.compute(ranks, 1, 0.0, draw=2)
    np.testing.assert_array_equal(pace.compute(ranks[1:3], 1, 0.0, draw=2), third[1:3])
    # It is none of those that are counted.
    first, second, counted = (pace.compute(ranks, 1, 0.0) for _ in range(3))
    np.testing.assert_array_equal(counted, third)
    assert (first != second).all()


def test_rare_slow_steps_cost_many_workers_nearly_every_round():
    # One step in a hundred twice as long or more: of 1000 workers the longest of ten is drawn from its tail. Given K slow ones,
    # P(max <= x) = (1 - p (2 / x)^a)^W for x >= 2, and almost surely K > 0.
    jitter = HeavyTail(rare=0.01, least=2.0, tail=3.0)
    steps = one_second_each(1000, jitter)
    longest = np.array([one_step(steps).max() for _ in range(6000)]) * jitter.mean
    x = np.geomspace(2, 1e5, 400_000)
    expected = 2 + np.trapezoid(-np.expm1(1000 * np.log1p(-0.01 * (2 / x) ** 3)), x)
    assert longest.mean() == pytest.approx(expected, rel=0.02)
