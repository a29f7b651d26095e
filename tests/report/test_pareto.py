"""Pareto fronts: who dominates whom, what ties, and what is not known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeded_rows import not_done, over_seeds, seeded

from bench.report.cell import Cell
from bench.report.frame import compared
from bench.report.pareto import dominates, front, pareto

CHIP = {
    "peak": "100 TFLOP/s",
    "memory": "80 GB",
    "memory_bandwidth": "2 TB/s",
    "efficiency": 0.8,
    "power": "1000 W",
    "rent": "3.6 USD/h",
    "source": "made up",
    "verified": True,
}


def cell(*values):
    return Cell(tuple(sorted(values)))


def marks(rows, column):
    """The cells of a column by scenario and algorithm."""
    [table], _ = pareto(compared(rows), {})
    place = table.head.index(column)
    return {(line[0], line[1]): line[place] for line in table.lines}


def test_less_of_one_and_no_more_of_the_other_dominates():
    assert dominates(cell(2.0), cell(10.0), cell(3.0), cell(10.0))
    assert dominates(cell(2.0), cell(10.0), cell(2.0), cell(11.0))
    assert not dominates(cell(2.0), cell(11.0), cell(3.0), cell(10.0))
    assert not dominates(cell(2.0), cell(10.0), cell(2.0), cell(10.0))


def test_intervals_that_meet_in_both_are_a_tie_that_dominates_nobody():
    better = cell(2.0, 2.2, 2.4), cell(9.0, 10.0, 11.0)
    meets = cell(2.4, 2.5, 2.6), cell(11.0, 12.0, 13.0)
    apart = cell(2.5, 2.6, 2.7), cell(11.0, 12.0, 13.0)
    assert not dominates(*better, *meets)
    assert dominates(*better, *apart)


@given(st.lists(st.tuples(*[st.lists(st.integers(1, 6), min_size=1, max_size=3)] * 2), min_size=1, max_size=7))
def test_there_is_always_a_front_and_with_one_seed_each_it_is_the_plain_one(points):
    def places(some):
        losses = {("a", str(number)): cell(*map(float, loss)) for number, (loss, _) in enumerate(some)}
        return losses, {("a", str(number)): cell(*map(float, amount)) for number, (_, amount) in enumerate(some)}

    assert front(*places(points))
    single = [(loss[:1], amount[:1]) for loss, amount in points]
    plain = [
        ("a", str(number))
        for number, (loss, amount) in enumerate(single)
        if not any(one <= loss and other <= amount and (one, other) != (loss, amount) for one, other in single)
    ]
    assert front(*places(single)) == plain


def test_marks_are_of_the_scenario_and_of_all():
    rows = [
        seeded("a", "ddp", seconds=30.0, loss=2.0),  # best loss of all
        seeded("a", "diloco", seconds=20.0, loss=3.0),  # fastest of a, but b's is faster and better
        seeded("a", "noloco", seconds=40.0, loss=3.5),  # dominated twice
        seeded("b", "ddp", seconds=10.0, loss=2.5),
        seeded("b", "diloco", seconds=12.0, loss=2.5),  # as good and slower
        not_done("b", "noloco"),
    ]
    assert marks(rows, "time to end") == {
        ("a", "ddp"): "30.0 s (1) **",
        ("a", "diloco"): "20.0 s (1) *",
        ("a", "noloco"): "40.0 s (1)",
        ("b", "ddp"): "10.0 s (1) **",
        ("b", "diloco"): "12.0 s (1)",
        ("b", "noloco"): "timeout (1)",
    }
    # All send a gigabyte: only the lowest loss is left, in b that of two.
    on_front = {pair: text.partition(") ")[2] for pair, text in marks(rows, "sent a worker").items() if text.endswith("*")}
    assert on_front == {("a", "ddp"): "**", ("b", "ddp"): "*", ("b", "diloco"): "*"}


def test_what_learnt_nothing_is_on_no_front_however_fast():
    rows = [
        seeded("a", "ddp", seconds=30.0),
        seeded("a", "demo", seconds=1.0, loss=6.0),
        seeded("a", "fsdp", seconds=2.0, curve={"steps": [], "virtual_seconds": [], "loss": []}, final_loss=math.nan),
    ]
    [table], _ = pareto(compared(rows), {})
    assert [line[2] for line in table.lines] == ["4.000 (1)", "learnt nothing (1)", "not trained (1)"]
    assert marks(rows, "time to end") == {
        ("a", "ddp"): "30.0 s (1) *",
        ("a", "demo"): "1.00 s (1)",
        ("a", "fsdp"): "2.00 s (1)",
    }


def test_a_seed_without_a_number_keeps_an_algorithm_off_the_front():
    rows = [*over_seeds("a", "ddp", 30.0, 31.0), seeded("a", "diloco", seconds=1.0), not_done("a", "diloco", 1)]
    assert marks(rows, "time to end")["a", "diloco"] == "1.00 s (1), timeout (1)"
    assert marks(rows, "time to end")["a", "ddp"] == "30.5 s [30.0 s–31.0 s] (2) *"
    rows = [*rows[:2], seeded("a", "demo", seconds=1.0), seeded("a", "demo", 1, seconds=1.0, loss=6.0)]  # one learnt nothing
    assert marks(rows, "time to end")["a", "demo"] == "1.00 s (2)"


def test_money_and_energy_are_those_of_all_devices_until_the_end():
    conf = {"devices": {"mix": {"chip": 1.0}}, "catalogue": {"chip": CHIP}}
    rows = [seeded("a", name, seconds=seconds, conf=conf) for name, seconds in (("ddp", 3600.0), ("diloco", 7200.0))]
    # Eight devices for an hour, 3.6 USD each: 28.8 USD; 8 kWh, 0.82 of that again for the host, PUE 1.1: 16.0 kWh.
    assert marks(rows, "USD") == {("a", "ddp"): "28.8 (1) *", ("a", "diloco"): "57.6 (1)"}
    assert marks(rows, "kWh") == {("a", "ddp"): "16.0 (1) *", ("a", "diloco"): "32.0 (1)"}


@pytest.mark.parametrize(
    ("conf", "why"),
    [
        ({}, "not known: a does not tell its devices"),
        ({"devices": {"mix": {"none": 1.0}}, "catalogue": {}}, "not known: a does not tell its devices"),
        ({"devices": {"mix": {"chip": 1.0}}, "catalogue": {"chip": {**CHIP, "rent": None}}}, "neither rent nor price of chip"),
    ],
)
def test_a_price_that_is_not_known_is_a_dash_and_why_is_said(conf, why):
    rows = [seeded("a", "ddp", conf=conf), seeded("a", "diloco", conf=conf)]
    [table], figures = pareto(compared(rows), {})
    assert set(marks(rows, "USD").values()) == {"-"}
    assert any(why in note for note in table.notes)
    assert figures["usd"].isna().all()
    assert not figures["front_usd"].any()


def test_one_algorithm_and_rows_without_a_loss_make_no_table():
    assert pareto(compared([seeded("a", "ddp")]), {})[0] == []
    assert pareto(compared([not_done("a", "ddp"), not_done("a", "diloco")]), {})[0] == []
