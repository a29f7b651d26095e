"""Seconds of programs that compute while they send, derived by hand; the worlds are those of test_simulator.py."""

from dataclasses import dataclass

import numpy as np
import pytest
from overlapped import BucketedDDP, DelayedDiLoCo, InTurns, Words
from test_simulator import RING, buckets
from worlds import Scripted, scenario, simulate

from bench.algorithm import Algorithm, AllReduce, Start, Train, Wait
from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.codec import BF16
from bench.network import Tier
from bench.participation import Backup, Lossy, Quorum

SITE = Tier(name="site", groups=2, uplink=1000.0, downlink=1000.0)


def test_what_takes_less_time_than_computing_takes_none():
    timeline = simulate(DelayedDiLoCo(sync_every=10), scenario(last_mile=0.25), steps=30)
    # The ring of 4, 3 s of latency and 6 of bandwidth, flies from 10 to 19 s and from 20 to 29, while 10 steps take until 20
    # and 30. Only the last one, with nothing left to do, is waited for.
    assert timeline.round_end == pytest.approx([20, 30 + 3 + RING])
    assert timeline.round_steps.tolist() == [20, 30]
    assert buckets(timeline, 0) == {"compute": 30, "latency": 3, "bandwidth": RING}
    assert timeline.schedule.steps == [10, 10, 10]
    assert timeline.counted_steps == 4 * 30
    np.testing.assert_allclose(timeline.sent, 3 * 6000)


def test_of_what_takes_longer_the_rest_is_waited_for():
    timeline = simulate(DelayedDiLoCo(sync_every=2), scenario(last_mile=0.25), steps=6)
    # Sent at 2 s: 3 s of latency until 5, 6 of bandwidth until 11. Two steps until 4 hide two seconds of latency. The same
    # from 11 to 20 s, and then, with nothing to do, until 29.
    assert timeline.round_end == pytest.approx([11, 29])
    assert buckets(timeline, 0) == {"compute": 6, "latency": 1 + 1 + 3, "bandwidth": 3 * RING}


def test_the_latency_is_hidden_first():
    timeline = simulate(DelayedDiLoCo(sync_every=5), scenario(last_mile=0.25), steps=10)
    # Sent at 5 s, latency until 8, bandwidth until 14; five steps until 10.
    assert timeline.round_end == pytest.approx([14 + 9])
    assert buckets(timeline, 0) == {"compute": 10, "latency": 0 + 3, "bandwidth": 4 + RING}


def test_two_parts_follow_each_other():
    # Parts of 1000 and 3000 bytes of the ring of 4, 1.5 bytes on each link for one of payload: from 1 to 2.5 s, and to 7 s.
    half = simulate(BucketedDDP(first=0.25), scenario(), steps=1)
    assert half.virtual_seconds == pytest.approx(1 + RING)
    # Each has a latency of its own, 6 hops of 0.5 s: it waits for the one before, as the collectives of one communicator do.
    apart = simulate(BucketedDDP(first=0.25), scenario(last_mile=0.25), steps=1)
    assert apart.virtual_seconds == pytest.approx(1 + 2 * 3 + RING)
    assert buckets(apart, 0) == {"compute": 1, "latency": 2 * 3, "bandwidth": RING}
    assert apart.schedule.steps == [1, 0]


@dataclass(frozen=True)
class Second(Algorithm):
    """Two all-reduces of half the parameters, the second a step after the first; waits for one of them first."""

    first: int

    def run(self, replicas):
        while True:
            yield Train(1)
            handles = [(yield Start(AllReduce(replicas.params[:, :500])))]
            yield Train(1)
            handles.append((yield Start(AllReduce(replicas.params[:, 500:]))))
            yield Wait(handles[self.first])
            yield Train(1)
            yield Wait(handles[1 - self.first])


