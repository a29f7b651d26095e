"""Factors of worlds whose slowdown can be derived by hand, by the clock alone."""

import math

import numpy as np
import pytest
from attributed import ALIKE, FREE, attributed, attribution, factor

from bench.attribute.switches import SWITCHES, TIMED, variant
from bench.devices import step_seconds
from bench.pace import Load, code_seconds
from bench.simulator import Simulator

CLOCK = (
    *("train=false", "steps=4", "model@timed_as=nano", "scenario=h100_cluster", *ALIKE, *FREE),
    *("algorithm=ddp", "algorithm.buckets=1", "collective=ring"),
)
FAILING = ("failures.device_mttf=4 ms", "failures.restart=1 ms", "failures.detection=1 ms", "failures.checkpoint=1 us")
CUT = ("algorithm=pipeline", "algorithm.stages=4", "algorithm.microbatches=8", "timed_as.batch=8", "timed_as.layers=4")
STAGES = (*(text for text in CLOCK if not text.startswith("algorithm")), *CUT)


def corner(record, *real):
    """The corner in which these switches are real, of the first seed."""
    seed = record["seeds"][0]
    return next(one for one in record["corners"] if (one["seed"], set(one["real"])) == (seed, set(real)))


def others(record, *names):
    return {name: factor(record, name) for name in SWITCHES if name not in names}


def test_an_ideal_world_has_no_factor_at_all(tmp_path):
    record = attributed(tmp_path, *CLOCK)
    assert record["total"] == pytest.approx([1.0], abs=1e-12)
    assert set(others(record).values()) == {1.0}
    assert record["off"].keys() == SWITCHES.keys()


def test_only_slow_links_give_everything_to_bandwidth(tmp_path):
    record = attributed(tmp_path, *CLOCK, "network.uplink=1 GB/s")
    one = corner(record, "bandwidth")
    # A worker's step is what it is ideally; then a ring of 4 sends 2 (4 - 1) / 4 of 4 bytes a parameter at 1 GB/s.
    run = attribution(tmp_path, *CLOCK).runs()[0]
    step = 4 * run.timed.step_tokens / (one["tokens_per_second"] / one["system_efficiency"])
    ring = 1.5 * 4 * run.timed.parameters / 1e9
    assert factor(record, "bandwidth") == pytest.approx((step + ring) / step, rel=1e-9)
    assert record["total"] == pytest.approx([factor(record, "bandwidth")], rel=1e-12)
    assert set(others(record, "bandwidth").values()) == {1.0}


def test_only_distance_gives_everything_to_latency(tmp_path):
    record = attributed(tmp_path, *CLOCK, "network.last_mile=25 ms")
    run = attribution(tmp_path, *CLOCK).runs()[0]
    step = 4 * run.timed.step_tokens / (corner(record)["tokens_per_second"])
    # 2 (4 - 1) hops of 25 + 25 ms.
    assert factor(record, "latency") == pytest.approx((step + 0.3) / step, rel=1e-9)
    assert set(others(record, "latency").values()) == {1.0}


def test_only_slow_devices_give_everything_to_heterogeneity(tmp_path):
    mixed = ("devices.mix.h100_sxm=0.5", "+devices.mix.t4=0.5")
    record = attributed(tmp_path, *CLOCK, *mixed)
    run = attribution(tmp_path, *CLOCK, *mixed).runs()[0]
    # All wait for the slow ones, where each could go at its own pace: four steps in the slowest's seconds.
    times = step_seconds(run.scenario.fleet, run.work(run.timed.batch)).tolist()
    assert factor(record, "heterogeneity") == pytest.approx(max(times) * sum(1 / t for t in times) / 4, rel=1e-9)
    assert set(others(record, "heterogeneity").values()) == {1.0}
    # The ideal world has the same throughput as the mixed devices without waiting.
    assert corner(record)["tokens_per_second"] == pytest.approx(run.simulate()[1], rel=1e-12)


