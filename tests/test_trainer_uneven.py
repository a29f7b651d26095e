"""Workers that do unequal parts of the work, against plain PyTorch with the same sequences and steps written out."""

import numpy as np
import pytest
import torch
from plain import local_steps
from test_trainer import ADAMW, LR, SCALES, SHAPE, STEPS, W, distance, replicas, trainer

from bench.algorithm import Algorithm, AllReduce, Backward, Train
from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.algorithm.local_sgd import LocalSGD
from bench.data import Synthetic
from bench.schedule import Schedule
from bench.split import BySpeed, Effort, TimeBudget

SPEEDS = np.array([1.0, 1.0, 0.5, 0.25])  # seconds a step: of 16 sequences 2, 2, 4 and 8 by share


@pytest.fixture(scope="module")
def corpus():
    return Synthetic(tokens=50_000, branches=4, source_seed=0).corpus(64)


def schedule(every, effort, *, away=()):
    rounds = Schedule(W, effort)
    for index in range(STEPS // every):
        counted = np.array([(index, rank) not in away for rank in range(W)])
        joined = np.array([(index - 1, rank) in away for rank in range(W)])
        rounds.append(every, counted, joined & counted)
    return rounds


def own(corpus, rank, step, sequences):
    """The batch of a worker's own step, named as the uniform ones are."""
    return corpus.batch(0, rank, step, int(sequences), SHAPE.context)


def test_ddp_with_batches_by_speed_is_training_on_the_joint_batch(corpus):
    effort = BySpeed().effort(SPEEDS)
    sequences = effort.sequences(SHAPE.batch, W)
    assert sequences.sum() == W * SHAPE.batch
    assert len(set(sequences)) > 2
    ours = trainer(corpus)
    ours.run(DDP(), schedule(1, effort))
    (module, *_), (optimizer, *_) = replicas()
    for step in range(STEPS):
        together = torch.cat([own(corpus, rank, step, sequences[rank]) for rank in range(W)])
        assert len(together) == W * SHAPE.batch
        local_steps(module, optimizer, ADAMW, [SCALES[step]], [together])
    assert distance(ours.replicas.params[0], module.flat()) <= 1e-5


def test_ddp_by_speed_without_some_is_the_joint_batch_of_the_others(corpus):
    effort = BySpeed().effort(SPEEDS)
    sequences = effort.sequences(SHAPE.batch, W)
    away = {(3, 3), (4, 3), (4, 0)}
    ours = trainer(corpus)
    ours.run(DDP(), schedule(1, effort, away=away))
    (module, *_), (optimizer, *_) = replicas()
    for step in range(STEPS):
        present = [rank for rank in range(W) if (step, rank) not in away]
        together = torch.cat([own(corpus, rank, step, sequences[rank]) for rank in present])
        local_steps(module, optimizer, ADAMW, [SCALES[step]], [together])
    assert distance(ours.replicas.params[0], module.flat()) <= 1e-5


def plain_local_sgd(corpus, every, local, sequences):
    """Local SGD whose worker w takes local[w] steps of sequences[w] sequences a round; the mean weighs these (FedAvg)."""
    modules, optimizers = replicas()
    for first in range(0, STEPS, every):
        for rank, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
            n = local[rank]
            done = first // every * n
            # The k-th of n steps ends where k / n of the round's program steps have ended: there it takes its learning rate.
            scales = [LR.scale(first + (k + 1) * every / n - 1) for k in range(n)]
            data = [own(corpus, rank, done + k, sequences[rank]) for k in range(n)]
            local_steps(module, optimizer, ADAMW, scales, data)
        behind = np.array(local) * np.array(sequences)
        mean = sum(share * module.flat() for share, module in zip(behind / behind.sum(), modules, strict=True))
        for module in modules:
            module.load(mean.float())
    return modules[0].flat()


@pytest.mark.parametrize("stack", [1, 2, 4])
def test_local_sgd_with_unequal_steps_is_it_written_out(corpus, stack):
    effort = TimeBudget(per_step=0.5).effort(SPEEDS)  # in a Train of 10: 5, 5, 10 and 20 steps
    assert effort.local_steps(10, W).tolist() == [5, 5, 10, 20]
    ours = trainer(corpus, stack=stack)
    ours.run(LocalSGD(sync_every=10), schedule(10, effort))
    plain = plain_local_sgd(corpus, 10, [5, 5, 10, 20], [SHAPE.batch] * W)
    for row in ours.replicas.params:
        assert distance(row, plain) <= 1e-5


def test_local_sgd_with_unequal_batches_and_steps_is_it_written_out(corpus):
    effort = Effort(batch=np.array([0.5, 0.5, 1.0, 2.0]), steps=np.array([1.0, 1.0, 1.5, 0.3]))
    sequences, local = effort.sequences(SHAPE.batch, W), effort.local_steps(5, W)
    assert local.tolist() == [5, 5, 7, 1]
    ours = trainer(corpus, stack=4)
    ours.run(LocalSGD(sync_every=5), schedule(5, effort))
    assert distance(ours.replicas.params[0], plain_local_sgd(corpus, 5, local.tolist(), sequences.tolist())) <= 1e-5


def test_all_workers_end_a_round_at_the_same_point_of_the_learning_rate_schedule(corpus, monkeypatch):
    ours, seen = trainer(corpus, stack=1, lanes=1), {rank: [] for rank in range(W)}
    effort = Effort(steps=np.array([1.0, 0.2, 0.6, 3.0]))

    class Watched(LocalSGD):
        def run(self, rows):
            step = rows.step_rows
            monkeypatch.setattr(rows, "step_rows", lambda r, g, at: seen[r.start].append(at) or step(r, g, at))
            return super().run(rows)

    ours.run(Watched(sync_every=10), schedule(10, effort))
    assert [len(steps) for steps in seen.values()] == [20, 4, 12, 60]
    assert seen[0] == list(range(STEPS))  # program steps, exactly, where there are as many local ones
    assert seen[1] == [4.0, 9.0, 14.0, 19.0]
    assert {steps[len(steps) // 2 - 1] for steps in seen.values()} == {9}
    assert {steps[-1] for steps in seen.values()} == {19}


def test_a_part_of_one_for_each_is_the_equal_split_bit_for_bit(corpus):
    for algorithm, every in ((LocalSGD(sync_every=5), 5), (DiLoCo(sync_every=5, outer_lr=0.7, outer_momentum=0.9), 5)):
        runs = [trainer(corpus), trainer(corpus)]
        runs[0].run(algorithm, schedule(every, Effort()))
        runs[1].run(algorithm, schedule(every, Effort(batch=np.ones(W), steps=np.ones(W))))
        assert torch.equal(runs[0].replicas.params, runs[1].replicas.params)


def test_no_batch_of_unequal_work_is_used_twice(corpus, monkeypatch):
    class Mixed(Algorithm):
        def run(self, rows):
            while True:
                yield Train(4)
                yield Backward()
                rows.params[:] = yield AllReduce(rows.params)

    ours, used = trainer(corpus, lanes=1), []
    batch = ours._batch
    monkeypatch.setattr(ours, "_batch", lambda rank, step: used.append((rank, step)) or batch(rank, step))
    ours.run(Mixed(), schedule(5, Effort(steps=np.array([0.5, 1.0, 1.0, 2.0]))))
    # Four rounds of 2, 4, 4 or 8 local steps and a gradient.
    assert sorted(used) == [(rank, step) for rank, steps in enumerate([3, 5, 5, 9]) for step in range(4 * steps)]


def test_the_second_part_of_what_is_sent_weighs_as_the_first(corpus):
    class InTwo(Algorithm):
        identical_replicas = True

        def run(self, rows):
            while True:
                gradients = yield Backward()
                cut = gradients.shape[1] // 3
                head, tail = (yield AllReduce(gradients[:, :cut])), (yield AllReduce(gradients[:, cut:]))
                rows.step(torch.cat([head, tail], dim=1))

    effort = BySpeed().effort(SPEEDS)
    parts = Schedule(W, effort)
    for _ in range(STEPS):
        for steps in (1, 0):
            parts.append(steps, np.ones(W, bool), np.zeros(W, bool))
    runs = [trainer(corpus), trainer(corpus)]
    runs[0].run(InTwo(), parts)
    runs[1].run(DDP(), schedule(1, effort))
    assert distance(runs[0].replicas.params, runs[1].replicas.params) <= 1e-5


def test_bits_of_unequal_work_do_not_depend_on_the_number_of_lanes(corpus):
    effort = Effort(batch=np.array([0.5, 0.5, 1.0, 2.0]), steps=np.array([1.0, 1.0, 1.5, 0.3]))
    runs = [trainer(corpus, lanes=lanes) for lanes in (1, 3)]
    for run in runs:
        run.run(LocalSGD(sync_every=5), schedule(5, effort))
    assert torch.equal(runs[0].replicas.params, runs[1].replicas.params)