def test_who_begins_later_shares_from_then_on():
    # 2000 bytes from 1 s, alone at 2000/3 bytes/s: 2000/3 are through at 2 s. Then both at 1000/3: the first is over at 6 s,
    # when the second has 4000/3 of its 2000 bytes; the rest goes alone until 7 s.
    world = scenario()
    early = simulate(Second(first=0), world, steps=2)
    # Waits from 2 to 6 s for the first. That is a round of 2 steps: the second, left in the air, is waited for until 7 s.
    assert early.schedule.steps == [1, 1]
    assert early.round_steps.tolist() == [2]
    assert early.virtual_seconds == pytest.approx(7)
    assert buckets(early, 0) == {"compute": 2, "bandwidth": 5}
    # To wait for the second first, until 7 s, exposes as much.
    late = simulate(Second(first=1), world, steps=2)
    assert late.virtual_seconds == pytest.approx(7)
    assert buckets(late, 0) == {"compute": 2, "bandwidth": 5}
    # A third step hides the last second; after a fourth, at 8 s, there is one more half, alone, for 3 s.
    longer = simulate(Second(first=0), world, steps=3)
    assert longer.schedule.steps == [1, 1, 2]
    assert longer.virtual_seconds == pytest.approx(11)
    assert buckets(longer, 0) == {"compute": 4, "bandwidth": 4 + 3}


def test_a_download_and_a_started_ring_share_an_exit():
    # Sent at 12 s. Rank 0 leaves at 12.5, and the ring 1-2-3-1 begins anew; each byte of payload loads the entry of island 0
    # with 4/3, so it flows at 750 bytes/s until rank 0 is back, at 13.5 s. Its download crosses that entry: 500 bytes/s on it
    # for each, 375 of payload. The 3250 bytes that the ring lacks are over at 22.2 s, and would have been at 17.8: twelve
    # steps hide both.
    timeline = simulate(DelayedDiLoCo(sync_every=12), scenario(churn=Scripted({0: [12.5, 1.0]}), tiers=[SITE]), steps=24)
    over = 13.5 + 3250 / 375
    # The download goes on alone, at 1000 bytes/s, and from 24 s beside the next ring, which it does not outlast.
    left = (8000 - (over - 13.5) * 500 - (24 - over) * 1000) / 500  # seconds
    end = 24 + left + (4000 - 375 * left) / 750
    assert timeline.virtual_seconds == pytest.approx(end)
    assert buckets(timeline, 1) == {"compute": 24, "bandwidth": end - 24}
    # Three steps hide less of it.
    timeline = simulate(DelayedDiLoCo(sync_every=3), scenario(churn=Scripted({0: [3.5, 1.0]}), tiers=[SITE]), steps=6)
    over = 4.5 + 3250 / 375
    left = (8000 - (over - 4.5) * 500) / 500
    end = over + left + (4000 - 375 * left) / 750
    assert timeline.virtual_seconds == pytest.approx(end)
    assert buckets(timeline, 1) == {"compute": 6, "bandwidth": end - 6}


def test_who_drops_out_in_flight_makes_the_others_begin_anew():
    # Sent at 2 s; rank 3 leaves at 5 s, and the ring of the others takes 16/3 s from there. They have had nothing to do since
    # 4 s: one second of the broken try is wasted.
    timeline = simulate(DelayedDiLoCo(sync_every=2), scenario(churn=Scripted({3: [5.0]})), steps=4)
    assert timeline.round_end == pytest.approx([5 + 16 / 3 + 16 / 3])
    assert buckets(timeline, 0) == {"compute": 4, "discarded": 1, "bandwidth": 16 / 3 + 16 / 3}
    assert buckets(timeline, 3) == {"discarded": 5, "down": 32 / 3}
    assert [timeline.schedule[k].counted.tolist() for k in range(2)] == [[True, True, True, False]] * 2
    assert timeline.counted_steps == 12
    # 3 s of the ring of 4, at 1000 bytes/s, and two rings of 3.
    assert timeline.sent[0] == pytest.approx(3000 + 2 * 16000 / 3)


def test_a_drop_behind_a_longer_segment_wastes_nothing():
    # Sent at 6 s; rank 3 leaves at 7, the ring of 3 is over at 12.33; six steps until 12.
    timeline = simulate(DelayedDiLoCo(sync_every=6), scenario(churn=Scripted({3: [7.0]})), steps=12)
    assert timeline.virtual_seconds == pytest.approx(7 + 16 / 3 + 16 / 3)
    assert buckets(timeline, 0) == {"compute": 12, "bandwidth": 1 / 3 + 16 / 3}


