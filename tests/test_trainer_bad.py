"""The Trainer with bad workers: each attack against the algorithm written out, on any algorithm, and only where it should."""

import numpy as np
import pytest
import torch
from overlapped import BucketedDDP
from plain import local_steps
from test_trainer import ADAMW, SCALES, SHAPE, STEPS, W, batches, distance, replicas, schedule, trainer
from torch import nn
from worlds import scenario, simulate

from bench.adversary import FreeRiderStale, FreeRiderZero, Gaussian, LabelFlip, Scaling, SignFlip
from bench.aggregator import Krum, Median
from bench.algorithm import Algorithm, AllReduce, Start, Train, Wait
from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.algorithm.fsdp import FSDP
from bench.algorithm.local_sgd import LocalSGD
from bench.codec import BF16
from bench.data import Synthetic
from bench.schedule import Schedule

QUARTER = {"fraction": 0.25, "start": 0}
BAD = int(LabelFlip(**QUARTER).members(0, W).argmax())  # the one of four


@pytest.fixture(scope="module")
def corpus():
    return Synthetic(tokens=50_000, branches=4, source_seed=0).corpus(64)


ALGORITHMS = {
    "ddp": (DDP(), 1),
    "local_sgd": (LocalSGD(sync_every=5), 5),
    "diloco": (DiLoCo(sync_every=5, outer_lr=0.7, outer_momentum=0.9), 5),
}


def run(corpus, name, **changes):
    algorithm, every = ALGORITHMS[name]
    ours = trainer(corpus, **changes)
    ours.run(algorithm, schedule(every))
    return ours.replicas.params


def own_gradient(module, tokens, flip=False):
    """Of one worker's batch, (P,); with flipped labels the target V - 1 - t stands where the text has t."""
    module.zero_grad()
    if flip:
        targets = SHAPE.vocabulary - 1 - tokens[:, 1:]
        x = module.token(tokens[:, :-1]) + module.position(torch.arange(tokens.shape[1] - 1))
        for block in module.blocks:
            x = block(x)
        logits = module.norm(x) @ module.token.weight.T
        nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    else:
        module(tokens).backward()
    return module.gradient()


def plain_ddp(corpus, reduce, flipped=()):
    """DDP whose gradient is reduce(step, the gradients of all, (W, P)), (P,); `flipped` lists (step, rank)."""
    (module, *_), (optimizer, *_) = replicas()
    for step in range(STEPS):
        data = [batches(corpus, rank, step, 1)[0] for rank in range(W)]
        rows = torch.stack([own_gradient(module, tokens, (step, rank) in flipped) for rank, tokens in enumerate(data)])
        values = reduce(step, rows).split([p.numel() for p in module.vector()])
        for parameter, gradient in zip(module.vector(), values, strict=True):
            parameter.grad = gradient.view_as(parameter).clone()
        optimizer.param_groups[0]["lr"] = ADAMW.lr * SCALES[step]
        optimizer.step()
    return module.flat()


@pytest.mark.parametrize("start", [0, 7])
def test_ddp_with_flipped_signs_is_it_written_out(corpus, start):
    def reduce(step, rows):
        if step >= start:
            rows[BAD] *= -3.0
        return rows.mean(0)

    ours = run(corpus, "ddp", adversary=SignFlip(fraction=0.25, start=start, scale=3.0))
    assert distance(ours[0], plain_ddp(corpus, reduce)) <= 1e-5


@pytest.mark.parametrize("start", [0, 7])
def test_ddp_with_flipped_labels_is_it_written_out(corpus, start):
    flipped = {(step, BAD) for step in range(start, STEPS)}
    ours = run(corpus, "ddp", adversary=LabelFlip(fraction=0.25, start=start))
    assert distance(ours[0], plain_ddp(corpus, lambda step, rows: rows.mean(0), flipped)) <= 1e-5


