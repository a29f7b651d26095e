"""Moshpit against a plain loop over modules, and how fast averaging on a grid is exact."""

import pytest
import torch
from fleet import STEPS, Fleet, distance, group_means, schedule, trained

from bench.algorithm import AllReduce
from bench.algorithm.local_sgd import LocalSGD
from bench.algorithm.moshpit import Moshpit
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Replicas


def averaged(rows, rounds, dimensions):
    """`rows`, (W, P), after rounds of averaging without any training, by the program's own operations; and what these were."""
    replicas = Replicas(rows.clone(), SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=1))
    program, answer, found, left = Moshpit(sync_every=4, dimensions=dimensions, rounds=1).run(replicas), None, [], rounds
    while left:
        operation = program.send(answer)
        answer = None
        if isinstance(operation, AllReduce):
            found.append((tuple(operation.payload.shape), operation.payload.dtype, operation.groups.tolist()))
            answer = group_means(operation.payload, operation.groups)
            left -= 1
        else:
            found.append(operation)
    program.send(answer)
    return replicas.params, found


@pytest.mark.parametrize("side, dimensions", [(2, 1), (2, 2), (3, 2), (2, 3), (4, 2)])
def test_a_full_grid_is_at_the_exact_mean_after_as_many_rounds_as_dimensions(side, dimensions):
    rows = torch.randn(side**dimensions, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    after, _ = averaged(rows, dimensions, dimensions)
    torch.testing.assert_close(after, rows.mean(0).expand_as(rows), rtol=0, atol=1e-14)
    assert (averaged(rows, dimensions - 1, dimensions)[0] - rows.mean(0)).abs().max() > 1e-3


@pytest.mark.parametrize("workers", [1, 3, 5, 7, 11])
def test_on_a_grid_with_gaps_the_mean_stays_and_workers_come_near_it(workers):
    rows = torch.randn(workers, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    after, _ = averaged(rows, 40, 2)
    torch.testing.assert_close(after, rows.mean(0).expand_as(rows), rtol=0, atol=1e-6)


def test_it_is_a_plain_loop_that_averages_along_rows_then_columns():
    ours = trained(Moshpit(sync_every=2, dimensions=2, rounds=1), schedule(5, [2], STEPS // 2))
    fleet = Fleet(5)
    # A grid of 3 x 3 with five places taken:  0 1 2
    #                                          3 4
    rows, columns = [[0, 1, 2], [3, 4]], [[0, 3], [1, 4], [2]]
    for round_ in range(STEPS // 2):
        for rank in range(5):
            fleet.train(rank, round_ * 2, 2)
        now = fleet.rows()
        after = now.clone()
        for group in columns if round_ % 2 else rows:
            after[group] = now[group].mean(0)
        fleet.load(after)
    assert distance(ours.replicas.params, fleet.rows()) <= 1e-5


@pytest.mark.parametrize("dimensions, rounds", [(1, 1), (2, 2)])
def test_with_one_group_or_all_dimensions_each_time_it_is_local_sgd(dimensions, rounds):
    # One dimension has all in one group; two rounds on a full grid of 2 x 2 are the mean.
    ours = trained(Moshpit(sync_every=5, dimensions=dimensions, rounds=rounds), schedule(4, [5, 0][:rounds], 4))
    local_sgd = trained(LocalSGD(sync_every=5), schedule(4, [5], 4))
    assert distance(ours.replicas.params, local_sgd.replicas.params) <= (0 if rounds == 1 else 1e-5)


def test_rounds_go_on_where_the_last_averaging_stopped():
    # Two rounds of three dimensions each time: 0 1, 2 0, 1 2.
    replicas = Replicas(torch.ones(8, 2), SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=1))
    program, answer, seen = Moshpit(sync_every=1, dimensions=3, rounds=2).run(replicas), None, []
    while len(seen) < 6:
        operation = program.send(answer)
        answer = getattr(operation, "payload", None)
        if answer is not None:
            seen.append([rank for rank in range(8) if operation.groups[rank] == operation.groups[0]])
    along = {(0, 1): 0, (0, 2): 1, (0, 4): 2}
    assert [along[tuple(group)] for group in seen] == [0, 1, 2, 0, 1, 2]


def test_shadows_yield_the_same_operations():
    assert averaged(torch.ones(5, 4), 5, 2)[1] == averaged(torch.ones(5, 4, device="meta"), 5, 2)[1]


def test_settings_are_checked():
    for name in ("sync_every", "dimensions", "rounds"):
        with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
            Moshpit(**({"sync_every": 1, "dimensions": 1, "rounds": 1} | {name: 0}))
