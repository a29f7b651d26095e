"""What nodes saw, put together; by hand."""

import math

import numpy as np
import pytest

from bench.emulator.seen import Seen, disagree, measured, schedule_of
from bench.split import Effort


def entry(index, *, began=0.0, over=0.0, node=-1, word="all_reduce", steps=1, counted=(0, 1)):
    """An operation, as a rank reports it."""
    return {
        "word": word,
        "index": index,
        "node": node,
        "steps": steps,
        "ready": began,
        "began": began,
        "over": over,
        "counted": counted,
    }


def report(*operations, rounds=(), joined_at=None, late=0.0, paced=1.0):
    return {
        "operations": operations,
        "rounds": rounds,
        "joined_at": joined_at,
        "late_seconds": late,
        "paced_seconds": paced,
    }


def raw(nodes, **others):
    """What a hub reports of an emulation that began at second 1000."""
    load = {"busy": 0.5, "waited": None}
    return {"start": 1000.0, "nodes": nodes, "load": load, "sent": [1.0], "received": [2.0], "overruns": 3} | others


def test_an_operation_lasts_from_when_the_last_began_until_the_last_was_done():
    first = report(entry(0, began=1001.0, over=1004.0), rounds=[(1, 1005.0)])
    second = report(entry(0, began=1003.0, over=1003.5), rounds=[(1, 1004.5)])
    found = measured(raw({"0": first, "1": second}))
    assert found.seen == [Seen("all_reduce", 0, -1, 3.0, 4.0)]
    assert found.communication_seconds == 1.0
    assert found.seconds == 5.0  # when the last round ended


def test_operations_of_different_nodes_are_different_operations():
    one = report(entry(0, began=1000.0, over=1002.0, node=0, word="exchange"))
    other = report(entry(0, began=1001.0, over=1004.0, node=1, word="exchange"))
    found = measured(raw({"0": one, "1": other}))
    assert found.seen == [Seen("exchange", 0, 0, 0.0, 2.0), Seen("exchange", 0, 1, 1.0, 4.0)]
    assert found.communication_seconds == 5.0  # 2 s, and 3 s
    assert found.seconds == 4.0  # an operation left in the air ends after the rounds


def test_operations_are_in_the_order_in_which_they_began():
    only = report(entry(0, began=1002.0, over=1003.0), entry(1, began=1001.0, over=1001.5), entry(2, began=1001.0, over=1005.0))
    assert [one.index for one in measured(raw({"0": only})).seen] == [1, 2, 0]


def test_the_worst_worker_is_told_of():
    over = [(1, 1001.0)]
    found = measured(raw({"0": report(late=0.1, paced=5.0, rounds=over), "1": report(late=0.3, paced=4.0, rounds=over)}))
    assert (found.late_seconds, found.compute_seconds) == (0.3, 5.0)
    assert (found.sent, found.received, found.busy, found.overruns) == ([1.0], [2.0], 0.5, 3)


@pytest.mark.parametrize(("told", "is_nan"), [(None, True), (0.25, False)])
def test_waiting_is_unknown_where_the_kernel_does_not_tell(told, is_nan):
    only = report(rounds=[(1, 1001.0)])
    found = measured(raw({"0": only}, load={"busy": 0.5, "waited": told}))
    assert math.isnan(found.waited) if is_nan else found.waited == told


def seen_by(schedule):
    """Steps, who counted, and who joined, of each reduction."""
    entries = [schedule[index] for index in range(len(schedule))]
    return [(one.steps, np.flatnonzero(one.counted).tolist(), np.flatnonzero(one.joined).tolist()) for one in entries]


def test_a_schedule_has_who_counted():
    # Worker 2 was killed in reduction 1: the others did it again without it, and it reports nothing.
    entries = [entry(0, steps=4, counted=(0, 1, 2)), entry(1, steps=3, counted=(0, 1))]
    schedule = schedule_of(raw({"0": report(*entries), "1": report(*entries)}), 3, Effort())
    assert seen_by(schedule) == [(4, [0, 1, 2], []), (3, [0, 1], [])]
    assert schedule.total_steps == 7


def test_a_schedule_has_who_joined():
    # Worker 1 comes back before the steps of reduction 2, and reports that and those after it only.
    stayed = [entry(0), entry(1, counted=(0,)), entry(2), entry(3)]
    came = [entry(2), entry(3)]
    schedule = schedule_of(raw({"0": report(*stayed), "1": report(*came, joined_at=2)}), 2, Effort())
    assert seen_by(schedule) == [(1, [0, 1], []), (1, [0], []), (1, [0, 1], [1]), (1, [0, 1], [])]


def test_who_came_back_and_was_lost_in_the_first_reduction_joins_when_it_counts():
    stayed = [entry(0), entry(1, counted=(0,)), entry(2)]
    schedule = schedule_of(raw({"0": report(*stayed), "1": report(entry(2), joined_at=1)}), 2, Effort())
    assert seen_by(schedule)[1:] == [(1, [0], []), (1, [0, 1], [1])]


def test_a_schedule_is_in_the_order_of_reductions_whoever_reports_first():
    late, early = report(entry(1, steps=2), joined_at=1), report(entry(0, steps=5, counted=(1,)), entry(1, steps=2))
    schedule = schedule_of(raw({"0": late, "1": early}), 2, Effort())
    assert seen_by(schedule) == [(5, [1], []), (2, [0, 1], [0])]


def test_workers_that_saw_different_payloads_disagree():
    def report(*counted):
        return {"operations": [{"index": index, "counted": ranks} for index, ranks in enumerate(counted)]}

    assert not disagree({"nodes": {0: report((0, 1), (0,)), 1: report((0, 1))}})
    assert disagree({"nodes": {0: report((0, 1), (0,)), 1: report((0, 1), (0, 1))}})
