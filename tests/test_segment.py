"""Compute as local steps and shares of a step: of whole steps, of steps in parts, and of one worker of many."""

import numpy as np
import pytest
import torch
from test_algorithms import preset
from worlds import P, scenario, simulate

from bench.algorithm import Backward, Forward, Train
from bench.devices import Work
from bench.errors import SkipError
from bench.lockstep import play
from bench.optimizer import SGD, LearningRateSchedule
from bench.pace import Pace, Workload
from bench.replicas import Part, Replicas
from bench.segment import Job, Jobs, JobSeconds, Segment, opened_steps, shadow_of, share_of

THIRD, REST = Part(((0, 4),)), Part(((4, 12),))  # of twelve columns


def jobs(local_steps=lambda steps: steps):
    return Jobs(local_steps, 12, local_steps_only=False)


def test_whole_steps_have_no_share_and_parts_have_that_of_their_columns():
    assert share_of(Train(5), True, 12) is None
    assert share_of(Backward(), True, 12) is None
    # Forward is a third of a step, backward the rest; a third of the columns is a third of either.
    assert share_of(Forward(), True, 12) == pytest.approx(1 / 3)
    assert share_of(Forward(THIRD), False, 12) == pytest.approx(1 / 9)
    assert share_of(Backward(), False, 12) == pytest.approx(2 / 3)
    assert share_of(Backward(THIRD), False, 12) == pytest.approx(2 / 9)


def test_a_split_of_local_steps_has_none_to_divide_in_gradients():
    assert opened_steps(Train(5), local_steps_only=True) == 5
    assert opened_steps(Backward(), local_steps_only=False) == opened_steps(Forward(), local_steps_only=False) == 1
    for operation in (Backward(), Forward()):
        with pytest.raises(SkipError, match="divides local steps"):
            opened_steps(operation, local_steps_only=True)


def test_only_gradients_are_answered():
    rows = torch.arange(24.0).reshape(2, 12)
    assert shadow_of(Train(1), rows) is None
    assert shadow_of(Forward(), rows) is None
    assert shadow_of(Backward(), rows) is rows
    assert torch.equal(shadow_of(Backward(REST), rows), rows[:, 4:])


def test_what_was_read_since_the_last_start_is_one_job_and_one_segment():
    some = jobs()
    some.read(Train(3), True)
    some.read(Backward(), True)
    # Three local steps and one that goes without an update; one drawing for all.
    assert some.before_start() == (Job(local=4, draw=0, share=0.0, step_draw=0), Segment(steps=4, local=4))
    assert some.before_start()[1] == Segment()
    assert some.steps == 4


def test_a_step_in_parts_is_drawn_once_and_done_share_by_share():
    some = jobs()
    some.read(Train(1), True)
    assert some.before_start()[0].draw == 0
    some.read(Forward(), True)
    some.read(Backward(REST), False)
    first, segment = some.before_start()
    # A third, and two thirds of two thirds.
    assert (first.local, first.step_draw, first.share) == (0, 1, pytest.approx(1 / 3 + 4 / 9))
    assert (segment.steps, segment.local) == (1, 1)
    some.read(Backward(THIRD), False)
    last, segment = some.before_start()
    assert (last.local, last.step_draw, last.share) == (0, 1, pytest.approx(2 / 9))
    assert (segment.steps, segment.local) == (0, 0)


def test_work_before_a_wait_is_done_before_it_and_belongs_to_the_segment():
    some = jobs()
    assert some.before_wait() is None
    some.read(Train(2), True)
    assert some.before_wait() == Job(local=2, draw=0, share=0.0, step_draw=0)
    some.read(Train(1), True)
    job, segment = some.before_start()
    assert (job.local, job.draw) == (1, 1)
    assert (segment.steps, segment.local) == (3, 3)


def test_a_worker_takes_its_own_local_steps():
    some = jobs(lambda steps: steps * np.array([1, 2, 0]))
    some.read(Train(3), True)
    job, _ = some.before_start()
    drawn = []

    def seconds(rank, local, draw):
        drawn.append((rank, local, draw))
        return 10.0 * local

    assert [JobSeconds(rank, seconds).of(job) for rank in range(3)] == [30, 60, 0]
    assert drawn == [(0, 3, 0), (1, 6, 0)]  # who does nothing draws nothing


def test_the_seconds_of_a_step_in_parts_are_drawn_when_it_begins():
    drawn = []

    def seconds(rank, local, draw):
        drawn.append((rank, local, draw))
        return 12.0 + len(drawn)

    worker = JobSeconds(5, seconds)
    # 13 s the step in drawing 3, of which a quarter and a half; 14 s that in drawing 4.
    assert worker.of(Job(local=0, draw=0, share=0.25, step_draw=3)) == 3.25
    assert worker.of(Job(local=0, draw=0, share=0.5, step_draw=3)) == 6.5
    assert worker.of(Job(local=0, draw=0, share=0.5, step_draw=4)) == 7.0
    assert drawn == [(5, 1, 3), (5, 1, 4)]


class Alone:
    """One worker that follows the program of all by itself, and whose messages take no time."""

    def __init__(self, pace, rank, steps):
        self._jobs = Jobs(pace.local_steps, P, local_steps_only=False)
        self._seconds = JobSeconds(rank, lambda rank, local, draw: pace.compute(np.array([rank]), local, 0.0, draw)[0])
        self._steps, self.busy = steps, 0.0
        self._row = torch.empty((1, P), device="meta")

    def compute(self, operation, opens):
        self._jobs.read(operation, opens)
        return shadow_of(operation, self._row)

    def start(self, operation):
        self._do(self._jobs.before_start()[0])
        return operation.payload

    def wait(self, started):
        self._do(self._jobs.before_wait())
        return started

    def end_round(self, steps):
        return steps >= self._steps

    def _do(self, job):
        self.busy += self._seconds.of(job) if job else 0.0


@pytest.mark.parametrize("name", ["ddp", "fsdp", "sign_sgd", "hierarchical", "gossip", "moshpit"])
def test_one_worker_alone_computes_as_long_as_both_simulators_say(name):
    workers, steps = 3, 40
    world = scenario(workers, speeds=[1, 2, 3], jitter=0.3)
    pace = Pace(world.fleet, world.jitter, Workload(lambda sequences: Work(flops=1.0), 1, 1.0, 1.0), world.split, world.seed)
    computed = simulate(preset(name), world, steps).ledger.seconds["compute"]
    for rank in range(workers):
        row, lr = torch.empty((1, P), device="meta"), LearningRateSchedule(warmup=0, final=1.0, steps=steps)
        replica = Replicas(row, SGD(lr=1.0, momentum=0.0), lr, rank=rank, workers=workers)
        alone = Alone(pace, rank, steps)
        play(preset(name).run(replica), alone, P)
        assert alone.busy == pytest.approx(computed[rank])
        assert alone.busy != pytest.approx(steps * [1, 2, 3][rank])  # jitter was drawn
