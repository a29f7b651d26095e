"""The seconds of pipelines: the formulas of the papers, recursions written out, and worlds small enough to derive by hand.

A step of a whole worker's batch takes 1 s in these worlds. With M microbatches a pipeline, a stage's part of one takes 1 / M s,
a third of it forward. A sequence's activations are 5 tokens of 10 numbers: 200 bytes, 0.2 s on a link of 1000 bytes/s.
"""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import P, scenario, simulate

from bench.aggregator import Median
from bench.algorithm import Algorithm, AllReduce, Backward, Forward, Pipeline
from bench.algorithm.ddp import DDP
from bench.algorithm.pipeline import FixedPipelines
from bench.algorithm.swarm import Swarm
from bench.codec import BF16
from bench.errors import SkipError, VirtualTimeout
from bench.failures import Failures
from bench.network.collectives import Butterfly
from bench.network.variation import Trace
from bench.participation import Quorum
from bench.split import BySpeed, TimeBudget
from bench.verification import Hostile

INSTANT = {"uplink": np.inf, "downlink": np.inf}
SCHEDULES = ("gpipe", "1f1b", "routed")


def pipeline(stages, microbatches, schedule="gpipe", bits=32):
    if schedule == "routed":
        return Swarm(stages=stages, microbatches=microbatches, activation_bits=bits, rebalance_every=None)
    return FixedPipelines(stages=stages, microbatches=microbatches, activation_bits=bits, schedule=schedule)


