"""One replica of many."""

import pytest
import torch

from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Layout, Part, Replicas


def many():
    rows = torch.arange(12.0).reshape(3, 4)  # (W, P)
    return Replicas(rows, SGD(lr=1.0, momentum=0.5), LearningRateSchedule(warmup=0, final=1.0, steps=9), Layout.plain(4))


def test_one_replica_is_a_row_of_all():
    replicas = many()
    one = replicas.one(1)
    assert (one.rank, one.workers, one.layout) == (1, 3, replicas.layout)
    assert one.params.tolist() == [[4, 5, 6, 7]]
    one.step(torch.ones(1, 4))
    one.step(torch.ones(1, 4))
    # Momentum 0.5: steps of 1 and of 1.5. The others have not moved, nor has their momentum.
    assert replicas.params.tolist() == [[0, 1, 2, 3], [1.5, 2.5, 3.5, 4.5], [8, 9, 10, 11]]
    [velocity] = replicas.state.values()
    assert velocity.tolist() == [[0] * 4, [1.5] * 4, [0] * 4]
    assert one.state_bytes == replicas.state_bytes


def test_one_replica_has_a_step_index_of_its_own():
    replicas = many()
    one, other = replicas.one(0), replicas.one(2)
    one.step_index = 7
    assert replicas.step_index == other.step_index == 0


def test_what_a_part_cuts_of_a_matrix_are_its_whole_rows_and_what_is_left_over():
    layout = Layout({"a": (4, 10), "b": (7,), "c": (2, 3, 5)})
    # Columns 7 to 35 of a: 3 of row 0, rows 1 and 2, 5 of row 3.
    assert [*layout.within(Part(((7, 35),))).shapes.values()] == [(3,), (2, 10), (5,)]
    assert [*layout.within(Part(((10, 43),))).shapes.values()] == [(3, 10), (3,)]
    assert [*layout.within(Part(((12, 17),))).shapes.values()] == [(5,)]
    assert [*layout.within(Part(((47, 63),))).shapes.values()] == [(1, 3, 5), (1,)]
    for count in range(1, 20):  # nothing is lost, wherever the cuts are
        assert sum(layout.within(part).columns for part in layout.parts(count)) == layout.columns


def test_a_row_whose_fellows_are_elsewhere_knows_its_rank_and_how_many_they_are():
    optimizer, schedule = SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=9)
    alone = Replicas(torch.zeros(1, 4), optimizer, schedule, rank=2, workers=3)
    assert (alone.rank, alone.workers, len(alone.params)) == (2, 3, 1)
    # Where nothing else is said, they are all here, and so they may be where one row stands for all of three.
    assert (many().rank, many().workers) == (0, 3)
    assert Replicas(torch.zeros(1, 4), optimizer, schedule, workers=3).workers == 3


@pytest.mark.parametrize(("rows", "rank", "workers"), [(1, 3, 3), (1, -1, 3), (2, 2, 3), (3, 0, 2)])
def test_rows_of_workers_that_are_not_in_the_run_are_refused(rows, rank, workers):
    optimizer, schedule = SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=9)
    with pytest.raises(ValueError, match=f"rank must be .* {rows} rows of {workers} workers, got {rank}"):
        Replicas(torch.zeros(rows, 4), optimizer, schedule, rank=rank, workers=workers)
