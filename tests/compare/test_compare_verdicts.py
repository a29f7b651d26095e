"""Verdicts on cells, derived by hand: figures, statuses, seeds, and what is not known."""

import math

import pytest
from folders import folder, row

from bench.compare.figures import METRICS
from bench.compare.verdict import compare


def findings(base, new, tolerance=0.01, metrics=tuple(METRICS)):
    """What is found, by metric; of one cell."""
    found = compare(folder(base), folder(new), tolerance, metrics).findings
    assert len({finding.metric for finding in found}) == len(found)
    return {finding.metric: finding for finding in found}


def verdicts(base, new, tolerance=0.01):
    return {metric: finding.verdict for metric, finding in findings(base, new, tolerance).items()}


def test_a_row_is_identical_to_itself():
    rows = [row(seed=seed) for seed in range(3)]
    assert verdicts(rows, rows) == dict.fromkeys(METRICS, "identical")


def test_a_slower_clock_makes_throughput_and_time_worse_and_nothing_else():
    # 1000 → 800 tokens/s: -20 %. The target is 3.0, which both reach at the end: 1000 s → 1250 s, +25 %.
    found = findings([row(rate=1000)], [row(rate=800)])
    assert {metric for metric, finding in found.items() if finding.verdict == "regression"} == {"throughput", "time"}
    assert (found["throughput"].change, found["throughput"].worse) == (pytest.approx(-0.2), pytest.approx(0.2))
    assert (found["time"].base, found["time"].new) == (pytest.approx(1000), pytest.approx(1250))
    assert found["time"].worse == pytest.approx(0.25)
    assert {found[name].verdict for name in ("final_loss", "best_loss", "sent")} == {"identical"}


def test_what_is_better_is_an_improvement():
    found = findings([row(rate=1000, sent=4e9)], [row(rate=1100, sent=1e9)])
    assert {found[name].verdict for name in ("throughput", "time", "sent")} == {"improvement"}
    assert found["sent"].worse == pytest.approx(-0.75)


def test_the_time_is_to_the_loss_that_both_reach():
    # 5 → 3 in 1000 s, and 5 → 4 in 1000 s: the first passes 4 half way.
    found = findings([row(loss=(5.0, 3.0))], [row(loss=(5.0, 4.0))])
    assert (found["time"].base, found["time"].new) == (pytest.approx(500), pytest.approx(1000))
    assert found["final_loss"].verdict == found["best_loss"].verdict == "regression"


def test_the_best_loss_is_not_the_last_one():
    found = findings([row(loss=(5.0, 2.0, 3.0))], [row(loss=(5.0, 2.5, 3.0))])
    assert found["final_loss"].verdict == "identical"
    assert (found["best_loss"].base, found["best_loss"].new, found["best_loss"].worse) == (2.0, 2.5, pytest.approx(0.25))


@pytest.mark.parametrize(
    ("tolerance", "expected"), [(0.049, "regression"), (0.051, "within tolerance"), (0.2, "within tolerance")]
)
def test_the_tolerance_is_a_share_of_the_median(tolerance, expected):
    assert verdicts([row(rate=1000)], [row(rate=950)], tolerance)["throughput"] == expected


def test_the_median_over_seeds_counts():
    # Ratios 0.9, 0.9 and 1.5: the median is 10 % worse, but three seeds that far apart tell nothing.
    base = [row(seed=seed) for seed in range(3)]
    new = [row(seed=seed, rate=rate) for seed, rate in enumerate((900, 900, 1500))]
    found = findings(base, new)["throughput"]
    assert (found.change, found.verdict) == (pytest.approx(-0.1), "same within noise")


def test_equal_seeds_cancel_their_effect_and_others_do_not():
    # Seeds differ by a factor of 4; each is 10 % slower, give or take 0.01 %.
    rates = [1000, 2000, 4000]
    base = [row(seed=seed, rate=rate) for seed, rate in enumerate(rates)]
    slower = [rate * factor for rate, factor in zip(rates, (0.8999, 0.9, 0.9001), strict=True)]
    same = findings(base, [row(seed=seed, rate=rate) for seed, rate in enumerate(slower)])["throughput"]
    other = findings(base, [row(seed=seed + 3, rate=rate) for seed, rate in enumerate(slower)])["throughput"]
    assert (same.verdict, same.paired, same.seeds) == ("regression", True, (3, 3))
    assert (other.verdict, other.paired, other.seeds) == ("same within noise", False, (3, 3))


