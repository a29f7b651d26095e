"""When each worker did what: of every algorithm the same seconds as the ledger has, and by hand."""

from itertools import pairwise

import numpy as np
import pytest
from apart import Ahead, Async
from overlapped import DelayedDiLoCo
from test_algorithms import NAMES
from test_events_groups import Loose
from test_one_row import made
from worlds import Scripted, scenario, simulate

from bench.algorithm.ddp import DDP
from bench.algorithm.local_sgd import LocalSGD
from bench.churn import exponential
from bench.codec import BF16
from bench.errors import FarbenchError
from bench.failures import Failures
from bench.participation import Quorum
from bench.tape import Tape
from bench.timeline import BUCKETS
from bench.verification import Hostile

W, STEPS = 4, 9
FAILURES = Failures(device_mttf=20.0, detection=0.1, restart=0.4, checkpoint=0.05)
CHURN = Scripted({1: [7.3, 2.0], 3: [2.5, 1.0, 30.0, 2.0]})
WORLDS = {
    "always_on": {},
    "churn": {"churn": CHURN},
    "failures": {"failures": FAILURES},
    "hostile": {},
    "hostile_churn": {"churn": CHURN, "verification": 0.3},
}
SHORT = {"decoupled_diloco": {"sync_every": 8}}
SKIPPED = {
    "pipeline": {"churn", "hostile", "hostile_churn"},
    "swarm": {"hostile", "hostile_churn"},
    "fsdp": {"churn", "hostile_churn"},
}


def told(algorithm, world, steps, most=10**6, **more):
    return simulate(algorithm, world, steps, tape=Tape(workers=world.workers, most=most), **more)


def lines(algorithm, world, steps, **more):
    """Of each worker [(bucket, from, to)], to be compared."""
    of = told(algorithm, world, steps, **more).intervals.of
    return [[(bucket, pytest.approx(begin), pytest.approx(end)) for bucket, begin, end in line] for line in of]


def check(timeline):
    """Intervals follow each other from 0 to the end, and their sums are the ledger's."""
    whole = timeline.virtual_seconds
    for rank, line in enumerate(timeline.intervals.of):
        assert (line[0].begin, line[-1].end) == (0.0, whole)
        assert all(one.end == other.begin and one.bucket != other.bucket for one, other in pairwise(line))
        assert all(one.end > one.begin for one in line)
        for bucket in BUCKETS:
            seconds = sum(one.end - one.begin for one in line if one.bucket == bucket)
            assert seconds == pytest.approx(timeline.ledger.seconds[bucket][rank], rel=0, abs=1e-9 * whole), bucket


@pytest.mark.parametrize("name", NAMES)
def test_the_tape_of_every_algorithm_has_the_seconds_of_its_ledger(name):
    happened = dict.fromkeys(("drops", "failures"), 0)
    for what, changes in WORLDS.items():
        world = scenario(W, speeds=(1.0, 1.7), jitter=0.2, last_mile=0.01, **changes)
        bad = Hostile(np.arange(W) == 2, start=2) if "hostile" in what else None
        try:
            timeline = told(made(name, SHORT.get(name, {})), world, STEPS, hostile=bad, sequences=8)
        except FarbenchError as error:
            groups = made(name, SHORT.get(name, {})).lockstep in ("groups", "none")
            assert what in SKIPPED.get(name, ()) or (groups and "verification" in str(error)), (what, error)
            continue
        check(timeline)
        for count in happened:
            happened[count] += getattr(timeline, count)
    assert happened["failures"] > 0
    assert happened["drops"] > 0 or "churn" in SKIPPED.get(name, ())


@pytest.mark.parametrize("codec", [None, BF16()], ids=["plain", "bf16"])
def test_overlapped_work_under_churn_quorum_and_verification_has_the_seconds_of_the_ledger(codec):
    drops = 0
    for seed in range(4):
        changes = {"churn": exponential(up=20.0, down=5.0), "participation": Quorum(0.5), "verification": 0.3 * (seed % 2)}
        world = scenario(W, speeds=(1.0, 1.7, 4.0), jitter=0.3, seed=seed, **changes)
        bad = Hostile(np.arange(W) == 2, start=2) if seed % 2 else None
        for algorithm in (DelayedDiLoCo(sync_every=2), made("streaming_diloco", {}), DDP(buckets=3)):
            timeline = told(algorithm, world, 16, codec=codec, hostile=bad)
            check(timeline)
            drops += timeline.drops
    assert drops > 10


