"""When a reduction begins."""

import numpy as np
import pytest

from bench.participation import Backup, Deadline, Lossy, Quorum, WaitForAll

READY = np.array([14.0, 11.0, 99.0, 13.0, 99.0, 12.0])  # of six that began, the third and the fifth drop out first
UNTIL = np.array([np.inf, 50.0, 10.5, np.inf, 20.0, np.inf])


def test_waiting_for_all_waits_for_one_that_drops_out_until_it_does():
    assert WaitForAll().begin(READY, UNTIL, 10.0) == 20.0
    assert WaitForAll().begin(READY[:4], UNTIL[:4], 10.0) == 14.0


@pytest.mark.parametrize(("fraction", "begin"), [(0.01, 11.0), (0.5, 13.0), (0.6, 14.0), (1.0, 20.0)])
def test_a_quorum_is_of_those_who_began(fraction, begin):
    # Half of 6 is the third to be ready; 0.6 * 6 = 3.6 is the fourth; all 6 never come, which is known at 20 s.
    assert Quorum(fraction).begin(READY, UNTIL, 10.0) == begin


def test_a_quorum_is_not_raised_by_rounding():
    # 0.7 * 10 is 7.000000000000001
    assert Quorum(0.7).begin(np.arange(10.0), np.full(10, np.inf), 0.0) == 6.0


def test_one_that_left_while_it_waited_is_not_of_the_quorum():
    # Ready at 1, 2, 4 and 6 s; the first leaves at 3 s. Three are there together only from 6 s on.
    ready, until = np.array([1.0, 2.0, 4.0, 6.0]), np.array([3.0, np.inf, np.inf, np.inf])
    assert Quorum(0.75).begin(ready, until, 0.0) == 6.0
    # Had it left only at 4 s, just as the third came: still two.
    assert Quorum(0.75).begin(ready, np.array([4.0, np.inf, np.inf, np.inf]), 0.0) == 6.0


@pytest.mark.parametrize(("after", "begin"), [(0.5, 11.0), (2.5, 12.5), (60.0, 20.0)])
def test_a_deadline_counts_from_the_start_and_waits_for_one(after, begin):
    assert Deadline(after).begin(READY, UNTIL, 10.0) == begin


def test_a_deadline_does_not_take_one_that_would_have_been_ready_for_one():
    # The first would be ready at 1 s but is gone at 0.4; the second comes at 3 s, long after the deadline.
    assert Deadline(0.5).begin(np.array([1.0, 3.0]), np.array([0.4, np.inf]), 0.0) == 3.0


@pytest.mark.parametrize(("workers", "begin"), [(0, 20.0), (2, 14.0), (3, 13.0), (5, 11.0), (9, 11.0)])
def test_all_but_the_backup_workers_are_waited_for(workers, begin):
    # Of six, four come: at 11, 12, 13 and 14 s. That the fifth never will is known at 20 s. At least one is waited for.
    assert Backup(workers).begin(READY, UNTIL, 10.0) == begin


def test_there_cannot_be_less_than_no_backup_workers():
    with pytest.raises(ValueError, match="workers must be >= 0, got -1"):
        Backup(-1)


def test_each_payload_is_lost_as_often_as_the_probability_says():
    ranks = np.arange(50_000)
    lost = 1 - Lossy(0.3).heard(0, ranks, 7).mean()
    assert abs(lost - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(ranks))
    assert not np.array_equal(Lossy(0.3).heard(0, ranks, 7), Lossy(0.3).heard(0, ranks, 8))
    np.testing.assert_array_equal(Lossy(0.3).heard(0, ranks, 7)[5:9], Lossy(0.3).heard(0, ranks[5:9], 7))
    assert Lossy(0.0).heard(0, ranks, 7).all()
    assert WaitForAll().heard(0, ranks, 7) is None


def test_one_payload_is_never_lost():
    assert all(Lossy(0.99).heard(0, np.arange(3), index).sum() >= 1 for index in range(200))


@pytest.mark.parametrize("fraction", [0.0, 1.3, float("nan")])
def test_a_quorum_must_be_a_share(fraction):
    with pytest.raises(ValueError, match=r"fraction must be in \(0, 1\]"):
        Quorum(fraction)


def test_a_deadline_must_lie_ahead():
    with pytest.raises(ValueError, match="after must be above 0 s"):
        Deadline(0.0)
