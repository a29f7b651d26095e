"""Efficiency against bandwidth: what stands where, of made-up rows, by hand."""

import math
from xml.etree import ElementTree

import pytest
from charted import frame, row, titles
from matplotlib.collections import PolyCollection

from bench.report.bandwidth import first_at
from bench.report.figure import write_figure, write_figures
from bench.report.figures.bandwidth import LEVELS, bandwidth_figure, slowest
from bench.report.figures.palette import look

RATES = {"1 Mbit/s": 0.2, "10 Mbit/s": 0.8, "100 Mbit/s": 1.0}


def sweep(rates=RATES, **changes):
    return [
        row(uplink=rate, settings=f"'network.uplink={rate}'", system_efficiency=share, losses=(), **changes)
        for rate, share in rates.items()
    ]


def lines(panel):
    return {str(found.get_label()): found for found in panel.get_lines() if not str(found.get_label()).startswith("_")}


@pytest.mark.parametrize(
    ("uplink", "megabits"),
    [
        ("20 Mbit/s", 20),
        ({"11.7 Mbit/s": 0.375, "112 Mbit/s": 0.25, "1 Mbit/s": 0.0}, 11.7),  # of the last there is none
        (["100 Mbit/s", "2.5 MB/s"], 20),
        ("unlimited", math.inf),
        (None, math.nan),
        ("fast", math.nan),
        (3, math.nan),
    ],
)
def test_the_slowest_uplink_is_read_from_every_form_of_it(uplink, megabits):
    found = slowest({"network": {"uplink": uplink}})
    assert found * 8 / 1e6 == pytest.approx(megabits, nan_ok=True)


@pytest.mark.parametrize("conf", [{}, {"network": None}, {"network": "home"}, {"network": {"rates": []}}])
def test_settings_without_an_uplink_have_none(conf):
    assert math.isnan(slowest(conf))


def test_an_algorithm_is_a_line_over_its_bandwidths_with_the_levels_and_the_ideal():
    figure = bandwidth_figure(
        frame(*reversed(sweep()), *sweep({"2 Mbit/s": 0.1, "3 Mbit/s": 0.1, "4 Mbit/s": 0.1}, algorithm="ddp"))
    )
    [panel] = figure.axes
    found = lines(panel)
    # From 80 % at 10 Mbit/s to 100 % at 100: 90 % is half the way along the logarithm, at 31.6.
    assert set(found) == {"ideal: 100 %", "ddp", "diloco, 90 % at 31.6 Mbit/s"}
    own = found["diloco, 90 % at 31.6 Mbit/s"]
    assert list(own.get_xdata()) == pytest.approx([1, 10, 100])
    assert list(own.get_ydata()) == pytest.approx([20, 80, 100])
    assert own.get_color() == look("diloco").colour
    assert set(found["ideal: 100 %"].get_ydata()) == {100}
    assert panel.get_xlabel() == "uplink of the slowest worker (Mbit/s)"
    assert panel.get_xscale() == "log"
    assert {f"{level} %" for level in LEVELS} <= {text.get_text() for text in panel.texts}
    across = {
        line.get_ydata()[0] for line in panel.get_lines() if len(set(line.get_ydata())) == 1 and len(line.get_ydata()) == 2
    }
    assert set(LEVELS) <= across
    [mark] = [line for line in panel.get_lines() if line.get_markerfacecolor() == "white"]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (pytest.approx(10**1.5), 90)


def test_seeds_are_a_median_and_a_band():
    rows = [
        one
        for seed, more in ((0, 0.0), (1, 0.01), (2, 0.05))
        for one in sweep({r: s * 0.5 + more for r, s in RATES.items()}, seed=seed)
    ]
    [panel] = bandwidth_figure(frame(*rows)).axes
    assert list(lines(panel)["diloco"].get_ydata()) == pytest.approx([11, 41, 51])
    [band] = [found for found in panel.collections if isinstance(found, PolyCollection)]
    edges = {(round(float(x), 6), round(float(y), 6)) for x, y in band.get_paths()[0].vertices}
    assert edges == {(1, 10), (1, 15), (10, 40), (10, 45), (100, 50), (100, 55)}


def test_downlinks_of_several_speeds_are_no_seeds():
    rows = [
        row(uplink=up, settings=f"'network.uplink={up}' 'network.downlink={down}'", system_efficiency=share, losses=())
        | {"conf": {"network": {"uplink": up, "downlink": down}}}
        for up, share in RATES.items()
        for down, share in ((up, share), ("1 Gbit/s", 0.99))
    ]
    [panel] = bandwidth_figure(frame(*rows)).axes
    [line] = [found for label, found in lines(panel).items() if label.startswith("diloco")]
    assert list(line.get_ydata()) == pytest.approx([20, 80, 100])
    assert not [found for found in panel.collections if isinstance(found, PolyCollection)]


def test_the_downlink_may_differ_with_the_uplink_and_no_other_setting():
    both = sweep()
    for number, one in enumerate(both):
        one["command"] += f" 'network.downlink={number + 1} Gbit/s'"
    [panel] = bandwidth_figure(frame(*both)).axes
    assert len(lines(panel)) == 2
    for number, one in enumerate(both):
        one["command"] += f" algorithm.sync_every={number}"
    assert bandwidth_figure(frame(*both)) is None


@pytest.mark.parametrize(
    "rows",
    [
        sweep({"1 Mbit/s": 0.2, "10 Mbit/s": 0.8}),
        sweep({"1 Mbit/s": 0.2, "1000 kbit/s": 0.3, "0.001 Gbit/s": 0.8}),  # one bandwidth in three spellings
        sweep({"1 Mbit/s": 0.2, "10 Mbit/s": 0.8, "unlimited": 1.0}),
        sweep(status="error"),
        [row()],
    ],
)
def test_fewer_than_three_bandwidths_are_not_drawn(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.report.figure.write_figure", lambda figure, path: [path])
    assert bandwidth_figure(frame(*rows)) is None
    assert "x_bandwidth" not in [path.stem for path in write_figures(frame(*rows), tmp_path, "x")]


def test_a_panel_a_scenario():
    figure = bandwidth_figure(frame(*sweep(), *sweep(scenario="h100_cluster")))
    assert [panel.get_title() for panel in figure.axes if panel.axison] == ["volunteer_home", "h100_cluster"]


def test_a_level_is_crossed_once_from_below_or_not_at_all():
    assert first_at([(1, 80), (100, 100)], 90).rate == pytest.approx(10)
    assert math.isnan(first_at([(1, 10), (100, 89.9)], 90).rate)
    assert math.isnan(first_at([(1, 95), (100, 99)], 90).rate)  # somewhere below the slowest
    assert first_at([(1, 80), (100, 90), (1e4, 95)], 90).rate == pytest.approx(100)


def test_lines_and_points_tell_what_they_are_and_files_are_the_same_each_time(tmp_path):
    (svg, _), (again, _) = (write_figure(bandwidth_figure(frame(*sweep())), tmp_path / name) for name in ("one", "two"))
    assert svg.read_bytes() == again.read_bytes()
    found = titles(ElementTree.parse(svg))
    assert "diloco: 80.0 % at 10.0 Mbit/s; abcdef01" in found
    assert "diloco, 90 % at 31.6 Mbit/s; volunteer_home; abcdef01 abcdef01 abcdef01" in found
