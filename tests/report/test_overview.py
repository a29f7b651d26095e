"""Scenarios and algorithms at a glance: which rows belong together, what stands in a cell, and the files."""

import csv
import io
import math
import random
import re
import shutil

import pytest
from seeded_rows import not_done, over_seeds, seeded

from bench.record import Store
from bench.report.cell import Cell
from bench.report.formats import markdown
from bench.report.frame import compared, load
from bench.report.groups import WORDS, groups, lines_of, number_of
from bench.report.keys import short_keys
from bench.report.overview import OTHERS, VALUES, matrices, write_overview

ROWS = [
    *over_seeds("h100_cluster", "ddp", 10.0, 20.0, 30.0),
    *over_seeds("h100_cluster", "diloco", 20.0, 30.0, 90.0),
    *over_seeds("volunteer_home", "ddp", 100.0, 200.0, 600.0, system_efficiency=0.1),
    *over_seeds("volunteer_home", "diloco", 40.0, 60.0, system_efficiency=0.25),
    not_done("volunteer_home", "diloco", 2),
]


def tables(rows, value="versus_cluster"):
    return matrices(groups(compared(rows)), VALUES[value], short_keys(row["key"] for row in rows))


def key_of(scenario, algorithm, seed):
    return next(row["key"] for row in ROWS if (row["scenario"], row["algorithm"], row["seed"]) == (scenario, algorithm, seed))


def test_a_matrix_holds_the_median_and_interval_over_seeds_and_what_is_no_number():
    # Over the cluster's 10, 20 and 30 s: h100 diloco 2, 1.5 and 3; home ddp 10, 10 and 20; home diloco 4 and 3, and a timeout.
    [table], _ = tables(ROWS)
    assert table.lines == [
        ["h100_cluster", "1.00 (3)", "2.00 [1.50–3.00] (3)"],
        ["volunteer_home", "10.0 [10.0–20.0] (3)", "3.50 [3.00–4.00] (2), timeout (1)"],
    ]
    assert (table.title, table.head[0]) == (
        "time to target over the cluster's: as the presets are, 8 workers",
        "scenario \\ algorithm",
    )
    assert "timeout: longer than max_virtual" in table.notes


def test_the_matrix_in_markdown_is_this():
    rows = [*over_seeds("h100_cluster", "ddp", 10.0), *over_seeds("h100_cluster", "diloco", 20.0)]
    rows += [*over_seeds("two_datacenters", "ddp", 50.0), not_done("worldwide", "diloco", status="skipped")]
    keys = [row["key"][:8] for row in rows]
    [table], _ = tables(rows)
    assert (
        markdown(table)
        == f"""\
### time to target over the cluster's: as the presets are, 8 workers

| scenario \\ algorithm | ddp | diloco |
| --- | ---: | ---: |
| h100_cluster | **1.00 (1)** | 2.00 (1) |
| two_datacenters | 5.00 (1) | - |
| worldwide | - | skipped (1) |

- time to target over the cluster's: seconds to the target loss over those of h100_cluster with ddp and the same total peak \
FLOP/s; median [lowest–highest] over seeds (how many); -: not measured
- bold: the lowest median of its scenario, and those whose seeds' interval meets its
- skipped: what does not go together
- nano trained, timed as gpt_350m; workload wwwwwwww; target loss 4.000

<details><summary>rows behind each cell</summary>

- h100_cluster, ddp: {keys[0]}
- h100_cluster, diloco: {keys[1]}
- two_datacenters, ddp: {keys[2]}
- worldwide, diloco: {keys[3]}

</details>
"""
    )


def test_slowdown_is_that_of_time_and_learning_together():
    # All need the cluster's 1000 tokens for 4.0, so what is left is the clock's 1 / 0.5, 1 / 0.1 and 1 / 0.25.
    [table], _ = tables(ROWS, "slowdown")
    assert [line[1:] for line in table.lines] == [["2.00 (3)", "2.00 (3)"], ["10.0 (3)", "4.00 (2), timeout (1)"]]


