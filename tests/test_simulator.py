"""Seconds of rounds, derived by hand; links of 1000 bytes/s and a payload of 4000 bytes unless a test says otherwise."""

import numpy as np
import pytest
from worlds import Scripted, scenario, simulate

from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.algorithm.local_sgd import LocalSGD
from bench.codec import BF16
from bench.errors import FitError, VirtualTimeout
from bench.network import Paths, Tier, Transport
from bench.network.collectives import GlooRing, Hierarchical, plan_seconds
from bench.network.variation import Trace
from bench.participation import Deadline, Quorum

RING = 6.0  # seconds of the ring of 4: 2 * 3/4 * 4000 bytes over 1000 bytes/s


def buckets(timeline, rank):
    """What of a rank's ledger is not zero."""
    found = {bucket: float(seconds[rank]) for bucket, seconds in timeline.ledger.seconds.items()}
    return {bucket: pytest.approx(seconds, abs=1e-9) for bucket, seconds in found.items() if abs(seconds) > 1e-9}


def test_ddp_pays_a_ring_every_step():
    timeline = simulate(DDP(), scenario(), steps=5)
    assert timeline.virtual_seconds == pytest.approx(5 * (1 + RING))
    assert timeline.round_end == pytest.approx([7, 14, 21, 28, 35])
    assert buckets(timeline, 0) == {"compute": 5, "bandwidth": 30}
    assert timeline.counted_steps == 20


def test_local_sgd_and_diloco_pay_it_every_sync_every_steps():
    for algorithm in (LocalSGD(sync_every=5), DiLoCo(sync_every=5, outer_lr=0.7, outer_momentum=0.9)):
        timeline = simulate(algorithm, scenario(), steps=10)
        assert timeline.virtual_seconds == pytest.approx(2 * (5 + RING))


def test_steps_are_rounded_up_to_whole_rounds():
    assert simulate(LocalSGD(sync_every=4), scenario(), steps=9).schedule.steps == [4, 4, 4]


def test_bytes_are_those_of_the_payload():
    timeline = simulate(DDP(), scenario(), steps=5)
    # 2 * 3/4 * 4000 bytes a step, out and in.
    np.testing.assert_allclose(timeline.sent, 30_000)
    np.testing.assert_allclose(timeline.received, 30_000)


def test_the_codec_decides_the_bytes_and_takes_its_time():
    timeline = simulate(DDP(), scenario(), steps=1, codec=BF16())
    # 2000 bytes travel: half of RING. Encoding and decoding each move 4000 + 2000 bytes through a memory of 1e6 bytes/s.
    assert timeline.virtual_seconds == pytest.approx(1 + RING / 2 + 0.012)
    assert buckets(timeline, 1) == {"compute": 1, "bandwidth": 3, "codec": 0.012}
    np.testing.assert_allclose(timeline.sent, 3000)


def test_who_is_late_has_decoded_the_last_result_nevertheless():
    # 6 ms to encode or decode, 3 s for 2000 bytes: the second round is from 4.006 to 8.018 s, and its result decoded at 8.024.
    world = scenario(speeds=[1, 1, 1, 9], participation=Quorum(0.75))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=2, codec=BF16())
    assert timeline.virtual_seconds == pytest.approx(8.024)
    assert buckets(timeline, 0) == {"compute": 2, "codec": 4 * 0.006, "bandwidth": 2 * 3}
    # Of the second segment it loses what it did between 4.012 and 5.018 s, when the others begin.
    assert buckets(timeline, 3) == {"discarded": 2 * 1.006, "codec": 2 * 0.006, "bandwidth": 2 * 3}


def test_all_wait_for_the_slowest_to_decode():
    world = scenario(2)
    world.fleet.memory_bandwidth[1] = 1e5
    timeline = simulate(DDP(), world, steps=1, codec=BF16())
    # 6000 bytes through memory to encode and to decode: 6 ms, and 60 ms on the slow one; 2 s of ring.
    assert timeline.virtual_seconds == pytest.approx(1 + 0.06 + 2 + 0.06)
    assert buckets(timeline, 0) == {"compute": 1, "bandwidth": 2, "codec": 0.012, "straggler_wait": 0.108}


