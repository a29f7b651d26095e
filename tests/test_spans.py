"""When each operation began and was over, by hand: links of 1000 bytes/s, a payload of 4000 bytes."""

import pytest
from apart import Ahead, Async, Grouped, Neighbours, Pairs, Relayed
from test_events_groups import InParts, Loose
from worlds import Scripted, scenario, simulate

from bench.algorithm import Algorithm, AllReduce, Start, Train, Wait
from bench.algorithm.ddp import DDP
from bench.algorithm.local_sgd import LocalSGD
from bench.algorithm.overlapped_diloco import OverlappedDiLoCo
from bench.codec import BF16
from bench.failures import Failures

FAR = {"uplink": float("inf"), "downlink": float("inf"), "last_mile": 0.25}  # half a second from host to host


def spans(algorithm, world, steps, **more):
    """The spans of a run, as (word, index, node, wire bytes, seconds from, seconds to)."""
    found = simulate(algorithm, world, steps, spans=True, **more).spans
    return [(one.word, one.index, one.node, one.wire_bytes, pytest.approx(one.began), pytest.approx(one.over)) for one in found]


def test_spans_are_there_only_where_they_are_asked_for():
    for algorithm in (LocalSGD(sync_every=3), Neighbours(), Async()):
        assert simulate(algorithm, scenario(2), 6).spans == ()
        assert len(simulate(algorithm, scenario(2), 6, spans=True).spans) >= 2


@pytest.mark.parametrize("wrapped", [False, True], ids=["all", "groups"])
def test_a_reduction_begins_when_the_last_worker_is_ready(wrapped):
    # Three steps of 1 and 2 s: all are ready at 6 s, and a ring of two takes 4 s. The next three are done at 16 s.
    algorithm = LocalSGD(sync_every=3)
    assert spans(Loose(algorithm) if wrapped else algorithm, scenario(2, speeds=(1.0, 2.0)), 6) == [
        ("all_reduce", 0, -1, 4000, 6, 10),
        ("all_reduce", 1, -1, 4000, 16, 20),
    ]


@pytest.mark.parametrize("wrapped", [False, True], ids=["all", "groups"])
def test_a_reduction_behind_another_begins_when_that_is_over(wrapped):
    # Forward takes 1/3 s, each half of backward as long: 2000 bytes are ready at 2/3 s and on their way for 2 s, so that the
    # other half, ready at 1 s, waits until then.
    algorithm = DDP(buckets=2)
    assert spans(Loose(algorithm) if wrapped else algorithm, scenario(2), 1) == [
        ("all_reduce", 0, -1, 2000, 2 / 3, 8 / 3),
        ("all_reduce", 1, -1, 2000, 8 / 3, 14 / 3),
    ]


class Reversed(Algorithm):
    """Waits for the second of two before the first."""

    def run(self, replicas):
        while True:
            yield Train(1)
            first = yield Start(AllReduce(replicas.params))
            yield Train(1)
            second = yield Start(AllReduce(replicas.params[:, :500]))
            yield Wait(second)
            yield Wait(first)


def test_spans_are_in_the_order_of_the_schedule():
    # The first is over at 1 + 4 s; the second, of half the bytes, 2 s later.
    for algorithm in (Reversed(), Loose(Reversed())):
        assert spans(algorithm, scenario(2), 2) == [
            ("all_reduce", 0, -1, 4000, 1, 5),
            ("all_reduce", 1, -1, 2000, 5, 7),
        ]


def test_what_nobody_waits_for_has_a_span_too():
    # The last round's average is left in the air: it is over 4 s after its start.
    algorithm = OverlappedDiLoCo(sync_every=9, eager=False, outer_lr=0.7, outer_momentum=0.0)
    assert spans(algorithm, scenario(2), 18) == [
        ("all_reduce", 0, -1, 4000, 9, 13),
        ("all_reduce", 1, -1, 4000, 18, 22),
    ]


def test_halves_of_an_all_reduce_have_their_own_words():
    # Half a model is 2000 bytes, in the ring of two 2 s all-reduced, and 1 s scattered or gathered. Backward is done at 1 s.
    assert spans(InParts(), scenario(2), 1) == [
        ("all_reduce", 0, -1, 2000, 2 / 3, 8 / 3),
        ("reduce_scatter", 1, -1, 2000, 8 / 3, 11 / 3),
        ("all_gather", 2, -1, 2000, 11 / 3, 14 / 3),
    ]


def test_coding_is_no_part_of_a_span_and_bytes_are_those_on_the_wire():
    # 4000 + 2000 bytes go through a memory of 1e6 bytes/s, then 2000 bytes over the ring in 2 s; decoding comes after that.
    for algorithm in (LocalSGD(sync_every=1), Loose(LocalSGD(sync_every=1))):
        assert spans(algorithm, scenario(2), 1, codec=BF16()) == [("all_reduce", 0, -1, 2000, 1.006, 3.006)]


@pytest.mark.parametrize("wrapped", [False, True], ids=["all", "groups"])
def test_a_reduction_that_is_begun_anew_began_at_first(wrapped):
    # Three are ready at 1 s. At 3 s one drops out, and the other two begin anew: 4 s.
    algorithm = LocalSGD(sync_every=1)
    world = scenario(3, churn=Scripted({2: [3.0]}))
    assert spans(Loose(algorithm) if wrapped else algorithm, world, 1) == [("all_reduce", 0, -1, 4000, 1, 7)]