def test_the_csv_has_numbers_and_whole_keys():
    _, figures = tables(ROWS, "time_to_target")
    lines = list(csv.DictReader(io.StringIO(figures.to_csv())))
    assert len(lines) == 4
    home = next(line for line in lines if (line["scenario"], line["algorithm"]) == ("volunteer_home", "diloco"))
    assert [home[name] for name in ("seeds", "median", "lowest", "highest", "instead")] == [
        "2",
        "50.0",
        "40.0",
        "60.0",
        "timeout:1",
    ]
    assert sorted(home["rows"].split()) == sorted(key_of("volunteer_home", "diloco", seed) for seed in range(3))


def test_rows_belong_together_if_they_differ_in_scenario_algorithm_and_seed_alone():
    rows = [
        seeded("a", "ddp", 0),
        seeded("b", "diloco", 3),
        seeded("a", "ddp", 0, sets="steps=80"),
        seeded("a", "ddp", 0, sets="codec=int8 steps=80"),
        seeded("b", "ddp", 1, sets="steps=80 codec=int8"),  # the same, said the other way round
        seeded("a", "ddp", 0) | {"workers": 16},
        seeded("a", "ddp", 0) | {"workload": "v" * 64},
    ]
    found = groups(compared(rows))
    assert [(group.settings, group.workers, group.workload[0], len(group.rows)) for group in found] == [
        ("", 8, "v", 1),
        ("", 8, "w", 2),
        ("", 16, "w", 1),
        ("codec=int8 steps=80", 8, "w", 2),
        ("steps=80", 8, "w", 1),
    ]


def test_settings_are_what_a_command_sets_besides():
    sets = "+sweep=x hydra.mode=RUN 'network.uplink=1 Mbit/s' algorithm.x=2"
    [group] = groups(compared([seeded("a", "ddp", 3, sets=sets)]))
    assert group.settings == "+sweep=x algorithm.x=2 network.uplink=1 Mbit/s"


def test_one_scenario_or_one_algorithm_makes_no_matrix(tmp_path):
    assert tables([seeded("a", "ddp"), seeded("a", "diloco")])[0] == []
    assert tables([seeded("a", "ddp"), seeded("b", "ddp")])[0] == []
    assert write_overview([seeded("a", "ddp"), seeded("b", "ddp")], tmp_path, "x") == []
    assert write_overview([], tmp_path, "x") == []


def test_many_algorithms_stand_below_each_other():
    algorithms = ["ddp", *(f"a{number}" for number in range(6))]
    rows = [seeded(name, other, seconds=10 + place) for name in ("h100_cluster", "b") for place, other in enumerate(algorithms)]
    [table], _ = tables(rows)
    assert table.head == ["algorithm \\ scenario", "h100_cluster", "b"]
    assert table.lines[0] == ["ddp", "1.00 (1)", "1.00 (1)"]
    assert table.lines[1] == ["a0", "1.10 (1)", "1.10 (1)"]
    assert set(table.bold) == {(0, 1), (0, 2)}  # of each scenario, that is of each column


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"status": "diverged"}, "diverged"),
        ({"status": "does_not_fit"}, "does_not_fit"),
        ({"curve": {"steps": [], "virtual_seconds": [], "loss": []}}, "not trained"),
        ({"curve": {"steps": [0, 40], "virtual_seconds": [0.0, 9.0], "loss": [6.0, 6.5]}}, "learnt nothing"),
        ({"curve": {"steps": [0, 40], "virtual_seconds": [0.0, 9.0], "loss": [6.0, math.nan]}}, "learnt nothing"),
        ({"workers": 16}, "no cluster"),
        ({"seed": 7}, "no cluster"),
    ],
)
def test_what_is_no_number_has_a_word_and_never_a_nought(changes, word):
    rows = [seeded("h100_cluster", "ddp"), seeded("b", "ddp") | changes]
    found = number_of("versus_cluster")(lines_of(compared(rows))[1])
    assert found == word
    assert word in WORDS