def test_a_run_that_breaks_off_ring_after_ring_stops_at_the_limit():
    churn = Scripted({rank: [1.5 + rank] for rank in range(50)})  # the ring of n takes almost 8 s, and one leaves each second
    with pytest.raises(VirtualTimeout, match="after 0 rounds"):
        simulate(DDP(), scenario(50, churn=churn), steps=1, limit=10.0)


def test_all_wait_for_the_slowest_device():
    timeline = simulate(LocalSGD(sync_every=2), scenario(speeds=[1, 2, 1, 4]), steps=2)
    assert timeline.virtual_seconds == pytest.approx(2 * 4 + RING)
    assert buckets(timeline, 0) == {"compute": 2, "straggler_wait": 6, "bandwidth": 6}
    assert buckets(timeline, 3) == {"compute": 8, "bandwidth": 6}


def test_the_slowest_uplink_gates_everybody():
    world = scenario(speeds=[1, 2])
    world.network.capacity[1] = 100.0
    # 2 s for the slow devices, then 6000 bytes through 100 bytes/s.
    assert simulate(DDP(), world, steps=1).virtual_seconds == pytest.approx(2 + 60)


def test_latency_is_charged_to_latency():
    timeline = simulate(DDP(), scenario(last_mile=0.25), steps=1)
    # 2 * 3 hops of 0.25 + 0.25 s.
    assert buckets(timeline, 2) == {"compute": 1, "latency": 3, "bandwidth": 6}


def test_who_drops_out_loses_its_work_and_is_waited_for_no_longer():
    # Rank 3 (2 s a step, 10 steps) drops out at 15 s and stays away. The others are ready at 10 s, and wait for it while it
    # is there.
    timeline = simulate(LocalSGD(sync_every=10), scenario(speeds=[1, 1, 1, 2], churn=Scripted({3: [15.0]})), steps=10)
    # The ring of 3: 4/3 * 4 s.
    assert timeline.virtual_seconds == pytest.approx(15 + 16 / 3)
    assert buckets(timeline, 0) == {"compute": 10, "straggler_wait": 5, "bandwidth": 16 / 3}
    assert buckets(timeline, 3) == {"discarded": 15, "down": 16 / 3}
    assert timeline.schedule[0].counted.tolist() == [True, True, True, False]
    assert timeline.counted_steps == 30


def test_who_comes_back_downloads_state_before_it_counts():
    # Rank 0 is up for 5 s and down for 3. At 8 s it begins to download 8000 bytes at 1000 bytes/s, until 16 s, while the
    # others go on: rounds of 1 s and a ring of 3 (16/3 s). It joins the first round that begins after 16 s.
    timeline = simulate(DDP(), scenario(churn=Scripted({0: [5.0, 3.0]})), steps=4)
    step = 1 + 16 / 3
    # In the first round it drops out of the ring, at 5 s, after 4 s of it: the others begin anew and end at 5 + 16/3.
    ends = [5 + 16 / 3, 5 + 16 / 3 + step, 5 + 16 / 3 + step + 7, 5 + 16 / 3 + step + 14]  # 10.3, 16.7, 23.7, 30.7
    assert timeline.round_end == pytest.approx(ends)
    assert [timeline.schedule[k].counted[0] for k in range(4)] == [False, False, True, True]
    assert [timeline.schedule[k].joined[0] for k in range(4)] == [False, False, True, False]
    back = ends[1] - 8.0  # 8 s of download, then waiting for the round
    assert buckets(timeline, 0) == {"discarded": 5, "down": 3, "recovering": back, "compute": 2, "bandwidth": 12}
    assert buckets(timeline, 1) == {"compute": 4, "discarded": 4, "bandwidth": 2 * 16 / 3 + 12}
    assert timeline.received[0] == pytest.approx(8000 + 2 * 6000 + 4 * 1000)  # with 4 s of the broken ring, at 1000 bytes/s


