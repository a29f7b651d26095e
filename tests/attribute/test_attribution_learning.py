"""Factors of runs that learn: they multiply to the slowdown of the run's row, and nothing is trained twice."""

import math

import pytest
from attributed import attributed, attribution, composed, factor, row

from bench.attribute.attribution import Attribution
from bench.attribute.reference import reference_conf
from bench.attribute.switches import SWITCHES, TIMED
from bench.report.frame import compared
from bench.run import Run
from bench.trainer import Curve

HOME = ("model@timed_as=nano", "scenario=volunteer_home", "algorithm=diloco", "algorithm.sync_every=4")
CHURN = ("churn=exponential", "churn.up=1 s", "churn.down=0.2 s")
BAD = ("adversary=sign_flip", "adversary.fraction=0.25")


@pytest.fixture
def trained(monkeypatch):
    """The schedules that are really trained, in turn."""
    schedules, train = [], Run._train

    def noting(run, schedule, *rest):
        schedules.append(schedule)
        return train(run, schedule, *rest)

    monkeypatch.setattr(Run, "_train", noting)
    return schedules


def test_factors_multiply_to_the_slowdown_of_the_row_with_the_same_settings(tmp_path):
    settings = (*HOME, *CHURN, "codec=int8", "network.uplink=1 Mbit/s")
    cluster = row(tmp_path, "model@timed_as=nano", "scenario=h100_cluster", "algorithm=ddp")
    ours = row(tmp_path, *settings)
    record = attributed(tmp_path, *settings)
    [frame] = [compared([ours, cluster]).iloc[0]]
    whole = max(record["corners"], key=lambda corner: len(corner["real"]))
    assert record["status"] == "done" and not record["clock_alone"]
    assert set(whole["real"]) == set(TIMED) - {"adversaries"}
    assert whole["tokens_per_second"] == ours["tokens_per_second"]
    assert whole["system_efficiency"] == ours["system_efficiency"]
    assert (whole["curve_digest"], record["rows"]) == (ours["curve_digest"], [ours["key"]])
    assert whole["statistical_efficiency"] == frame["statistical_efficiency"] != 1
    product = math.prod(factor(record, name) for name in SWITCHES)
    assert product == pytest.approx(1 / frame["efficiency"], rel=1e-9) == record["total"][0]
    # The reference has the curve of the cluster.
    assert record["references"] == [cluster["curve_digest"]]


def test_synchronous_training_where_nothing_is_in_its_way_is_its_own_reference(tmp_path, trained):
    record = attributed(tmp_path, "model@timed_as=nano", "scenario=h100_cluster", "algorithm=ddp")
    assert len(trained) == 1
    assert factor(record, "statistics") == 1.0
    assert record["total"][0] == pytest.approx(math.prod(factor(record, name) for name in TIMED), rel=1e-9)


def test_equal_schedules_are_one_training_and_what_was_trained_is_found(tmp_path, trained, capsys):
    row(tmp_path, "model@timed_as=nano", "scenario=h100_cluster", "algorithm=ddp")
    record = attributed(tmp_path, *HOME, "churn=always_on", "progress=plain", seeds=2)
    # Whatever the links and devices, all take part in every round: one way to learn a seed, beside a reference a seed;
    # the first seed's reference is the cluster's.
    assert len(trained) == 1 + 3
    assert "16 corners and the references learn in 4 ways: 1 found, 3 to train" in capsys.readouterr().err
    digests = [{corner["curve_digest"] for corner in record["corners"] if corner["seed"] == seed} for seed in (0, 1)]
    assert [len(some) for some in digests] == [1, 1] and digests[0] != digests[1]
    # Of these settings nothing is left to train, neither for its row nor for another number of seeds.
    row(tmp_path, *HOME, "churn=always_on")
    attributed(tmp_path, *HOME, "churn=always_on", seeds=1)
    attributed(tmp_path, *HOME, "churn=always_on", "network.uplink=1 Mbit/s", seeds=2)
    assert len(trained) == 4


def test_what_takes_part_differently_is_trained_by_itself(tmp_path, trained):
    record = attributed(tmp_path, *HOME, *CHURN, "network.uplink=1 Mbit/s")
    ways = {corner["curve_digest"] for corner in record["corners"]}
    assert len(trained) == len({*ways, *record["references"]})
    assert len(ways) > 1
    assert factor(record, "dropouts") != 1