def test_who_drops_out_after_its_work_arrived_has_counted():
    # The first is in the air from 6 to 12 s and rank 3 leaves at 12.5, half a step into its third segment.
    timeline = simulate(DelayedDiLoCo(sync_every=6), scenario(churn=Scripted({3: [12.5]})), steps=12)
    assert [timeline.schedule[k].counted.tolist()[3] for k in range(2)] == [True, False]
    # The second, sent at 12 s, loses half a second.
    assert buckets(timeline, 3) == {"compute": 6, "discarded": 6.5, "down": 16 / 3}
    assert timeline.virtual_seconds == pytest.approx(12.5 + 16 / 3)


def test_a_drop_breaks_all_that_it_is_in():
    # Two halves in the ring of 4 from 1 s would be over at 7 s. Rank 3 leaves at 3 s: both begin anew, in rings of 3.
    timeline = simulate(BucketedDDP(), scenario(churn=Scripted({3: [3.0]})), steps=1)
    assert timeline.virtual_seconds == pytest.approx(3 + 16 / 3)
    assert buckets(timeline, 0) == {"compute": 1, "discarded": 2, "bandwidth": 16 / 3}


def test_the_fast_go_on_when_their_work_is_sent():
    # Rank 0 is ready at 1 s and rank 1 at 2: the ring of 2 flies from 2 to 6 s. Rank 0 computes from 1 to 2 s, rank 1 from 2
    # to 4. The next flies from 6 to 10.
    timeline = simulate(DelayedDiLoCo(sync_every=1), scenario(2, speeds=[1, 2]), steps=2)
    assert timeline.round_end == pytest.approx([10])
    assert buckets(timeline, 0) == {"compute": 2, "bandwidth": 4 + 4}
    assert buckets(timeline, 1) == {"compute": 4, "bandwidth": 2 + 4}


def test_who_has_nothing_left_to_do_waits_for_the_slow():
    # Rank 1 is ready at 5 s, rank 0 has been since 2; it has no work from 1 + 1 s on.
    timeline = simulate(DelayedDiLoCo(sync_every=1), scenario(2, speeds=[1, 5]), steps=2)
    # Sent at 5, over at 9; rank 1 computes until 10: the second is sent at 10, over at 14.
    assert timeline.virtual_seconds == pytest.approx(14)
    assert buckets(timeline, 0) == {"compute": 2, "straggler_wait": 3 + 1, "bandwidth": 4 + 4}
    assert buckets(timeline, 1) == {"compute": 10, "bandwidth": 4}


def test_the_late_lose_their_segment_and_go_on_with_the_others():
    world = scenario(speeds=[1, 1, 1, 9], participation=Quorum(0.75))
    timeline = simulate(DelayedDiLoCo(sync_every=2), world, steps=4)
    # Sent at 2 s without rank 3, which begins its second segment then; over at 8 s. Sent again at 8 s.
    assert timeline.virtual_seconds == pytest.approx(14)
    assert [timeline.schedule[k].counted.tolist() for k in range(2)] == [[True, True, True, False]] * 2
    assert buckets(timeline, 0) == {"compute": 4, "bandwidth": 4 + 6}
    # It computes until 20, beyond the first: late again at 8 s, and then it waits for the result.
    assert buckets(timeline, 3) == {"discarded": 2 + 6, "bandwidth": 6}


def test_two_parts_of_one_segment_carry_the_work_of_the_same_workers():
    # Rank 1 is late for the first part at 1 s, and has nothing to send in the second.
    world = scenario(2, speeds=[1, 9], participation=Quorum(0.5))
    timeline = simulate(BucketedDDP(), world, steps=2)
    assert timeline.schedule.steps == [1, 0, 1, 0]
    assert [timeline.schedule[k].counted.tolist() for k in range(4)] == [[True, False]] * 4


