"""Rows side by side: time to target, target loss and the comparison with the cluster, derived by hand."""

import json
import math

import pytest

from bench.record import Store, blank_row
from bench.record.row import CLOCKED
from bench.report.frame import compared, load, seconds_to


def row(seconds=(), loss=(), **changes) -> dict:
    """A finished row with every column and the given curve."""
    return (
        blank_row()
        | dict.fromkeys(CLOCKED, 1.0)
        | {"key": "0", "status": "done", "reason": "", "command": "python -m bench"}
        | {"scenario": "volunteer_home", "algorithm": "diloco", "codec": "none", "aggregator": "mean", "adversary": "none"}
        | {"model": "nano", "timed_as": "gpt_350m"}
        | {"workload": "w", "seed": 0, "workers": 8, "peak_flops": 1e15, "ledger": {}}
        | {"curve": {"steps": list(range(len(loss))), "virtual_seconds": list(seconds), "loss": list(loss)}}
        | changes
    )


def cluster(seconds=(), loss=(), **changes) -> dict:
    return row(seconds, loss, scenario="h100_cluster", algorithm="ddp", **changes)


@pytest.mark.parametrize(
    ("target", "seconds"),
    [
        (5.0, 10.0),  # at an evaluation
        (4.0, 15.0),  # from 5 at 10 s to 3 at 20 s: half of the way
        (5.75, 2.5),  # from 6 at 0 s to 5 at 10 s: a quarter of the way
        (6.0, 0.0),  # reached before the first step
        (7.0, 0.0),
        (3.0, 20.0),
    ],
)
def test_the_time_to_a_target_is_linear_between_evaluations(target, seconds):
    assert seconds_to(row([0, 10, 20], [6.0, 5.0, 3.0]), target) == pytest.approx(seconds, rel=1e-12)


def test_a_target_that_is_never_reached_takes_no_number():
    assert math.isnan(seconds_to(row([0, 10], [6.0, 5.0]), 4.999))
    assert math.isnan(seconds_to(row(), 4.0))
    assert math.isnan(seconds_to(row([0, 10], [6.0, 5.0]), math.nan))


def test_the_first_time_counts_where_the_loss_rises_again():
    # From 6 at 0 s to 4 at 10 s: 4.5 is passed after three quarters.
    assert seconds_to(row([0, 10, 20, 30], [6.0, 4.0, 5.0, 3.0]), 4.5) == 7.5


def test_a_loss_that_stays_is_reached_where_it_first_stands():
    assert seconds_to(row([0, 10, 20], [6.0, 5.0, 5.0]), 5.0) == 10.0


def test_the_target_is_the_lowest_loss_that_all_finished_rows_reach():
    rows = [
        row([0, 10], [6.0, 3.0]),
        row([0, 10, 20], [6.0, 4.0, 4.5]),  # its best, 4, is not its last
        row([0, 10], [6.0, 5.5], status="timeout"),
        row(status="does_not_fit"),
    ]
    frame = compared(rows)
    assert list(frame["target_loss"]) == [4.0] * 4
    # From 6 to 3 in 10 s: 4 after two thirds. The timeout never gets there.
    assert list(frame["target_seconds"])[:2] == pytest.approx([20 / 3, 10.0])
    assert frame["target_seconds"][2:].isna().all()


def test_without_a_finished_row_there_is_no_target():
    frame = compared([row(status="does_not_fit"), row([0, 10], [6.0, 5.0], status="timeout")])
    assert frame[["target_loss", "target_seconds", "versus_cluster"]].isna().all(axis=None)


def test_a_row_is_compared_with_a_cluster_of_its_own_peak():
    # The cluster reaches 4 after 15 s with 8 PFLOP/s; with the row's 2 PFLOP/s it would take 60 s. The row takes 120 s.
    rows = [
        cluster([0, 10, 20], [6.0, 5.0, 3.0], peak_flops=8e15),
        row([0, 120], [6.0, 4.0], peak_flops=2e15),
    ]
    frame = compared(rows)
    assert list(frame["target_seconds"]) == [15.0, 120.0]
    assert list(frame["versus_cluster"]) == pytest.approx([1.0, 2.0], rel=1e-12)


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"workers": 16}, {"workload": "v"}, {"codec": "bf16"}, {"algorithm": "diloco"}, {"scenario": "h800_cluster"}],
    ids=lambda change: next(iter(change)),
)
def test_without_its_cluster_a_row_is_compared_with_nothing(other):
    frame = compared([row([0, 120], [6.0, 4.0]), cluster([0, 10], [6.0, 4.0]) | other])
    assert math.isnan(frame["versus_cluster"][0])


@pytest.mark.parametrize("changed", ["network.uplink=unlimited", "devices=h800", "+catalogue.x.peak=1", "~churn.up"])
def test_a_cluster_of_which_the_hardware_was_changed_is_not_the_one_to_compare_with(changed):
    command = f"python -m bench scenario=h100_cluster algorithm=ddp {changed}"
    rows = [cluster([0, 10], [6.0, 4.0]), cluster([0, 1], [6.0, 4.0], command=command), row([0, 120], [6.0, 4.0])]
    assert list(compared(rows)["versus_cluster"]) == pytest.approx([1.0, 0.1, 12.0])
    assert compared(rows[1:])["versus_cluster"].isna().all()


def test_the_cluster_may_stand_elsewhere():
    frame = compared([row([0, 120], [6.0, 4.0])], elsewhere=[cluster([0, 10], [6.0, 4.0])])
    assert list(frame["versus_cluster"]) == pytest.approx([12.0])


