"""The table of two settings: what stands in a cell, what is marked, and what is said of it."""

import csv
import io

import pytest

from bench.errors import RecordError
from bench.record import PATHS_AND_PLACES, Store, blank_row
from bench.record.row import CLOCKED
from bench.report.formats import markdown
from bench.report.matrix import Matrix, cells, flat, label, leading, table, write_matrix

MATRIX = Matrix(rows="adversary", columns="aggregator")


def row(adversary, aggregator, seed, loss=None, status="done", **changes):
    """A row of one pair and seed."""
    command = f"python -m bench adversary={adversary} aggregator={aggregator} seed={seed}"
    value = {} if loss is None else {"final_loss": loss}
    conf = {"adversary": {"_target_": "a.B", "fraction": 0.2, "z": None}, "aggregator": {"_target_": "c.D"}, "steps": 7}
    names = {"adversary": adversary, "aggregator": aggregator, "seed": seed, "status": status, "algorithm": "ddp"}
    clocked = dict.fromkeys(CLOCKED, 1.0)
    return (
        blank_row()
        | clocked
        | names
        | {"key": f"{adversary}{aggregator}{seed}", "command": command, "conf": conf}
        | value
        | changes
    )


def seeds(adversary, aggregator, *losses):
    return [row(adversary, aggregator, seed, loss) for seed, loss in enumerate(losses)]


def three_places(value):
    return f"{value:.3f}"


ROWS = [
    *seeds("none", "mean", 2.5, 2.4, 2.7),
    *seeds("none", "median", 2.6, 2.65, 2.9),  # its interval meets that of mean
    *seeds("none", "krum", 3.0, 3.2, 3.1),
    *seeds("noise", "mean", 9.0, 8.0),
    row("noise", "mean", 2, status="diverged", reason="not finite"),
    *seeds("noise", "median", 2.8, 2.9, 3.0),
]


def test_a_cell_is_the_median_of_its_seeds_and_their_interval():
    found = cells(ROWS, MATRIX)
    assert found["none"]["mean"].text(three_places) == "2.500 [2.400–2.700] (3)"
    assert found["none"]["krum"].text(three_places) == "3.100 [3.000–3.200] (3)"
    assert cells(seeds("none", "mean", 2.5), MATRIX)["none"]["mean"].text(three_places) == "2.500 (1)"


def test_what_did_not_finish_is_told_by_its_status_and_what_was_not_measured_is_a_dash():
    found = cells(ROWS, MATRIX)
    assert found["noise"]["mean"].text(three_places) == "8.500 [8.000–9.000] (2), diverged (1)"
    assert found["noise"]["krum"].text(three_places) == "-"
    assert cells([row("a", "b", 0, status="timeout")], MATRIX)["a"]["b"].text(three_places) == "timeout (1)"
    assert cells([row("a", "b", 0)], MATRIX)["a"]["b"].text(three_places) == "-"  # done, and nothing trained


def test_lines_and_columns_come_in_the_order_of_the_rows():
    found = cells(ROWS, MATRIX)
    assert list(found) == ["none", "noise"]
    assert list(found["none"]) == list(found["noise"]) == ["mean", "median", "krum"]


def test_the_best_of_a_line_leads_with_those_whose_interval_meets_its():
    # mean: 2.4 to 2.7; median: 2.6 to 2.9; krum: 3.0 to 3.2.
    found = cells(ROWS, MATRIX)
    assert leading(found["none"], "lowest") == {"mean", "median"}
    assert leading(found["none"], "highest") == {"krum"}


def test_a_cell_that_is_not_whole_does_not_lead_and_one_that_is_alone_leads_nobody():
    assert leading(cells(ROWS, MATRIX)["noise"], "lowest") == set()
    rows = [*seeds("noise", "krum", 3.5, 3.6, 3.7), *ROWS[9:]]
    assert leading(cells(rows, MATRIX)["noise"], "lowest") == {"median"}