def test_several_seeds_have_a_value_each(tmp_path):
    record = attributed(tmp_path, *HOME, *CHURN, seeds=2)
    assert record["seeds"] == [0, 1]
    for number in range(2):
        product = math.prod(values[number] for values in record["factors"].values())
        assert product == pytest.approx(record["total"][number], rel=1e-9)
    assert len(set(record["total"])) == 2
    second = attributed(tmp_path, *HOME, *CHURN, "seed=1")
    assert second["total"] == pytest.approx(record["total"][1:2], rel=1e-12)
    assert record["rows"][1:2] == second["rows"]


def test_bad_actors_without_a_defence_leave_the_clock_alone_and_are_named(tmp_path):
    record = attributed(tmp_path, *HOME, *BAD, "churn=always_on", "adversary.scale=1000")
    assert record["clock_alone"].startswith("with 1 of 4 bad actors and no robust rule the model learns nothing")
    lost = [corner for corner in record["corners"] if corner["statistical_efficiency"] is None]
    assert lost == [corner for corner in record["corners"] if "adversaries" in corner["real"]]
    assert f"({len(lost)} of {len(record['corners'])} corners, seed 0)" in record["clock_alone"]
    assert factor(record, "statistics") == 1.0 and record["off"]["statistics"] == record["clock_alone"]
    whole = max(record["corners"], key=lambda corner: len(corner["real"]))
    assert record["total"] == pytest.approx([1 / whole["system_efficiency"]], rel=1e-12)


def test_a_robust_rule_keeps_them_a_factor(tmp_path, trained):
    record = attributed(tmp_path, *HOME, *BAD, "churn=always_on", "aggregator=median")
    assert not record["clock_alone"] and factor(record, "adversaries") > 1
    assert len(trained) == 3  # the reference, nobody bad and the mean, bad actors and the median


def test_where_nothing_learns_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "_train", lambda *given: Curve([0, 12], [3.0, 3.5]))
    record = attributed(tmp_path, *HOME, "churn=always_on")
    assert record["clock_alone"].startswith("no corner learns anything, not the ideal one either")


def test_training_is_no_part_where_none_is_asked_for(tmp_path, trained):
    record = attributed(tmp_path, *HOME, "train=false")
    assert (record["clock_alone"], record["references"], trained) == ("train=false: the clock alone", [], [])


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        (("algorithm=diloco",), 0.003),
        (("algorithm=diloco", "optimizer.lr=0.01"), 0.01),  # the usual optimizer, set otherwise
        (("algorithm=demo",), 0.003),  # one of its own
        (("algorithm=muloco",), 0.003),
    ],
)
def test_the_reference_has_the_optimizer_of_the_run_if_it_is_the_usual_one(settings, rate, tmp_path):
    conf, names = composed(tmp_path, *settings, *BAD, "codec=int4", "aggregator=median", "seed=5", "data.tokens=30000")
    reference = reference_conf(conf, names)
    assert reference["optimizer"]["_target_"] == "bench.optimizer.AdamW"
    assert reference["optimizer"]["lr"] == rate
    usual, _ = composed(tmp_path, "algorithm=ddp", "churn=always_on", "failures=none")
    for group in (
        "algorithm",
        "codec",
        "feedback",
        "aggregator",
        "adversary",
        "verification",
        "churn",
        "participation",
        "split",
    ):
        assert reference[group] == usual[group]
    for group in ("model", "data", "steps", "workers", "seed", "evaluation", "lr_schedule"):
        assert reference[group] == conf[group]


def test_a_model_that_ddp_could_not_hold_has_a_reference(tmp_path):
    # Four layers of 64 are 220,000 parameters: 16 bytes of each are 3.5 MB, of which a stage of four holds a fourth.
    small = ("catalogue.h100_sxm.memory=1200 kB", "scenario=h100_cluster", "timed_as.layers=4", "timed_as.batch=8")
    record = attributed(tmp_path, *small, "model@timed_as=nano", "algorithm=pipeline", "algorithm.stages=4", "failures=none")
    assert record["status"] == "done", record["reason"]
    ddp = attributed(tmp_path, *small, "model@timed_as=nano", "algorithm=ddp")
    assert ddp["status"] == "does_not_fit"


def test_an_attribution_gives_the_runs_of_its_seeds(tmp_path):
    runs = attribution(tmp_path, *HOME, seeds=2).runs()
    assert [run.conf["seed"] for run in runs] == [0, 1]
    assert isinstance(runs[0], Run) and isinstance(attribution(tmp_path, *HOME), Attribution)