def test_a_row_that_never_reaches_the_target_has_no_ratio():
    rows = [cluster([0, 10], [6.0, 4.0]), row([0, 120], [6.0, 5.0], status="timeout")]
    assert math.isnan(compared(rows)["versus_cluster"][1])


@pytest.mark.filterwarnings("error")
def test_a_row_that_learns_nothing_sets_no_target():
    frame = compared([cluster([0, 10], [6.0, 4.0]), row([0, 120], [6.0, 6.5])])
    assert list(frame["target_loss"]) == [4.0, 4.0]
    assert list(frame["versus_cluster"]) == pytest.approx([1.0, math.nan], nan_ok=True)
    assert compared([row([0, 120], [6.0, 6.5])])["target_loss"].isna().all()


def test_a_row_that_learns_and_forgets_all_of_it_sets_no_target():
    frame = compared([row([0, 10, 20], [6.0, 5.0, 70.0]), row([0, 120], [6.0, 4.0])])
    assert list(frame["target_loss"]) == [4.0, 4.0]
    assert math.isnan(frame["target_seconds"][0])


def test_two_workloads_do_not_mix():
    rows = [
        cluster([0, 10], [6.0, 4.0], workload="v"),
        row([0, 10], [6.0, 4.0], workload="v"),
        cluster([0, 10], [6.0, 2.0], workload="w"),
        row([0, 30], [6.0, 3.0], workload="w"),
    ]
    frame = compared(rows)
    assert list(frame["target_loss"]) == [4.0, 4.0, 3.0, 3.0]
    # In w the cluster passes 3 after three quarters of 10 s; the row takes 30 s.
    assert list(frame["versus_cluster"]) == pytest.approx([1.0, 1.0, 1.0, 4.0])


def test_a_diverged_row_takes_no_part_in_the_target_and_does_not_stop_the_others(tmp_path):
    store = Store(tmp_path)
    diverged = row([0, 10, 20], [6.0, 5.0, math.nan], key="1", status="diverged")
    paths = [store.write(row([0, 10], [6.0, 4.0])), store.write(diverged)]
    rows, broken = load(paths)
    assert broken == []
    frame = compared(rows)
    assert list(frame["target_loss"]) == [4.0, 4.0]
    assert math.isnan(frame["target_seconds"][1])


def test_settings_are_what_not_all_commands_say():
    common = "python -m bench steps=4 scenario={} algorithm={} data=synthetic"
    commands = [
        common.format("h100_cluster", "ddp"),
        common.format("volunteer_home", "diloco") + " algorithm.sync_every=5 'network.uplink=10 Mbit/s'",
        common.format("volunteer_home", "diloco") + " algorithm.sync_every=10",
    ]
    frame = compared([row(command=command) for command in commands])
    assert list(frame["settings"]) == ["", "algorithm.sync_every=5 network.uplink=10 Mbit/s", "algorithm.sync_every=10"]


def test_a_row_alone_differs_in_nothing():
    assert list(compared([row(command="python -m bench steps=4")])["settings"]) == [""]


def test_rows_keep_their_order():
    assert list(compared([row(key=str(number)) for number in (3, 1, 2)])["key"]) == ["3", "1", "2"]


def test_a_row_that_cannot_be_read_is_named_and_left_out(tmp_path):
    store = Store(tmp_path)
    paths = [store.write(row(key=key)) for key in "abc"]
    paths[1].write_text(paths[1].read_text()[:100])
    paths[2].write_text(json.dumps(json.loads(paths[2].read_text()) | {"schema": 999}))
    rows, broken = load(paths)
    assert [found["key"] for found in rows] == ["a"]
    assert [str(path) in line for path, line in zip(paths[1:], broken, strict=True)] == [True, True]


def test_a_row_that_is_done_and_does_not_know_how_long_it_took_is_named_and_left_out(tmp_path):
    path = Store(tmp_path).write(row(virtual_seconds=math.nan))
    rows, [line] = load([path])
    assert not rows
    assert line == f"{path} is done and does not know its virtual_seconds"


def test_statistical_efficiency_is_the_tokens_of_the_cluster_over_those_of_the_row_at_a_loss_that_both_reach():
    # The cluster passes 4, where the row ends, half of the way from step 1 to step 2: 1.5 of 2 steps, 15 of 20 tokens.
    # The row took all of its 60 tokens.
    rows = [cluster([0, 1, 2], [6.0, 5.0, 3.0], steps=2, tokens=20), row([0, 5], [6.0, 4.0], steps=1, tokens=60)]
    frame = compared([one | {"system_efficiency": 0.5} for one in rows])
    assert list(frame["statistical_efficiency"]) == pytest.approx([1.0, 0.25])
    assert list(frame["efficiency"]) == pytest.approx([0.5, 0.125])
    assert list(frame["slowdown"]) == pytest.approx([2.0, 8.0])


def test_a_row_that_learns_more_than_the_cluster_is_measured_where_the_cluster_ends():
    # The cluster ends at 4 after 20 tokens; the row passes 4 half of the way from 5 to 3: 7.5 of 10 tokens.
    rows = [cluster([0, 1], [6.0, 4.0], steps=1, tokens=20), row([0, 5, 9], [6.0, 5.0, 3.0], steps=2, tokens=10)]
    assert compared(rows)["statistical_efficiency"][1] == pytest.approx(20 / 7.5)


@pytest.mark.parametrize("loss", [[6.0, 6.5], [], [6.0, math.nan]])
def test_a_row_that_learnt_nothing_has_no_statistical_efficiency(loss):
    rows = [cluster([0, 1], [6.0, 4.0], tokens=20), row(list(range(len(loss))), loss, tokens=10)]
    assert math.isnan(compared(rows)["slowdown"][1])