def test_labels_flip_from_the_step_on_at_which_the_attack_begins_in_the_midst_of_a_train(corpus):
    ours = trainer(corpus, adversary=LabelFlip(fraction=0.25, start=7))
    ours.run(LocalSGD(sync_every=STEPS), schedule(STEPS))
    modules, optimizers = replicas()
    for rank, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
        for step, tokens in enumerate(batches(corpus, rank, 0, STEPS)):
            own_gradient(module, tokens, flip=rank == BAD and step >= 7)
            optimizer.param_groups[0]["lr"] = ADAMW.lr * SCALES[step]
            optimizer.step()
    assert distance(ours.replicas.params[0], sum(module.flat() for module in modules) / W) <= 1e-5


def test_free_riders_send_the_last_aggregate_again(corpus):
    answers = []

    def reduce(step, rows):
        rows[BAD] = answers[-1] if answers else 0.0  # nothing known yet, and nothing computed
        answers.append(rows.mean(0))
        return answers[-1]

    ours = run(corpus, "ddp", adversary=FreeRiderStale(**QUARTER))
    assert distance(ours[0], plain_ddp(corpus, reduce)) <= 1e-5


def test_what_is_still_in_the_air_is_not_known_to_a_free_rider(corpus):
    class Watched(FreeRiderStale):
        def attack(self, payloads, bad, last, draw):
            known.append(last)
            return super().attack(payloads, bad, last, draw)

    class Late(Algorithm):
        def run(self, rows):
            yield Train(5)
            handle = yield Start(AllReduce(rows.params))
            while True:
                yield Train(5)
                following = yield Start(AllReduce(rows.params))
                answer = yield Wait(handle)
                answers.append(answer.clone())
                answer.zero_()  # an algorithm may do with it what it likes
                handle = following

    known, answers = [], []
    trainer(corpus, adversary=Watched(**QUARTER)).run(Late(), schedule(5))
    # Each is sent before the one before it has arrived: four starts, and the last one is left in the air.
    assert len(known) == STEPS // 5
    assert known[:2] == [None, None]
    assert all(torch.equal(last, answer) for last, answer in zip(known[2:], answers, strict=False))


def test_what_is_stale_is_known_for_each_part_of_a_gradient(corpus):
    schedule_of_parts = Schedule(W)
    for _ in range(STEPS):
        for steps in (1, 0):
            schedule_of_parts.append(steps, np.ones(W, bool), np.zeros(W, bool))
    ours = trainer(corpus, adversary=FreeRiderStale(**QUARTER))
    ours.run(BucketedDDP(0.3), schedule_of_parts)
    whole = run(corpus, "ddp", adversary=FreeRiderStale(**QUARTER))
    assert distance(ours.replicas.params, whole) <= 1e-5


@pytest.mark.parametrize("pieces", [DDP(buckets=4), FSDP(units=1), FSDP(units=4)])
def test_what_is_stale_is_known_for_pieces_of_equal_size_and_is_no_parameters(corpus, pieces):
    # 27,456 columns in four: all of one size. FSDP also gathers parameters, as many as a gradient's piece has columns.
    schedule_of_pieces = simulate(pieces, scenario(W), STEPS).schedule
    ours = trainer(corpus, adversary=FreeRiderStale(**QUARTER))
    ours.run(pieces, schedule_of_pieces)
    whole = run(corpus, "ddp", adversary=FreeRiderStale(**QUARTER))
    assert distance(ours.replicas.params, whole) <= 1e-5


def test_an_aggregator_takes_the_place_of_the_mean(corpus):
    ours = run(corpus, "ddp", aggregator=Median())
    plain = plain_ddp(corpus, lambda step, rows: torch.from_numpy(np.median(rows.numpy(), axis=0)))
    assert distance(ours[0], plain) <= 1e-5


def test_local_sgd_with_free_riders_takes_zeros_of_those_who_never_stepped(corpus):
    ours = trainer(corpus, adversary=FreeRiderZero(**QUARTER))
    ours.run(LocalSGD(sync_every=STEPS), schedule(STEPS))
    modules, optimizers = replicas()
    for rank, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
        local_steps(module, optimizer, ADAMW, SCALES, batches(corpus, rank, 0, STEPS))
    mean = sum(module.flat() for rank, module in enumerate(modules) if rank != BAD) / W
    assert distance(ours.replicas.params[0], mean) <= 1e-5
    assert ours.replicas.state["count"].tolist() == [0 if rank == BAD else STEPS for rank in range(W)]


