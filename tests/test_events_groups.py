"""Seconds of workers that wait only for those whom they meet, by hand: links of 1000 bytes/s, a payload of 4000 bytes."""

from dataclasses import dataclass

import numpy as np
import pytest
from apart import Grouped, Mixed, Neighbours, ring
from overlapped import BucketedDDP, DelayedDiLoCo, InTurns, Words
from test_simulator import buckets
from worlds import Scripted, scenario, simulate

from bench.aggregator import Median
from bench.algorithm import Algorithm, AllGather, AllReduce, Backward, Exchange, Forward, ReduceScatter, Start, Train, Wait
from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.algorithm.local_sgd import LocalSGD
from bench.codec import BF16, NoCodec
from bench.errors import SkipError, VirtualTimeout
from bench.failures import Failures
from bench.network import Tier
from bench.network.collectives import Butterfly, ParameterServer
from bench.network.variation import Trace
from bench.split import BySpeed, TimeBudget
from bench.verification import Hostile

PAIR = 4.0  # seconds of the ring of two: 2 * 1/2 * 4000 bytes over 1000 bytes/s


def counted(timeline):
    """Whose work each operation carried."""
    schedule = timeline.schedule
    return ["".join(str(int(one)) for one in schedule[index].counted) for index in range(len(schedule))]


class InParts(Algorithm):
    """A step in parts, each of whose gradients is sent as soon as it is there, and both halves of an all-reduce."""

    def run(self, replicas):
        first, last = replicas.layout.parts(2)
        while True:
            yield Forward(first)
            yield Forward(last)
            one = yield Start(AllReduce((yield Backward(last)), last))
            two = yield Start(ReduceScatter((yield Backward(first)), first))
            yield Wait(one)
            yield AllGather((yield Wait(two)))


@dataclass(frozen=True)
class Loose(Algorithm):
    """Another program, whose workers do not move in step."""

    program: Algorithm
    lockstep = "groups"

    def run(self, replicas):
        return self.program.run(replicas)


@pytest.mark.parametrize(
    "world",
    [
        {},
        {"speeds": (1.0, 3.0, 2.0), "last_mile": 0.25},
        {"jitter": 0.3, "collective": Butterfly(), "seed": 3},
        {"speeds": (1.0, 2.0), "split": BySpeed(), "collective": ParameterServer(sharded=False)},
        {"variation": Trace(trace=[[0, 1.0], [9, 0.25], [14, 2.0]], period=20.0)},
    ],
    ids=["even", "uneven", "jitter", "split", "variation"],
)
@pytest.mark.parametrize(
    "program",
    [
        DDP(),
        LocalSGD(sync_every=3),
        DiLoCo(sync_every=4, outer_lr=0.7, outer_momentum=0.9),
        DelayedDiLoCo(sync_every=2),
        BucketedDDP(first=0.25),
        InTurns(3),
        Words((1, "s", 2, "s", "w", "a", 1, "l", "s", 3, "w")),
        InParts(),
    ],
    ids=lambda program: type(program).__name__,
)
def test_where_all_meet_all_it_is_the_simulator_of_all(program, world):
    codec = NoCodec() if isinstance(program, InParts) else BF16()
    step = simulate(program, scenario(**world), 9, codec=codec)
    loose = simulate(Loose(program), scenario(**world), 9, codec=codec)
    assert loose.virtual_seconds == pytest.approx(step.virtual_seconds, rel=1e-12)
    np.testing.assert_allclose(loose.round_end, step.round_end, rtol=1e-12)
    assert loose.round_steps.tolist() == step.round_steps.tolist()
    np.testing.assert_allclose(loose.sent, step.sent, rtol=1e-9)
    np.testing.assert_allclose(loose.received, step.received, rtol=1e-9)
    for bucket, seconds in step.ledger.seconds.items():
        np.testing.assert_allclose(loose.ledger.seconds[bucket], seconds, rtol=1e-9, atol=1e-9, err_msg=bucket)
    assert loose.schedule.digest() == step.schedule.digest()
    assert (loose.counted_steps, loose.counted_sequences) == (step.counted_steps, step.counted_sequences)