def test_who_drops_out_of_its_download_begins_it_again():
    # Up 5, down 3, up 4 (half of a download of 8 s), down 2, up for good at 14 s: state at 22 s.
    timeline = simulate(DDP(), scenario(churn=Scripted({0: [5.0, 3.0, 4.0, 2.0]})), steps=4)
    # Rounds of the other three, as above, end at 10.3, 16.7 and 23 s: it joins the fourth.
    third = 5 + 16 / 3 + 2 * (1 + 16 / 3)
    assert timeline.round_end[2] == pytest.approx(third)
    assert [timeline.schedule[k].counted[0] for k in range(4)] == [False, False, False, True]
    assert buckets(timeline, 0) == {
        "discarded": 5,
        "down": 3 + 2,
        "recovering": 4 + third - 14,
        "compute": 1,
        "bandwidth": 6,
    }


def test_a_download_and_a_ring_share_an_exit():
    # Islands {0, 1} and {2, 3}, entries of 1000 bytes/s. Rank 0 is down from 0.5 to 1.5 s, then downloads 8000 bytes.
    world = scenario(churn=Scripted({0: [0.5, 1.0]}), tiers=[Tier(name="site", groups=2, uplink=1000.0, downlink=1000.0)])
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    # The ring 1-2-3-1 begins at 1 s; each byte of payload loads the entry of island 0 with 4/3. Until 1.5 s it flows alone,
    # at 750 bytes/s: 375 of 4000. Then two connections share it, the ring's and the download's: 500 each, 375 of payload.
    assert timeline.virtual_seconds == pytest.approx(1.5 + 3625 / 375)


def test_the_phases_of_a_hierarchy_follow_each_other():
    # Islands {0, 1} and {2, 3}, exits of 250 bytes/s, a last mile of 0.1 s, so 0.2 s a hop.
    tiers = [Tier(name="site", groups=2, uplink=250.0, downlink=250.0)]
    world = scenario(collective=Hierarchical(), tiers=tiers, last_mile=0.1)
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    # In each island half of 4000 bytes over 1000 bytes/s, 2 s, before and after; between them two rings of two, each of 2000
    # bytes: together 4000 out of each exit, 16 s. Hops: one, two and one.
    assert timeline.virtual_seconds == pytest.approx(1 + 2 + 16 + 2 + 4 * 0.2)
    assert buckets(timeline, 0) == {"compute": 1, "bandwidth": 20, "latency": 0.8}


def test_a_drop_in_the_middle_phase_begins_all_of_them_anew():
    tiers = [Tier(name="site", groups=2, uplink=250.0, downlink=250.0)]
    world = scenario(collective=Hierarchical(), tiers=tiers, churn=Scripted({3: [9.0]}))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    # The first try begins at 1 s, its middle phase at 3 s; rank 3 leaves at 9 s. Then {0, 1} and {2}: half of 4000 bytes
    # inside, 2 s, before and after; between, all that leaves rank 2's island is 4000 bytes over 250 bytes/s, 16 s.
    assert timeline.virtual_seconds == pytest.approx(9 + 2 + 16 + 2)
    assert buckets(timeline, 0) == {"compute": 1, "discarded": 8, "bandwidth": 20}


def test_a_ring_under_way_adapts_to_links_that_change():
    # Half as fast from 3 s on: 2 of the 6 s of a ring are done then, and the other 4 take 8.
    world = scenario(variation=Trace(trace=[[0, 1.0], [3, 0.5]], period=1000.0))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    assert timeline.virtual_seconds == pytest.approx(1 + 2 + 8)
    assert buckets(timeline, 0) == {"compute": 1, "bandwidth": 10}
    # Slow from the first second on, it takes twice as long.
    slow = scenario(variation=Trace(trace=[[0, 0.5]], period=1000.0))
    assert simulate(LocalSGD(sync_every=1), slow, steps=1).virtual_seconds == pytest.approx(1 + 2 * RING)
    # The next ring begins on slow links: 12 s.
    assert simulate(LocalSGD(sync_every=1), world, steps=2).virtual_seconds == pytest.approx(11 + 1 + 12)


