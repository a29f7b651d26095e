"""Drops, returners, verifiers and bad actors, by hand; links of 1000 bytes/s, a payload of 4000 bytes, state of 8000."""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_simulator import buckets
from worlds import Scripted, scenario, simulate

from bench.algorithm import Algorithm, AllReduce, Train
from bench.algorithm.ddp import DDP
from bench.algorithm.local_sgd import LocalSGD
from bench.codec import BF16, NoCodec
from bench.devices import Work
from bench.errors import SkipError, VirtualTimeout
from bench.failures import Interruptions
from bench.network import Transport
from bench.network.collectives import Butterfly, ParameterServer
from bench.optimizer import SGD, LearningRateSchedule
from bench.pace import Workload
from bench.participation import Backup, Deadline, Lossy
from bench.recovery import FromPeers
from bench.replicas import Replicas
from bench.simulator import Simulator
from bench.split import BySpeed, TimeBudget
from bench.verification import Hostile

BUTTERFLY = 6.0  # seconds of the butterfly of 4: as the ring, 2 * 3/4 * 4000 bytes over 1000 bytes/s


def hostile(workers, ranks, **settings):
    return Hostile(np.isin(np.arange(workers), ranks), **settings)


def test_a_lost_payload_is_discarded_work_and_takes_the_result_like_the_others():
    rule = Lossy(0.5)
    timeline = simulate(LocalSGD(sync_every=1), scenario(participation=rule), steps=3)
    heard = [rule.heard(0, np.arange(4), index) for index in range(3)]
    assert 0 < np.sum(heard) < 12
    np.testing.assert_array_equal([timeline.schedule[index].counted for index in range(3)], heard)
    assert timeline.virtual_seconds == pytest.approx(3 * (1 + 6.0))  # all are in the ring of 4, 6 s
    np.testing.assert_allclose(timeline.ledger.seconds["compute"], np.sum(heard, axis=0))
    np.testing.assert_allclose(timeline.ledger.seconds["discarded"], 3 - np.sum(heard, axis=0))


def test_a_butterfly_goes_on_without_who_drops_out():
    # All are ready at 1 s; rank 3 drops out at 5 s, and the others go on as planned, until 7 s.
    world = scenario(collective=Butterfly(), churn=Scripted({3: [5.0]}))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    assert timeline.virtual_seconds == pytest.approx(1 + BUTTERFLY)
    assert timeline.schedule[0].counted.tolist() == [True, True, True, False]
    assert buckets(timeline, 0) == {"compute": 1, "bandwidth": 6}
    assert buckets(timeline, 3) == {"discarded": 5, "down": 2}
    assert (timeline.counted_steps, timeline.drops) == (3, 1)


def test_a_butterfly_that_all_leave_at_once_is_lost_then():
    # In the air from 1 to 5 s; both are gone at 3. Rank 0 is back at 4 s, has state at 12 and computes its second alone.
    churn = Scripted({0: [3.0, 1.0], 1: [3.0]})
    timeline = simulate(LocalSGD(sync_every=1), scenario(2, collective=Butterfly(), churn=churn), steps=1)
    assert timeline.virtual_seconds == pytest.approx(13)
    np.testing.assert_allclose(timeline.sent, 2000)


def test_a_butterfly_may_lose_one_before_its_bytes_flow_and_the_last_one_then():
    # Ready at 1 s, two hops of 0.5 s of latency, bytes from 2 s on. Rank 0 is gone at 1.25 s and rank 1 at 3. Rank 0 is back at
    # 2.25 s; its state, asked for and sent over 0.25 s each, is there at 10.75 s, and it computes alone.
    churn = Scripted({0: [1.25, 1.0], 1: [3.0]})
    world = scenario(2, collective=Butterfly(), churn=churn, last_mile=0.25)
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    assert timeline.virtual_seconds == pytest.approx(11.75)
    assert buckets(timeline, 0) == {"discarded": 1.25, "down": 1, "recovering": 8.5, "compute": 1}
    assert buckets(timeline, 1) == {"discarded": 3, "down": 8.75}
    np.testing.assert_allclose(timeline.sent, 1000)