def test_each_group_has_a_span_named_by_its_smallest_rank():
    # Pairs (0, 1) and (2, 3), then (0, 2) and (1, 3). Steps of 1, 1, 2 and 2 s: the first pairs meet at 1 and 2 s, for 4 s; the
    # next at 6 + 2 s.
    algorithm = Grouped(((7, 7, 3, 3), (1, 0, 1, 0)))
    assert spans(algorithm, scenario(4, speeds=(1.0, 1.0, 2.0, 2.0)), 2) == [
        ("all_reduce", 0, 0, 4000, 1, 5),
        ("all_reduce", 0, 2, 4000, 2, 6),
        ("all_reduce", 1, 0, 4000, 8, 12),
        ("all_reduce", 1, 1, 4000, 8, 12),
    ]


def test_a_worker_that_meets_nobody_has_no_span():
    assert spans(Grouped(((0, 0, 1),)), scenario(3), 1) == [("all_reduce", 0, 0, 4000, 1, 5)]
    assert spans(LocalSGD(sync_every=1), scenario(1), 1) == []
    assert spans(Neighbours(), scenario(1), 1) == []


def test_an_exchange_is_each_workers_own():
    # Rank 0 comes at 1 s, rank 1 at 2 s, and what each sends is 4 s on its way. Rank 0 goes on at 6, rank 1 at 5 s.
    assert spans(Neighbours(), scenario(2, speeds=(1.0, 2.0)), 1) == [
        ("exchange", 0, 0, 4000, 1, 6),
        ("exchange", 0, 1, 4000, 2, 5),
    ]
    # Where both take long enough, rank 1 finds all there: rank 0's payload came at 5 s.
    assert spans(Neighbours(), scenario(2, speeds=(1.0, 6.0)), 1) == [
        ("exchange", 0, 0, 4000, 1, 10),
        ("exchange", 0, 1, 4000, 6, 6),
    ]


def test_pulls_and_pushes_begin_when_they_are_asked_for():
    # Half a second there and half back, a step of 9 s, half a second for the push. Rank 1's second pull is not over.
    world = scenario(2, speeds=(9.0,), **FAR)
    found = spans(Async(), world, 1)
    assert [one for one in found if one[2] == 1] == [("pull", 0, 1, 4000, 0, 1), ("push", 2, 1, 4000, 10, 10.5)]


def test_a_push_beside_training_goes_on_meanwhile():
    # It leaves at 1 s and is there 4 s later, while the next step is over at 2 s; the second leaves at 5 s.
    assert spans(Ahead(), scenario(1), 2) == [("push", 1, 0, 4000, 1, 5), ("push", 3, 0, 4000, 5, 9)]


def test_a_push_begins_when_it_is_encoded():
    # The pull of 4000 bytes takes 4 s, the step one more, coding 6 ms, and 2000 bytes 2 s.
    assert spans(Async(), scenario(1), 1, codec=BF16()) == [("pull", 0, 0, 4000, 0, 4), ("push", 2, 0, 2000, 5.006, 7.006)]


def test_what_a_server_sends_is_the_servers():
    # Rank 0's push is at server 1, beside rank 0, after 1 + 4 s; this one's to server 0, beside rank 1, takes 4 s, while rank
    # 0 trains for a second and sends again, on the same line: both at half the rate from 6 s on.
    found = spans(Relayed(), scenario(2, speeds=(1.0, 99.0)), 2)
    assert found[0] == ("push", 0, 2 + 1, 4000, 5, 6 + 3 * 2)
    assert ("push", 1, 0, 4000, 1, 5) in found


def test_an_average_is_of_the_worker_that_asks():
    # Rank 0 asks rank 1 at 1 s, and both are sent 4000 bytes; rank 1 averages with nobody.
    found = spans(Pairs(peer=1), scenario(2, speeds=(1.0, 9.0)), 1)
    assert found[0] == ("average", 1, 0, 4000, 1, 5)
    assert {one[2] for one in found} == {0}


def test_an_average_of_which_nothing_comes_has_no_span():
    # Rank 1 is gone at 3 s, in the middle of the first; it is not there for those that follow.
    assert spans(Pairs(peer=1), scenario(2, churn=Scripted({1: [3.0]}), speeds=(1.0, 9.0)), 3) == []


@pytest.mark.parametrize("algorithm", [LocalSGD(sync_every=3), DDP(buckets=3)], ids=["local_sgd", "ddp"])
def test_both_simulators_say_the_same_where_all_meet_all_and_where_a_cluster_fails(algorithm):
    failures = Failures(device_mttf=100.0, detection=1.0, restart=4.0, checkpoint=0.5)
    for changes in ({"speeds": (1.0, 3.0), "jitter": 0.3, "last_mile": 0.1}, {"failures": failures}):
        together, apart = (simulate(one, scenario(**changes), 60, spans=True) for one in (algorithm, Loose(algorithm)))
        assert [(one.word, one.index, one.node, one.wire_bytes) for one in together.spans] == [
            (one.word, one.index, one.node, one.wire_bytes) for one in apart.spans
        ]
        for one, other in zip(together.spans, apart.spans, strict=True):
            assert (one.began, one.over) == pytest.approx((other.began, other.over))
        assert together.spans[-1].over <= together.virtual_seconds
        assert (together.failures > 0) is ("failures" in changes)
