"""Schedules and orders: what a Simulator tells who trains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.schedule import Kind, Order, Recorder, Schedule
from bench.split import Effort

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


def test_who_does_how_much_is_part_of_the_digest():
    share = np.array([0.5, 1.5])
    efforts = [Effort(), Effort(batch=share), Effort(steps=share), Effort(batch=share[::-1])]
    assert len({Schedule(2, effort).digest() for effort in efforts}) == 4


def test_entries_of_the_same_steps_belong_together():
    schedule = of([(steps, [True], [False]) for steps in (0, 4, 0, 0, 2, 0)])
    assert [len(schedule.segment(index)) for index in range(6)] == [1, 3, 2, 1, 2, 1]


masks = st.lists(st.booleans(), min_size=3, max_size=3).map(np.array)
happenings = st.lists(st.tuples(st.integers(0, 4), masks, masks), min_size=1, max_size=6)


@given(happenings, st.randoms())
def test_reductions_may_end_in_any_order(entries, random):
    def recorded(order):
        recorder = Recorder(3, Effort())
        for steps, _, joined in entries:
            recorder.join(joined.nonzero()[0])
            recorder.begin(steps)
        for index in order:
            recorder.end(index, entries[index][1])
        return recorder.schedule

    order = list(range(len(entries)))
    expected = recorded(order)
    random.shuffle(order)
    assert recorded(order).digest() == expected.digest()
    # Who came back is noted where it counts for the first time since.
    waiting = np.zeros(3, bool)
    for index, (steps, counted, joined) in enumerate(entries):
        waiting |= joined
        assert expected[index].steps == steps
        assert expected[index].counted.tolist() == counted.tolist()
        assert expected[index].joined.tolist() == (waiting & counted).tolist()
        waiting &= ~counted


def test_who_comes_back_for_a_reduction_that_is_done_again_joins_in_it():
    recorder = Recorder(2, Effort())
    everybody, second = np.array([True, True]), np.array([False, True])
    first, later = recorder.begin(3), recorder.begin(2)
    recorder.join(second.nonzero()[0], first)
    recorder.end(later, everybody)
    recorder.end(first, second)
    assert [recorder.schedule[k].joined.tolist() for k in range(2)] == [[False, True], [False, False]]


happened = st.tuples(
    st.sampled_from([kind for kind in Kind if kind != Kind.ROUND]), st.integers(0, 2**20), st.integers(0, 2**40)
)


def ordered(events, **given):
    order = Order(3, **given)
    for event in events:
        order.append(*event)
    return order


@given(st.lists(happened))
def test_an_order_comes_back_as_it_went_in(events):
    order = ordered(events)
    assert list(order) == events
    assert len(order) == len(events)
    assert order.digest() == ordered(events).digest()
    assert order.steps == order.total_steps == 0


@given(st.lists(happened, min_size=1), st.data())
def test_orders_that_differ_are_named_differently(events, data):
    name = ordered(events).digest()
    place = data.draw(st.integers(0, len(events) - 1))
    kind, node, number = events[place]
    for other in ((kind, node + 1, number), (kind, node, number + 1), (Kind((kind + 1) % 4), node, number)):
        assert ordered([*events[:place], other, *events[place + 1 :]]).digest() != name
    assert ordered(events[:-1]).digest() != name
    assert ordered(events, effort=Effort(steps=np.ones(3))).digest() != name
    assert (
        ordered(events, effort=Effort(batch=np.ones(3))).digest() != ordered(events, effort=Effort(steps=np.ones(3))).digest()
    )


def test_an_order_is_as_long_as_its_last_round():
    order = ordered([(Kind.ROUND, 0, 2), (Kind.DONE, 1, 9), (Kind.ROUND, 0, 5)])
    assert order.steps == order.total_steps == 5
    assert of([(3, [True], [False]), (4, [True], [False])]).total_steps == 7