def test_who_comes_back_does_not_meet_what_it_no_longer_sends():
    # Rank 3 leaves the butterfly of 1 to 7 s at 2 s, and is back at 2.5 s: its download has its line for itself, 4500 bytes by
    # 7 s, beside the 1000 that it had of the butterfly. The others go on as they were.
    for server in (math.inf, 1e12):  # on a way of its own, and as a transfer among others
        world = scenario(collective=Butterfly(), churn=Scripted({3: [2.0, 0.5]}), server=server)
        timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
        assert timeline.virtual_seconds == pytest.approx(7)
        assert timeline.sent[:3] == pytest.approx([6000.0] * 3)
        assert buckets(timeline, 3) == {"discarded": 2, "down": 0.5, "recovering": 4.5}
    assert timeline.received[3] == pytest.approx(1000 + 4500)
    assert timeline.sent[3] == pytest.approx(1000)


def test_peers_are_those_who_are_there_when_a_download_begins():
    # Rank 0 is down from 1 to 2 s and takes 4000 bytes from each of two others, at 500 bytes/s each. Rank 1 drops out at 5 s.
    world = scenario(3, speeds=[9], churn=Scripted({0: [1.0, 1.0], 1: [5.0]}), recovery=FromPeers(2))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    assert timeline.virtual_seconds == pytest.approx(9)  # rank 2 is alone
    assert timeline.sent == pytest.approx([0, 3500, 3500])


def test_a_butterfly_of_which_nobody_is_left_is_done_again():
    # Ranks 0 and 1 send from 1 s on, 4 s; they are gone at 3 and 4 s. Rank 1 is back at 5 s, has state at 13 s, computes 1 s.
    churn = Scripted({0: [3.0], 1: [4.0, 1.0]})
    timeline = simulate(LocalSGD(sync_every=1), scenario(2, collective=Butterfly(), churn=churn), steps=1)
    assert timeline.virtual_seconds == pytest.approx(14)
    assert buckets(timeline, 1) == {"discarded": 4, "down": 1, "recovering": 8, "compute": 1}


def test_a_server_that_drops_out_breaks_what_a_client_does_not():
    # Three push 4000 bytes each into the server's 1000 bytes/s, 12 s, and pull them out again, 12 s.
    def seconds(rank):
        world = scenario(collective=ParameterServer(sharded=False), churn=Scripted({rank: [3.0]}))
        return simulate(LocalSGD(sync_every=1), world, steps=1)

    assert seconds(2).virtual_seconds == pytest.approx(1 + 24)
    # The server is gone at 3 s; rank 1 serves two others: 8 s and 8 s.
    broken = seconds(0)
    assert broken.virtual_seconds == pytest.approx(3 + 16)
    assert buckets(broken, 1) == {"compute": 1, "discarded": 2, "bandwidth": 16}


def test_a_returner_takes_its_state_from_peers_beside_what_they_send():
    # Rank 0 is down from 0.5 to 2 s. The others work until 4 s on a step. It takes 4000 of 8000 bytes from each of two peers:
    # its own way in carries 8000 at 1000 bytes/s, until 10 s. From 4 s on all three send in a ring, 16/3 s by itself.
    world = scenario(churn=Scripted({0: [0.5, 1.5]}), speeds=[4], recovery=FromPeers(2))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    # Two of the three uplinks carry 500 bytes/s of state, and have 500 left for the ring, 4/3 for each byte of its payload: 375
    # of payload until 10 s, 2250 of 4000, then 750.
    assert timeline.virtual_seconds == pytest.approx(10 + 1750 / 750)
    assert timeline.sent[1:].sum() == pytest.approx(3 * 16 / 3 * 1000 + 8000)
    assert timeline.received[0] == pytest.approx(8000)
    alone = simulate(LocalSGD(sync_every=1), scenario(churn=Scripted({0: [0.5, 1.5]}), speeds=[4]), steps=1)
    assert alone.virtual_seconds == pytest.approx(4 + 16 / 3)  # from a server, nobody notices


