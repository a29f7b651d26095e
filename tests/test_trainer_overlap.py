"""The Trainer's parameters where reductions are in the air, against plain PyTorch with the algorithm written out."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from overlapped import BucketedDDP, DelayedDiLoCo, InTurns, Words
from plain import local_steps
from test_trainer import ADAMW, SCALES, STEPS, W, batches, distance, replicas, trainer
from worlds import scenario, simulate

from bench.algorithm import Algorithm, AllReduce, Backward, Start, Train, Wait
from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.churn import exponential
from bench.codec import BF16
from bench.data import Synthetic
from bench.participation import Quorum
from bench.schedule import Schedule


@pytest.fixture(scope="module")
def corpus():
    return Synthetic(tokens=50_000, branches=4, source_seed=0).corpus(64)


def entries(*rows):
    """A schedule of (steps, who is away); who is away for a time joins where it counts again."""
    schedule, absent = Schedule(W), np.zeros(W, bool)
    for steps, away in rows:
        counted = ~np.isin(np.arange(W), away)
        schedule.append(steps, counted, absent & counted)
        absent = ~counted
    return schedule


def plain_delayed(corpus, every, outer_lr, outer_momentum, away=()):
    """DiLoCo with torch.optim.SGD as the outer optimizer, which steps after the local steps of the round that follows."""
    modules, optimizers = replicas()
    outer = torch.nn.Parameter(modules[0].flat())
    outer_optimizer = torch.optim.SGD([outer], lr=outer_lr, momentum=outer_momentum, nesterov=outer_momentum > 0)
    in_the_air = None
    for index, first in enumerate(range(0, STEPS, every)):
        present = [rank for rank in range(W) if (index, rank) not in away]
        for rank in [rank for rank in present if (index - 1, rank) in away]:
            stayed = next(other for other in present if (index - 1, other) not in away)
            optimizers[rank].load_state_dict(deepcopy(optimizers[stayed].state_dict()))
        for rank in present:
            local_steps(
                modules[rank], optimizers[rank], ADAMW, SCALES[first : first + every], batches(corpus, rank, first, every)
            )
        if in_the_air:
            sent, senders = in_the_air
            outer.grad = torch.stack([outer.detach() - sent[rank] for rank in senders]).mean(0)
            outer_optimizer.step()
            for module, then in zip(modules, sent, strict=True):
                since = module.flat() - then
                module.load(outer.detach() + since)
        in_the_air = [module.flat() for module in modules], present
    return modules


@pytest.mark.parametrize(("every", "outer"), [(5, (0.7, 0.9)), (4, (1.0, 0.0)), (2, (0.5, 0.5))])
def test_a_delayed_outer_step_is_a_plain_loop(corpus, every, outer):
    ours = trainer(corpus)
    curve = ours.run(DelayedDiLoCo(every, *outer), entries(*[(every, [])] * (STEPS // every)))
    assert curve.steps == [0, STEPS]
    plain = plain_delayed(corpus, every, *outer)
    for row, module in zip(ours.replicas.params, plain, strict=True):
        assert distance(row, module.flat()) <= 1e-5
    # … which is not what DiLoCo trains.
    blocking = trainer(corpus)
    blocking.run(
        DiLoCo(sync_every=every, outer_lr=outer[0], outer_momentum=outer[1]), entries(*[(every, [])] * (STEPS // every))
    )
    assert distance(ours.replicas.params[0], blocking.replicas.params[0]) > 1e-3


def test_who_is_away_is_left_out_of_what_is_in_the_air(corpus):
    away = {(1, 0), (2, 0), (2, 3)}
    ours = trainer(corpus)
    ours.run(DelayedDiLoCo(5, 0.7, 0.9), entries((5, []), (5, [0]), (5, [0, 3]), (5, [])))
    plain = plain_delayed(corpus, 5, 0.7, 0.9, away)
    for row, module in zip(ours.replicas.params, plain, strict=True):
        assert distance(row, module.flat()) <= 1e-5


def plain_ddp(corpus, shares, away):
    """DDP whose gradient goes in parts of `shares` of all parameters; `away` lists (step, part, rank)."""
    modules, optimizers = replicas()
    for step in range(STEPS):
        flat = []
        for rank, module in enumerate(modules):
            module.zero_grad()
            module(batches(corpus, rank, step, 1)[0]).backward()
            flat.append(torch.cat([part.grad.flatten() for part in module.vector()]))
        parts = [list(gradient.split(shares)) for gradient in flat]
        mean = torch.cat(
            [
                torch.stack([parts[rank][part] for rank in range(W) if (step, part, rank) not in away]).mean(0)
                for part in range(len(shares))
            ]
        )
        for module, optimizer in zip(modules, optimizers, strict=True):
            values = mean.split([p.numel() for p in module.vector()])
            for parameter, gradient in zip(module.vector(), values, strict=True):
                parameter.grad = gradient.view_as(parameter).clone()
            optimizer.param_groups[0]["lr"] = ADAMW.lr * SCALES[step]
            optimizer.step()
    return modules[0].flat()


def test_a_gradient_in_two_parts_is_the_gradient(corpus):
    ours, whole = trainer(corpus), trainer(corpus)
    ours.run(BucketedDDP(0.3), entries(*[(1, []), (0, [])] * STEPS))
    whole.run(DDP(), entries(*[(1, [])] * STEPS))
    assert torch.equal(ours.replicas.params, whole.replicas.params)
    assert ours.replicas.params.shape[0] == 1


def test_each_part_is_the_mean_of_those_that_counted_in_it(corpus):
    ours = trainer(corpus)
    rows = [(1, []), (0, [])] * STEPS
    rows[10:12] = [(1, []), (0, [2])]  # rank 2 drops out when its first part has arrived
    rows[20:22] = [(1, [1, 3]), (0, [1, 3])]
    rows[30:32] = [(1, [0]), (0, [0, 1])]
    ours.run(BucketedDDP(0.3), entries(*rows))
    P = ours.replicas.params.shape[1]
    cut = int(0.3 * P)
    away = {(5, 1, 2), *((10, part, rank) for part in (0, 1) for rank in (1, 3)), (15, 0, 0), (15, 1, 0), (15, 1, 1)}
    assert distance(ours.replicas.params[0], plain_ddp(corpus, [cut, P - cut], away)) <= 1e-5


def test_what_is_sent_is_the_payload_at_its_start(corpus):
    class InPlace(Algorithm):
        def run(self, replicas):
            while True:
                yield Train(2)
                handle = yield Start(AllReduce(replicas.params))
                self.sent.append(replicas.params.mean(0, keepdim=True))
                yield Train(2)
                replicas.params.zero_()
                self.received.append((yield Wait(handle)))

    class Gradients(Algorithm):
        identical_replicas = True

        def run(self, replicas):
            while True:
                gradients = yield Backward()
                handle = yield Start(AllReduce(gradients))
                self.sent.append(gradients.clone())
                gradients.zero_()
                self.received.append((yield Wait(handle)))

    for algorithm, rows in ((InPlace(), entries((2, []), (4, []))), (Gradients(), entries((1, []), (1, [])))):
        algorithm.sent, algorithm.received = [], []
        trainer(corpus).run(algorithm, rows)
        assert algorithm.received
        for sent, received in zip(algorithm.sent, algorithm.received, strict=False):  # the last one may be left in the air
            assert sent.abs().max() > 0
            assert torch.equal(sent, received)


def test_a_gradient_that_is_used_late_is_of_a_batch_of_its_own(corpus):
    class Late(Algorithm):
        """The gradient of each step is applied after the next one is computed."""

        identical_replicas = True

        def run(self, replicas):
            handle = yield Start(AllReduce((yield Backward())))
            while True:
                gradients = yield Backward()
                replicas.step((yield Wait(handle)))
                handle = yield Start(AllReduce(gradients))

    ours = trainer(corpus)
    ours.run(Late(), entries(*[(1, [])] * STEPS))
    (module, *_), (optimizer, *_) = replicas()
    waiting = None
    for step in range(STEPS):
        module.zero_grad()
        module(torch.cat([batches(corpus, rank, step, 1)[0] for rank in range(W)])).backward()
        gradients = [parameter.grad.clone() for parameter in module.parameters()]
        if waiting:
            for parameter, gradient in zip(module.parameters(), waiting, strict=True):
                parameter.grad = gradient
            optimizer.param_groups[0]["lr"] = ADAMW.lr * SCALES[step]
            optimizer.step()
        waiting = gradients
    assert distance(ours.replicas.params[0], module.flat()) <= 1e-5


def test_no_batch_is_used_twice(corpus, monkeypatch):
    class Mixed(Algorithm):
        """A gradient that nobody steps along, between local steps."""

        def run(self, replicas):
            while True:
                yield Train(2)
                yield Backward()
                yield Train(1)
                replicas.params[:] = yield AllReduce(replicas.params)

    ours, used = trainer(corpus, lanes=1), []
    batch = ours._batch
    monkeypatch.setattr(ours, "_batch", lambda rank, step: used.append((rank, step)) or batch(rank, step))
    curve = ours.run(Mixed(), entries((4, []), (4, [])))
    assert sorted(used) == [(rank, step) for rank in range(W) for step in range(8)]
    assert curve.steps[-1] == 8


def test_a_codec_acts_on_what_is_in_the_air(corpus):
    ours, exact = trainer(corpus, codec=BF16()), trainer(corpus)
    for run in (ours, exact):
        run.run(BucketedDDP(0.5), entries(*[(1, []), (0, [])] * STEPS))
    assert 0 < distance(ours.replicas.params[0], exact.replicas.params[0]) < 0.05


@pytest.mark.parametrize(
    "algorithm",
    [DelayedDiLoCo(3), BucketedDDP(0.4), InTurns(2), Words((2, "s", 1, "s", "l", 1, "w", "a"))],
    ids=lambda algorithm: type(algorithm).__name__,
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_schedule_of_an_unreliable_world_can_be_followed(algorithm, seed, corpus):
    world = scenario(W, speeds=[1, 2], churn=exponential(40.0, 10.0), participation=Quorum(0.75), uplink=4000.0, seed=seed)
    timeline = simulate(algorithm, world, steps=STEPS)
    assert not all(timeline.schedule[k].counted.all() for k in range(len(timeline.schedule)))
    runs = [trainer(corpus, evaluation=1, stack=1, lanes=lanes) for lanes in (1, 2)]
    curves = [run.run(algorithm, timeline.schedule) for run in runs]
    assert curves[0].steps == [0, *timeline.round_steps]
    assert [timeline.seconds_after(step) for step in curves[0].steps] == [0, *timeline.round_end]
    assert curves[0] == curves[1]
    assert curves[0].losses[-1] < curves[0].losses[0]
