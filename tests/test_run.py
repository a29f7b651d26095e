"""The columns of a row, derived by hand, and what a curve's name depends on."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from apart import Async
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bench import run as module
from bench.progress import Progress
from bench.record import Store
from bench.replay import Replay
from bench.run import LEARNING, Run
from bench.schedule import Order, Schedule
from bench.trainer import Curve, Trainer

CONF = Path(__file__).parent.parent / "conf"
SMALL = [
    *("data=synthetic", "data.tokens=20000", "scenario=h100_cluster", "workers=2", "steps=4", "evaluation.every=2"),
    *("evaluation.sequences=8", "model.layers=1", "model.width=16", "model.context=16", "progress=none"),
]


def conf(*overrides):
    OmegaConf.register_new_resolver("python_version", lambda: "3", replace=True)
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose("config", overrides=[*SMALL, *overrides]), resolve=True)


def prepared(folder, *overrides):
    return Run(conf(*overrides), Store(folder), Progress("none"))


@pytest.fixture(scope="module")
def columns(tmp_path_factory):
    """Two workers of 50 TFLOP/s reached, uplinks of 1 GB/s, 10 ms to the switch, a plain ring, DDP, no jitter."""
    devices = ["jitter=none", "catalogue.h100_sxm.efficiency=0.5", "catalogue.h100_sxm.peak=100 TFLOP/s"]
    links = ["network.uplink=1 GB/s", "network.downlink=2 GB/s", "network.last_mile=10 ms", "transport=none", "collective=ring"]
    shape = ["timed_as.layers=2", "timed_as.width=64", "timed_as.vocabulary=256", "timed_as.context=64", "timed_as.heads=2"]
    return prepared(tmp_path_factory.mktemp("run"), "algorithm=ddp", "algorithm.buckets=1", *devices, *links, *shape).columns()


# The timed shape: (256 + 64) 64 + 2 (12 64^2 + 4 64) + 2 64 = 119,424 parameters; 8 sequences of 64 tokens a step.
P, TOKENS = 119_424, 512


def product(m, n, k, batch=1, fused=False):
    """Seconds of a product on this device. All are small: for x GFLOP on an A100, (0.1 + 0.5 x) / 0.95 of 50 TFLOP/s."""
    flops = 2 * batch * m * n * k
    nbytes = 0 if fused else 2 * batch * (m * k + k * n + m * n)
    return max(flops / (50e12 * (0.1 + 0.5 * flops * 3.12 / 1e9) / 0.95), nbytes / (0.9 * 3.35e12))


# Two layers: queries, keys and values; output; up; down; each forward, to its input, to its weight. Then the output layer.
LINEAR = 2 * [(192, 64), (64, 64), (256, 64), (64, 256)] + [(256, 64)]
STEP = sum(product(TOKENS, o, i) + product(TOKENS, i, o) + product(o, i, TOKENS) for o, i in LINEAR)
# Scores and values of 8 sequences of 2 heads of 32, forward and twice backward, in two layers, without traffic of their own.
STEP += 2 * 3 * (product(64, 64, 32, 16, fused=True) + product(64, 32, 64, 16, fused=True))
# 4.8 times 54 numbers of 2 bytes a layer and width, 3 a logit, 32 bytes a parameter, at 0.9 of 3.35 TB/s.
# And 30 launches a layer of 4.5 µs.
STEP += (4.8 * 54 * 2 * 2 * 64 * TOKENS + 3 * 2 * 256 * TOKENS + 32 * P) / (0.9 * 3.35e12) + 60 * 4.5e-6
# A ring of two: 2 hops of 10 + 10 ms, and all of 4 P bytes over each uplink of 1 GB/s.
RING = 0.04 + 4 * P / 1e9


def test_the_figures_of_a_row_are_those_derived_by_hand(columns):
    assert columns["virtual_seconds"] == pytest.approx(4 * (STEP + RING))
    assert columns["tokens"] == 2 * 4 * TOKENS
    assert columns["tokens_per_second"] == pytest.approx(2 * TOKENS / (STEP + RING))
    assert columns["ideal_tokens_per_second"] == pytest.approx(2 * TOKENS / STEP)
    assert columns["system_efficiency"] == pytest.approx(STEP / (STEP + RING))
    assert columns["sent_bytes"] == columns["received_bytes"] == pytest.approx(4 * 4 * P)
    assert columns["ledger"]["latency"] == pytest.approx(0.04 / (STEP + RING))
    assert (columns["steps"], columns["rounds"], columns["counted_steps"]) == (4, 4, 8)


def test_each_evaluation_stands_at_the_second_of_its_round(columns):
    assert columns["curve"]["steps"] == [0, 2, 4]
    assert columns["curve"]["virtual_seconds"] == pytest.approx([0, 2 * (STEP + RING), 4 * (STEP + RING)])
    assert columns["curve"]["loss"][0] == columns["initial_loss"]
    assert columns["curve"]["loss"][-1] == columns["final_loss"]


def test_tokens_are_those_of_the_sequences_that_counted(tmp_path):
    # Of 16 sequences a step most are the H100's, and of the one round only one of the two counts: not with 8 a step.
    devices = ["devices.mix.h100_sxm=0.5", "+devices.mix.t4=0.5", "split=by_speed"]
    run = prepared(tmp_path, *devices, "participation=quorum", "participation.fraction=0.5", "train=false")
    timeline, _ = run.simulate()
    sequences = timeline.schedule.effort.sequences(8, 2)  # (W,)
    [steps], counted = timeline.schedule.steps, timeline.schedule[0].counted
    assert counted.sum() == 1
    assert sequences.tolist() != [8, 8]
    assert run.columns()["tokens"] == steps * sequences[counted].sum() * run.timed.context


def test_what_was_sent_is_not_what_was_received(tmp_path):
    # A returner only receives: churn makes the two differ.
    churn = ["scenario=volunteer_home", "workers=4", "churn=exponential", "churn.up=10 min", "churn.down=1 min", "train=false"]
    row = prepared(tmp_path, *churn).columns()
    assert row["received_bytes"] > row["sent_bytes"] > 0


def test_a_worker_holds_and_a_returner_downloads_what_adamw_needs(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setitem(module.SIMULATORS, "all", lambda scenario, workload, *rest, **more: seen.append(workload) or 1 / 0)
    run = prepared(tmp_path)
    with pytest.raises(ZeroDivisionError):
        run.simulate()
    # Parameters and two moments in fp32, and a step count of 4 bytes; the gradient beside them must fit too.
    assert seen[0].state_bytes == 12 * run.timed.parameters + 4
    assert seen[0].resident_bytes == 16 * run.timed.parameters + 4


CHANGES = {
    "model": "model.width=32",
    "optimizer": "optimizer.lr=0.001",
    "lr_schedule": "lr_schedule.warmup=1",
    "evaluation": "evaluation.every=1",
    "steps": "steps=5",
    "seed": "seed=1",
    "algorithm": "algorithm=local_sgd",
    "codec": "codec=bf16",
    "feedback": "feedback=error_feedback",
    "aggregator": "aggregator=median",
    "adversary": "adversary=sign_flip adversary.fraction=0.5",
    "tokens": "data.source_seed=1",
}


def name(monkeypatch, folder, *overrides, counted=True):
    """The name of a curve; nothing is trained."""
    monkeypatch.setattr(Store, "read_curve", lambda store, name: ([0], [1.0]))
    schedule = Schedule(2)
    schedule.append(4, np.array([True, counted]), np.zeros(2, bool))
    run = prepared(folder, *overrides)
    return run.curve(schedule, run.corpus)[0]


@pytest.mark.parametrize("part", sorted({*LEARNING, "tokens"}))
def test_whatever_learning_depends_on_changes_the_name_of_its_curve(part, monkeypatch, tmp_path):
    assert name(monkeypatch, tmp_path, *CHANGES[part].split()) != name(monkeypatch, tmp_path)


def test_so_do_the_schedule_and_the_versions(monkeypatch, tmp_path):
    before = name(monkeypatch, tmp_path)
    assert name(monkeypatch, tmp_path, counted=False) != before
    monkeypatch.setattr(module, "versions", lambda: {"torch": "another"})
    assert name(monkeypatch, tmp_path) != before


@pytest.mark.parametrize("change", ["network.uplink=1 Mbit/s", "model@timed_as=gpt_1b", "devices=h800", "threads=1"])
def test_nothing_that_only_takes_time_does(change, monkeypatch, tmp_path):
    assert name(monkeypatch, tmp_path, change) == name(monkeypatch, tmp_path)


def test_workers_out_of_step_are_timed_by_events(tmp_path):
    run = prepared(tmp_path, "train=false", "failures=none")
    together = run.columns()
    assert together["staleness"] == together["staleness_max"] == 0
    run.algorithm.lockstep = "groups"  # of this object alone: all meet all
    apart = run.columns()
    assert apart.pop("ledger") == pytest.approx(together.pop("ledger"))
    assert apart == pytest.approx(together)
    run.algorithm = Async()
    row = run.columns()
    assert row["steps"] == 4
    assert row["staleness_max"] > 0
    assert 0 < row["staleness"] < row["staleness_max"]


def test_what_happened_in_some_order_is_replayed(tmp_path, monkeypatch):
    told = []

    class Noting:
        def __init__(self, **settings):
            told.append(settings)

        def run(self, algorithm, order, progress):
            told.append((algorithm, order))
            return Curve([0, 2, 4], [3.0, 2.0, 1.0])

    monkeypatch.setattr(module, "Replay", Noting)
    run = prepared(tmp_path, "failures=none")
    run.algorithm = Async()
    row = run.columns()
    settings, (algorithm, order) = told
    assert algorithm is run.algorithm
    assert isinstance(order, Order) and order.total_steps == 4
    # It is made of what the Trainer is made of.
    assert settings.keys() == inspect.signature(Replay).parameters.keys() == inspect.signature(Trainer).parameters.keys()
    # The curve's seconds are those of its rounds.
    timeline, _ = run.simulate()
    assert row["curve"]["virtual_seconds"] == [0.0, timeline.seconds_after(2), timeline.seconds_after(4)]
    assert row["final_loss"] == 1.0