@pytest.mark.parametrize("codec", [None, BF16()], ids=["plain", "bf16"])
def test_both_simulators_tell_the_same_of_every_second(codec):
    for algorithm in (LocalSGD(sync_every=2), DelayedDiLoCo(sync_every=2), DDP(buckets=3)):
        for changes in ({"jitter": 0.3}, {"churn": Scripted({1: [33.0]})}, {"failures": FAILURES}):
            if "failures" in changes and isinstance(algorithm, DelayedDiLoCo):
                continue  # what is in the air goes on in one of them, and in the other stands still
            world = scenario(3, speeds=(1.0, 2.0), last_mile=0.1, **changes)
            one, other = (lines(played, world, 20, codec=codec) for played in (algorithm, Loose(algorithm)))
            assert [[part[0] for part in line] for line in one] == [[part[0] for part in line] for line in other]
            for line, same in zip(one, other, strict=True):
                for (_, begin, end), (_, from_, to) in zip(line, same, strict=True):
                    assert (begin, end) == (from_.expected, to.expected)


def test_two_workers_and_one_all_reduce_by_hand():
    # Three steps of 1 s and of 2 s: rank 0 waits from 3 to 6 s. A ring of two carries 4000 bytes at 1000 bytes/s: to 10 s.
    for algorithm in (LocalSGD(sync_every=3), Loose(LocalSGD(sync_every=3))):
        assert lines(algorithm, scenario(2, speeds=(1.0, 2.0)), 3) == [
            [("compute", 0, 3), ("straggler_wait", 3, 6), ("bandwidth", 6, 10)],
            [("compute", 0, 6), ("bandwidth", 6, 10)],
        ]


def test_what_is_computed_beside_a_reduction_lies_before_the_wait_for_it():
    # Rank 1 is ready at 2 s: the ring flies until 6 s. By then rank 0 has computed its next step from 1 to 2 s, and rank 1 from
    # 2 to 4. That step's ring flies from 6 to 10 s. Both steps are charged late, the second at 10 s.
    assert lines(DelayedDiLoCo(sync_every=1), scenario(2, speeds=[1, 2]), 2) == [
        [("compute", 0, 2), ("bandwidth", 2, 10)],
        [("compute", 0, 4), ("bandwidth", 4, 10)],
    ]


@pytest.mark.parametrize("wrapped", [False, True], ids=["all", "groups"])
def test_coding_lies_where_it_was_done(wrapped):
    # 4000 + 2000 bytes pass a memory of 1e6 bytes/s: 6 ms to encode, as much to decode; 2000 bytes fly for 2 s. The second step
    # is computed while the first is in the air, and encoded when that is decoded.
    algorithm = DelayedDiLoCo(sync_every=1)
    line = lines(Loose(algorithm) if wrapped else algorithm, scenario(2), 2, codec=BF16())[0]
    assert line == [
        ("compute", 0, 1),
        ("codec", 1, 1.006),
        ("compute", 1.006, 2.006),
        ("bandwidth", 2.006, 3.006),
        ("codec", 3.006, 3.018),
        ("bandwidth", 3.018, 5.018),
        ("codec", 5.018, 5.024),
    ]


def test_the_late_lose_their_last_segment_and_not_what_came_before():
    # Three of four send at 2 s. Rank 3 loses what it did by then; its second segment is late at 8 s, too: what it would have
    # computed until 20 s ends there, and it waits for the second ring, of four over 6 s.
    world = scenario(speeds=[1, 1, 1, 9], participation=Quorum(0.75))
    assert lines(DelayedDiLoCo(sync_every=2), world, 4)[3] == [("discarded", 0, 8), ("bandwidth", 8, 14)]


def test_a_step_that_is_done_again_lies_where_it_was_done_again():
    # As in test_overlap: rank 1 loses 1 s, computes its second step from 1 to 10 s, and the first one's again until 19 s.
    world = scenario(2, speeds=[1, 9], churn=Scripted({0: [3.0]}), participation=Quorum(0.5))
    assert lines(DelayedDiLoCo(sync_every=1), world, 2) == [
        [("discarded", 0, 3), ("down", 3, 19)],
        [("discarded", 0, 1), ("compute", 1, 19)],
    ]


@pytest.mark.parametrize("wrapped", [False, True], ids=["all", "groups"])
def test_who_drops_out_in_the_air_loses_all_that_is_not_over(wrapped):
    # Three are ready at 1 s. Rank 2 is gone at 3 s, the others begin anew: 4 s. It is up at 5 s, and has no state by 7 s.
    algorithm = LocalSGD(sync_every=1)
    world = scenario(3, churn=Scripted({2: [3.0, 2.0]}))
    timeline = told(Loose(algorithm) if wrapped else algorithm, world, 1)
    assert [[tuple(one) for one in line] for line in timeline.intervals.of] == [
        *2 * [[("compute", 0, 1), ("discarded", 1, 3), ("bandwidth", 3, 7)]],
        [("discarded", 0, 3), ("down", 3, 5), ("recovering", 5, 7)],
    ]
    assert [tuple(mark) for mark in timeline.intervals.marks] == [("drop", 2, 3.0)]