def test_returners_share_the_line_of_a_server():
    # Ranks 0 and 1 are down from 0.5 to 1 s. Through 1000 bytes/s for both, 8000 bytes each take 16 s, until 17 s; the others
    # work until 20 s, so both join the second round.
    script = {0: [0.5, 0.5], 1: [0.5, 0.5]}
    first_round = {}
    for server in (1000.0, 400.0):
        world = scenario(churn=Scripted(script), speeds=[20], server=server)
        timeline = simulate(LocalSGD(sync_every=1), world, steps=2)
        first_round[server] = timeline.schedule[1].counted.tolist()
        assert timeline.round_end[0] == pytest.approx(20 + 4)  # the ring of two
    assert first_round == {1000.0: [True] * 4, 400.0: [False, False, True, True]}  # 16000 bytes at 400 take 40 s


def test_a_download_that_is_broken_off_counts_the_bytes_that_came():
    # Down from 1 to 2 s, up until 5 s: 3 s of a download at 1000 bytes/s; and again from 9 s on.
    for server in (math.inf, 1e9):  # on a way of its own, and as a transfer among others
        world = scenario(churn=Scripted({0: [1.0, 1.0, 3.0, 4.0]}), speeds=[20], server=server)
        timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
        assert timeline.received[0] == pytest.approx(3000 + 8000)
        end = timeline.virtual_seconds
        assert buckets(timeline, 0) == {"discarded": 1, "down": 1 + 4, "recovering": 3 + end - 9}


def test_who_is_farther_away_has_less_of_a_download_by_the_same_second():
    # Down from 1 to 2 s and gone for good at 5: 3000 bytes came to rank 0, and to rank 1, a request of half a
    # second away and as much back, a second's less.
    away = [1.0, 1.0, 3.0]
    for server in (math.inf, 1e9):  # on a way of its own, and as a transfer among others
        world = scenario(churn=Scripted({0: away, 1: away}), speeds=[20], server=server)
        world.network.last_mile[1] = 0.5
        timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
        assert timeline.received[:2] == pytest.approx([3000, 2000])


def test_a_download_over_an_unlimited_line_that_is_broken_off_in_its_latency_brought_nothing():
    # Back at 2 s, gone again at 2.3 s: a request and its answer take a second. From 6.3 s on it stays, and gets all 8000 bytes.
    for server in (math.inf, 1e15):
        churn = Scripted({0: [1.0, 1.0, 0.3, 4.0]})
        world = scenario(churn=churn, speeds=[20], downlink=math.inf, last_mile=0.5, server=server)
        timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
        assert timeline.received[0] == pytest.approx(8000)


def test_both_ways_to_download_agree_to_the_second_with_a_slow_start():
    def run(server):
        transport = Transport(packet_bytes=1250.0, payload_bytes=1000.0, initial_window=10.0)
        churn = Scripted({0: [1.0, 1.0, 3.0, 4.0], 2: [30.0, 2.0]})
        world = scenario(churn=churn, speeds=[5], server=server, transport=transport, last_mile=0.25)
        return simulate(LocalSGD(sync_every=1), world, steps=8)

    apart, beside = run(math.inf), run(1e9)
    np.testing.assert_allclose(apart.round_end, beside.round_end, rtol=1e-9)
    np.testing.assert_allclose(apart.received, beside.received, rtol=1e-9)
    for bucket, seconds in apart.ledger.seconds.items():
        np.testing.assert_allclose(seconds, beside.ledger.seconds[bucket], atol=1e-9)
    assert apart.schedule.digest() == beside.schedule.digest()


def test_a_backup_worker_is_not_waited_for():
    world = scenario(speeds=[1, 2, 3, 50], participation=Backup(1))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    assert timeline.virtual_seconds == pytest.approx(3 + 6)
    assert timeline.schedule[0].counted.tolist() == [True, True, True, False]


