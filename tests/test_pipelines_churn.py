"""Peers of stages that drop out, come back and move: what is done again, who waits, and that every second is somewhere.

With two workers a stage and M = 2, a stage's part of a microbatch is 1/6 s forward and 1/3 s back; links have no limits unless
a test says so, and a state is there at once.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_simulator_worlds import churns, links, positive
from worlds import STATE, Scripted, scenario, simulate

from bench.algorithm.pipeline import FixedPipelines
from bench.algorithm.swarm import Swarm
from bench.errors import SkipError, VirtualTimeout
from bench.failures import Failures
from bench.network.collectives import Butterfly, Ring
from bench.recovery import FromPeers, FromServer

INSTANT = {"uplink": np.inf, "downlink": np.inf}
EVER = 1e6


class Slow(FromServer):
    """From a server, at so many bytes/s."""

    def __init__(self, rate=1000.0):
        self.rate = rate

    def download(self, paths, worker, nbytes, present, draw):
        return replace(super().download(paths, worker, nbytes, present, draw), cap=self.rate)


def swarm(stages, microbatches, rebalance_every=None, bits=32):
    return Swarm(stages=stages, microbatches=microbatches, activation_bits=bits, rebalance_every=rebalance_every)


def dropping(lengths, workers, **world):
    return scenario(workers, churn=Scripted(lengths), **(INSTANT | world))


def test_what_a_peer_had_done_is_done_again_by_the_others():
    # One stage: each worker has 2 microbatches of 1/2 s. At 3/4 s one is done at 1, and one half: 0 does both after its own.
    timeline = simulate(swarm(1, 2), dropping({1: [0.75, EVER]}, 2), 1, sequences=2)
    assert timeline.virtual_seconds == pytest.approx(2.0)
    np.testing.assert_allclose(timeline.ledger.seconds["compute"], [2.0, 0.0])
    np.testing.assert_allclose(timeline.ledger.seconds["discarded"], [0.0, 0.75])
    np.testing.assert_allclose(timeline.ledger.seconds["down"], [0.0, 1.25])
    assert timeline.counted_sequences == 4


def test_only_its_own_stage_does_it_again():
    # Sixths of a second. Stage 1 (2 and 3) gets two microbatches at 1 and two at 2, forward 1-2, back 2-4. At 3, 3 drops out:
    # 2 has its second 4-7, then the two of 3, 7-10 and 10-13, whose activations it gets from stage 0. That is back with the
    # last at 13, and done at 15.
    timeline = simulate(swarm(2, 2), dropping({3: [0.5, EVER]}, 4), 1)
    assert timeline.virtual_seconds == pytest.approx(15 / 6)
    np.testing.assert_allclose(timeline.ledger.seconds["compute"], [1, 1, 2, 0])
    np.testing.assert_allclose(timeline.ledger.seconds["discarded"], [0, 0, 0, 0.5])


def test_a_neighbour_goes_on_with_what_it_has():
    # Sixths of a second. Stage 0 is forward with a and b at 1 (a at 0, b at 1), with c and d at 2; stage 1 is back with a and b
    # at 4, with c and d at 7. At 5, 1 drops out, and 0, back with a at 6, also gets b and d. b: forward 6-7; b and c, in either
    # order: back 7-11, as the gradient of b is at stage 1 for it; d: forward 11-12, back 12-14. Stage 1 does nothing again.
    timeline = simulate(swarm(2, 2), dropping({1: [5 / 6, EVER]}, 4), 1)
    assert timeline.virtual_seconds == pytest.approx(14 / 6)
    np.testing.assert_allclose(timeline.ledger.seconds["compute"], [2, 0, 1, 1])


def test_what_is_on_its_way_from_who_drops_out_is_lost_with_it():
    # M = 1: forward 1/3 s, a message of 400 bytes 0.4 s, back 2/3 s. Worker 1's message flies from 1/3 s on; at 0.5 s it is
    # gone, with 1/6 s of bytes sent. 0 begins anew at once, and sends from 5/6 s on. 2 has 0's own message at 1/3 + 0.4, is
    # back with it 1 s later, and 0 has its gradient after 0.4 s more; it goes back with that, then with the other, which is
    # there by then: 2/3 s each. Then 2 and 3 reduce half of 4000 bytes: 2 s.
    world = scenario(4, churn=Scripted({1: [0.5, EVER]}), collective=Butterfly())
    timeline = simulate(swarm(2, 1), world, 1)
    assert timeline.virtual_seconds == pytest.approx(1 / 3 + 0.4 + 1 + 0.4 + 2 * 2 / 3 + 2)
    np.testing.assert_allclose(timeline.sent, [2 * 400, 1000 / 6, 400 + 2000, 400 + 2000])
    np.testing.assert_allclose(timeline.ledger.seconds["discarded"], [0, 0.5, 0, 0])


def test_after_a_step_nothing_is_lost():
    # The step is over at 9 sixths of a second; in the second one 1 drops out at once, and 0 does all of stage 0.
    timeline = simulate(swarm(2, 2), dropping({1: [9 / 6 + 1e-6, EVER]}, 4), 2)
    assert timeline.round_end[0] == pytest.approx(9 / 6)
    np.testing.assert_allclose(timeline.ledger.seconds["compute"], [3, 1, 2, 2])


def test_a_stage_without_anybody_waits_until_somebody_is_back():
    # Stage 1 is worker 1: it drops out at 1/2 s for 10 s. Both microbatches, forward at stage 0, go through it from 10.5 s on:
    # 1/6 + 1/3 s each, and stage 0 is back with the last 1/3 s later.
    timeline = simulate(swarm(2, 2), dropping({1: [0.5, 10.0, EVER]}, 2), 1)
    assert timeline.virtual_seconds == pytest.approx(10.5 + 1 + 1 / 3)
    assert timeline.ledger.seconds["down"][1] == pytest.approx(10.0)
    assert timeline.ledger.seconds["pipeline_bubble"][0] == pytest.approx(10.5 + 1 + 1 / 3 - 1)


def test_who_is_back_has_a_stage_s_part_of_the_state_downloaded():
    # At 1000 bytes/s: half of 8000 bytes take 4 s.
    timeline = simulate(swarm(2, 2), scenario(2, churn=Scripted({1: [0.1, 10.0, EVER]}), uplink=np.inf), 1)
    assert timeline.ledger.seconds["recovering"][1] == pytest.approx(4.0)
    assert STATE == 8000


def test_who_is_back_goes_to_the_slowest_stage():
    # Stages 0, 1, 2 and 3, 4, 5. 1, 4 and 5 drop out; 1 is back for the second step, and the second stage has one peer left.
    lengths = {1: [0.05, 0.01, EVER], 4: [0.05, EVER], 5: [0.05, EVER]}
    timeline = simulate(swarm(2, 2), dropping(lengths, 6), 8)
    steady = np.diff(timeline.round_end)[1:]
    np.testing.assert_allclose(steady, steady[0])
    # Two peers a stage, three microbatches each: (3 + 1) / 2 s.
    assert steady[0] == pytest.approx(4 / 2)


def test_rebalancing_moves_a_peer_and_makes_steps_shorter():
    lengths = {4: [0.05, EVER], 5: [0.05, EVER]}
    left, moved = (simulate(swarm(2, 2, every), dropping(lengths, 6), 10) for every in (None, 5.0))
    # 6 microbatches: by one peer of stage 1 in 3 s and 1/2 s of stage 0; by two in (3 + 1) / 2 s.
    np.testing.assert_allclose(left.round_end, 3.5 * np.arange(1, 11))
    # The first chance after 5 s is at the end of the second step.
    np.testing.assert_allclose(moved.round_end, [3.5, 7.0, *(7.0 + 2.0 * np.arange(1, 9))])


def test_who_moves_downloads_its_new_stage_and_serves_nobody_meanwhile():
    lengths = {4: [0.05, EVER], 5: [0.05, EVER]}
    timeline = simulate(swarm(2, 2, 5.0), dropping(lengths, 6, recovery=Slow()), 12)
    # It takes 4 s, and serves its new stage from the step after that on; one by the only peer of that takes 3.5 s.
    moved = int(np.argmax(timeline.ledger.seconds["recovering"]))
    assert moved in (0, 1, 2)
    assert timeline.ledger.seconds["recovering"][moved] == pytest.approx(2 * 3.5)
    assert timeline.ledger.seconds["recovering"].sum() == pytest.approx(2 * 3.5)
    quick = simulate(swarm(2, 2, 5.0), dropping(lengths, 6), 12)
    # Nobody else's bytes are others than with a state that is there at once; but two steps later it takes part.
    assert timeline.virtual_seconds == pytest.approx(quick.virtual_seconds + 2 * 1.5)


def test_who_drops_out_while_it_moves_is_down_like_anybody_else():
    # 0 sets out at 7 s, for 4 s, and drops out at 8. At 9 it is back (with its state: Slow is for those who move), at 10.5 the
    # next step begins.
    lengths = {0: [8.0, 1.0, EVER], 4: [0.05, EVER], 5: [0.05, EVER]}
    timeline = simulate(swarm(2, 2, 5.0), dropping(lengths, 6, recovery=Slow()), 8)
    assert timeline.ledger.seconds["discarded"][0] == pytest.approx(1.0)
    assert timeline.ledger.seconds["down"][0] == pytest.approx(1.0)
    assert timeline.ledger.seconds["recovering"][0] == pytest.approx(1.5)


def test_who_drops_out_while_it_moves_and_all_stand_still_is_too():
    # Two steps are 3.5 s and a checkpoint of 3 s each. 0 sets out at 6.5 s, for 8 s, drops out at 11 s, while all wait, and is
    # back at 11.5. From 13 s on it serves the second stage, as the slower: two steps of 2 s, and 3 s.
    lengths = {0: [11.0, 0.5, EVER], 4: [0.05, EVER], 5: [0.05, EVER]}
    stops = Failures(device_mttf=1e15, detection=0.0, restart=0.0, checkpoint=3.0, interval="1 s")
    world = dropping(lengths, 6, recovery=Slow(500.0), failures=stops)
    timeline = simulate(swarm(2, 2, 5.0), world, 4)
    assert timeline.ledger.seconds["down"][0] == pytest.approx(0.5)
    assert timeline.virtual_seconds == pytest.approx(13.0 + 2 * 5.0)
    # In the second step, and from 11.5 s to 13.
    assert timeline.ledger.seconds["recovering"][0] == pytest.approx(3.5 + 1.5)


def test_only_the_stage_that_lost_somebody_reduces_again():
    # Both reduce from 57/30 s on, for 2 s: half of 4000 bytes in a butterfly of two. At 3 s 3 is gone. 2 does its part again,
    # for which stage 0 sends two messages of 200 bytes once more; stage 0 has what it needs.
    world = scenario(4, churn=Scripted({3: [3.0, EVER]}), collective=Butterfly())
    timeline = simulate(swarm(2, 2), world, 1)
    assert timeline.sent[:2].sum() == pytest.approx(2 * 2000 + 4 * 200 + 2 * 200)
    np.testing.assert_allclose(timeline.ledger.seconds["compute"], [1, 1, 2, 0])


def test_a_stalled_stage_is_helped_by_a_move():
    # Stage 1 is gone for good at 1/2 s; at 5 s one of stage 0 moves there, and what it had done is done again.
    timeline = simulate(swarm(2, 2, 5.0), dropping({2: [0.5, EVER], 3: [0.5, EVER]}, 4), 2, limit=100.0)
    assert 5.0 < timeline.round_end[0] < 10.0
    np.testing.assert_allclose(np.sort(timeline.ledger.seconds["discarded"]), [0.0, 0.5, 0.5, 5.0])
    with pytest.raises(VirtualTimeout):
        simulate(swarm(2, 2), dropping({2: [0.5, EVER], 3: [0.5, EVER]}, 4), 2, limit=100.0)


@pytest.mark.parametrize("collective", [Ring(), Butterfly()])
def test_who_drops_out_of_a_reduction_takes_its_gradient_with_it(collective):
    # One stage, 4000 bytes between two workers at 1000 bytes/s: 4 s from 1 s on. At 2 s one is gone: the other does its
    # microbatches again, and has nobody left to reduce with.
    world = scenario(2, churn=Scripted({1: [2.0, EVER]}), collective=collective)
    timeline = simulate(swarm(1, 2), world, 1, sequences=2)
    assert timeline.ledger.seconds["compute"] == pytest.approx([2.0, 0.0])
    assert timeline.ledger.seconds["discarded"][1] == pytest.approx(2.0)
    assert timeline.virtual_seconds >= 3.0


def test_fixed_pipelines_cannot_lose_anybody():
    fixed = FixedPipelines(stages=2, microbatches=2, activation_bits=32, schedule="gpipe")
    with pytest.raises(SkipError, match="this churn drops some"):
        simulate(fixed, dropping({1: [0.5, EVER]}, 2), 1)


@st.composite
def runs(draw):
    """An algorithm, a number of workers and of sequences that go together."""
    stages = draw(st.integers(1, 3))
    workers = stages * draw(st.integers(1, 3))
    every = draw(st.sampled_from([None, 1.0, 30.0]))
    return swarm(stages, stages * draw(st.integers(1, 2)), every, draw(st.sampled_from([8, 32]))), workers


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    run=runs(),
    speeds=st.lists(positive, min_size=1, max_size=3),
    jitter=st.sampled_from([0.0, 0.3]),
    links=links(),
    churn=churns,
    collective=st.sampled_from([Ring(), Butterfly()]),
    recovery=st.sampled_from([FromServer(), FromPeers(2)]),
    seed=st.integers(0, 10**6),
)
def test_every_worker_second_lies_in_exactly_one_bucket(run, speeds, jitter, links, churn, collective, recovery, seed):
    algorithm, workers = run
    settings = {"churn": churn, "collective": collective, "recovery": recovery, "seed": seed}
    world = scenario(workers, speeds=speeds, jitter=jitter, **settings, **links)
    try:
        timeline = simulate(algorithm, world, steps=6, sequences=2, limit=1_000.0)
    except VirtualTimeout:
        return
    books = timeline.ledger.seconds
    np.testing.assert_allclose(sum(books.values()), timeline.virtual_seconds, rtol=1e-9)
    assert min(seconds.min() for seconds in books.values()) >= -1e-9 * timeline.virtual_seconds
    # All of six steps' work is in it, at least: a worker's step of each, by whoever did it.
    work = 6 * workers * min(speeds[:workers])
    if not jitter:
        assert books["compute"].sum() >= work * (1 - 1e-9)