@pytest.mark.parametrize("program", [LocalSGD(sync_every=3), DiLoCo(sync_every=4, outer_lr=0.7, outer_momentum=0.9)])
def test_a_clusters_failures_stop_it_as_they_stop_the_simulator_of_all(program):
    failures = Failures(device_mttf=100.0, detection=1.0, restart=4.0, checkpoint=0.5)
    step, loose = (simulate(one, scenario(failures=failures), 60) for one in (program, Loose(program)))
    assert loose.failures == step.failures > 1
    assert loose.virtual_seconds == pytest.approx(step.virtual_seconds, rel=1e-12)
    np.testing.assert_allclose(loose.round_end, step.round_end, rtol=1e-12)
    for bucket, seconds in step.ledger.seconds.items():
        np.testing.assert_allclose(loose.ledger.seconds[bucket], seconds, rtol=1e-9, atol=1e-9, err_msg=bucket)
    with pytest.raises(VirtualTimeout, match="the virtual clock passed max_virtual = 100 s"):
        simulate(Loose(program), scenario(failures=failures), 60, limit=100.0)


def test_groups_do_not_wait_for_each_other():
    timeline = simulate(Grouped(((0, 0, 1, 1),)), scenario(4, speeds=(1.0, 1.0, 5.0, 5.0)), steps=3)
    # Ranks 0 and 1 need 1 + 4 s for a round, the others 5 + 4: a round ends with these.
    assert timeline.round_end == pytest.approx([9, 18, 27])
    assert timeline.round_steps.tolist() == [1, 2, 3]
    assert buckets(timeline, 0) == {"compute": 3, "bandwidth": 3 * PAIR, "straggler_wait": 27 - 15}
    assert buckets(timeline, 2) == {"compute": 15, "bandwidth": 3 * PAIR}
    assert counted(timeline) == ["1111"] * 3
    assert timeline.schedule.steps == [1, 1, 1]
    np.testing.assert_allclose(timeline.sent, 3 * 4000)


def test_a_straggler_holds_up_only_whom_it_meets():
    timeline = simulate(Grouped(((0, 0, 1, 1), (0, 1, 1, 0))), scenario(4, speeds=(1.0, 1.0, 1.0, 4.0)), steps=2)
    # 0 and 1 meet at 1 s until 5, 2 and 3 at 4 until 8. Then 1 is ready at 6 and 2 at 9: until 13. 0 is ready at 6 and 3 at
    # 12: until 16.
    assert timeline.round_end == pytest.approx([8, 16])
    assert buckets(timeline, 0) == {"compute": 2, "bandwidth": 8, "straggler_wait": 6}
    assert buckets(timeline, 1) == {"compute": 2, "bandwidth": 8, "straggler_wait": 3 + 3}
    assert buckets(timeline, 2) == {"compute": 2, "bandwidth": 8, "straggler_wait": 3 + 3}
    assert buckets(timeline, 3) == {"compute": 8, "bandwidth": 8}


def test_groups_share_the_links():
    site = Tier(name="site", groups=2, uplink=1000.0, downlink=1000.0)
    timeline = simulate(Grouped(((0, 1, 0, 1),)), scenario(4, tiers=[site]), steps=1)
    # 0 and 1 are in one site, 2 and 3 in the other: both pairs send 4000 bytes each way through both exits.
    assert timeline.virtual_seconds == pytest.approx(1 + 2 * PAIR)


def test_a_group_of_one_goes_on_at_once():
    timeline = simulate(Grouped(((0, 0, 1),)), scenario(3), steps=2)
    assert buckets(timeline, 2) == {"compute": 2, "straggler_wait": 8}
    assert timeline.sent[2] == 0


def test_a_neighbour_is_over_when_all_its_payloads_are_there():
    timeline = simulate(Neighbours(), scenario(4, speeds=(1.0, 1.0, 1.0, 5.0), last_mile=0.25), steps=1)
    # 0, 1 and 2 send to both neighbours at 1 s: half a second of latency, then 500 bytes/s each, until 9.5. 3 sends at 5 s,
    # at 500 bytes/s too, until 13.5: 1 does not need it.
    assert timeline.virtual_seconds == pytest.approx(13.5)
    assert buckets(timeline, 0) == {"compute": 1, "straggler_wait": 4, "latency": 0.5, "bandwidth": 8}
    assert buckets(timeline, 1) == {"compute": 1, "latency": 0.5, "bandwidth": 8, "straggler_wait": 4}
    # What it needs came while it computed, or was on its way.
    assert buckets(timeline, 3) == {"compute": 5, "bandwidth": 4.5, "straggler_wait": 4}
    np.testing.assert_allclose(timeline.sent, 8000)
    np.testing.assert_allclose(timeline.received, 8000)