def test_a_plan_is_priced_on_the_links_as_they_are():
    # What gloo's schedule waits for depends on how long a segment takes: the second all-reduce begins on links half as fast.
    def price(speed):
        paths = Paths(scenario(last_mile=0.25, uplink=1000.0 * speed, downlink=1000.0 * speed).network, Transport())
        return plan_seconds(GlooRing().all_reduce(paths, np.arange(4), 4000.0), paths.network.capacity)

    changes = Trace(trace=[[0, 1.0], [1 + price(1) + 0.5, 0.5]], period=1000.0)
    timeline = simulate(LocalSGD(sync_every=1), scenario(collective=GlooRing(), last_mile=0.25, variation=changes), steps=2)
    assert timeline.virtual_seconds == pytest.approx(1 + price(1) + 1 + price(0.5))
    assert price(0.5) - price(1) != pytest.approx(RING)  # or it would not matter


def test_a_download_under_way_adapts_too():
    # Rank 0 is down from 0.5 to 1 s; its 8000 bytes take 2 s at 1000 bytes/s and 12 s at 500, until 15 s.
    world = scenario(
        churn=Scripted({0: [0.5, 0.5]}), variation=Trace(trace=[[0, 1.0], [3, 0.5]], period=1000.0), speeds=[1, 100, 100, 100]
    )
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    assert timeline.received[0] == pytest.approx(8000)
    assert buckets(timeline, 0)["recovering"] == pytest.approx(timeline.virtual_seconds - 1)


def test_a_transport_and_its_slow_start_are_in_the_clock():
    # Frames of 1250 bytes for 1000 of payload: the ring's 6000 bytes take 7.5 s after six hops of 0.5 s. From the first byte's
    # arrival on that is 600 bytes/s. It starts with 10 bytes a round trip of 1 s: over ln 2, that many in the first second, and
    # twice as many in each further one; six of them, 909 bytes, until it would be more than 600.
    transport = Transport(packet_bytes=1250.0, payload_bytes=1000.0, initial_window=10.0)
    timeline = simulate(LocalSGD(sync_every=1), scenario(transport=transport, last_mile=0.25), steps=1)
    slow = 10 / np.log(2) * (2**6 - 1)
    assert timeline.virtual_seconds == pytest.approx(1 + 0.5 + 6 + (6000 - slow) / 600)
    assert timeline.sent[0] == pytest.approx(7500)  # on the wire
    plain = simulate(LocalSGD(sync_every=1), scenario(last_mile=0.25), steps=1)
    assert plain.virtual_seconds == pytest.approx(1 + 3 + RING)


def test_the_late_are_left_out_at_a_deadline_and_stay():
    world = scenario(speeds=[1, 1, 1, 9], participation=Deadline(2.0))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=2)
    # All four take the result: the ring is of 4.
    assert timeline.virtual_seconds == pytest.approx(2 * (2 + RING))
    assert buckets(timeline, 0) == {"compute": 2, "straggler_wait": 2, "bandwidth": 12}
    assert buckets(timeline, 3) == {"discarded": 4, "bandwidth": 12}
    assert timeline.counted_steps == 6


def test_a_quorum_goes_on_without_the_slow_half():
    world = scenario(speeds=[1, 2, 3, 4], participation=Quorum(0.5))
    timeline = simulate(LocalSGD(sync_every=1), world, steps=1)
    assert timeline.virtual_seconds == pytest.approx(2 + RING)
    assert timeline.schedule[0].counted.tolist() == [True, True, False, False]


def test_a_deadline_at_which_all_that_were_ready_are_gone_waits_for_the_next():
    # Rank 0 is ready at 1 s and gone at 3; the deadline is at 5 s; rank 1 is ready at 7 s.
    churn = Scripted({0: [3.0]})
    timeline = simulate(LocalSGD(sync_every=1), scenario(2, speeds=[1, 7], churn=churn, participation=Deadline(5.0)), steps=1)
    assert timeline.virtual_seconds == pytest.approx(7)
    assert timeline.schedule[0].counted.tolist() == [False, True]


