"""What every algorithm must keep, new ones too: files are found by folder."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from worlds import scenario, simulate, small_trainer

from bench.algorithm import AllReduce, Backward, Train
from bench.build import build
from bench.data import Synthetic
from bench.model import Shape
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Replicas

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (ROOT / "bench/algorithm").glob("*.py") if path.stem not in ("__init__", "ops"))
SHAPE = Shape(layers=1, width=16, heads=2, vocabulary=32, context=8, batch=2)


def preset(name):
    return build(yaml.safe_load((ROOT / f"conf/algorithm/{name}.yaml").read_text()), "algorithm")


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


def test_shadow_and_real_tensors_yield_the_same_operations(algorithm):
    def words(device):
        found = []
        program = algorithm.run(replicas(3, 10, device))
        answer = None
        for _ in range(12):
            operation = program.send(answer)
            match operation:
                case Train():
                    answer = None
                    found.append(operation.steps)
                case Backward():
                    answer = torch.ones(3, 10, device=device)
                    found.append("backward")
                case AllReduce():
                    answer = operation.payload[:1]
                    found.append((tuple(operation.payload.shape), operation.payload.dtype))
        return found

    assert words("meta") == words("cpu")


def test_a_run_in_both_interpreters_repeats_bit_for_bit(algorithm):
    corpus = Synthetic(tokens=5000, branches=4, source_seed=0).corpus(32)

    def run():
        timeline = simulate(algorithm, scenario(3, speeds=[1, 2], jitter=0.1), steps=20)
        trainer = small_trainer(corpus, SHAPE, 20)
        curve = trainer.run(algorithm, timeline.schedule)
        return timeline, curve, trainer.replicas.params

    (timeline, curve, params), (timeline2, curve2, params2) = run(), run()
    np.testing.assert_array_equal(timeline.round_end, timeline2.round_end)
    assert curve == curve2
    assert torch.equal(params, params2)
    assert curve.losses[-1] < curve.losses[0]
    assert len(params) == (1 if algorithm.identical_replicas else 3)


@pytest.mark.parametrize("name", [name for name in NAMES if preset(name).identical_replicas])
def test_replicas_declared_identical_are_identical_after_every_step(name):
    algorithm = preset(name)
    everybody = replicas(3, 10, "cpu")
    program = algorithm.run(everybody)
    operation = next(program)
    for step in range(6):
        if isinstance(operation, Backward):
            assert torch.equal(everybody.params, everybody.params[:1].expand(3, -1))
            operation = program.send(torch.randn(3, 10, generator=torch.Generator().manual_seed(step)))
        else:
            operation = program.send(operation.payload.mean(0, keepdim=True))


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
