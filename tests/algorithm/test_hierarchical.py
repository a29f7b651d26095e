"""Islands against a plain loop over modules, and their two limits: one island is DDP, islands of one are DiLoCo."""

import pytest
import torch
from fleet import STEPS, Fleet, distance, schedule, trained

from bench.algorithm import AllReduce, Backward
from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.algorithm.hierarchical import Hierarchical
from bench.errors import SkipError
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Replicas

OUTER = {"outer_lr": 0.7, "outer_momentum": 0.9}


def rounds(workers, every, **changes):
    return schedule(workers, [1] * every + [0], STEPS // every, **changes)


def plain(islands, every, away=()):
    """`islands`, lists of ranks, with torch.optim.SGD(nesterov=True) as the outer optimizer; `away` lists (round, rank)."""
    workers = sum(map(len, islands))
    fleet = Fleet(workers)
    outer = torch.nn.Parameter(fleet.modules[0].flat())
    outer_optimizer = torch.optim.SGD([outer], lr=0.7, momentum=0.9, nesterov=True)
    for round_, first in enumerate(range(0, STEPS, every)):
        there = [rank for rank in range(workers) if (round_, rank) not in away]
        for island in islands:
            for rank in island:
                stayed = [other for other in island if other in there and (round_ - 1, other) not in away]
                if rank in there and (round_ - 1, rank) in away:
                    fleet.copy(stayed[0], rank)
        for step in range(first, first + every):
            for island in islands:
                present = [rank for rank in island if rank in there]
                mean = sum(fleet.gradient(rank, step) for rank in present) / len(present)
                for rank in present:
                    fleet.step(rank, step, mean)
        outer.grad = torch.stack([outer.detach() - fleet.modules[rank].flat() for rank in there]).mean(0)
        outer_optimizer.step()
        fleet.load(outer.detach().expand(workers, -1))
    return outer.detach()


@pytest.mark.parametrize("workers, islands", [(4, [[0, 1], [2, 3]]), (5, [[0, 1, 2], [3, 4]])])
def test_it_is_a_plain_loop_of_two_loops(workers, islands):
    ours = trained(Hierarchical(islands=2, sync_every=5, **OUTER), rounds(workers, 5))
    assert distance(ours.replicas.params, plain(islands, 5)) <= 1e-5


def test_who_is_away_is_left_out_and_returns_as_a_copy_of_its_island():
    away = {(1, 2), (2, 0)}  # 2 is as near to 1, of another island, as to 3
    ours = trained(Hierarchical(islands=2, sync_every=5, **OUTER), rounds(4, 5, away=away))
    assert distance(ours.replicas.params, plain([[0, 1], [2, 3]], 5, away)) <= 1e-5


def test_with_one_island_and_a_plain_outer_step_it_is_ddp():
    # anchor - 1 (anchor - params) is params.
    ours = trained(Hierarchical(islands=1, sync_every=4, outer_lr=1.0, outer_momentum=0.0), rounds(4, 4))
    ddp = trained(DDP(), schedule(4, [1], STEPS))
    assert distance(ours.replicas.params, ddp.replicas.params) <= 1e-5


def test_with_islands_of_one_worker_it_is_diloco():
    ours = trained(Hierarchical(islands=4, sync_every=5, **OUTER), rounds(4, 5))
    diloco = trained(DiLoCo(sync_every=5, **OUTER), schedule(4, [5], 4))
    assert distance(ours.replicas.params, diloco.replicas.params) <= 1e-5


@pytest.mark.parametrize("workers, sizes", [(6, [3, 3]), (5, [3, 2]), (2, [1, 1])])
def test_shadows_yield_the_same_operations_with_islands_of_consecutive_ranks(workers, sizes):
    def words(device):
        params = torch.ones(workers, 4, device=device)
        replicas = Replicas(params, SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=1))
        program, answer, found = Hierarchical(islands=2, sync_every=2, **OUTER).run(replicas), None, []
        for _ in range(10):
            operation = program.send(answer)
            if isinstance(operation, Backward):
                answer = torch.ones(workers, 4, device=device)
                found.append("backward")
            else:
                assert isinstance(operation, AllReduce)
                answer = operation.payload if operation.groups is not None else operation.payload[:1]
                found.append((tuple(operation.payload.shape), None if operation.groups is None else operation.groups.tolist()))
        return found

    real = words("cpu")
    assert real == words("meta")
    inside = ((workers, 4), [0] * sizes[0] + [1] * sizes[1])
    assert real[:5] == ["backward", inside, "backward", inside, ((workers, 4), None)]


def test_settings_are_checked():
    for name in ("islands", "sync_every"):
        with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
            Hierarchical(**({"islands": 1, "sync_every": 1} | OUTER | {name: 0}))
    with pytest.raises(ValueError, match="outer_lr must be above 0"):
        Hierarchical(islands=1, sync_every=1, outer_lr=0.0, outer_momentum=0.0)
    with pytest.raises(ValueError, match="outer_momentum must be in"):
        Hierarchical(islands=1, sync_every=1, outer_lr=1.0, outer_momentum=1.0)
    with pytest.raises(SkipError, match="5 islands need as many workers at least, and there are 4"):
        trained(Hierarchical(islands=5, sync_every=5, **OUTER), rounds(4, 5))
