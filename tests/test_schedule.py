"""Schedules: what the Simulator tells the Trainer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.schedule import Schedule

rounds = st.integers(1, 20).flatmap(
    lambda workers: st.lists(
        st.tuples(
            st.integers(0, 9),
            st.lists(st.booleans(), min_size=workers, max_size=workers),
            st.lists(st.booleans(), min_size=workers, max_size=workers),
        ),
        min_size=1,
        max_size=5,
    )
)


def of(entries):
    schedule = Schedule(len(entries[0][1]))
    for steps, counted, joined in entries:
        schedule.append(steps, np.array(counted), np.array(joined))
    return schedule


@given(rounds)
def test_rounds_come_back_as_they_went_in(entries):
    schedule = of(entries)
    assert len(schedule) == len(entries)
    for index, (steps, counted, joined) in enumerate(entries):
        assert schedule[index].steps == steps
        assert schedule[index].counted.tolist() == counted
        assert schedule[index].joined.tolist() == joined
    assert of(entries).digest() == schedule.digest()


@pytest.mark.parametrize(
    "other",
    [
        [(5, [True, True], [False, False])],
        [(4, [True, False], [False, False])],
        [(4, [True, True], [False, True])],
        [(4, [True, True, True], [False, False, False])],
        [(4, [True, True], [False, False])] * 2,
    ],
)
def test_another_schedule_has_another_digest(other):
    assert of(other).digest() != of([(4, [True, True], [False, False])]).digest()
