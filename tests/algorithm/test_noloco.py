"""NoLoCo against its update rule in a plain loop over modules, and its limits."""

import pytest
import torch
from fleet import STEPS, Fleet, distance, group_means, schedule, trained

from bench.algorithm import AllReduce, Train
from bench.algorithm.noloco import NoLoCo
from bench.graphs import random_groups
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Replicas

BETA, ALPHA, GAMMA = 0.7, 0.5, 0.6


def noloco(every, size=2, **changes):
    settings = {"outer_lr": BETA, "outer_momentum": ALPHA, "gossip_rate": GAMMA, "graph_seed": 0}
    return NoLoCo(sync_every=every, group_size=size, **(settings | changes))


def drawn(workers, size, round_):
    """The groups of an outer step, as lists of ranks; who is in which is chance, what they do is below."""
    groups = random_groups(workers, size, round_, 0)
    return [[rank for rank in range(workers) if groups[rank] == group] for group in sorted({*groups})]


def outer_step(fleet, slow, momentum, groups):
    """The rule of the authors' optimizer (sparse_optimizer_c.py), worker by worker; `slow` and `momentum` are lists of (P,)."""
    fast, before = fleet.rows(), [row.clone() for row in slow]
    for group in groups:
        change = sum(fast[j] - before[j] for j in group) / len(group)
        mean = sum(before[j] for j in group) / len(group)
        for i in group:
            momentum[i] = ALPHA * momentum[i] + BETA * change - GAMMA * (before[i] - mean)
            slow[i] = before[i] + momentum[i]
    fleet.load(slow)


@pytest.mark.parametrize("workers, size", [(2, 2), (5, 2), (6, 3)])
def test_it_is_a_plain_loop_with_the_authors_update_rule(workers, size):
    ours = trained(noloco(4, size), schedule(workers, [4, 0], STEPS // 4))
    fleet = Fleet(workers)
    slow, momentum = [*fleet.rows()], [torch.zeros(fleet.rows().shape[1])] * workers
    for round_ in range(STEPS // 4):
        for rank in range(workers):
            fleet.train(rank, round_ * 4, 4)
        outer_step(fleet, slow, momentum, [[0, 1]] if workers == 2 else drawn(workers, size, round_))
    assert distance(ours.replicas.params, fleet.rows()) <= 1e-5


def test_who_returns_has_all_of_the_state_of_the_one_it_met_last():
    away = {(1, 0), (1, 3), (2, 3)}
    ours = trained(noloco(5), schedule(5, [5, 0], 4, away=away))
    fleet = Fleet(5)
    slow, momentum = [*fleet.rows()], [torch.zeros(fleet.rows().shape[1])] * 5
    for round_ in range(4):
        there = [rank for rank in range(5) if (round_, rank) not in away]
        for rank in there:
            if (round_ - 1, rank) in away:
                (met,) = [group for group in drawn(5, 2, round_ - 1) if rank in group]
                others = [other for other in met if other in there and (round_ - 1, other) not in away]
                nearest = sorted(set(there) - {rank}, key=lambda other: abs(other - rank))
                source = (others or [other for other in nearest if (round_ - 1, other) not in away])[0]
                fleet.copy(source, rank)
                slow[rank], momentum[rank] = slow[source], momentum[source]
        for rank in there:
            fleet.train(rank, round_ * 5, 5)
        outer_step(fleet, slow, momentum, [[rank for rank in group if rank in there] for group in drawn(5, 2, round_)])
    assert distance(ours.replicas.params, fleet.rows()) <= 1e-5


def test_without_momentum_and_with_rates_of_one_pairs_average_their_parameters():
    # δ = mean(θ - φ) - (φ - mean φ), so that φ + δ = mean θ: two workers do local SGD.
    ours = trained(noloco(5, outer_lr=1.0, outer_momentum=0.0, gossip_rate=1.0), schedule(2, [5, 0], 4))
    fleet = Fleet(2)
    for round_ in range(4):
        for rank in range(2):
            fleet.train(rank, round_ * 5, 5)
        fleet.load(fleet.rows().mean(0).expand(2, -1))
    assert distance(ours.replicas.params, fleet.rows()) <= 1e-5


def played(algorithm, rows, outer_steps, learn=0.0):
    """`rows`, (W, P), after outer steps by the program's own operations, `learn` added by each Train; and what these were."""
    replicas = Replicas(rows.clone(), SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=1))
    program, answer, found = algorithm.run(replicas), None, []
    for _ in range(3 * outer_steps):
        operation = program.send(answer)
        if isinstance(operation, AllReduce):
            found.append((tuple(operation.payload.shape), operation.payload.dtype, operation.groups.tolist()))
            answer = group_means(operation.payload, operation.groups)
        else:
            assert isinstance(operation, Train)
            found.append(operation)
            replicas.params += learn
            answer = None
    program.send(answer)
    return replicas.params, found


def test_the_gossip_term_draws_replicas_together_and_leaves_their_mean():
    rows = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    after, _ = played(noloco(1), rows, 60)
    torch.testing.assert_close(after.mean(0), rows.mean(0), rtol=0, atol=1e-13)
    assert (after - rows.mean(0)).norm() <= 1e-3 * (rows - rows.mean(0)).norm()


def test_equal_replicas_that_learn_the_same_do_heavy_ball_steps():
    # δ_1 = β Δ, δ_2 = (α + 1) β Δ, δ_3 = (α^2 + α + 1) β Δ with Δ = 1: 0.7 (1 + 1.5 + 1.75) = 2.975.
    after, _ = played(noloco(1), torch.zeros(4, 3, dtype=torch.float64), 3, learn=1.0)
    torch.testing.assert_close(after, torch.full_like(after, 2.975))


def test_shadows_yield_the_same_operations():
    assert played(noloco(3), torch.ones(5, 4), 5)[1] == played(noloco(3), torch.ones(5, 4, device="meta"), 5)[1]


def test_it_repeats_bit_for_bit_and_other_pairs_learn_otherwise():
    first, second, other = (trained(noloco(5, graph_seed=seed), schedule(5, [5, 0], 4)) for seed in (0, 0, 1))
    assert torch.equal(first.replicas.params, second.replicas.params)
    assert not torch.equal(first.replicas.params, other.replicas.params)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"sync_every": 0}, "sync_every must be >= 1, got 0"),
        ({"group_size": 1}, "group_size must be >= 2, got 1"),
        ({"outer_lr": 0.0}, "outer_lr must be above 0 and finite, got 0"),
        ({"gossip_rate": -1.0}, "gossip_rate must be above 0 and finite, got -1"),
        ({"outer_momentum": 1.0}, "outer_momentum must be in \\[0, 1\\), got 1"),
    ],
)
def test_settings_are_checked(changes, message):
    settings = {"sync_every": 1, "group_size": 2, "outer_lr": 1.0, "outer_momentum": 0.0, "gossip_rate": 1.0, "graph_seed": 0}
    with pytest.raises(ValueError, match=message):
        NoLoCo(**(settings | changes))