def test_local_steps_that_fit_the_round_leave_nobody_waiting():
    # Speeds 1 and 3 s a step: together (1 + 1/3) / 2 = 2/3 step a second and worker, so a round of 12 steps lasts 18 s.
    world = scenario(2, speeds=[1, 3], split=TimeBudget())
    timeline = simulate(LocalSGD(sync_every=12), world, steps=12)
    assert timeline.virtual_seconds == pytest.approx(18 + 4)
    assert buckets(timeline, 0) == {"compute": 18, "bandwidth": 4} == buckets(timeline, 1)
    assert timeline.counted_steps == 18 + 6 == timeline.counted_sequences
    slow = simulate(LocalSGD(sync_every=12), scenario(2, speeds=[1, 3]), steps=12)
    assert slow.virtual_seconds == pytest.approx(36 + 4)
    assert slow.counted_steps == 24


def test_work_that_is_lost_is_done_again_in_the_same_parts():
    # Rank 0 (1 s a step, 18 steps) drops out at 5 s, rank 1 at 6. Rank 1 is back at 7, has state at 15 and takes its 6 steps.
    churn = Scripted({0: [5.0], 1: [6.0, 1.0]})
    timeline = simulate(LocalSGD(sync_every=12), scenario(2, speeds=[1, 3], split=TimeBudget(), churn=churn), steps=12)
    assert timeline.virtual_seconds == pytest.approx(15 + 18)
    assert timeline.counted_steps == 6


def test_a_split_of_local_steps_makes_no_sense_without_any():
    with pytest.raises(SkipError, match="takes gradients without any"):
        simulate(DDP(), scenario(split=TimeBudget()), steps=1)
    assert simulate(DDP(), scenario(split=BySpeed()), steps=1).counted_steps == 4


def test_the_work_of_bad_actors_is_lost_and_they_are_waited_for():
    bad = hostile(4, [2], start=1)
    timeline = simulate(LocalSGD(sync_every=1), scenario(speeds=[1, 1, 2, 1]), steps=3, hostile=bad)
    assert timeline.virtual_seconds == pytest.approx(3 * (2 + 6))
    assert buckets(timeline, 2) == {"compute": 2, "discarded": 4, "bandwidth": 18}  # its first step was honest
    assert timeline.counted_steps == 3 * 3 + 1
    assert all(timeline.schedule[k].counted.all() for k in range(3))  # the model does not know


def test_a_free_rider_takes_no_time():
    bad = hostile(4, [2], computes=False)
    timeline = simulate(LocalSGD(sync_every=1), scenario(speeds=[1, 1, 50, 1]), steps=1, hostile=bad)
    assert timeline.virtual_seconds == pytest.approx(1 + 6)
    assert buckets(timeline, 2) == {"straggler_wait": 1, "bandwidth": 6}


def test_bad_actors_do_not_tell_on_each_other():
    # One of two, when it verifies, checks the other: of two bad ones neither is found out in 40 reductions.
    timeline = simulate(LocalSGD(sync_every=1), scenario(2, verification=0.5), steps=40, hostile=hostile(2, [0, 1]))
    assert timeline.banned == 0
    assert timeline.ledger.seconds["verification"].sum() > 0


def test_a_free_rider_stops_working_in_the_midst_of_what_it_sends():
    class TwoWords(Algorithm):
        def run(self, replicas):
            while True:
                yield Train(1)
                yield Train(1)
                yield AllReduce(replicas.params)

    bad = hostile(4, [2], computes=False, start=1)
    timeline = simulate(TwoWords(), scenario(speeds=[1, 1, 50, 1]), steps=2, hostile=bad)
    assert timeline.virtual_seconds == pytest.approx(50 + 6)  # one step of it
    assert buckets(timeline, 2) == {"discarded": 50, "bandwidth": 6}
    assert timeline.counted_steps == 6


