"""Bars of the ledger: what stands where, and what becomes of many rows, by hand."""

from xml.etree import ElementTree

import pytest
from charted import frame, ledger, row, titles

from bench.report.figure import write_figures
from bench.report.figures.ledger import ledger_bars
from bench.report.figures.palette import BUCKET_COLOURS, BUCKET_HATCHES


def bars(figure):
    """For each bucket shown: place, begin and length of each of its bars."""
    [panel] = figure.axes
    return {
        found.get_label(): [(round(bar.get_y() + bar.get_height() / 2), bar.get_x(), bar.get_width()) for bar in found]
        for found in panel.containers
    }


def labels(figure):
    return [text.get_text() for text in figure.axes[0].get_yticklabels()]


def rows(count, seeds=1):
    """Rows of which the first settings have the least compute, and higher seeds more."""
    return [
        row(
            settings=f"number={number}",
            seed=seed,
            ledger=ledger(compute=number / 100 + seed / 1000, down=0.1),
            key=f"{number}-{seed}",
        )
        for number in range(count)
        for seed in range(seeds)
    ]


def test_a_bar_is_all_worker_seconds_one_bucket_behind_the_other():
    shares = ledger(compute=0.5, bandwidth=0.3, straggler_wait=0.2)
    figure = ledger_bars(frame(row(ledger=shares), row(algorithm="ddp", ledger=ledger(bandwidth=1.0))))
    assert bars(figure) == {
        "compute": [(0, 0, pytest.approx(50))],
        "bandwidth": [(0, pytest.approx(50), pytest.approx(30)), (1, 0, pytest.approx(100))],
        "straggler wait": [(0, pytest.approx(80), pytest.approx(20))],
    }
    [panel] = figure.axes
    assert labels(figure) == ["volunteer_home  diloco", "volunteer_home  ddp"]
    assert panel.get_ylim()[0] > panel.get_ylim()[1]  # the first row above
    assert (panel.get_xlim(), panel.get_xlabel()) == ((0, 100), "share of worker-seconds (%)")
    assert [list(line.get_xdata()) for line in panel.get_lines()] == [[100, 100]]  # the ideal


def test_each_bucket_has_its_colour_and_hatch():
    [panel] = ledger_bars(frame(row(ledger=dict.fromkeys(BUCKET_COLOURS, 1 / 12)))).axes
    assert [found.get_label().replace(" ", "_") for found in panel.containers] == list(BUCKET_COLOURS)
    for found in panel.containers:
        name = found.get_label().replace(" ", "_")
        red, green, blue, _ = found[0].get_facecolor()
        assert "#{:02X}{:02X}{:02X}".format(*(round(255 * part) for part in (red, green, blue))) == BUCKET_COLOURS[name]
        assert (found[0].get_hatch() or "") == BUCKET_HATCHES[name]


def test_forty_rows_are_forty_bars_in_their_order():
    figure = ledger_bars(frame(*rows(20, seeds=2)))
    assert len(labels(figure)) == 40
    assert figure.axes[0].get_title() == "where the worker-seconds went"


def test_of_more_rows_each_has_the_seed_in_the_middle():
    figure = ledger_bars(frame(*rows(20, seeds=3)))
    assert labels(figure)[5] == "volunteer_home  diloco  number=5"
    place, left, width = bars(figure)["compute"][5]
    assert (place, left, width) == (5, 0, pytest.approx(5.1))  # of 5.0, 5.1 and 5.2 %
    assert figure.axes[0].get_title().splitlines()[1:] == ["of each the seed with the median share of compute"]


def test_of_still_more_the_worst_are_drawn_the_worst_first():
    figure = ledger_bars(frame(*reversed(rows(60))))
    assert labels(figure) == [f"volunteer_home  diloco  number={number}" for number in range(40)]
    assert figure.axes[0].get_title().splitlines()[1:] == ["the 40 of 60 with the least compute"]


def test_many_rows_with_long_names_stay_within_the_limits(tmp_path):
    many = [
        row(settings=f"number={number} {'long ' * 40}", losses=(), ledger=ledger(**dict.fromkeys(BUCKET_COLOURS, 1 / 12)))
        for number in range(300)
    ]
    [svg] = [path for path in write_figures(frame(*many), tmp_path, "x") if path.stem == "x_ledger"]
    png = svg.with_suffix(".png").read_bytes()
    assert len(png) <= 300_000
    assert all(int.from_bytes(png[at : at + 4], "big") <= 3000 for at in (16, 20))  # width and height in the header
    assert svg.stat().st_size < 500_000


def test_bars_tell_their_bucket_share_and_key(tmp_path):
    [svg] = write_figures(frame(row(losses=(), scenario="a<b")), tmp_path, "x")
    assert "a<b diloco: bandwidth 40.0 %; abcdef01" in titles(ElementTree.parse(svg))