def test_a_fast_neighbour_may_be_a_round_ahead():
    timeline = simulate(Neighbours(), scenario(5, speeds=(1.0, 1.0, 1.0, 1.0, 9.0), uplink=np.inf, downlink=np.inf), steps=3)
    # No latency, no bytes: the round of 0 and 3 begins when 4 is ready, at 9 and 18 s; 1 is ready with its first at 1 s, with
    # its second, which needs 0's, at 10.
    assert timeline.round_end == pytest.approx([9, 18, 27])
    assert buckets(timeline, 4) == {"compute": 27}
    # Rank 1 is done when 0 and 2 have sent their third, at 19 s; rank 0 needs rank 4's at 27.
    assert buckets(timeline, 1) == {"compute": 3, "straggler_wait": 24}
    assert buckets(timeline, 0) == {"compute": 3, "straggler_wait": 24}


def test_a_payload_that_does_not_travel_weighs_nothing():
    @dataclass(frozen=True)
    class Alone(Algorithm):
        lockstep = "groups"

        def run(self, replicas):
            weights = np.eye(len(replicas.params))
            weights[0] = [0.5, 0.5]
            while True:
                yield Train(1)
                yield Exchange(replicas.params, weights)

    timeline = simulate(Alone(), scenario(2), steps=1)
    # Only rank 1's goes to rank 0, who sends nothing.
    assert timeline.virtual_seconds == pytest.approx(1 + 4)
    assert timeline.sent.tolist() == [0, 4000]
    assert buckets(timeline, 1) == {"compute": 1, "straggler_wait": 4}


def test_every_neighbours_payload_is_decoded():
    timeline = simulate(Neighbours(), scenario(4), steps=1, codec=BF16())
    # 6 ms to encode one's own and as much to decode each of two; 2000 bytes to each of two neighbours in 4 s.
    assert timeline.virtual_seconds == pytest.approx(1 + 0.006 + 4 + 0.012)
    assert buckets(timeline, 1) == {"compute": 1, "codec": 0.018, "bandwidth": 4}


def test_nobody_waits_for_a_neighbour_that_is_gone():
    timeline = simulate(Neighbours(), scenario(4, churn=Scripted({1: [2.5, 3.0]})), steps=3)
    # At 2.5 s each payload has come 750 bytes far, at 500 bytes/s, and 3 still sends two of them: until 9 s. 1 is up at 5.5 s
    # and has its state at 13.5; the others are in their second exchange, so that it begins with the work for the third: ready
    # at 14.5 s. The second is over at 18 s, and the third, with all, from 19 to 27.
    assert timeline.round_end == pytest.approx([9, 18, 27])
    assert counted(timeline) == ["1011", "1011", "1111"]
    assert timeline.schedule[2].joined.tolist() == [False, True, False, False]
    assert buckets(timeline, 1) == {
        "discarded": 2.5,
        "down": 3,
        "recovering": 8,
        "compute": 1,
        "straggler_wait": 4.5,
        "bandwidth": 8,
    }
    assert timeline.sent[1] == pytest.approx(2 * 750 + 8000)
    assert timeline.counted_steps == 3 + 3 + 4


def test_a_group_does_not_wait_for_who_is_gone():
    world = scenario(4, speeds=(1.0, 1.0, 1.0, 9.0), churn=Scripted({3: [4.0]}))
    timeline = simulate(Grouped(((0, 0, 0, 0),)), world, steps=1)
    # Rank 3 would be ready at 9 s, and drops out at 4: the ring of three, 2 * 2/3 * 4 s, begins then.
    assert timeline.virtual_seconds == pytest.approx(4 + 16 / 3)
    assert buckets(timeline, 0) == {"compute": 1, "straggler_wait": 3, "bandwidth": 16 / 3}
    assert buckets(timeline, 3) == {"discarded": 4, "down": 16 / 3}
    assert counted(timeline) == ["1110"]


def test_a_ring_that_loses_one_begins_anew_and_other_groups_do_not():
    timeline = simulate(Grouped(((0, 0, 0, 1, 1),)), scenario(5, churn=Scripted({2: [3.0]})), steps=1)
    # The ring of three is broken 2 s after it began; that of the two who are left takes 4 s from 3 s on.
    assert timeline.virtual_seconds == pytest.approx(7)
    assert buckets(timeline, 0) == {"compute": 1, "discarded": 2, "bandwidth": 4}
    assert buckets(timeline, 3) == {"compute": 1, "bandwidth": 4, "straggler_wait": 2}


def test_a_butterfly_that_loses_one_goes_on():
    timeline = simulate(Grouped(((0, 0, 0),)), scenario(3, churn=Scripted({2: [3.0]}), collective=Butterfly()), steps=1)
    # 2 * 2/3 * 4000 bytes on each link, as before.
    assert timeline.virtual_seconds == pytest.approx(1 + 16 / 3)
    assert counted(timeline) == ["110"]
    assert timeline.sent[2] == pytest.approx(2000)  # up to the second at which it left


