"""Gossip against a plain loop over modules, and what mixing must do whatever is learned."""

import math

import numpy as np
import pytest
import torch
from fleet import STEPS, Fleet, distance, schedule, trained

from bench.algorithm import Exchange, Train
from bench.algorithm.ddp import DDP
from bench.algorithm.gossip import Gossip
from bench.graphs import GRAPHS
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Replicas

W = 5


def gossip(graph, every=1, overlap=False, seed=0):
    return Gossip(graph=graph, sync_every=every, overlap=overlap, graph_seed=seed)


def heard(graph, rank, round_):
    """Ranks that `rank` hears, itself among them, on the graphs whose weights are all equal."""
    return {
        "ring": [(rank - 1) % W, rank, (rank + 1) % W],
        "torus": [(rank - 1) % W, rank, (rank + 1) % W],  # 5 is prime: 1 x 5
        "exponential": [rank, (rank - 1) % W, (rank - 2) % W, (rank - 4) % W],
        "one_peer_exponential": [rank, (rank - [1, 2, 4][round_ % 3]) % W],
        "complete": range(W),
    }[graph]


@pytest.mark.parametrize("graph", sorted({*GRAPHS} - {"random_pairs"}))
@pytest.mark.parametrize("every", [1, 5])
def test_it_is_a_plain_loop_in_which_each_averages_with_its_neighbours(graph, every):
    ours = trained(gossip(graph, every), schedule(W, [every], STEPS // every))
    fleet = Fleet(W)
    for round_ in range(STEPS // every):
        for rank in range(W):
            fleet.train(rank, round_ * every, every)
        rows = fleet.rows()
        fleet.load([rows[list(heard(graph, rank, round_))].mean(0) for rank in range(W)])
    assert distance(ours.replicas.params, fleet.rows()) <= 1e-5


@pytest.mark.parametrize("graph", ["ring", "one_peer_exponential"])
def test_overlapped_it_is_the_paper_s_loop_that_steps_from_what_was_averaged(graph):
    # x_{k+1} = W x_k + what optimizers added to x_k; x_0 is the same for all, and so is W x_0.
    ours = trained(gossip(graph, 4, overlap=True), schedule(W, [4], STEPS // 4))
    fleet = Fleet(W)
    rows = fleet.rows()
    for round_ in range(STEPS // 4):
        for rank in range(W):
            fleet.train(rank, round_ * 4, 4)
        if round_:
            average = torch.stack([rows[list(heard(graph, rank, round_ - 1))].mean(0) for rank in range(W)])
            fleet.load(fleet.rows() - rows + average)
        rows = fleet.rows()
    # The last exchange is in the air when the run ends.
    assert distance(ours.replicas.params, rows) <= 1e-5


def test_on_a_complete_graph_with_plain_sgd_it_is_ddp():
    # The mean of p - lr g is p - lr times the mean of g.
    sgd = {"optimizer": SGD(lr=0.3, momentum=0.0)}
    ours = trained(gossip("complete"), schedule(W, [1], STEPS), **sgd)
    ddp = trained(DDP(), schedule(W, [1], STEPS), **sgd)
    assert distance(ours.replicas.params, ddp.replicas.params) <= 1e-5


def mixed(graph, rows, rounds):
    """`rows`, (W, P), after rounds of gossip without any training, by the program's own operations; and what they were."""
    replicas = Replicas(rows.clone(), SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=1))
    program, answer, found = gossip(graph, 3).run(replicas), None, []
    while len(found) < 2 * rounds:
        operation = program.send(answer)
        answer = None
        if isinstance(operation, Exchange):
            answer = torch.from_numpy(operation.weights).to(operation.payload) @ operation.payload
            found.append((tuple(operation.payload.shape), operation.payload.dtype, operation.weights.tobytes()))
        else:
            found.append(operation)
    program.send(answer)
    return replicas.params, found


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 12])
def test_mixing_leaves_the_mean_alone_and_draws_the_workers_together(graph, workers):
    rows = torch.randn(workers, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(workers))
    after, _ = mixed(graph, rows, 60)
    torch.testing.assert_close(after.mean(0), rows.mean(0), rtol=0, atol=1e-12)
    # The slowest, a ring of twelve, has a second eigenvalue of 1/3 + 2/3 cos(30 degrees) = 0.911; 0.911^60 = 0.004.
    assert (after - rows.mean(0)).norm() <= 0.005 * (rows - rows.mean(0)).norm()


def test_consensus_distance_on_a_ring_shrinks_by_the_second_eigenvalue():
    # W = circulant(1/3, 1/3, 0, …, 1/3): the wave cos(2 pi k / W) is an eigenvector of 1/3 + 2/3 cos(2 pi / W).
    workers = 10
    wave = torch.cos(2 * math.pi / workers * torch.arange(workers, dtype=torch.float64))[:, None]
    after, _ = mixed("ring", wave, 7)
    torch.testing.assert_close(after, (1 / 3 + 2 / 3 * math.cos(2 * math.pi / workers)) ** 7 * wave, rtol=1e-12, atol=0)


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_one_peer_of_a_power_of_two_workers_reaches_the_mean_in_as_many_rounds(power):
    # After hops of 1, 2, …, each has the mean of the 2, 4, … before it.
    rows = torch.randn(2**power, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(power))
    after, _ = mixed("one_peer_exponential", rows, power)
    torch.testing.assert_close(after, rows.mean(0).expand_as(rows), rtol=0, atol=1e-14)
    if power > 1:
        assert (mixed("one_peer_exponential", rows, power - 1)[0] - rows.mean(0)).abs().max() > 1e-3


@pytest.mark.parametrize("graph", GRAPHS)
def test_shadows_yield_the_same_operations(graph):
    assert mixed(graph, torch.ones(6, 4), 8)[1] == mixed(graph, torch.ones(6, 4, device="meta"), 8)[1]
    assert mixed(graph, torch.ones(6, 4), 1)[1][0] == Train(3)


def test_who_is_away_is_left_out_and_returns_as_a_copy_of_the_nearest():
    away = {(1, 3), (2, 3), (2, 0)}
    ours = trained(gossip("ring", 5), schedule(W, [5], 4, away=away))
    fleet = Fleet(W)
    for round_ in range(4):
        there = [rank for rank in range(W) if (round_, rank) not in away]
        for rank in there:
            if (round_ - 1, rank) in away:
                source = {0: 1, 3: 2}[rank]  # both came back for the last round; 2 and 4 are as near to 3
                fleet.copy(source, rank)
        for rank in there:
            fleet.train(rank, round_ * 5, 5)
        rows = fleet.rows()
        after = rows.clone()
        for rank in there:
            neighbours = [other for other in ((rank - 1) % W, (rank + 1) % W) if other in there]
            after[rank] = sum(rows[other] / 3 for other in neighbours) + (1 - len(neighbours) / 3) * rows[rank]
        fleet.load(after)
    assert distance(ours.replicas.params, fleet.rows()) <= 1e-5


def test_random_pairs_are_drawn_anew_from_their_seed():
    def weights(seed):
        program = gossip("random_pairs", seed=seed).run(
            Replicas(torch.ones(9, 2), SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=1))
        )
        found = [next(program)]
        for _ in range(4):
            exchange = program.send(None)
            found.append(exchange.weights)
            program.send(exchange.payload)
        return np.stack(found[1:])

    drawn = weights(0)
    np.testing.assert_array_equal(drawn, weights(0))
    assert not np.array_equal(drawn, weights(1))
    assert not np.array_equal(drawn[0], drawn[1])
    # Of nine, four pairs with weights of a half, and one who keeps its own.
    np.testing.assert_array_equal((drawn == 0.5).sum((1, 2)), 16)
    np.testing.assert_array_equal((drawn == 1).sum((1, 2)), 1)


def test_it_repeats_bit_for_bit():
    first, second = (trained(gossip("random_pairs", 2), schedule(W, [2], 5)) for _ in range(2))
    assert torch.equal(first.replicas.params, second.replicas.params)
    assert first.curve == second.curve


def test_settings_are_checked():
    with pytest.raises(ValueError, match="graph must be one of ring, .*, got 'star'"):
        gossip("star")
    with pytest.raises(ValueError, match="sync_every must be >= 1, got 0"):
        gossip("ring", 0)