def test_a_folder_with_fewer_seeds_is_compared_on_those():
    base = [row(seed=seed, rate=rate) for seed, rate in enumerate((1000, 1500, 2000))]
    found = findings(base, [row(seed=1, rate=1500)])
    assert (found["throughput"].verdict, found["throughput"].seeds, found["throughput"].base) == ("identical", (1, 1), 1500)


def test_where_no_cell_has_two_seeds_only_the_tolerance_judges():
    comparison = compare(folder([row()]), folder([row(rate=980)]), 0.01, ("throughput",))
    assert comparison.noiseless == ["throughput"]
    assert [finding.verdict for finding in comparison.findings] == ["regression"]
    assert math.isnan(comparison.findings[0].chance)
    seeds = [[row(seed=seed, rate=rate + seed) for seed in range(2)] for rate in (1000, 980)]
    assert compare(folder(seeds[0]), folder(seeds[1]), 0.01, ("throughput",)).noiseless == []


@pytest.mark.parametrize("status", ["timeout", "diverged", "does_not_fit", "skipped", "error"])
def test_a_row_that_is_done_no_longer_is_a_regression(status):
    bad = row(status=status, reason="it takes too long", rate=math.nan, loss=())
    assert verdicts([row()], [bad]) == {"status": "regression"}
    assert verdicts([bad], [row()]) == {"status": "improvement"}
    assert verdicts([bad], [bad]) == {}
    assert "it takes too long" in findings([row()], [bad])["status"].why


def test_another_way_of_failing_is_not_comparable():
    assert verdicts([row(status="timeout")], [row(status="diverged")]) == {"status": "not comparable"}


def test_the_seeds_that_are_done_in_both_are_compared():
    base = [row(seed=seed, rate=1000 + seed) for seed in range(3)]
    found = findings(base, [row(seed=0, rate=math.nan, status="timeout"), *base[1:]])
    assert found["status"].verdict == "regression"
    assert (found["throughput"].verdict, found["throughput"].seeds) == ("identical", (2, 2))


def test_of_other_seeds_one_that_has_bad_luck_is_no_regression():
    base = [row(seed=seed, rate=1000 + seed) for seed in range(3)]
    new = [row(seed=seed + 3, rate=1000 + seed, status="diverged" if seed else "done") for seed in range(3)]
    assert "status" not in findings(base, new)
    assert findings(base, [each | {"status": "diverged"} for each in new])["status"].verdict == "regression"


def test_rows_that_were_not_trained_are_compared_by_their_clock():
    assert verdicts([row(loss=())], [row(loss=())]) == {"throughput": "identical", "sent": "identical"}


def test_a_run_that_learns_nothing_any_more_is_a_regression():
    found = findings([row(loss=(5.0, 3.0))], [row(loss=(5.0, 5.5))])
    assert (found["best_loss"].verdict, found["best_loss"].why) == ("regression", "it learns nothing any more")
    assert found["final_loss"].verdict == "regression"
    assert "time" not in found  # there is no loss that both reach


def test_bytes_where_none_were_sent_are_a_regression_without_a_ratio():
    found = findings([row(sent=0.0)], [row(sent=5.0)])["sent"]
    assert (found.verdict, found.worse, math.isnan(found.change)) == ("regression", math.inf, True)
    assert findings([row(sent=5.0)], [row(sent=0.0)])["sent"].verdict == "improvement"
    assert findings([row(sent=0.0)], [row(sent=0.0)])["sent"].verdict == "identical"


def test_the_worst_comes_first():
    base = [row(cell) for cell in "abc"]
    new = [row("a", rate=900), row("b", rate=500), row("c", rate=700)]
    found = compare(folder(base), folder(new), 0.01, ("throughput",)).of("regression")
    assert [finding.worse for finding in found] == pytest.approx([0.5, 0.3, 0.1])
    assert found[0].keys == ("b30s0",)
