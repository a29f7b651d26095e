"""Seconds of workers and servers with programs of their own, by hand: links of 1000 bytes/s, a payload of 4000 bytes."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from apart import Ahead, Async, Pairs, Relayed, follow
from test_simulator import buckets
from worlds import P, Scripted, scenario, simulate

from bench.aggregator import Median
from bench.algorithm import Algorithm, AllReduce, Average, Backward, Forward, Handle, Pull, Push, Receive, Start, Train, Wait
from bench.codec import BF16
from bench.errors import SkipError, VirtualTimeout
from bench.failures import Failures
from bench.network import Transport
from bench.optimizer import SGD, LearningRateSchedule
from bench.participation import Quorum
from bench.replicas import Layout, Replicas
from bench.schedule import Kind
from bench.split import TimeBudget
from bench.verification import Hostile

FAR = {"last_mile": 0.25}  # half a second from host to host
# Of two ranks, each in a region of its own: 1000 bytes/s and half a second from one to the other, no time inside.
APART = {
    "uplink": np.inf,
    "downlink": np.inf,
    "regions": ["near", "far"],
    "region_latency": [[0.0, 0.5], [0.5, 0.0]],
    "pair_rate": [[np.inf, 1000.0], [1000.0, np.inf]],
}


def events(timeline, node=None):
    """What happened, as (kind, node, number); of one node, as (kind, number)."""
    found = [(kind.name, *rest) for kind, *rest in timeline.schedule]
    return found if node is None else [(kind, number) for kind, at, number in found if at == node and kind != "ROUND"]


def replicas(workers):
    return Replicas(torch.zeros(workers, P), SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=9))


def test_a_worker_far_from_its_server_is_stale():
    timeline = simulate(Async(), scenario(2, speeds=(1.0, 3.0), **APART), steps=7)
    # Rank 0 is in the server's region: its pulls and pushes take no time, and it counts a step at each second. Rank 1's request
    # is there at 0.5 s, the answer 4.5 s later; it trains until 8 and has pushed at 12.5. Two steps to a round: 12 at 12 s, and
    # the seventh round with the 14th, at 13 s, when the second pull of rank 1 has just been taken.
    assert timeline.virtual_seconds == pytest.approx(13)
    np.testing.assert_allclose(timeline.round_end, [2, 4, 6, 8, 10, 12, 13])
    assert timeline.round_steps.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert buckets(timeline, 0) == {"compute": 13}
    assert buckets(timeline, 1) == {"compute": 3, "latency": 0.5 + 0.5 + 0.5 + 0.5, "bandwidth": 4 + 4}
    assert timeline.counted_steps == 14
    # The server took in 12 others between rank 1's pull and its push, and that one in rank 0's 13th step.
    assert timeline.staleness_max == 12
    assert timeline.staleness == pytest.approx((12 + 1) / 14)
    # Rank 1's pull left its uplink unused: it has sent one push. Rank 0's lines carried the answer to it, and rank 0's own
    # 13 answers and 13 pushes.
    np.testing.assert_allclose(timeline.sent, [27 * 4000, 4000])
    np.testing.assert_allclose(timeline.received, [27 * 4000, 4000])
    assert timeline.schedule.steps == timeline.schedule.total_steps == 7


def test_a_pull_is_a_request_without_bytes_and_an_answer():
    world = scenario(2, speeds=(9.0,), uplink=np.inf, downlink=np.inf, **FAR)
    timeline = simulate(Async(), world, steps=1)
    # Half a second there, half a second back, 9 s of training and half a second for the push.
    assert timeline.virtual_seconds == pytest.approx(10.5)
    assert buckets(timeline, 1) == {"compute": 9, "latency": 1.5}
    assert events(timeline, 1) == [("TAKEN", 0), ("DONE", 0), ("DONE", 1), ("DONE", 2)]


def test_what_is_pulled_is_what_is_published_when_the_answer_leaves():
    timeline = simulate(Async(), scenario(2, speeds=(2.0, 1.0), **APART), steps=3)
    # Rank 1's pull is taken at 0.5 s, before rank 0's first push at 2 s, and is there at 5: it has pushed at 10.5. Rank 0's
    # sixth step would be over at 12: five and one are three rounds.
    assert timeline.virtual_seconds == pytest.approx(10.5)
    assert timeline.staleness_max == 5
    known = events(timeline)
    assert known.index(("TAKEN", 1, 0)) < known.index(("DONE", 0, 2)) < known.index(("DONE", 1, 0))


def test_two_who_push_share_the_way_in():
    timeline = simulate(Async(host=2), scenario(3, speeds=(1.0, 1.0, 99.0)), steps=1)
    # Three pulls share the server's uplink, 12 s. Ranks 0 and 1 train until 13, and their pushes share its downlink until 21.
    # While rank 2 trains, their pulls share the uplink until 29, and their pushes the downlink from 30 s on: the third step
    # counts at 38 s, and that is one round.
    assert timeline.virtual_seconds == pytest.approx(38)
    assert timeline.counted_steps == 4 - 1  # at one second, the lower rank's comes first, and ends it


def test_a_push_flies_beside_training():
    timeline = simulate(Ahead(), scenario(2, **APART), steps=5)
    # Rank 1 sends at 1 s, trains until 2 and waits for the push until 5.5; sends the second, trains until 6.5 and waits.
    # Rank 0 counts a step at each second: with the one that came at 5.5, ten at 9 s.
    assert timeline.virtual_seconds == pytest.approx(9)
    # The second push carries the step up to 2 s, which is lost, as the third.
    assert buckets(timeline, 1) == {"compute": 1, "bandwidth": 3.5 + 2.5, "discarded": 1 + 1}
    assert timeline.sent[1] == pytest.approx(4000 + 3000)


def test_a_push_is_encoded_and_a_pull_is_not():
    timeline = simulate(Async(), scenario(2, speeds=(100.0, 1.0), **FAR), steps=1, codec=BF16())
    # A push is 2000 bytes in 2 s, after 4000 + 2000 bytes through a memory of 1e6 bytes/s. Rank 1's first pull shares the
    # server's uplink with that of rank 0, which then trains for 100 s.
    assert timeline.virtual_seconds == pytest.approx((1 + 8 + 1 + 0.006 + 2.5) + (1 + 4 + 1 + 0.006 + 2.5))
    assert buckets(timeline, 1) == {"compute": 2, "latency": 3, "bandwidth": 8 + 2 + 4 + 2, "codec": 0.012}


def test_part_of_the_parameters_is_pulled_and_a_push_may_travel_as_it_is():
    part = Layout.plain(P).parts(4)[0]

    @dataclass(frozen=True)
    class Quarter(Async):
        def run(self, replicas):
            while True:
                assert (yield Pull(part=part)).shape == (1, P // 4)
                yield Train(1)
                yield Push(part.of(replicas.params), part, encoded=False)

        def server(self, number, params):
            while True:
                yield Receive(params)

    timeline = simulate(Quarter(), scenario(2, speeds=(100.0, 1.0)), steps=1, codec=BF16())
    # A quarter of 4000 bytes each way, twice, and no time to encode it. At first rank 0 pulls its quarter by the same uplink.
    assert timeline.virtual_seconds == pytest.approx((2 + 1 + 1) + (1 + 1 + 1))
    assert timeline.sent.tolist() == pytest.approx([3000, 2000])


def test_an_arrival_tells_which_server_it_is_from():
    told = []

    class Telling(Relayed):
        def server(self, number, params):
            while True:
                arrival = yield Receive(params)
                told.append((number, arrival.sender, arrival.server, arrival.steps))
                if number == 1:
                    yield Push(arrival.payload, server=0)

    simulate(Telling(), scenario(2, speeds=(1.0, 40.0)), steps=1)
    # The first push of rank 0 is there at 5 s and is passed on, for the first second alone on rank 0's uplink: with the second
    # push, which begins at 6 s, it has half of it until it is there at 12 s. The second is there at 13 s.
    assert told == [(1, 0, None, 1), (0, 3, 1, 1), (1, 0, None, 1)]


def test_what_is_encoded_when_the_run_ends_is_lost():
    # Rank 0 counts its second step at 20.012 s. Rank 1 has pulled at 5 s, trained until 20.009 and is still encoding.
    timeline = simulate(Async(), scenario(2, speeds=(10.0, 15.009), **APART), steps=1, codec=BF16())
    assert timeline.virtual_seconds == pytest.approx(20.012)
    assert buckets(timeline, 1) == {"latency": 1, "bandwidth": 4, "discarded": 15.012}


def test_who_drops_out_while_it_trains_begins_anew():
    churn = Scripted({1: [9.0, 2.0]})
    timeline = simulate(Async(), scenario(2, speeds=(1.0, 3.0), churn=churn), steps=2)
    # Both have pulled at 8 s. Rank 1 drops out at 9; it is up at 11 and has downloaded 8000 bytes at 19. Rank 0's pushes and
    # pulls each load the server's uplink, too: its second push, from 18 s on, shares it with rank 1's pull until 25, its third
    # pull until that is there at 27. Rank 0 has pulled at 30. Rank 1 trains until 30, pushes alone until 31, beside rank 0's
    # third push until 37, and pulls beside the rest of that until 39: after 13, 25 and 37 s the fourth step.
    assert timeline.virtual_seconds == pytest.approx(39)
    np.testing.assert_allclose(timeline.round_end, [25, 39])
    assert buckets(timeline, 1) == {"bandwidth": 8 + 8 + 7 + 2, "discarded": 1, "down": 2, "recovering": 8, "compute": 3}
    assert timeline.drops == 1
    alone = [("TAKEN", 0), ("DONE", 0)]
    begins = [*alone, ("DROP", 0), ("JOIN", 0), *alone, ("DONE", 1), ("DONE", 2), ("TAKEN", 3)]
    assert events(timeline, 1) == begins
    assert timeline.received[1] == pytest.approx(4000 + 8000 + 4000 + 1000)
    # The step that was lost is in no round.
    assert follow(timeline.schedule, Async(), replicas(2)) == timeline.round_steps.tolist()


def test_who_drops_out_while_it_pushes_has_pushed_nothing():
    timeline = simulate(Async(), scenario(2, speeds=(1.0, 3.0), churn=Scripted({1: [13.0]})), steps=1)
    # Both have pulled at 8 s. Rank 0 pushes from 9 s on, rank 1 from 11, and they share the server's downlink: at 13 s, 1000
    # bytes of rank 1's have gone. Rank 0's other 1000 are there at 14; then it needs 4 + 1 + 4 s for its second step.
    assert timeline.virtual_seconds == pytest.approx(23)
    assert buckets(timeline, 1) == {"bandwidth": 8, "discarded": 3 + 2, "down": 10}
    assert timeline.sent[1] == pytest.approx(1000)
    assert timeline.counted_steps == 2
    assert ("DONE", 2) not in events(timeline, 1)


def test_what_ends_at_the_second_of_a_drop_is_over():
    timeline = simulate(Async(), scenario(2, speeds=(1.0, 3.0), churn=Scripted({1: [19.0]})), steps=2)
    # Both have pulled at 8 s. Rank 0 pushes from 9 s on, rank 1 from 11, beside it until 15 and beside rank 0's second pull
    # until 19: there its push is over, and its next pull begins.
    assert events(timeline, 1) == [("TAKEN", 0), ("DONE", 0), ("DONE", 1), ("DONE", 2), ("TAKEN", 3), ("DROP", 0)]
    # Rank 0's pull is there at 21 s, its push at 26; 9 s later its next step is the fourth.
    assert timeline.virtual_seconds == pytest.approx(35)
    assert buckets(timeline, 1) == {"compute": 3, "bandwidth": 8 + 8, "down": 16}


@dataclass(frozen=True)
class Asleep(Scripted):
    """Workers of a script who begin down."""

    def presence(self, seed, region):
        presence = super().presence(seed, region)
        presence.up[list(self.lengths)] = False
        return presence


def test_who_is_not_there_at_first_is_told_before_all_else():
    timeline = simulate(Async(), scenario(2, speeds=(1.0, 9.0), churn=Asleep({1: [2.0]})), steps=1)
    # Rank 0 has pulled at 4 s and pushed at 9, and pulls again. Rank 1 is up at 2 s and has its state at 10: it pulls beside
    # rank 0 until 16, and alone until 17. It is not needed: rank 0's second push is there at 21.
    assert events(timeline)[0] == ("DROP", 1, 0)
    assert timeline.virtual_seconds == pytest.approx(21)
    assert buckets(timeline, 1) == {"down": 2, "recovering": 8, "bandwidth": 7, "discarded": 4}
    assert timeline.drops == 0


@dataclass(frozen=True)
class Own(Algorithm):
    """One program of a worker, by script, with a server at the host of rank 0."""

    script: tuple = ()
    lockstep = "none"

    def servers(self, workers):
        return (0,)

    def run(self, replicas):
        while True:
            for word in self.script:
                yield word(replicas.params) if callable(word) else word
            yield Push(replicas.params)

    def server(self, number, params):
        while True:
            yield Receive(params)


def test_an_average_takes_both_ways_at_once():
    timeline = simulate(Pairs(peer=1), scenario(2, **FAR), steps=4)
    # Rank 0 computes a second, averages until 5.5 s, computes until 6.5; rank 1 just goes on. A step counts when it is done:
    # 1 + 6 at 6 s, the eighth at 6.5 s.
    assert timeline.virtual_seconds == pytest.approx(6.5)
    assert buckets(timeline, 0) == {"compute": 2, "latency": 0.5, "bandwidth": 4}
    assert buckets(timeline, 1) == {"compute": 6, "discarded": 0.5}
    np.testing.assert_allclose(timeline.sent, 4000)
    np.testing.assert_allclose(timeline.received, 4000)
    assert timeline.staleness == timeline.staleness_max == 0


def test_two_averages_share_the_links():
    timeline = simulate(Pairs(), scenario(2), steps=2)
    # Both send their own and the other's average: two transfers on each link, 8 s.
    assert timeline.virtual_seconds == pytest.approx(1 + 8 + 1)
    assert buckets(timeline, 1) == {"compute": 2, "bandwidth": 8}


def test_an_average_is_over_when_both_have_the_others():
    @dataclass(frozen=True)
    class Crossed(Own):
        """Rank 0 averages with rank 1, to whose host all push."""

        def servers(self, workers):
            return (1,)

        def run(self, replicas):
            while True:
                yield Train(1)
                if replicas.rank == 0:
                    yield Average(1)
                yield Push(replicas.params)

    timeline = simulate(Crossed(), scenario(3, speeds=(1.0, 99.0, 1.0)), steps=1)
    # From 1 s on rank 0's parameters share the way in with rank 2's push: until 9 s, while rank 1's come in 4. Rank 0 pushes
    # from 9 s, beside rank 2 from 10 on, until 16; the rest of rank 2's second push goes alone until 17: three steps.
    assert timeline.virtual_seconds == pytest.approx(17)
    assert buckets(timeline, 0) == {"compute": 1, "bandwidth": 8 + 7, "discarded": 1}
    assert buckets(timeline, 2) == {"compute": 2, "bandwidth": 8 + 7}


def test_an_average_with_who_is_gone_is_nothing():
    timeline = simulate(Pairs(peer=1), scenario(2, churn=Scripted({1: [3.5]}), **FAR), steps=3)
    # In the air since 1 s, given up at 3.5; rank 0 computes until 4.5, has nobody to average with, and until 5.5.
    assert timeline.virtual_seconds == pytest.approx(5.5)
    assert buckets(timeline, 0) == {"compute": 3, "latency": 0.5, "bandwidth": 2}
    assert buckets(timeline, 1) == {"compute": 3, "discarded": 0.5, "down": 2}
    assert timeline.sent[0] == timeline.sent[1] == pytest.approx(2000)
    known = events(timeline)
    assert known[known.index(("DROP", 1, 0)) + 1] == ("DONE", 0, 1)


def test_servers_push_to_servers():
    timeline = simulate(Relayed(), scenario(2, speeds=(1.0, 4.0)), steps=2)
    # Rank 0's first push begins at 1 s and shares the way in with rank 1's from 4 s on; it is there at 6, and server 1 begins
    # to pass it on. Rank 0's second push, from 7 s on, shares the uplink with that until 13; rank 1's is there at 11. Server 1
    # passes on one at a time: rank 1's from 13 s on, beside the rest of rank 0's second until 15, alone until 16 and beside
    # rank 0's third until 20; then rank 0's second. Rank 1's second push, from 15 s on, is there at 22.
    assert timeline.round_end == pytest.approx([11, 22])
    assert events(timeline, 3) == [("DONE", 0), ("DONE", 1)]
    known = events(timeline)
    assert known.index(("DONE", 1, 1)) < known.index(("DONE", 3, 0)) < known.index(("DONE", 0, 3)) < known.index(("DONE", 3, 1))
    # Two pushes and 3000 bytes of rank 0's, and two and 1000 bytes of the server's.
    np.testing.assert_allclose(timeline.sent, [8000 + 3000 + 8000 + 1000, 8000])
    np.testing.assert_allclose(timeline.received, [8000 + 3000 + 8000, 8000 + 1000])


def test_servers_beside_each_other_send_by_their_lines():
    @dataclass(frozen=True)
    class AtOneHost(Relayed):
        def servers(self, workers):
            return 0, 0

    timeline = simulate(AtOneHost(), scenario(1), steps=2)
    # The first push is there at 5 s and is passed on by the same lines: alone for a second, beside the second push until 12.
    # That is there at 13.
    assert timeline.round_end == pytest.approx([5, 13])
    assert events(timeline, 2) == [("DONE", 0)]
    assert timeline.sent.tolist() == timeline.received.tolist() == pytest.approx([3 * 4000])


@pytest.mark.parametrize(("downlink", "seconds"), [(1000.0, 4), (500.0, 8), (4000.0, 4)])
def test_a_worker_beside_its_server_sends_by_its_lines(downlink, seconds):
    transport = Transport(message=0.1)
    timeline = simulate(Async(), scenario(1, downlink=downlink, transport=transport, **FAR), steps=2)
    # A request, its answer and a push, each 0.1 s for the message and a last mile both ways, at the slower line's pace.
    assert buckets(timeline, 0) == {"compute": 2, "latency": 2 * 3 * 0.6, "bandwidth": 2 * 2 * seconds}
    assert timeline.virtual_seconds == pytest.approx(2 * (1 + 3 * 0.6 + 2 * seconds))
    assert timeline.sent.tolist() == timeline.received.tolist() == pytest.approx([4 * 4000])


@pytest.mark.parametrize(
    ("links", "seconds"),
    [
        ({"uplink": np.inf, "downlink": np.inf}, 1),
        # Four share the server's uplink, and then its downlink.
        ({}, 16 + 1 + 16),
        (FAR, 1 + 16 + 1 + 0.5 + 16),
        # Each pushes by its own uplink of 250 bytes/s; together that is what the downlink carries.
        ({"uplink": 250.0}, 64 + 1 + 16),
    ],
    ids=["unlimited", "equal", "far", "slow uplinks"],
)
def test_equal_workers_push_in_turn_wherever_their_server_stands(links, seconds):
    timeline = simulate(Async(), scenario(4, **links), steps=3)
    # Each third operation is a push.
    assert [node for kind, node, number in events(timeline) if kind == "DONE" and number % 3 == 2] == [0, 1, 2, 3] * 3
    np.testing.assert_allclose(timeline.round_end, [seconds, 2 * seconds, 3 * seconds])
    np.testing.assert_allclose(timeline.ledger.seconds["compute"], 3)
    # All pull when all have pushed, at one second, and push at one second: each finds the pushes of the ranks before it.
    assert timeline.staleness == pytest.approx((0 + 1 + 2 + 3) / 4)
    assert timeline.staleness_max == 3


def test_at_one_second_the_lower_rank_comes_first():
    timeline = simulate(Async(), scenario(3, uplink=np.inf, downlink=np.inf), steps=2)
    assert [node for kind, node, number in timeline.schedule if kind == Kind.DONE and number == 2] == [0, 1, 2]
    again = simulate(Async(), scenario(3, uplink=np.inf, downlink=np.inf), steps=2)
    assert list(again.schedule) == list(timeline.schedule)
    assert again.schedule.digest() == timeline.schedule.digest()


def test_a_step_in_parts_takes_as_long_as_a_whole_one():
    first, last = Layout.plain(P).parts(2)
    whole = simulate(Own((Backward(),)), scenario(2, jitter=0.4), steps=5)
    parts = (Forward(first), Forward(last), Backward(last), Backward(first))
    cut = simulate(Own(parts), scenario(2, jitter=0.4), steps=5)
    assert cut.virtual_seconds == pytest.approx(whole.virtual_seconds)
    assert cut.counted_steps == whole.counted_steps
    # A third of a step goes forward, and half of it is of half of the columns: at 1/6, 1/3, 2/3 and 1.
    one = simulate(Own(parts), scenario(1, uplink=np.inf, downlink=np.inf), steps=1)
    assert [kind for kind, *_ in events(one)] == ["DONE"] * 5 + ["ROUND"]
    assert one.virtual_seconds == pytest.approx(1)


def test_the_split_decides_how_many_local_steps():
    world = scenario(2, speeds=(1.0, 3.0), split=TimeBudget(per_step=3.0), uplink=np.inf, downlink=np.inf)
    timeline = simulate(Async(steps=1), world, steps=6)
    # In 3 s rank 0 takes three steps, which are a round of two workers and half of one, and rank 1 the fourth.
    assert timeline.round_end == pytest.approx([3, 3, 6, 6, 9, 9])
    assert timeline.round_steps.tolist() == [1, 2, 3, 4, 5, 6]


def test_attacks_take_time_and_count_for_nothing():
    hostile = Hostile(np.array([False, True]), start=2)
    timeline = simulate(Pairs(peer=0), scenario(2, speeds=(1.0, 1.0), churn=Scripted({0: [0.5]})), steps=4, hostile=hostile)
    # Rank 1 is alone: a round is two of its steps. It is honest in the first two rounds, 4 steps, and no more in the others.
    assert timeline.virtual_seconds == pytest.approx(8)
    assert timeline.counted_steps == 4
    assert buckets(timeline, 1) == {"compute": 4, "discarded": 4}


def test_jitter_is_of_the_worker_and_its_step():
    # A worker's seconds do not depend on what others do: the same with a slow companion as with a fast one.
    ends = [
        simulate(Pairs(peer=0), scenario(2, speeds=(1.0, other), jitter=0.5, churn=Scripted({1: [0.1]})), steps=3)
        for other in (1.0, 5.0)
    ]
    assert ends[0].virtual_seconds == ends[1].virtual_seconds != 6


def test_the_virtual_clock_has_a_limit():
    with pytest.raises(VirtualTimeout, match="max_virtual = 10"):
        simulate(Async(), scenario(2), steps=100, limit=10.0)
    with pytest.raises(VirtualTimeout):
        simulate(Async(), scenario(2, churn=Scripted({0: [1.5], 1: [1.5]})), steps=100)


def test_progress_is_told():
    told = []
    world = scenario(2, uplink=np.inf, downlink=np.inf)
    simulate(Async(), world, steps=3, progress=told.append)
    assert told == [1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "rule", "reason"),
    [
        ({"participation": Quorum(0.5)}, None, "participation"),
        (
            {
                "failures": Failures(device_mttf=1.0, detection=1.0, restart=1.0, checkpoint=1.0),
                "churn": Scripted({0: [9.0]}),
            },
            None,
            "failures",
        ),
        ({"verification": 0.5}, None, "verification"),
        ({}, Median(), "aggregator"),
        ({"split": TimeBudget()}, None, "split"),
    ],
)
def test_what_it_knows_nothing_of_is_skipped(changes, rule, reason):
    with pytest.raises(SkipError, match=reason):
        simulate(Pairs(), scenario(2, **changes), steps=1, rule=rule)


def test_an_average_of_two_knows_no_codec():
    with pytest.raises(SkipError, match="two workers average their parameters as they are, and this codec"):
        simulate(Pairs(), scenario(2), steps=1, codec=BF16())


class Ends(Own):
    def run(self, replicas):
        yield Train(1)


class WaitsTwice(Own):
    def run(self, replicas):
        handle = yield Start(Pull())
        yield Wait(handle)
        yield Wait(handle)


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (Ends(), "must go on until it is closed"),
        (WaitsTwice(), "Wait must be given once a handle"),
        (Own((Wait(Handle()),)), "Wait must be given once a handle"),
        (Own((AllReduce,)), "the program of one worker must not yield"),
        (Own((Receive,)), "the program of one worker must not yield"),
        (Own((Start(Train(1)),)), "the program of one worker must not yield"),
        (Own((Pull(server=1),)), "server must be the number of another one, below 1, got 1"),
        (Own((Average(2),)), "peer must be another rank than the worker's own, below 2, got 2"),
        (Own((Average(0),)), "got 0"),
        (Own((Forward(), Train(1))), "a step must go forward"),
    ],
)
def test_what_makes_no_sense_is_an_error(algorithm, message):
    with pytest.raises(ValueError, match=message):
        simulate(algorithm, scenario(2), steps=2)