def test_a_target_that_is_not_reached_is_never():
    frame = compared([seeded("h100_cluster", "ddp"), seeded("b", "ddp", loss=4.5)], target=4.2)
    assert number_of("target_seconds")(lines_of(frame)[1]) == number_of("versus_cluster")(lines_of(frame)[1]) == "never"
    # Slowdown needs no target: what is missing there is the cluster.
    frame = compared([seeded("h100_cluster", "ddp"), seeded("b", "ddp", 7, loss=4.5)], target=4.2)
    assert number_of("slowdown")(lines_of(frame)[1]) == "no cluster"


def test_two_rows_of_one_seed_are_told():
    rows = [*ROWS, ROWS[0] | {"key": "f" * 32}]
    [table], _ = tables(rows)
    assert "h100_cluster, ddp: 2 rows have seed 0; all are shown, and they differ in more than a seed" in table.notes
    assert table.lines[0][1] == "1.00 (4)"


def everything():
    """Rows for all tables."""
    lines = [("1 Mbit/s", 0.2), ("10 Mbit/s", 0.8)]
    return ROWS + [
        seeded("shaped_links", "ddp", sets=f"'network.uplink={speed}'", system_efficiency=share)
        | {"conf": {"network": {"uplink": speed, "downlink": speed}}}
        for speed, share in lines
    ]


def test_words_stand_in_one_order_whichever_row_has_them():
    assert Cell.of([("timeout", "a"), ("diverged", "b"), (2.0, "c"), ("timeout", "d")]) == Cell(
        (2.0,), (("diverged", 1), ("timeout", 2)), ("a", "b", "c", "d")
    )


def test_files_are_the_same_bytes_each_time_whatever_the_order_of_rows(tmp_path):
    twice = seeded("h100_cluster", "ddp", seconds=11.0, sets="size=small")  # the cluster again: which one counts?
    rows = [*everything(), twice]
    written = write_overview(rows, tmp_path / "one", "x")
    ends = [*VALUES, *OTHERS]
    assert [path.name for path in written] == [f"x_{end}{suffix}" for end in ends for suffix in (".md", ".csv", ".tex")]
    for number in range(3):
        random.Random(number).shuffle(rows)
        again = write_overview(rows, tmp_path / "again", "x")
        assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]


def test_each_printed_key_is_the_beginning_of_one_file_of_the_folder_and_all_rows_are_behind_something(tmp_path):
    store = Store(tmp_path)
    files = [store.write(row) for row in everything()]
    rows, _ = load(files)
    printed = set()
    for path in write_overview(rows, tmp_path, "x"):
        if path.suffix == ".md":
            folds = re.findall(r"<details>.*?</details>", path.read_text(), re.DOTALL)
            printed |= {
                text
                for fold in folds
                for line in fold.splitlines()
                if line[:2] == "- "
                for text in line.rpartition(": ")[2].split()
            }
    stems = [path.stem for path in files]
    assert all(sum(stem.startswith(text) for stem in stems) == 1 for text in printed)
    assert {stem for stem in stems for text in printed if stem.startswith(text)} == set(stems)


def test_rows_that_cannot_be_read_change_no_table(tmp_path):
    store = Store(tmp_path / "one")
    files = [store.write(row) for row in ROWS]
    whole = [path.read_bytes() for path in write_overview(load(files)[0], tmp_path / "one", "x")]
    shutil.copytree(tmp_path / "one" / "runs", tmp_path / "two" / "runs")
    for name, text in (
        ("half", files[0].read_text()[:99]),
        ("nan", files[0].read_text().replace("1000.0", "NaN")),
        ("none", ""),
    ):
        (tmp_path / "two" / "runs" / f"{name}.json").write_text(text)
    rows, broken = load(sorted((tmp_path / "two" / "runs").glob("*.json")))
    assert len(broken) == 3
    assert [path.read_bytes() for path in write_overview(rows, tmp_path / "two", "x")] == whole
