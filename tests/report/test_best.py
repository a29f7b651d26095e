"""The best algorithm of each scenario: ties, seeds, and who is not ranked."""

from seeded_rows import not_done, over_seeds, seeded

from bench.report.best import best
from bench.report.frame import compared


def lines(rows):
    """The lines of the table, less that of the cluster."""
    [table], _ = best(compared(rows), {})
    return [list(line) for line in table.lines if line[0] != "h100_cluster"]


CLUSTER = over_seeds("h100_cluster", "ddp", 10.0, 10.0, 10.0)


def test_the_lowest_median_is_best_and_those_whose_interval_meets_its_tie():
    rows = [
        *CLUSTER,
        *over_seeds("b", "ddp", 90.0, 95.0, 99.0),
        *over_seeds("b", "diloco", 20.0, 30.0, 40.0),
        *over_seeds("b", "streaming_diloco", 40.0, 45.0, 50.0),  # meets 2 to 4 in 4
        *over_seeds("b", "noloco", 41.0, 60.0, 70.0),  # meets no longer
    ]
    # noloco's median, 6, over the best's, 3.
    assert lines(rows) == [
        [
            "b",
            "diloco = streaming_diloco",
            "3.00x [2.00x–4.00x] (3) = 4.50x [4.00x–5.00x] (3)",
            "noloco",
            "2.00x",
            "3",
            "-",
        ]
    ]


def test_one_seed_has_no_interval_and_ties_only_with_its_equal():
    rows = [*CLUSTER, seeded("b", "ddp", seconds=30.0), seeded("b", "diloco", seconds=29.9)]
    assert lines(rows) == [["b", "diloco", "2.99x (1)", "ddp", "1.00x", "one seed", "-"]]
    rows = [*CLUSTER, seeded("b", "ddp", seconds=30.0), seeded("b", "diloco", seconds=30.0)]
    assert lines(rows) == [["b", "ddp = diloco", "3.00x (1) = 3.00x (1)", "-", "-", "one seed", "-"]]


def test_unequal_numbers_of_seeds_are_told():
    rows = [*CLUSTER, *over_seeds("b", "ddp", 30.0, 31.0), seeded("b", "diloco", seconds=50.0)]
    assert lines(rows)[0][5] == "1 to 2"


def test_an_algorithm_with_a_seed_without_a_time_is_not_ranked():
    rows = [*CLUSTER, *over_seeds("b", "ddp", 30.0, 31.0), seeded("b", "diloco", seconds=5.0)]
    rows += [not_done("b", "diloco", 1, status="diverged"), not_done("b", "fsdp", status="skipped")]
    assert lines(rows) == [["b", "ddp", "3.05x [3.00x–3.10x] (2)", "-", "-", "2", "diloco: diverged (1), fsdp: skipped (1)"]]


def test_a_scenario_where_nothing_is_ranked_has_dashes_and_words():
    rows = [*CLUSTER, not_done("b", "ddp"), not_done("b", "diloco")]
    assert lines(rows) == [["b", "-", "-", "-", "-", "-", "ddp: timeout (1), diloco: timeout (1)"]]


def test_without_a_cluster_the_time_to_target_ranks():
    rows = [*over_seeds("b", "ddp", 30.0, 40.0), *over_seeds("b", "diloco", 60.0, 80.0)]
    [table], figures = best(compared(rows), {})
    assert table.head[2] == "time to target"
    assert list(table.lines[0][:5]) == ["b", "ddp", "35.0 s [30.0 s–40.0 s] (2)", "diloco", "2.00x"]
    assert list(figures["over_best"]) == [1.0, 2.0]
    assert set(figures["value"]) == {"target_seconds"}


def test_nothing_trained_and_one_algorithm_alone_make_no_table():
    assert best(compared([not_done("b", "ddp"), not_done("b", "diloco")]), {})[0] == []
    assert best(compared([*CLUSTER, seeded("b", "ddp")]), {})[0] == []