def test_when_all_are_lost_the_round_is_done_again_by_those_who_return():
    churn = Scripted({0: [4.0, 1.0], 1: [4.5]})
    timeline = simulate(LocalSGD(sync_every=5), scenario(2, churn=churn), steps=5)
    # Rank 0 is back at 5 s, has state at 13 s, and alone takes 5 steps.
    assert timeline.virtual_seconds == pytest.approx(18)
    assert buckets(timeline, 0) == {"discarded": 4, "down": 1, "recovering": 8, "compute": 5}
    assert buckets(timeline, 1) == {"discarded": 4.5, "down": 13.5}
    assert timeline.counted_steps == 5


def test_a_round_in_which_all_are_lost_ends_when_the_last_has_gone():
    # Rank 1 is away from the first second to the third, and has state at 11 s, while rank 0 works on steps of 40 s until it
    # drops out at 20 s. Then rank 1 begins.
    churn = Scripted({0: [20.0], 1: [1.0, 2.0]})
    timeline = simulate(LocalSGD(sync_every=1), scenario(2, speeds=[40, 5], churn=churn), steps=1)
    assert timeline.virtual_seconds == pytest.approx(25)
    assert buckets(timeline, 1) == {"discarded": 1, "down": 2, "recovering": 17, "compute": 5}


def test_when_only_the_late_are_left_the_round_is_done_again():
    # Rank 0 is ready at 1 s and begins a ring of 2 with the late rank 1 (4 s); it drops out at 3 s. Rank 1 has nothing that
    # counts: it begins its step anew at 3 s.
    churn = Scripted({0: [3.0]})
    timeline = simulate(LocalSGD(sync_every=1), scenario(2, speeds=[1, 9], churn=churn, participation=Quorum(0.5)), steps=1)
    assert timeline.virtual_seconds == pytest.approx(12)
    assert buckets(timeline, 1) == {"discarded": 3, "compute": 9}


def test_a_drop_at_the_very_end_of_the_ring_does_not_break_it():
    timeline = simulate(LocalSGD(sync_every=1), scenario(2, churn=Scripted({0: [5.0]})), steps=2)
    # Ring of 2: 4 s, from 1 to 5 s. Rank 0 is gone at 5 s and takes no part in the second round.
    assert timeline.round_end == pytest.approx([5, 6])
    assert [timeline.schedule[k].counted.tolist() for k in range(2)] == [[True, True], [False, True]]


def test_a_run_that_takes_too_long_says_so():
    with pytest.raises(VirtualTimeout, match="after 2 rounds the virtual clock passed max_virtual = 15.0 s"):
        simulate(DDP(), scenario(), steps=5, limit=15.0)
    with pytest.raises(VirtualTimeout, match="after 0 rounds"):
        simulate(DDP(), scenario(1, churn=Scripted({0: [0.5]})), steps=5, limit=15.0)


def test_a_model_that_does_not_fit_says_by_how_much():
    with pytest.raises(FitError, match="take 3.00 GB, 2.00 GB more than the memory of unit"):
        simulate(DDP(), scenario(), steps=1, resident=3e9)


def test_two_reductions_in_a_round_keep_who_counted():
    from bench.algorithm import Algorithm, AllReduce, Train

    class Twice(Algorithm):
        def run(self, replicas):
            while True:
                yield Train(1)
                yield AllReduce(replicas.params)
                yield AllReduce(replicas.params)

    timeline = simulate(Twice(), scenario(), steps=2)
    assert timeline.virtual_seconds == pytest.approx(2 * (1 + 2 * RING))
    assert timeline.round_end == pytest.approx([1 + 2 * RING, 2 * (1 + 2 * RING)])
    assert timeline.round_steps.tolist() == [1, 2]
    assert timeline.schedule.steps == [1, 0, 1, 0]  # an entry for each
    assert all(timeline.schedule[k].counted.all() for k in range(4))
    assert timeline.counted_steps == 8