def test_who_drops_out_between_two_meetings_loses_the_work_since_the_last():
    timeline = simulate(Grouped(((0, 0, 1, 1),)), scenario(4, churn=Scripted({0: [5.5]})), steps=2)
    assert counted(timeline) == ["1111", "0111"]
    assert buckets(timeline, 0) == {"compute": 1, "bandwidth": 4, "discarded": 0.5, "down": 10 - 5.5}
    # Rank 1 is alone in its group from then on.
    assert buckets(timeline, 1) == {"compute": 2, "bandwidth": 4, "straggler_wait": 4}


def test_an_operation_that_loses_everybody_is_done_again():
    # 0 and 1 meet from 1 to 5 s and both drop out at 3; they are up at 4 and have their state at 12.
    churn = Scripted({0: [3.0, 1.0], 1: [3.0, 1.0]})
    timeline = simulate(Grouped(((0, 0),)), scenario(2, churn=churn), steps=1)
    assert timeline.virtual_seconds == pytest.approx(12 + 1 + PAIR)
    assert buckets(timeline, 0) == {"discarded": 3, "down": 1, "recovering": 8, "compute": 1, "bandwidth": 4}
    assert timeline.schedule.steps == [1]
    assert counted(timeline) == ["11"]
    # So it is where somebody is there who came after it began, and has gone on to the work for the next: 2, back at 10 s, when
    # 0 and 1 are in the air.
    churn = Scripted({0: [12.0], 1: [12.0], 2: [0.5, 1.5]})
    timeline = simulate(Grouped(((0, 0, 0),)), scenario(3, speeds=(9.0, 9.0, 5.0), churn=churn), steps=2)
    # It has computed for 2 s when they drop out, and begins anew.
    assert counted(timeline) == ["001", "001"]
    assert buckets(timeline, 2) == {"discarded": 0.5 + 2, "down": 1.5, "recovering": 8, "compute": 10}
    assert timeline.virtual_seconds == pytest.approx(12 + 10)


def test_the_part_of_a_gradient_that_is_lost_is_computed_again():
    churn = Scripted({0: [4.0, 1.0], 1: [4.0, 1.0]})
    timeline = simulate(Loose(BucketedDDP(first=0.25)), scenario(2, churn=churn), steps=1)
    # 1000 bytes go from 1 s on, and 3000 follow them from 2 s on, which would be there at 5. All are back at 13 s, compute the
    # step once more and send the other part alone.
    assert timeline.virtual_seconds == pytest.approx(13 + 1 + 3)
    assert buckets(timeline, 0) == {"compute": 1 + 1, "bandwidth": 1 + 3, "discarded": 2, "down": 1, "recovering": 8}
    assert counted(timeline) == ["11", "11"]
    assert timeline.counted_steps == 2


def test_what_nobody_is_left_to_come_to_is_computed_again():
    @dataclass(frozen=True)
    class Halves(Algorithm):
        lockstep = "groups"

        def run(self, replicas):
            while True:
                gradients = yield Backward()
                yield AllReduce(gradients[:, :500])
                yield AllReduce(gradients[:, 500:])

    # A step alone takes 1 s, and 3 ms to encode and to decode each half. Rank 0's ninth is computed at 8 * 1.012 + 1 = 9.096 s;
    # rank 1 is back at 9.0975 and leaves it to rank 0. This one decodes the first half from 9.099 to 9.102 s, and drops out:
    # the other half is rank 1's, who computes it from 9.1005 s on, and then the tenth step.
    churn = Scripted({0: [9.1005], 1: [0.5, 0.5975]})
    timeline = simulate(Halves(), scenario(2, churn=churn), steps=10, codec=BF16())
    assert counted(timeline) == ["10"] * 17 + ["01"] * 3
    assert timeline.virtual_seconds == pytest.approx(9.1005 + 1 + 0.006 + 1.012)
    assert timeline.counted_steps == 10


def test_where_one_group_is_lost_the_others_are_not():
    churn = Scripted({0: [3.0], 1: [3.0]})
    timeline = simulate(Grouped(((0, 0, 1, 1),)), scenario(4, churn=churn), steps=2)
    assert counted(timeline) == ["0011", "0011"]
    assert timeline.virtual_seconds == pytest.approx(10)


