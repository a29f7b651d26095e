"""What papers say beside rows: changes of perplexity, seed by seed."""

import math

import pytest

from bench.errors import RecordError
from bench.report.formats import markdown
from bench.report.orderings import CLAIMS, Claim, figure, findings, flat, table

CLAIM = Claim(
    "Rarer", "a paper", "+3 %", 0.0, 3.0, {"sweep": "rare", "algorithm.sync_every": "10"}, {"algorithm.sync_every": "80"}
)


def key(every, seed, sweep="rare"):
    return f"{every:02}{seed:02}{sweep}".ljust(32, "0")


def row(every, seed, loss, sweep="rare", status="done"):
    command = f"python -m bench +sweep={sweep} hydra.mode=RUN algorithm=diloco algorithm.sync_every={every} seed={seed}"
    conf = {"algorithm": {"sync_every": every}}
    return {
        "key": key(every, seed, sweep),
        "status": status,
        "command": command,
        "seed": seed,
        "final_loss": loss,
        "algorithm": "diloco",
        "conf": conf,
    }


def test_changes_are_those_of_perplexity_between_runs_of_one_seed():
    rows = [row(10, 0, 2.0), row(10, 1, 2.1), row(80, 1, 2.1 + math.log(1.02)), row(80, 0, 2.0 + math.log(1.01))]
    [found] = findings(rows, [CLAIM])
    assert found.changes == pytest.approx([1.0, 2.0])
    assert found.text() == "+1.5 % [+1.0 to +2.0] (2)"
    assert found.verdict == "agrees"


@pytest.mark.parametrize(
    ("factors", "verdict"),
    [((1.01, 1.02, 1.5), "agrees"), ((1.02, 1.05, 1.06), "within the seeds' noise"), ((1.05, 1.06, 1.07), "disagrees")],
)
def test_the_verdict_is_of_the_median_then_of_all_seeds(factors, verdict):
    rows = [row(10, seed, 2.0) for seed in range(3)]
    rows += [row(80, seed, 2.0 + math.log(factor)) for seed, factor in enumerate(factors)]
    assert findings(rows, [CLAIM])[0].verdict == verdict


def test_what_is_missing_not_done_or_of_another_sweep_is_left_out():
    rows = [
        row(10, 0, 2.0),
        row(80, 0, 9.0, status="diverged"),
        row(10, 1, 2.0),
        row(80, 1, 2.0, sweep="rarer"),
        row(80, 2, 2.0),
    ]
    [found] = findings(rows, [CLAIM])
    assert (found.changes, found.verdict, found.text()) == ((), "not measured", "-")


def test_two_rows_of_one_seed_are_told():
    with pytest.raises(RecordError, match="with seed 0"):
        findings([row(10, 0, 2.0), row(10, 0, 2.1), row(80, 0, 2.0)], [CLAIM])


def test_the_table_has_a_line_for_each_claim_and_the_figure_one_for_each_that_is_measured():
    found = findings([row(10, 0, 2.0), row(80, 0, 2.1)], [CLAIM, *CLAIMS])
    lines = markdown(table(found)).splitlines()
    assert sum(line.startswith("|") for line in lines) == 2 + 1 + len(CLAIMS)
    assert "| Rarer | a paper | +3 % | +10.5 % [+10.5 to +10.5] (1) | disagrees |" in lines
    assert f"- Rarer: {key(10, 0)[:8]} {key(80, 0)[:8]}" in lines
    assert flat(found)["rows"][0] == f"{key(10, 0)} {key(80, 0)}"
    assert flat(found)["median"][0] == pytest.approx(math.expm1(0.1))
    [panel] = figure(found).axes
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["Rarer"]