def test_an_attack_comes_before_the_codec(corpus):
    # What arrives of 1000 payloads is what bf16 makes of 1000 payloads: the answer is a mean of bf16 numbers.
    ours = trainer(corpus, codec=BF16(), adversary=Scaling(**QUARTER, scale=1001.0))
    ours.run(LocalSGD(sync_every=STEPS), schedule(STEPS))
    modules, optimizers = replicas()
    for rank, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
        local_steps(module, optimizer, ADAMW, SCALES, batches(corpus, rank, 0, STEPS))
    rows = [module.flat() * (1001.0 if rank == BAD else 1.0) for rank, module in enumerate(modules)]
    mean = torch.stack([row.bfloat16().float() for row in rows]).mean(0)
    assert distance(ours.replicas.params[0], mean) <= 2**-8


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(
    "adversary", [SignFlip(fraction=0.1, start=0, scale=9.0), SignFlip(fraction=0.25, start=STEPS, scale=9.0)]
)
def test_without_an_attack_nothing_changes(corpus, name, adversary):
    # 0.1 of 4 rounds to nobody: bit for bit. Whose attack would begin after the last step sends what it should.
    ours, plain = run(corpus, name, adversary=adversary), run(corpus, name)
    if adversary.fraction == 0.1:
        assert torch.equal(ours, plain)
    else:
        assert distance(ours, plain) <= 1e-5


@pytest.mark.parametrize("name", ALGORITHMS)
def test_noise_breaks_the_mean_of_any_algorithm_and_not_the_median(corpus, name):
    def loss(**changes):
        algorithm, every = ALGORITHMS[name]
        return trainer(corpus, **changes).run(algorithm, schedule(every)).losses[-1]

    honest, noise = loss(), Gaussian(**QUARTER, deviation=200.0)
    assert loss(adversary=noise) > honest + 0.5
    assert loss(adversary=noise, aggregator=Median()) < honest + 0.5


def test_one_who_does_not_count_does_not_attack(corpus):
    rounds = Schedule(W)
    for _ in range(STEPS):
        rounds.append(1, np.arange(W) != BAD, np.zeros(W, bool))
    attacked, honest = (
        trainer(corpus, aggregator=Median(), **more) for more in ({"adversary": SignFlip(**QUARTER, scale=9.0)}, {})
    )
    for each in (attacked, honest):
        each.run(DDP(), rounds)
    assert torch.equal(attacked.replicas.params, honest.replicas.params)


def test_who_returns_does_not_take_the_state_of_a_free_rider(corpus):
    # The free rider is the first that stayed; who was away in round 1 takes the state of one that steps.
    seed = next(seed for seed in range(100) if LabelFlip(**QUARTER).members(seed, W)[0])
    rounds = Schedule(W)
    for counted, joined in (([1, 1, 1, 1], []), ([1, 1, 1, 0], []), ([1, 1, 1, 1], [3])):
        rounds.append(5, np.array(counted, bool), np.isin(np.arange(W), joined))
    ours = trainer(corpus, adversary=FreeRiderStale(**QUARTER), seed=seed)
    ours.run(LocalSGD(sync_every=5), rounds)
    assert ours.replicas.state["count"].tolist() == [0, 15, 15, 15]


@pytest.mark.parametrize(
    "changes", [{"adversary": Gaussian(**QUARTER, deviation=1.0)}, {"aggregator": Krum(bad=0.25, bucketing=2)}]
)
def test_bits_repeat_with_what_is_drawn_in_a_reduction(corpus, changes):
    runs = [run(corpus, "diloco", lanes=lanes, **changes) for lanes in (1, 2)]
    assert torch.equal(*runs)
    assert not torch.equal(runs[0], run(corpus, "diloco", seed=1, **changes))