def test_verifiers_send_nothing_and_shut_out_whom_they_find():
    # With half of four verifying, each checking one of three others, the only bad actor is soon found out.
    bad = hostile(4, [1])
    timeline = simulate(LocalSGD(sync_every=1), scenario(verification=0.5), steps=40, hostile=bad)
    schedule = [timeline.schedule[k].counted for k in range(40)]
    assert timeline.banned == 1
    last = max(k for k in range(40) if schedule[k][1])
    assert last < 39
    assert schedule[0].all()  # nobody verifies before there is something to verify
    # Each step is somebody's own work, somebody's verification, or, of the bad actor's, lost.
    seconds = timeline.ledger.seconds
    counted = np.sum(schedule, axis=0)
    honest = [0, 2, 3]
    np.testing.assert_allclose(seconds["compute"][honest], counted[honest])
    np.testing.assert_allclose((seconds["compute"] + seconds["verification"])[honest], 40)
    assert seconds["compute"][1] == 0
    assert seconds["down"][1] > 0
    assert timeline.counted_steps == counted[honest].sum()
    # Among honest ones nobody is shut out, and half of the work is checking.
    quiet = simulate(LocalSGD(sync_every=1), scenario(verification=0.5), steps=400)
    assert quiet.banned == 0
    share = quiet.ledger.seconds["verification"].sum() / 1600
    assert share == pytest.approx(0.5 * (1 - 2 * 0.5**4), abs=4 * math.sqrt(0.25 / 1600))  # less where all or none would


@dataclass(frozen=True)
class Robust:
    """A rule that reads everything twice, and in between exchanges 250 numbers three times."""

    traffic: str = "sharded"
    linear = False

    def cost(self, n):
        return Cost()


class Cost:
    reads, flops, rounds, exchanged = 2.0, 0.0, 3, 250


def test_a_robust_rule_takes_its_exchanges_and_its_arithmetic():
    timeline = simulate(LocalSGD(sync_every=1), scenario(), steps=1, rule=Robust())
    # A butterfly of 4000 bytes, 6 s; three of 1000, 1.5 s each; and 2 * 4000 bytes through a memory of 1e6 bytes/s.
    assert timeline.virtual_seconds == pytest.approx(1 + 6 + 3 * 1.5 + 0.008)
    assert buckets(timeline, 0) == {"compute": 1, "bandwidth": 10.5, "aggregation": 0.008}
    # In bf16 half as many bytes go over the links, but the rule sees them decoded.
    half = simulate(LocalSGD(sync_every=1), scenario(), steps=1, rule=Robust(), codec=BF16())
    assert half.ledger.seconds["aggregation"][0] == pytest.approx(0.008)
    assert half.ledger.seconds["bandwidth"][0] == pytest.approx(3 + 3 * 1.5)


class Arithmetic(Robust):
    """A rule that only computes: a thousandth of a FLOP for each number."""

    def cost(self, n):
        return SimpleNamespace(reads=0.0, flops=0.001, rounds=0, exchanged=0)


def test_all_wait_for_the_slowest_device_that_applies_a_rule():
    # 4000 bytes are 1000 numbers: one FLOP, which takes the fast a second and the slow, as its step does, two.
    timeline = simulate(LocalSGD(sync_every=1), scenario(speeds=[1, 2]), steps=1, rule=Arithmetic())
    assert buckets(timeline, 0) == {"compute": 1, "straggler_wait": 1, "bandwidth": BUTTERFLY, "aggregation": 2}
    assert buckets(timeline, 1) == {"compute": 2, "bandwidth": BUTTERFLY, "aggregation": 2}


def test_an_all_gather_brings_everything_to_everybody():
    timeline = simulate(LocalSGD(sync_every=1), scenario(), steps=1, rule=Robust("all_gather"))
    # Each gets 4000 bytes from each of three others, and reads all four payloads twice.
    assert buckets(timeline, 0) == {"compute": 1, "bandwidth": 12, "aggregation": 0.032}


def test_a_single_server_has_all_payloads_anyway():
    world = scenario(collective=ParameterServer(sharded=False))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1, rule=Robust())
    assert buckets(timeline, 1) == {"compute": 1, "bandwidth": 24, "aggregation": 0.032}


