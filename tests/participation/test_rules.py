"""When a reduction begins."""

import numpy as np
import pytest

from bench.participation import Deadline, Quorum, WaitForAll

INF = np.inf
READY = np.array([14.0, 11.0, INF, 13.0, INF, 12.0])  # of six that began, the third and the fifth drop out
KNOWN = np.array([14.0, 11.0, 10.5, 13.0, 20.0, 12.0])  # … at 10.5 and at 20 s


def test_waiting_for_all_waits_for_one_that_drops_out_until_it_does():
    assert WaitForAll().begin(READY, KNOWN, 10.0) == 20.0
    assert WaitForAll().begin(READY[:4], KNOWN[:4], 10.0) == 14.0


@pytest.mark.parametrize(("fraction", "begin"), [(0.01, 11.0), (0.5, 13.0), (0.6, 14.0), (1.0, 20.0)])
def test_a_quorum_is_of_those_who_began(fraction, begin):
    # Half of 6 is the third to be ready; 0.6 * 6 = 3.6 is the fourth; all 6 never come, which is known at 20 s.
    assert Quorum(fraction).begin(READY, KNOWN, 10.0) == begin


def test_a_quorum_is_not_raised_by_rounding():
    ready = np.arange(10.0)
    assert Quorum(0.7).begin(ready, ready, 0.0) == 6.0  # 0.7 * 10 is 7.000000000000001


@pytest.mark.parametrize(("after", "begin"), [(0.5, 11.0), (2.5, 12.5), (60.0, 20.0)])
def test_a_deadline_counts_from_the_start_and_waits_for_one(after, begin):
    assert Deadline(after).begin(READY, KNOWN, 10.0) == begin


@pytest.mark.parametrize("fraction", [0.0, 1.3, float("nan")])
def test_a_quorum_must_be_a_share(fraction):
    with pytest.raises(ValueError, match=r"fraction must be in \(0, 1\]"):
        Quorum(fraction)


def test_a_deadline_must_lie_ahead():
    with pytest.raises(ValueError, match="after must be above 0 s"):
        Deadline(0.0)
