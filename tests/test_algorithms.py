"""What every algorithm must keep, new ones too: files are found by folder."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from worlds import scenario, simulate, small_replay, small_trainer

from bench.algorithm import (
    AllReduce,
    Average,
    Backward,
    Exchange,
    Forward,
    Handle,
    Pipeline,
    Pull,
    Push,
    ReduceScatter,
    Start,
    Train,
    Wait,
)
from bench.build import build
from bench.data import Synthetic
from bench.model import Shape
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Replicas

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (ROOT / "bench/algorithm").glob("*.py") if path.stem not in ("__init__", "ops"))
SHAPE = Shape(layers=1, width=16, heads=2, vocabulary=32, context=8, batch=2)


def preset(name):
    conf = yaml.safe_load((ROOT / f"conf/algorithm/{name}.yaml").read_text())
    conf.pop("defaults", None)  # what else it selects
    return build(conf, "algorithm")


@pytest.fixture(params=[name for name in NAMES if preset(name).lockstep == "all"])
def algorithm(request):
    """Those of one program for all workers; test_algorithms_apart.py has those of a program for each."""
    return preset(request.param)


def test_each_file_has_a_preset_and_each_preset_a_file():
    assert sorted(path.stem for path in (ROOT / "conf/algorithm").glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_file_names_its_source(name):
    text = import_module(f"bench.algorithm.{name}").__doc__
    assert "arXiv" in text or "et al." in text


def replicas(workers, parameters, device):
    optimizer, schedule = SGD(lr=0.1, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=1)
    return Replicas(torch.ones(workers, parameters, device=device), optimizer, schedule)


def answers(algorithm, everybody, gradients, count):
    """The first `count` operations of a program of all workers, or of one that has its own, each answered.

    By `gradients(step)`, (W, P), and means of payloads.
    """
    replica = everybody.one(1) if algorithm.lockstep == "none" else everybody
    program = algorithm.run(replica)
    answer, step, in_the_air = None, 0, {}
    for _ in range(count):
        operation = program.send(answer)
        yield operation
        match operation:
            case Train() | Forward():
                answer = None
                step += isinstance(operation, Forward)
            case Pipeline():
                step += 1
                answer = gradients(step)
            case Backward():
                step += operation.part is None
                answer = gradients(step) if operation.part is None else operation.part.of(gradients(step))
            case Start():
                answer = Handle()
                in_the_air[answer] = operation.operation
            case Wait():
                answer = moved(in_the_air.pop(operation.handle), replica)
            case _:
                answer = moved(operation, replica)


def moved(operation, replica):
    """What an operation answers that moves bytes."""
    match operation:
        case Exchange() | AllReduce(groups=np.ndarray()):
            return operation.payload.clone()
        case Pull():
            whole = replica.params.clone()
            return whole if operation.part is None else operation.part.of(whole)
        case Push() | Average():
            return None
    return operation.payload.mean(0, keepdim=True)


def seeded(step):
    return torch.randn(3, 10, generator=torch.Generator().manual_seed(step))


def test_shadow_and_real_tensors_yield_the_same_operations(algorithm):
    def words(device):
        found = []
        gradients = torch.ones(1 if algorithm.lockstep == "none" else 3, 10, device=device)
        for operation in answers(algorithm, replicas(3, 10, device), lambda step: gradients, 200):
            inner = operation.operation if isinstance(operation, Start) else operation
            payload = getattr(inner, "payload", None)
            sent = None if payload is None else (tuple(payload.shape), payload.dtype)
            found.append((type(operation), type(inner), getattr(inner, "part", None), getattr(inner, "steps", None), sent))
        return found

    assert words("meta") == words("cpu")


def test_a_run_in_both_interpreters_repeats_bit_for_bit(algorithm):
    corpus = Synthetic(tokens=5000, branches=4, source_seed=0).corpus(32)

    def run():
        steps = 80 if algorithm.lockstep == "none" else 20  # until servers of servers have heard of it
        timeline = simulate(algorithm, scenario(4, speeds=[1, 2], jitter=0.1), steps=steps, sequences=2)
        trainer = (small_replay if algorithm.lockstep == "none" else small_trainer)(corpus, SHAPE, steps)
        curve = trainer.run(algorithm, timeline.schedule)
        return timeline, curve, trainer.replicas.params

    (timeline, curve, params), (timeline2, curve2, params2) = run(), run()
    np.testing.assert_array_equal(timeline.round_end, timeline2.round_end)
    assert curve == curve2
    assert torch.equal(params, params2)
    assert curve.losses[-1] < curve.losses[0]
    assert len(params) == (1 if algorithm.identical_replicas else 4)


@pytest.mark.parametrize("name", [name for name in NAMES if preset(name).identical_replicas])
def test_replicas_declared_identical_are_identical_after_every_step(name):
    everybody = replicas(3, 10, "cpu")
    begun = everybody.params.clone()
    for operation in answers(preset(name), everybody, seeded, 200):
        if isinstance(operation, Forward | Backward | Pipeline):
            assert torch.equal(everybody.params, everybody.params[:1].expand(3, -1))
    assert not torch.equal(everybody.params, begun)


@pytest.mark.parametrize("name", [name for name in NAMES if preset(name).identical_replicas])
def test_what_is_declared_linear_in_the_gradients_is(name):
    def sent(gradients):
        operations = answers(preset(name), replicas(3, 10, "cpu"), gradients, 200)
        inner = [operation.operation if isinstance(operation, Start) else operation for operation in operations]
        return [operation.payload.clone() for operation in inner if isinstance(operation, AllReduce | ReduceScatter)]

    one, other = sent(seeded), sent(lambda step: seeded(1000 + step))
    both = sent(lambda step: 2 * seeded(step) - 3 * seeded(1000 + step))
    assert len(both) >= 2
    close = [torch.allclose(c, 2 * a - 3 * b, atol=1e-5) for a, b, c in zip(one, other, both, strict=True)]
    assert all(close) is preset(name).linear


def test_diloco_that_never_starts_is_ddp():
    corpus = Synthetic(tokens=5000, branches=4, source_seed=0).corpus(32)
    params = []
    for algorithm in (preset("ddp"), type(preset("diloco"))(sync_every=5, outer_lr=0.7, outer_momentum=0.9, start=10)):
        trainer = small_trainer(corpus, SHAPE, 10)
        trainer.run(algorithm, simulate(algorithm, scenario(3), steps=10).schedule)
        params.append(trainer.replicas.params[0])
    torch.testing.assert_close(params[0], params[1], rtol=1e-4, atol=1e-5)  # the joint batch is one sum, the mean another


def test_local_sgd_with_sync_every_one_and_plain_sgd_is_ddp():
    corpus = Synthetic(tokens=5000, branches=4, source_seed=0).corpus(32)
    rows = []
    for algorithm in (preset("ddp"), type(preset("local_sgd"))(sync_every=1)):
        timeline = simulate(algorithm, scenario(3), steps=10)
        trainer = small_trainer(corpus, SHAPE, 10, optimizer=SGD(lr=0.3, momentum=0.0))
        trainer.run(algorithm, timeline.schedule)
        rows.append(trainer.replicas.params[0])
    # The mean of p - lr g is p - lr times the mean of g.
    torch.testing.assert_close(rows[0], rows[1], rtol=1e-5, atol=1e-6)