class Failing:
    """Failures of the whole job at given seconds; a checkpoint of 1 s is due after 8 s of work, a recovery takes 3 s."""

    def __init__(self, *seconds):
        self.seconds = seconds

    def interruptions(self, seed, devices):
        gaps = iter(np.diff([0.0, *self.seconds, math.inf]).tolist())
        return Interruptions(interval=8.0, checkpoint=1.0, recovery=3.0, gap=lambda: next(gaps))


def test_a_failure_stops_all_and_what_was_not_saved_is_done_again():
    # A round of 5 steps and a ring is 11 s; then a checkpoint, until 12 s. The failure at 13 s costs a second of work, and
    # 3 s; the round is over at 23 + 4 = 27 s, and another checkpoint written at 28 s.
    timeline = simulate(LocalSGD(sync_every=5), scenario(failures=Failing(13.0)), steps=10)
    assert timeline.round_end == pytest.approx([12, 28])
    each = {"compute": 10, "bandwidth": 12, "checkpoint": 2, "discarded": 1, "recovering": 3}
    assert buckets(timeline, 0) == each == buckets(timeline, 3)
    assert timeline.failures == 1
    assert timeline.counted_steps == 40  # the model learns as if nothing had been
    quiet = simulate(LocalSGD(sync_every=5), scenario(), steps=10)
    assert timeline.schedule.digest() == quiet.schedule.digest()


def test_who_drops_out_while_the_cluster_stands_still_is_charged_up_to_then():
    # As above; rank 3 is gone at 24 s, in the pause from 23 to 28 s, and the others go on in a ring of 3.
    world = scenario(failures=Failing(13.0), churn=Scripted({3: [24.0]}))
    timeline = simulate(LocalSGD(sync_every=5), world, steps=15)
    assert timeline.round_end[1:] == pytest.approx([28, 28 + 5 + 16 / 3 + 1])  # and a checkpoint
    assert buckets(timeline, 3) == {
        "compute": 10,
        "bandwidth": 12,
        "checkpoint": 1,
        "discarded": 1,
        "down": timeline.virtual_seconds - 24,
    }


def test_a_cluster_that_never_gets_on_times_out():
    with pytest.raises(VirtualTimeout, match="after 0 rounds"):
        simulate(LocalSGD(sync_every=5), scenario(failures=Failing(*np.arange(1.0, 3e5, 2.0))), steps=5, limit=1e6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.1, 20), min_size=1, max_size=6), st.floats(0.1, 30), st.integers(1, 4))
def test_no_update_counts_that_came_after_its_deadline(speeds, after, sync_every):
    world = scenario(len(speeds), speeds=speeds, participation=Deadline(after))
    timeline = simulate(LocalSGD(sync_every=sync_every), world, steps=3 * sync_every)
    # All begin each round together, with the last result.
    took = sync_every * np.array(speeds)
    in_time = took <= max(took.min(), after) * (1 + 1e-12)
    assert len(timeline.schedule) == 3
    for index in range(3):
        near = np.isclose(took, max(took.min(), after))
        assert np.all((timeline.schedule[index].counted == in_time) | near)


def test_batches_by_speed_end_together_and_all_their_sequences_count():
    # Speeds 1, 1/2 and 1/4 of a sequence a second; of 66 sequences 38, 19 and 9: 38, 38 and 36 s.
    world = scenario(3, speeds=[1, 2, 4], split=BySpeed())
    workload = Workload(work=lambda sequences: Work(flops=float(sequences)), sequences=22, state_bytes=8.0, resident_bytes=8.0)
    shadow = Replicas(
        torch.empty((3, 1000), device="meta"),
        SGD(lr=1.0, momentum=0.0),
        LearningRateSchedule(warmup=0, final=1.0, steps=2),
    )
    timeline = Simulator(world, workload, NoCodec(), 1e9).run(DDP(), shadow, 2)
    assert timeline.ledger.seconds["compute"] == pytest.approx([2 * 38, 2 * 38, 2 * 36])
    assert (timeline.counted_steps, timeline.counted_sequences) == (6, 2 * 66)
    assert timeline.schedule.effort.sequences(22, 3).tolist() == [38, 19, 9]
