"""A rank's computing takes the Simulator's seconds; on a clock of the test's."""

import numpy as np
import pytest
from emulations import conf_of

from bench.algorithm import Algorithm, AllReduce, Backward, Forward, Train
from bench.emulator import pacer as module
from bench.emulator.pacer import Pacer
from bench.pace import Pace
from bench.replicas import Part
from bench.segment import Job
from bench.setup import Setup
from bench.simulator import Simulator


class Clock:
    """Goes on only when somebody sleeps, or by hand."""

    def __init__(self):
        self.now, self.slept = 1000.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def pace_of(step_seconds, *overrides):
    """Of two workers whose steps take so long, and what it is of."""
    setup = Setup(conf_of("workers=2", "train=false", "model@timed_as=nano", *overrides))
    workload = setup.workload(setup.shadow(), np.array(step_seconds))
    return Pace(setup.scenario.fleet, setup.scenario.jitter, workload, setup.scenario.split, 0), setup, workload


def pacer_of(pace, rank=0, measured=False):
    return Pacer(pace, rank, 6, local_steps_only=False, measured=measured)


def test_steps_take_their_seconds_from_when_they_were_begun(clock):
    pacer = pacer_of(pace_of([0.5, 2.0])[0], rank=1)
    pacer.ask(Train(3), True, clock.now)
    clock.now += 0.25  # the machine needed so long
    pacer.before_start()
    # 3 steps of 2 s, of which 0.25 s are over.
    assert clock.slept == [pytest.approx(5.75)] and clock.now == pytest.approx(1006.0)
    report = pacer.report()
    assert report == {"paced_seconds": 6.0, "real_seconds": 0.25, "late_seconds": 0.0, "local_steps": 3.0}


def test_a_machine_that_is_slower_than_the_device_is_late_and_sleeps_no_more(clock):
    pacer = pacer_of(pace_of([0.5, 2.0])[0])
    pacer.ask(Train(1), True, clock.now)
    clock.now += 0.7
    pacer.before_start()
    assert clock.slept == []
    assert pacer.late == pytest.approx(0.2)  # 0.7 s for 0.5 s


def test_lateness_of_one_segment_is_not_made_good_by_another(clock):
    pacer = pacer_of(pace_of([0.5, 2.0])[0])
    for seconds in (0.6, 0.1, 0.8):
        pacer.ask(Train(1), True, clock.now)
        clock.now += seconds
        pacer.before_start()
    assert pacer.late == pytest.approx(0.1 + 0.3)


def test_a_step_in_parts_takes_a_third_forward_and_two_thirds_backward(clock):
    pacer = pacer_of(pace_of([0.6, 0.6])[0])
    pacer.ask(Forward(), True, clock.now)
    pacer.before_wait()
    assert clock.now == pytest.approx(1000.2)
    first, second = Part(((0, 2),)), Part(((2, 6),))
    pacer.ask(Backward(first), False, clock.now)  # 2 of 6 columns
    pacer.before_start()
    assert clock.now == pytest.approx(1000.2 + 0.4 / 3)
    pacer.ask(Backward(second), False, clock.now)
    pacer.before_start()
    assert clock.now == pytest.approx(1000.6)
    assert pacer.report()["local_steps"] == pytest.approx(1)


def test_what_was_waited_for_is_not_waited_for_again(clock):
    pacer = pacer_of(pace_of([0.5, 0.5])[0])
    pacer.before_wait()  # nothing to do
    pacer.ask(Train(1), True, clock.now)
    pacer.before_wait()
    pacer.before_start()
    pacer.before_wait()
    assert clock.now == pytest.approx(1000.5)


@pytest.mark.parametrize(("rank", "stretched"), [(0, 0.2), (1, 0.8)])
def test_measured_steps_take_their_own_seconds_and_slower_devices_more_in_proportion(clock, rank, stretched):
    # Rank 1's device needs four times as long as rank 0's, the fastest: 0.2 s of this machine become 0.8 s.
    pacer = pacer_of(pace_of([0.5, 2.0])[0], rank=rank, measured=True)
    pacer.ask(Train(2), True, clock.now)
    clock.now += 0.2
    pacer.before_start()
    assert clock.now == pytest.approx(1000 + stretched)
    assert pacer.paced == pytest.approx(stretched)
    assert (pacer.late, pacer.local_steps) == (0.0, 2.0)


def test_a_job_of_a_program_of_its_own_is_taken_at_once(clock):
    pacer = pacer_of(pace_of([0.5, 2.0])[0])
    pacer.take(Job(np.array([3, 7]), 0, 0.0, 0), clock.now)
    assert clock.now == pytest.approx(1001.5)  # 3 steps, those of rank 0
    assert pacer.local_steps == 3


class Stop(Algorithm):
    """Local steps, a mean, a gradient in one piece, a mean, a step in two pieces, a mean."""

    def run(self, replicas):
        while True:
            yield Train(2)
            yield AllReduce(replicas.params)
            gradient = yield Backward()
            yield AllReduce(gradient)
            yield Forward()
            gradient = yield Backward()
            yield AllReduce(gradient)


def test_seconds_are_the_simulators_with_jitter_too(clock):
    pace, setup, workload = pace_of([0.5, 2.0], "jitter=quiet_cluster", "jitter.variation=0.5")
    simulator = Simulator(setup.scenario, workload, setup.codec, setup.max_virtual, spans=True)
    spans = simulator.run(Stop(), setup.shadow(), 8).spans
    begins = [0.0, *(span.over for span in spans)]
    between = [span.began - before for span, before in zip(spans, begins, strict=False)]

    taken = []
    for rank in range(2):
        pacer = pacer_of(pace, rank)
        for _ in range(2):
            for operations in ([Train(2)], [Backward()], [Forward(), Backward()]):
                before = pacer.paced
                for operation in operations:
                    pacer.ask(operation, not (isinstance(operation, Backward) and len(operations) > 1), clock.now)
                pacer.before_start()
                taken.append(pacer.paced - before)
    slowest = np.array(taken).reshape(2, 6).max(0)  # a mean begins when both are there
    assert len({round(seconds, 6) for seconds in slowest}) == 6  # jitter
    assert between == pytest.approx(slowest.tolist(), rel=1e-9)