def test_when_all_that_it_carried_is_lost_it_is_done_again_where_it_is_waited_for():
    # Rank 0 sends at 1 s, with the late rank 1 in the ring, and drops out at 3 s: nothing is in the air then. Rank 1, whose
    # second segment takes until 10 s, needs the result there: it takes the step of the first, until 19 s, alone.
    churn = Scripted({0: [3.0]})
    world = scenario(2, speeds=[1, 9], churn=churn, participation=Quorum(0.5))
    timeline = simulate(DelayedDiLoCo(sync_every=1), world, steps=2)
    assert timeline.virtual_seconds == pytest.approx(19)
    assert buckets(timeline, 1) == {"discarded": 1, "compute": 18}
    assert [timeline.schedule[k].counted.tolist() for k in range(2)] == [[False, True]] * 2


def test_two_parts_that_are_lost_together_are_computed_anew_once():
    # The first part is in the air from 1 s, with the late rank 1 in it, and the second is to follow, when rank 0 leaves at 2 s.
    # Rank 1 takes its step once.
    world = scenario(2, speeds=[1, 9], churn=Scripted({0: [2.0]}), participation=Quorum(0.5))
    timeline = simulate(BucketedDDP(), world, steps=1)
    assert timeline.virtual_seconds == pytest.approx(11)
    assert buckets(timeline, 1) == {"discarded": 2, "compute": 9}
    assert [timeline.schedule[k].counted.tolist() for k in range(2)] == [[False, True]] * 2


def test_a_second_part_that_is_lost_alone_is_computed_anew_too():
    # The first part, 400 bytes, is in the air from 1 s to 1.4 s, the second from then to 5 s. Rank 0 leaves at 3 s: the first
    # part carried its work. Rank 1 was late for both, and takes the step for the second.
    world = scenario(2, speeds=[1, 9], churn=Scripted({0: [3.0]}), participation=Quorum(0.5))
    timeline = simulate(BucketedDDP(first=0.1), world, steps=1)
    assert timeline.virtual_seconds == pytest.approx(12)
    assert timeline.ledger.seconds["compute"].tolist() == [1, 9]
    assert [timeline.schedule[k].counted.tolist() for k in range(2)] == [[True, False], [False, True]]


def test_when_all_are_lost_in_flight_those_who_return_do_it_again():
    # Both leave at 3 s, while the ring flies (1 to 5 s). Rank 0 is back at 4 s, has state at 12, and alone takes the step of
    # the first, until 13 s; it took no part in the second segment, which it then takes as it is sent: until 14 s.
    churn = Scripted({0: [3.0, 1.0], 1: [3.0]})
    timeline = simulate(DelayedDiLoCo(sync_every=1), scenario(2, churn=churn), steps=2)
    assert timeline.virtual_seconds == pytest.approx(14)
    assert buckets(timeline, 0) == {"discarded": 3, "down": 1, "recovering": 8, "compute": 2}
    assert [timeline.schedule[k].counted.tolist() for k in range(2)] == [[True, False]] * 2
    assert [timeline.schedule[k].joined.tolist() for k in range(2)] == [[True, False], [False, False]]


def test_who_returns_while_something_is_in_the_air_waits_for_it_too():
    # Rank 3 is away from 0.5 to 1 s and has state at 9 s. The ring of 3 is sent at 4 and at 28/3 s, when rank 3 is admitted,
    # and over at 44/3 s: rank 3 computes until 40/3 s and waits like the others. Then the ring of 4.
    timeline = simulate(DelayedDiLoCo(sync_every=4), scenario(churn=Scripted({3: [0.5, 0.5]})), steps=12)
    assert timeline.round_end == pytest.approx([28 / 3, 44 / 3 + RING])
    assert buckets(timeline, 3) == {
        "discarded": 0.5,
        "down": 0.5,
        "recovering": 28 / 3 - 1,
        "compute": 4,
        "bandwidth": 4 / 3 + RING,
    }
    assert [timeline.schedule[k].counted.tolist()[3] for k in range(3)] == [False, False, True]
    assert [timeline.schedule[k].joined.tolist()[3] for k in range(3)] == [False, False, True]


def test_encoding_comes_before_and_decoding_after():
    timeline = simulate(DelayedDiLoCo(sync_every=5), scenario(), steps=10, codec=BF16())
    # 6 ms to encode or decode; 2000 bytes, half a RING, from 5.006 to 8.006 s; five steps until 10.006; decoded at 10.012 and
    # encoded at 10.018.
    assert timeline.virtual_seconds == pytest.approx(10.018 + RING / 2 + 0.006)
    assert buckets(timeline, 0) == {"compute": 10, "codec": 0.024, "bandwidth": RING / 2}