def test_two_factors_share_what_neither_has_alone(tmp_path):
    # One worker's steps take longer and the links are slow; each order of making them real is worked out from the corners.
    mixed = ("devices.mix.h100_sxm=0.5", "+devices.mix.t4=0.5", "network.uplink=10 MB/s")
    record = attributed(tmp_path, *CLOCK, *mixed)
    loss = {
        name: -math.log(corner(record, *real)["system_efficiency"])
        for name, real in {"b": ["bandwidth"], "h": ["heterogeneity"], "bh": ["bandwidth", "heterogeneity"]}.items()
    }
    bandwidth = (loss["b"] + loss["bh"] - loss["h"]) / 2
    assert factor(record, "bandwidth") == pytest.approx(math.exp(bandwidth), rel=1e-9)
    assert factor(record, "heterogeneity") == pytest.approx(math.exp(loss["bh"] - bandwidth), rel=1e-9)
    assert abs(loss["bh"] - loss["b"] - loss["h"]) > 0.01  # they do not simply multiply


def test_without_churn_and_failures_dropouts_are_off(tmp_path):
    record = attributed(tmp_path, *CLOCK, "network.uplink=1 GB/s")
    assert factor(record, "dropouts") == 1.0
    assert record["off"]["dropouts"] == "nobody drops out, nothing fails"


@pytest.mark.parametrize(
    "churn",
    [
        ("churn=exponential", "churn.up=20 ms", "churn.down=10 ms"),
        ("failures=llama3", *FAILING),
    ],
)
def test_only_dropouts_give_everything_to_dropouts(churn, tmp_path):
    record = attributed(tmp_path, *CLOCK, *churn, "steps=40")
    assert record["status"] == "done", record["reason"]
    assert factor(record, "dropouts") > 1.05
    assert record["total"] == pytest.approx([factor(record, "dropouts")], rel=1e-12)


def test_payloads_that_are_lost_are_dropouts(tmp_path):
    record = attributed(tmp_path, *CLOCK, "participation=lossy", "participation.probability=0.5", "steps=40")
    # What half of the workers send does not count; one always does.
    assert factor(record, "dropouts") == pytest.approx(2, rel=0.2)


def test_the_work_of_bad_actors_is_lost_to_adversaries(tmp_path):
    record = attributed(tmp_path, *CLOCK, "adversary=sign_flip", "adversary.fraction=0.25")
    # One of four sends nothing that counts.
    assert factor(record, "adversaries") == pytest.approx(4 / 3, rel=1e-9)
    assert set(others(record, "adversaries").values()) == {1.0}


def test_a_defence_is_adversaries_too_and_its_arithmetic_is_an_overhead(tmp_path):
    record = attributed(tmp_path, *CLOCK, "aggregator=median", "network.uplink=1 GB/s")
    assert "adversaries" not in record["off"] and "overheads" not in record["off"]
    assert factor(record, "overheads") > 1
    # Where nobody defends, there is no arithmetic: overheads change nothing.
    assert corner(record, "overheads")["tokens_per_second"] == corner(record)["tokens_per_second"]
    verified = attributed(tmp_path, *CLOCK, "verification=recompute", "verification.share=0.25", "steps=40")
    assert factor(verified, "adversaries") > 1.1


def test_where_overheads_are_ideal_coding_is_free_and_steps_take_what_they_took(tmp_path):
    run = attribution(tmp_path, *CLOCK).runs()[0]
    fleet = variant(run, frozenset({"overheads"})).run.scenario.fleet
    for load in (Load(1e15, 0.0), Load(0.0, 1e18)):  # of memory, of arithmetic
        assert code_seconds(run.scenario.fleet, np.arange(4), load).min() > 1
        assert code_seconds(fleet, np.arange(4), load).tolist() == [0.0] * 4
    assert step_seconds(fleet, run.work(4)).tolist() == step_seconds(run.scenario.fleet, run.work(4)).tolist()


def test_a_codec_costs_overheads_and_saves_bandwidth(tmp_path):
    slow = "network.uplink=10 MB/s"
    plain, coded = attributed(tmp_path, *CLOCK, slow), attributed(tmp_path, *CLOCK, slow, "codec=int8")
    assert factor(coded, "overheads") > 1.001 and factor(plain, "overheads") == 1.0
    assert factor(coded, "bandwidth") < factor(plain, "bandwidth") / 2