def test_a_worker_that_comes_back_is_marked():
    # Gone at 3 s, up at 5, and with state at 13 s: it pulls at once, beside rank 0.
    marks = told(Async(), scenario(2, churn=Scripted({1: [3.0, 2.0]})), 2).intervals.marks
    assert [tuple(mark) for mark in marks] == [("drop", 1, 3.0), ("return", 1, 13.0)]


def test_a_push_beside_training_is_waited_for_after_it():
    # It leaves at 1 s and is there 4 s later; the step beside it is over at 2 s. What it sends leaves at 5 s; the step after
    # that, from 5 to 6 s, enters no model.
    assert lines(Ahead(), scenario(1), 2) == [
        [("compute", 0, 2), ("bandwidth", 2, 5), ("discarded", 5, 6), ("bandwidth", 6, 9)],
    ]


def test_bad_actors_are_shown_to_lose_what_they_compute():
    # Rank 1 attacks from the second of two steps on: 1 s of compute each, rings of 4 s.
    bad = Hostile(np.array([False, True]), start=1)
    for algorithm in (LocalSGD(sync_every=1), Loose(LocalSGD(sync_every=1))):
        assert lines(algorithm, scenario(2), 2, hostile=bad)[1] == [
            ("compute", 0, 1),
            ("bandwidth", 1, 5),
            ("discarded", 5, 6),
            ("bandwidth", 6, 10),
        ]


def test_a_run_of_which_nobody_asks_has_no_intervals():
    for algorithm in (LocalSGD(sync_every=1), Loose(LocalSGD(sync_every=1)), made("pipeline", {})):
        assert simulate(algorithm, scenario(4), 1, sequences=8).intervals is None


def test_a_tape_of_few_workers_has_the_first_of_all():
    world = scenario(4, speeds=(1.0, 2.0, 3.0, 4.0), churn=Scripted({3: [1.0]}))
    whole = told(LocalSGD(sync_every=2), world, 6).intervals
    first = simulate(LocalSGD(sync_every=2), world, 6, tape=Tape(workers=2)).intervals
    assert first.of == whole.of[:2]
    assert (len(whole.marks), first.marks) == (1, ())


@pytest.mark.parametrize("failures", [None, FAILURES], ids=["none", "failures"])
def test_a_tape_that_is_full_ends_where_all_is_known_of_all(failures):
    for algorithm in (LocalSGD(sync_every=1), Loose(LocalSGD(sync_every=1)), Async()):
        world = scenario(3, speeds=(1.0, 2.0), jitter=0.3, failures=failures)
        whole, cut = told(algorithm, world, 30).intervals, told(algorithm, world, 30, most=100).intervals
        assert 0 < cut.until < whole.until
        assert 80 <= sum(map(len, cut.of)) <= 140
        for line, all_of_it in zip(cut.of, whole.of, strict=True):
            assert line[-1].end == cut.until
            expected = [one for one in all_of_it if one.begin < cut.until]
            assert [one.bucket for one in line] == [one.bucket for one in expected]
            assert [one.begin for one in line] == pytest.approx([one.begin for one in expected])
        assert cut.marks == tuple(mark for mark in whole.marks if mark.at <= cut.until)


@pytest.mark.parametrize("name", ["workers", "most"])
def test_a_tape_needs_something_to_hold(name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
        Tape(**{name: 0})


@pytest.mark.parametrize("wrapped", [False, True], ids=["all", "groups"])
def test_a_result_is_decoded_before_the_next_step_is_computed(wrapped):
    # As above, without anything beside the air: 6 ms of decoding from 3.006 s on, then a step of 1 s, and 6 ms to encode.
    algorithm = LocalSGD(sync_every=1)
    line = lines(Loose(algorithm) if wrapped else algorithm, scenario(2), 2, codec=BF16())[0]
    assert line[2:6] == [
        ("bandwidth", 1.006, 3.006),
        ("codec", 3.006, 3.012),
        ("compute", 3.012, 4.012),
        ("codec", 4.012, 4.018),
    ]


def test_coding_that_was_cut_off_keeps_no_place():
    # Coding from 5 to 6 s was to come, but all work ended at 4 s: what is computed up to 7 s may lie there.
    tape = Tape(workers=1)
    tape.coding(0, 1.0, 5.0)
    tape.cut(0, 4.0)
    tape.ends("compute", 0, 1.5, 7.0)
    tape.fill("discarded", 0, 7.0)
    assert [tuple(one) for one in tape.told(7.0).of[0]] == [("discarded", 0, 5.5), ("compute", 5.5, 7)]