def seconds(stages, microbatches, schedule="gpipe", *, workers=None, sequences=None, bits=32, steps=1, width=10, **world):
    """The seconds of a step, with one sequence a microbatch where all divides."""
    world = scenario(workers or stages, **world)
    sequences = sequences or max(1, microbatches // stages)
    algorithm = pipeline(stages, microbatches, schedule, bits)
    return simulate(algorithm, world, steps, sequences=sequences, width=width).virtual_seconds / steps


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("stages", "microbatches"), [(1, 1), (1, 4), (2, 2), (2, 8), (4, 4), (4, 16), (8, 8)])
def test_without_communication_the_bubble_is_that_of_the_formula(schedule, stages, microbatches):
    algorithm, world = pipeline(stages, microbatches, schedule), scenario(stages, **INSTANT)
    timeline = simulate(algorithm, world, 1, sequences=max(1, microbatches // stages))
    # S - 1 microbatches' time in which a stage has nothing to do, beside its M.
    bubble = (stages - 1) / (microbatches + stages - 1)
    assert timeline.virtual_seconds == pytest.approx((microbatches + stages - 1) / microbatches)
    shares = timeline.ledger.shares()
    assert shares["pipeline_bubble"] == pytest.approx(bubble, abs=1e-12)
    assert shares["compute"] == pytest.approx(1 - bubble)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_one_stage_on_links_without_limits_is_ddp(schedule):
    world = scenario(3, speeds=[1.0] if schedule == "routed" else [1.0, 2.5, 4.0], **INSTANT)  # routed, the faster get more
    ddp, ours = simulate(DDP(), world, steps=5), simulate(pipeline(1, 4, schedule), world, steps=5, sequences=4)
    np.testing.assert_allclose(ours.round_end, ddp.round_end, rtol=1e-12)
    for bucket in ("compute", "straggler_wait"):
        np.testing.assert_allclose(ours.ledger.seconds[bucket], ddp.ledger.seconds[bucket], rtol=1e-12, atol=1e-12)


def test_one_stage_of_several_workers_reduces_the_whole_gradient_as_ddp_does():
    ddp, ours = simulate(DDP(), scenario(4), steps=3), simulate(pipeline(1, 2), scenario(4), steps=3, sequences=2)
    np.testing.assert_allclose(ours.round_end, ddp.round_end, rtol=1e-12)
    np.testing.assert_allclose(ours.sent, ddp.sent)
    np.testing.assert_allclose(ours.ledger.seconds["bandwidth"], ddp.ledger.seconds["bandwidth"])


def textbook(schedule, stages, microbatches, forward, backward, hop):
    """The second at which the last stage of a pipeline is done; forward and backward, (S,), a stage; `hop` s between stages."""

    def order(stage):
        if schedule == "gpipe":
            return [("F", m) for m in range(microbatches)] + [("B", m) for m in range(microbatches - 1, -1, -1)]
        warm = min(stages - stage - 1, microbatches)
        first = [("F", m) for m in range(warm)]
        steady = [(way, m + warm * (way == "F")) for m in range(microbatches - warm) for way in "FB"]
        return first + steady + [("B", m) for m in range(microbatches - warm, microbatches)]

    @cache
    def end(stage, way, m):
        own = order(stage)
        place = own.index((way, m))
        start = end(stage, *own[place - 1]) if place else 0.0
        if way == "F" and stage > 0:
            start = max(start, end(stage - 1, "F", m) + hop)
        if way == "B":
            start = max(start, end(stage + 1, "B", m) + hop if stage < stages - 1 else end(stage, "F", m))
        return start + (forward if way == "F" else backward)[stage]

    return max(end(stage, *order(stage)[-1]) for stage in range(stages))


@settings(max_examples=60, deadline=None)
@given(
    schedule=st.sampled_from(["gpipe", "1f1b"]),
    stages=st.integers(1, 4),
    many=st.integers(1, 3),
    speeds=st.lists(st.floats(0.1, 5.0), min_size=4, max_size=4),
    last_mile=st.sampled_from([0.0, 0.05, 0.7]),
)
def test_with_latency_alone_a_step_is_the_recursion_written_out(schedule, stages, many, speeds, last_mile):
    microbatches = stages * many
    world = {"speeds": speeds[:stages], "last_mile": last_mile, **INSTANT}
    part = np.array(speeds[:stages]) / microbatches
    expected = textbook(schedule, stages, microbatches, part / 3, part * 2 / 3, 2 * last_mile)
    assert seconds(stages, microbatches, schedule, **world) == pytest.approx(expected)


def test_two_stages_and_two_microbatches_with_a_slow_link():
    # Forward 1/6 s, backward 1/3 s, a message of one sequence 1/5 s each way; 2 workers, one sequence each. In thirtieths:
    # gpipe: stage 0 forward 0-5, 5-10; messages 5-11, 11-17; stage 1 forward 11-16, 17-22, backward (the last first) 22-32,
    # 32-42; messages 32-38, 42-48; stage 0 backward 38-48, 48-58.
    assert seconds(2, 2, "gpipe") == pytest.approx(58 / 30)
    # 1f1b: stage 0 forward as before; stage 1 forward 11-16, backward 16-26, forward 26-31, backward 31-41; messages 26-32,
    # 41-47; stage 0 backward 32-42, 47-57.
    assert seconds(2, 2, "1f1b") == pytest.approx(57 / 30)
    # routed: the same, as stage 1 is forward with the first, and can go back with it, before the second is there.
    assert seconds(2, 2, "routed") == pytest.approx(57 / 30)


def test_the_ledger_says_what_each_stage_of_these_waited_for():
    timeline = simulate(pipeline(2, 2), scenario(2), 1)
    # gpipe, as above. Stage 0 waits from 10 to 38: to 32 for stage 1 to be done with one, then for its message. Stage 1: up to
    # 5 for stage 0, to 11 for a message, from 16 to 17 for another; from 42 on for stage 0 again.
    books = timeline.ledger.seconds
    np.testing.assert_allclose(30 * books["pipeline_bubble"], [22, 5 + 16])
    np.testing.assert_allclose(30 * books["bandwidth"], [6, 6 + 1])
    np.testing.assert_allclose(books["compute"], [1, 1])
    np.testing.assert_allclose(timeline.sent, [400, 400])  # two messages each, one a microbatch
    np.testing.assert_allclose(timeline.received, [400, 400])


def test_latency_is_told_from_bandwidth():
    timeline = simulate(pipeline(2, 1), scenario(2, last_mile=0.5), 1)
    # 2 sequences, 400 bytes: 0.4 s and 1 s of latency each way. Each waits for the other's work of 1 s; 1 in two parts, at the
    # end of which it waits for 0's message to be there, too.
    assert timeline.virtual_seconds == pytest.approx(2 + 2 * 1.4)
    books = timeline.ledger.seconds
    np.testing.assert_allclose(books["latency"], [1, 1])
    np.testing.assert_allclose(books["bandwidth"], [0.4, 0.4])
    np.testing.assert_allclose(books["pipeline_bubble"], [1 + 1.4, 1 + 1.4])


def test_a_slow_hop_bounds_the_rate():
    # 64 microbatches of 10 s on the wire each way, computed in 1/64 s. gpipe sends all forward, then all back; who goes back as
    # soon as it can, and forward with whatever is there, uses both directions of the links at once.
    links = {"uplink": 20.0, "downlink": 20.0}
    assert seconds(2, 64, "gpipe", **links) == pytest.approx(64 * 20, rel=0.02)
    assert seconds(2, 64, "routed", **links) == pytest.approx(64 * 10, rel=0.05)
    # 1f1b waits for one to be back before it sends the one after the next.
    assert 64 * 10 < seconds(2, 64, "1f1b", **links) <= 64 * 20


def test_gpipe_hides_latency_that_1f1b_does_not():
    # (M + S - 1) / M s, and the latency once there and once back; 1f1b has S - s in the air at stage s, and waits for them.
    gpipe = seconds(4, 16, "gpipe", last_mile=0.25, **INSTANT)
    assert gpipe == pytest.approx(19 / 16 + 2 * 3 * 0.5)
    assert seconds(4, 16, "1f1b", last_mile=0.25, **INSTANT) > 1.5 * gpipe


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_twice_the_peers_do_twice_the_work_in_the_same_time(schedule):
    few, many = (simulate(pipeline(3, 6, schedule), scenario(n, **INSTANT), 2, sequences=2) for n in (3, 6))
    assert many.virtual_seconds == pytest.approx(few.virtual_seconds)
    assert many.counted_sequences == 2 * few.counted_sequences == 2 * 2 * 3 * 2


def test_a_fixed_pipeline_is_as_slow_as_its_slowest_stage():
    # Stages of 1, 1, 4, 1 s: for each of 16 microbatches the slow one takes 1/4 s. It waits for the two before it once, there
    # and back, 2/16 s; in gpipe also for the one after it, 1/16 s, which in 1f1b works while it goes forward with the next.
    world = {"speeds": [1, 1, 4, 1], **INSTANT}
    assert seconds(4, 16, "gpipe", **world) == pytest.approx(16 / 4 + 3 / 16)
    assert seconds(4, 16, "1f1b", **world) == pytest.approx(16 / 4 + 2 / 16)


def test_peers_of_a_stage_reduce_its_part_of_the_gradient():
    timeline = simulate(pipeline(2, 2), scenario(4, collective=Butterfly()), 1)
    # Each stage has half of 4000 bytes. A butterfly of two: each sends half of that for the other to add up, and half of the
    # sum back: 2000 bytes, 2 s. Beside that a worker has sent, or got, the 2 messages of 200 bytes of its pipeline.
    assert P == 1000
    np.testing.assert_allclose(timeline.sent, 400 + 2000)
    assert timeline.virtual_seconds == pytest.approx(58 / 30 + 2)
    np.testing.assert_allclose(30 * timeline.ledger.seconds["bandwidth"], [6 + 60, 6 + 60, 7 + 60, 7 + 60])


def test_fewer_bits_take_fewer_bytes_and_time_to_encode():
    # M = 1: one message of 2 sequences each way, 10 tokens of 10 numbers. 16 bits: 200 bytes of 400; 8: 100 and 10 scales.
    for bits, nbytes in ((32, 400), (16, 200), (8, 140)):
        timeline = simulate(pipeline(2, 1, bits=bits), scenario(2), 1)
        np.testing.assert_allclose(timeline.sent, nbytes)
        # Both ends of both messages pass 400 bytes and the encoded ones through memory, at 1e6 bytes/s.
        code = 0 if bits == 32 else 2 * (400 + nbytes) / 1e6
        np.testing.assert_allclose(timeline.ledger.seconds["codec"], code)
        assert timeline.virtual_seconds == pytest.approx(2 + 2 * nbytes / 1000 + 2 * code)


def test_a_faster_peer_gets_more_microbatches():
    # One stage, devices of 1 s and 3 s: 8 microbatches of 1/4 s and 3/4 s. 6 and 2 of them take both 1.5 s.
    timeline = simulate(pipeline(1, 4, "routed"), scenario(2, speeds=[1, 3], **INSTANT), 1, sequences=4)
    np.testing.assert_allclose(timeline.ledger.seconds["compute"], [1.5, 1.5])
    assert timeline.virtual_seconds == pytest.approx(1.5)


def test_a_peer_with_a_slow_line_gets_fewer_microbatches():
    # The first stage is 0, 1, with lines of one speed; of the second, 2 or 3 has a tenth of it.
    slow = {"uplink": {1000.0: 0.75, 100.0: 0.25}, "downlink": {1000.0: 0.75, 100.0: 0.25}}
    seed = next(seed for seed in range(50) if scenario(4, seed=seed, **slow).network.capacity[3] == 100)
    timeline = simulate(pipeline(2, 8, "routed"), scenario(4, seed=seed, **slow), 1, sequences=4)
    computed = timeline.ledger.seconds["compute"]
    # 0.2 s against 2 s a message: of 16, 1 in 11.
    np.testing.assert_allclose(computed[2:], [15 / 8, 1 / 8])


class Limping:
    """Worker 1 takes three times as long as its device should."""

    def seconds(self, seed, ranks, mean, steps, draw, now):
        return mean * steps * np.where(ranks == 1, 3.0, 1.0)


def test_who_turns_out_to_be_slow_gets_fewer_microbatches_by_and_by():
    timeline = simulate(pipeline(1, 4, "routed"), scenario(2, jitter=Limping(), **INSTANT), 60, sequences=4)
    steps = np.diff(timeline.round_end, prepend=0.0)
    # 4 of 8 first, 3/4 s each; then 2, while the other has 6 of 1/4 s.
    assert steps[0] == pytest.approx(3.0)
    assert steps[-1] == pytest.approx(1.5)


def test_links_are_as_fast_as_they_are_when_a_step_begins():
    # A step is 58/30 s on the lines that it begins with, though they are half as fast from 1 s on; the next one takes these.
    world = scenario(2, variation=Trace(trace=[[0, 1.0], [1, 0.5]], period=1000.0))
    steps = np.diff(simulate(pipeline(2, 2), world, 2).round_end, prepend=0.0)
    halved = simulate(pipeline(2, 2), scenario(2, uplink=500.0, downlink=500.0), 1).virtual_seconds
    np.testing.assert_allclose(steps, [58 / 30, halved])
    assert halved > 58 / 30


def test_all_of_the_batch_counts_whoever_is_there():
    timeline = simulate(pipeline(2, 2, "routed"), scenario(4), 3, sequences=5)
    assert timeline.counted_steps == 3 * 4
    assert timeline.counted_sequences == 3 * 4 * 5
    assert [list(timeline.schedule[step].counted) for step in range(3)] == [[True] * 4] * 3
    assert timeline.schedule.steps == [1, 1, 1]


def test_a_failure_of_the_cluster_stops_all_of_it():
    failures = Failures(device_mttf=100.0, detection=1.0, restart=2.0, interval="5 s", checkpoint=0.5)
    calm, troubled = (simulate(pipeline(2, 2), scenario(4, **extra), 30) for extra in ({}, {"failures": failures}))
    assert troubled.failures > 0
    shares = troubled.ledger.shares()
    assert min(shares["checkpoint"], shares["recovering"], shares["discarded"]) > 0
    lost = sum(troubled.ledger.seconds[bucket] for bucket in ("checkpoint", "recovering", "discarded"))
    np.testing.assert_allclose(lost, troubled.virtual_seconds - calm.virtual_seconds)


def test_a_run_that_takes_too_long_is_a_timeout():
    with pytest.raises(VirtualTimeout, match="after 1 rounds the virtual clock passed max_virtual"):
        simulate(pipeline(2, 2), scenario(2), 3, limit=3.0)


@pytest.mark.parametrize(
    ("algorithm", "workers", "sequences", "reason"),
    [
        (pipeline(4, 4), 3, 1, "4 stages need as many workers, and there are 3"),
        (pipeline(33, 33), 33, 1, "33 stages need as many layers, and the model that is timed has 32"),
        (pipeline(2, 2), 3, 1, "3 workers are no whole number of pipelines of 2"),
        (pipeline(2, 3), 2, 1, "the 2 sequences of 2 workers are not 3 equal microbatches"),
        (pipeline(2, 1, "routed"), 3, 1, "the batch of 3 workers is no whole number of microbatches, 1 for 2 workers"),
    ],
)
def test_what_does_not_go_together_is_skipped(algorithm, workers, sequences, reason):
    with pytest.raises(SkipError, match=reason):
        simulate(algorithm, scenario(workers), 1, sequences=sequences)


@pytest.mark.parametrize(
    ("world", "run", "reason"),
    [
        ({"participation": Quorum(0.5)}, {}, "participation"),
        ({"verification": 0.1}, {}, "verify"),
        ({"split": BySpeed()}, {}, "microbatches are divided"),
        ({"split": TimeBudget()}, {}, "microbatches are divided"),
        ({}, {"codec": BF16()}, "codecs"),
        ({}, {"rule": Median()}, "robust rules"),
        ({}, {"hostile": Hostile(np.array([True, False]), 0, True)}, "attacks"),
    ],
)
def test_what_a_model_in_stages_has_no_meaning_for_is_skipped(world, run, reason):
    with pytest.raises(SkipError, match=reason):
        simulate(pipeline(2, 2), scenario(2, **world), 1, **run)


class Rambling(Algorithm):
    lockstep = "stages"

    def __init__(self, *words):
        self.words = words

    def run(self, replicas):
        for word in self.words:
            yield word(replicas) if callable(word) else word


STEP = pipeline(2, 2).step


@pytest.mark.parametrize(
    "words",
    [
        (Backward(),),
        (Forward(),),
        (STEP, STEP),
        (lambda replicas: AllReduce(replicas.params),),
        (STEP, lambda replicas: AllReduce(replicas.params, groups=np.zeros(2, np.int64))),
        (STEP, lambda replicas: AllReduce(torch.empty(2, 10), part=replicas.layout.parts(100)[0])),
    ],
)
def test_only_pipeline_and_all_reduce_in_turns_have_a_meaning(words):
    with pytest.raises(ValueError, match="must yield Pipeline and AllReduce in turns"):
        simulate(Rambling(*words), scenario(2), 1)


def test_the_simulator_of_whole_models_knows_no_stages():
    class Wrong(Rambling):
        lockstep = "all"

    with pytest.raises(ValueError, match="must set lockstep = 'stages'"):
        simulate(Wrong(STEP), scenario(2), 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": 0}, "stages must be >= 1, got 0"),
        ({"microbatches": 0}, "microbatches must be >= 1, got 0"),
        ({"activation_bits": 4}, "activation_bits must be 8, 16 or 32, got 4"),
        ({"schedule": "zigzag"}, "schedule must be gpipe, 1f1b or routed, got 'zigzag'"),
        ({"rebalance_every": 0.0}, "rebalance_every must be above 0 s, got 0"),
    ],
)
def test_settings_are_checked(changes, message):
    good = {"stages": 2, "microbatches": 2, "activation_bits": 8, "schedule": "routed", "rebalance_every": 1.0}
    with pytest.raises(ValueError, match=message):
        Pipeline(**(good | changes))


def test_fixed_pipelines_route_nothing():
    with pytest.raises(ValueError, match="schedule must be gpipe or 1f1b, got 'routed'"):
        FixedPipelines(stages=2, microbatches=2, activation_bits=32, schedule="routed")


def test_a_stage_holds_its_share_of_the_state():
    assert pipeline(4, 4).state_share(8) == pipeline(4, 4, "routed").state_share(8) == 0.25