def test_who_is_back_gets_what_others_wait_for():
    # Two segments in the air at a time: who comes back between a start and its wait computes nothing for what was started.
    churn = Scripted({1: [0.5, 0.5]})
    timeline = simulate(Loose(DelayedDiLoCo(sync_every=6)), scenario(2, churn=churn), steps=18)
    # Rank 0 is alone at 6 s; rank 1 has its state at 9, and begins with the second segment. It is ready at 15 s: rank 0, which
    # was at 12, has computed the third at 18 and waits for the second until 19, and then for rank 1, which is ready at 21.
    assert counted(timeline) == ["10", "11", "11"]
    assert timeline.schedule[1].joined.tolist() == [False, True]
    assert timeline.virtual_seconds == pytest.approx(15 + 6 + PAIR)
    assert buckets(timeline, 0) == {"compute": 18, "straggler_wait": 2, "bandwidth": 1 + 4}


def test_who_is_back_between_two_parts_of_a_gradient_begins_with_the_next_step():
    # Alone, rank 0 needs 1 s for a step, 3 ms to encode and as much to decode each of two parts: its ninth is computed at
    # 8 * 1.012 + 1 = 9.096 s, and it encodes the first part when rank 1 has its state, at 9.0975.
    churn = Scripted({1: [0.5, 0.5975]})
    timeline = simulate(Loose(BucketedDDP()), scenario(2, churn=churn), steps=10, codec=BF16())
    assert counted(timeline) == ["10"] * 18 + ["11"] * 2
    assert timeline.schedule[18].joined.tolist() == [False, True]
    # Both parts of the ninth are rank 0's alone, and it waits for nobody.
    assert timeline.round_end[8] == pytest.approx(9 * 1.012)


def test_what_a_group_computes_meanwhile_hides_what_it_sends():
    timeline = simulate(Mixed((1, "S", 6, "w")), scenario(4, speeds=(1.0, 1.0, 2.0, 2.0)), steps=8)
    # A pair's 2800 bytes are there in 2.8 s, while six steps follow. After a seventh they are sent again, and waited for.
    assert timeline.virtual_seconds == pytest.approx(16 + 2.8)
    assert buckets(timeline, 0) == {"compute": 8, "bandwidth": 2.8, "straggler_wait": 8}
    assert buckets(timeline, 3) == {"compute": 16, "bandwidth": 2.8}


def test_attacks_count_for_nothing():
    hostile = Hostile(np.array([False, True, False, False]), start=1)
    timeline = simulate(Grouped(((0, 0, 1, 1),)), scenario(4), steps=3, hostile=hostile)
    assert timeline.counted_steps == 4 + 3 + 3
    assert buckets(timeline, 1) == {"compute": 1, "discarded": 2, "bandwidth": 12}
    assert counted(timeline) == ["1111"] * 3


def test_a_robust_rule_is_of_a_group():
    # A butterfly instead of a ring takes as long; each of two reads half of both payloads, in a memory of 1e6 bytes/s.
    plain = simulate(Grouped(((0, 0, 1, 1),)), scenario(4), steps=1)
    median = simulate(Grouped(((0, 0, 1, 1),)), scenario(4), steps=1, rule=Median())
    assert buckets(median, 0)["compute"] == 1
    assert median.ledger.seconds["aggregation"][0] > 0
    assert median.virtual_seconds == pytest.approx(plain.virtual_seconds + median.ledger.seconds["aggregation"][0])


def test_the_split_and_the_rule_may_not_fit():
    with pytest.raises(SkipError, match="gossip"):
        simulate(Neighbours(), scenario(4), steps=1, rule=Median())
    with pytest.raises(SkipError, match="split"):
        simulate(Loose(DDP()), scenario(4, split=TimeBudget()), steps=1)

    class Needs(Neighbours):
        needs_everybody = True

    with pytest.raises(SkipError, match="churn drops some"):
        simulate(Needs(), scenario(4, churn=Scripted({0: [9.0]})), steps=1)


def test_the_virtual_clock_has_a_limit():
    with pytest.raises(VirtualTimeout, match="max_virtual = 30"):
        simulate(Neighbours(), scenario(4), steps=9, limit=30.0)
    with pytest.raises(VirtualTimeout):
        simulate(Neighbours(), scenario(2, churn=Scripted({0: [1.5], 1: [1.5]})), steps=9)


def test_weights_must_be_of_all_workers():
    @dataclass(frozen=True)
    class Wrong(Algorithm):
        lockstep = "groups"

        def run(self, replicas):
            yield Train(1)
            yield Exchange(replicas.params, ring(3))

    with pytest.raises(ValueError, match=r"weights must be \(4, 4\), got \(3, 3\)"):
        simulate(Wrong(), scenario(4), steps=1)


def test_progress_is_told():
    told = []
    simulate(Neighbours(), scenario(4), steps=3, progress=told.append)
    assert told == [1, 2, 3]