def test_the_markdown_shows_cells_and_says_what_they_are():
    text = markdown(table(ROWS, MATRIX)).splitlines()
    assert text[0] == "| adversary \\ aggregator | mean | median | krum |"
    assert text[2] == "| none | **2.500 [2.400–2.700] (3)** | **2.650 [2.600–2.900] (3)** | 3.100 [3.000–3.200] (3) |"
    assert text[3] == "| noise | 8.500 [8.000–9.000] (2), diverged (1) | 2.900 [2.800–3.000] (3) | - |"
    assert "held-out loss after the last step, nats a token" in text[5]
    assert "- adversary noise: fraction 0.2" in text
    assert any(line.startswith("- of all: ") and "algorithm ddp" in line for line in text)


def test_the_csv_has_a_line_a_cell(tmp_path):
    files = [Store(tmp_path).write(each) for each in ROWS]
    paths = write_matrix(files, tmp_path, "x", MATRIX)
    assert paths == [tmp_path / "tables" / f"x_matrix{suffix}" for suffix in (".md", ".csv", ".tex")]
    assert paths[0].read_text() == markdown(table(ROWS, MATRIX))
    lines = list(csv.DictReader(io.StringIO(paths[1].read_text())))
    assert len(lines) == 2 * 3 == len(flat(ROWS, MATRIX))
    found = {(line["adversary"], line["aggregator"]): line for line in lines}
    assert found["none", "mean"]["median"] == "2.5"
    assert (found["none", "mean"]["lowest"], found["none", "mean"]["highest"]) == ("2.4", "2.7")
    assert (found["noise", "mean"]["seeds"], found["noise", "mean"]["instead"]) == ("2", "diverged:1")
    assert found["noise", "krum"]["median"] == ""
    assert found["none", "median"]["leading"] == "True"
    assert found["none", "median"]["rows"] == "nonemedian0 nonemedian1 nonemedian2"


def test_below_the_matrix_are_the_keys_behind_each_cell():
    text = markdown(table(ROWS, MATRIX)).partition("<summary>rows behind each cell</summary>")[2].splitlines()
    # The keys of one line begin alike: nonemean0 to nonemean2 differ in the ninth letter.
    assert "- none, mean: nonemean0 nonemean1 nonemean2" in text
    assert "- noise, median: noisemedian0 noisemedian1 noisemedian2" in text
    assert not any("noise, krum" in line for line in text)  # nothing was measured


def test_two_rows_that_a_matrix_cannot_tell_apart_are_named():
    twice = [row("none", "mean", 0, 2.0), row("none", "mean", 0, 2.1, command="python -m bench steps=9")]
    with pytest.raises(RecordError, match="a matrix of adversary and aggregator cannot tell two rows apart: .* steps=9"):
        cells(twice, MATRIX)


def test_an_axis_is_a_column_a_group_or_a_setting():
    one = row("noise", "mean", 3, command="python -m bench network=two_sites adversary.fraction=0.3", conf={})
    one["conf"] = {"adversary": {"fraction": 0.3}, "network": {"uplink": "1 Gbit/s"}, "churn": {}}
    assert label(one, "seed") == "3"
    assert label(one, "network") == "two_sites"
    assert label(one, "adversary.fraction") == "0.3"
    assert label(one, "network.uplink") == "1 Gbit/s"
    assert label(one, "churn") == "default"
    assert label(one, "codec.bits") == "-"


def test_a_matrix_changes_no_key():
    assert "matrix" in PATHS_AND_PLACES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": "a", "columns": "b", "value": "final_los"}, "value must be .*, got 'final_los'; did you mean 'final_loss'"),
        ({"rows": "a", "columns": "b", "value": "ledger"}, "value must be a column that holds a number, got 'ledger'"),
        ({"rows": "a", "columns": "a"}, "columns must be another setting than rows, got 'a'"),
        ({"rows": "a", "columns": "b", "best": "least"}, "best must be lowest or highest, got 'least'"),
    ],
)
def test_a_bad_setting_is_named_with_its_rule_and_value(settings, message):
    with pytest.raises(ValueError, match=message):
        Matrix(**settings)