def test_a_pipelines_bubble_is_an_overhead(tmp_path):
    record = attributed(tmp_path, *STAGES)
    # GPipe: 8 microbatches through 4 stages take (8 + 4 - 1) / 8 of what they would without a bubble.
    assert factor(record, "overheads") == pytest.approx(11 / 8, rel=1e-9)
    assert record["total"] == pytest.approx([11 / 8], rel=1e-9)
    assert set(others(record, "overheads").values()) == {1.0}
    slow = attributed(tmp_path, *STAGES, "network.uplink=100 Mbit/s")
    product = math.prod(factor(slow, name) for name in SWITCHES)
    assert product == pytest.approx(slow["total"][0], rel=1e-9) and factor(slow, "bandwidth") > 1


REAL = {
    "home": ("scenario=volunteer_home", "algorithm=diloco", "algorithm.sync_every=4"),
    "bad actors": ("scenario=volunteer_home", "algorithm=local_sgd", "adversary=sign_flip", "adversary.fraction=0.25"),
    "split": ("scenario=lab_workstations", "algorithm=diloco", "algorithm.sync_every=4", "split=by_speed", "codec=int4"),
    "apart": ("scenario=worldwide", "algorithm=async_local_sgd"),
    "quorum": ("scenario=volunteer_home", "algorithm=local_sgd", "participation=quorum", "participation.fraction=0.5"),
    "varying": ("scenario=volunteer_home", "algorithm=local_sgd", "variation=diurnal"),
}


@pytest.mark.parametrize("world", REAL)
def test_factors_multiply_to_the_total_and_the_ideal_corner_is_one(world, tmp_path):
    record = attributed(tmp_path, "train=false", "model@timed_as=nano", "steps=8", *REAL[world])
    assert record["status"] == "done", record["reason"]
    assert math.prod(factor(record, name) for name in SWITCHES) == pytest.approx(record["total"][0], rel=1e-9)
    assert record["total"][0] > 1
    players = [name for name in TIMED if name not in record["off"]]
    assert len(record["corners"]) == 2 ** len(players)
    ideal = corner(record)["system_efficiency"]
    if world == "apart":  # work that is under way when the run ends is left, and belongs to overheads
        assert ideal < 1 and "overheads" in players
        alone = corner(record, "overheads")["system_efficiency"]
        assert alone == ideal
    else:
        assert ideal == pytest.approx(1.0, abs=1e-12)


def test_a_corner_without_figures_is_named(tmp_path):
    record = attributed(tmp_path, *CLOCK, "network.uplink=1 kbit/s", "max_virtual=1 min")
    assert record["status"] == "timeout"
    assert "max_virtual" in record["reason"] and record["reason"].endswith("(seed 0, with bandwidth real, all else ideal)")
    assert (record["total"], record["factors"], record["corners"]) == ([], {}, [])
    instant = attributed(tmp_path, *CLOCK, "max_virtual=1 us")
    assert instant["reason"].endswith("(seed 0, with all ideal)")
    dropped = attributed(tmp_path, *STAGES, "churn=exponential")
    assert (dropped["status"], "churn drops some" in dropped["reason"]) == ("skipped", True)
    unfit = attributed(tmp_path, *(text for text in CLOCK if "timed_as" not in text), "model@timed_as=llama3_70b")
    assert (unfit["status"], "more than the memory of" in unfit["reason"]) == ("does_not_fit", True)


def test_each_corner_is_simulated_once_a_seed_and_a_record_not_at_all(tmp_path, monkeypatch):
    runs, simulate = [], Simulator.run
    monkeypatch.setattr(Simulator, "run", lambda *given: runs.append(1) or simulate(*given))
    slow = ("network.uplink=1 GB/s", "network.last_mile=1 ms")
    record = attributed(tmp_path, *CLOCK, *slow, seeds=2)
    # Bandwidth and latency: four corners for each of two seeds; and the ideal one, to see whether anything is left.
    assert len(runs) == 2 * (4 + 1) and len(record["corners"]) == 8
    assert attributed(tmp_path, *CLOCK, *slow, seeds=2) == record
    assert len(runs) == 10
    assert attributed(tmp_path, *CLOCK, *slow, seeds=1)["key"] != record["key"]