def test_halves_in_turn():
    timeline = simulate(InTurns(sync_every=2), scenario(), steps=8)
    # A half takes 3 s. The first is sent at 2 s and there at 5; the second, sent at 4, goes from 5 to 8. Steps from 5 to 7 hide
    # two of these; the third, sent at 7, goes from 8 to 11, beside steps until 10; the last is over at 14 s.
    assert timeline.schedule.steps == [2, 2, 2, 2]
    assert timeline.round_steps.tolist() == [4, 6, 8]
    assert timeline.round_end == pytest.approx([5, 8, 14])
    assert buckets(timeline, 0) == {"compute": 8, "bandwidth": 1 + 1 + 1 + 3}


@dataclass(frozen=True)
class StartThenWait(Algorithm):
    """DiLoCo with its all-reduce in two words."""

    algorithm: DiLoCo

    def run(self, replicas):
        program = self.algorithm.run(replicas)
        answer = None
        while True:
            operation = program.send(answer)
            if isinstance(operation, AllReduce):
                handle = yield Start(operation)
                answer = yield Wait(handle)
            else:
                answer = yield operation


@pytest.mark.parametrize("participation", [None, Quorum(0.5)])
def test_an_all_reduce_is_a_start_and_a_wait_at_one_instant(participation):
    algorithm = DiLoCo(sync_every=3, outer_lr=0.7, outer_momentum=0.9)
    churn = Scripted({0: [5.0, 3.0], 2: [14.0, 1.0, 9.0, 1.0]})
    runs = [
        simulate(program, scenario(speeds=[1, 2], jitter=0.3, churn=churn, participation=participation), 12, codec=BF16())
        for program in (algorithm, StartThenWait(algorithm))
    ]
    assert runs[0].virtual_seconds == runs[1].virtual_seconds
    np.testing.assert_array_equal(runs[0].round_end, runs[1].round_end)
    assert runs[0].schedule.digest() == runs[1].schedule.digest()
    for bucket, seconds in runs[0].ledger.seconds.items():
        np.testing.assert_array_equal(seconds, runs[1].ledger.seconds[bucket])


@pytest.mark.parametrize("script", [(1, "s", 2, "w"), (2, "s", "s", 1, "l", "w"), (1, "s", 1, "s", 1, "s", "w", 1, "l", "w")])
def test_other_links_have_the_same_schedule(script):
    worlds = [scenario(), scenario(uplink=50.0), scenario(speeds=[1, 3], last_mile=2.0)]
    schedules = [simulate(Words(script), world, steps=9).schedule for world in worlds]
    assert len({schedule.digest() for schedule in schedules}) == 1


@pytest.mark.parametrize("rule", [Quorum(0.5), Lossy(0.3), Backup(workers=2)])
def test_buckets_of_one_gradient_are_carried_for_the_same_workers(rule):
    # The rule chooses once, from the work of a step: not again from those that it has chosen.
    timeline = simulate(DDP(buckets=4), scenario(8, speeds=[1, 2, 3, 4], participation=rule), steps=10)
    whole = simulate(DDP(buckets=1), scenario(8, speeds=[1, 2, 3, 4], participation=rule), steps=10)
    counted = np.array([entry.counted for entry in timeline.schedule]).reshape(10, 4, 8)
    assert (counted == counted[:, :1]).all()
    assert timeline.counted_steps == counted[:, 0].sum()
    if not isinstance(rule, Lossy):  # whose draws go by the number of a reduction
        assert timeline.counted_steps == whole.counted_steps


def test_who_verifies_does_so_for_all_of_a_step():
    ledgers = [simulate(DDP(buckets=n), scenario(8, verification=0.25), steps=10).ledger.seconds for n in (1, 4)]
    steps = [(ledger["compute"].sum(), ledger["verification"].sum()) for ledger in ledgers]
    assert all(ledger["discarded"].max() < 1e-9 for ledger in ledgers)
    assert all(compute + checked == pytest.approx(80) for compute, checked in steps) and steps[1][1] > 0
