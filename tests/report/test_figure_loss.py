"""Loss against time, tokens and bytes: what stands where, of made-up rows, by hand."""

import math
from xml.etree import ElementTree

import numpy as np
import pytest
from charted import frame, row, titles
from matplotlib.collections import PolyCollection

from bench.report.figure import write_figure, write_figures
from bench.report.figures.loss import SECONDS, SENT, TOKENS, loss_figure
from bench.report.figures.palette import LOOKS


def line(panel, label):
    [found] = [line for line in panel.get_lines() if line.get_label() == label]
    return found


def labels(figure):
    [legend] = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def shown(figure):
    return [panel for panel in figure.axes if panel.axison]


@pytest.mark.parametrize(
    ("axis", "places", "label"),
    [
        (SECONDS, [60, 120], "virtual time (s)"),
        (TOKENS, [4000, 8000], "tokens"),  # 8000 in 40 steps, spread evenly: half of them after 20
        (SENT, [200, 400], "sent by a worker (bytes)"),
    ],
)
def test_losses_after_the_first_step_stand_along_each_axis(axis, places, label):
    figure = loss_figure(frame(row()), axis)
    [panel] = figure.axes
    assert list(line(panel, "diloco").get_xdata()) == places
    assert list(line(panel, "diloco").get_ydata()) == [5.0, 4.0]
    assert (panel.get_xscale(), panel.get_xlabel()) == ("log", label)
    assert (panel.get_title(), panel.get_ylabel()) == ("volunteer_home", "held-out loss (nats a token)")
    assert set(line(panel, "target loss").get_ydata()) == {4.0}
    assert labels(figure) == ["diloco", "target loss"]


def test_seeds_are_a_median_between_the_lowest_and_the_highest():
    [panel] = loss_figure(
        frame(
            row(seed=0, losses=(6.0, 5.0, 4.0), seconds=(0, 60, 120)),
            row(seed=1, losses=(6.0, 5.5, 4.5), seconds=(0, 70, 130)),
            row(seed=2, losses=(6.0, 4.8, 4.4), seconds=(0, 50, 150)),
        )
    ).axes
    assert list(line(panel, "diloco").get_xdata()) == [60, 130]  # of 50, 60, 70; of 120, 130, 150
    assert list(line(panel, "diloco").get_ydata()) == [5.0, 4.4]
    [band] = [found for found in panel.collections if isinstance(found, PolyCollection)]
    edges = {tuple(point) for point in band.get_paths()[0].vertices}
    assert {(60, 4.8), (60, 5.5), (130, 4.0), (130, 4.5)} <= edges
    assert {y for _, y in edges} == {4.8, 5.5, 4.0, 4.5}


def test_one_seed_has_no_band():
    [panel] = loss_figure(frame(row())).axes
    assert not panel.collections


def test_a_seed_that_never_came_there_counts_as_the_worst():
    rows = [row(seed=seed) for seed in (0, 1)] + [row(seed=2, losses=(6.0, 5.2, math.inf))]
    [panel] = loss_figure(frame(*rows)).axes
    assert list(line(panel, "diloco").get_ydata()) == [5.0, 4.0]  # of 4, 4 and no end
    short = [row(seed=0), row(seed=1, losses=(6.0, 5.0), seconds=(0.0, 60.0))]
    short[1]["curve"]["steps"] = [0, 20]
    [panel] = loss_figure(frame(*short)).axes
    assert line(panel, "diloco").get_ydata()[0] == 5.0
    assert line(panel, "diloco").get_ydata()[1] == math.inf  # of 4 and never


def test_a_panel_a_scenario_and_one_a_workload():
    rows = [row(), row(scenario="h100_cluster"), row(workload="v" * 64)]
    titles_of = [panel.get_title() for panel in shown(loss_figure(frame(*rows)))]
    assert titles_of == ["volunteer_home, workload wwwwwwww", "h100_cluster", "volunteer_home, workload vvvvvvvv"]


def test_of_very_many_scenarios_the_first_are_drawn_and_a_note_says_so():
    figure = loss_figure(frame(*(row(scenario=f"s{number}") for number in range(30))))
    assert len(shown(figure)) == 24
    assert figure.get_suptitle() == "the first 24 of 30 scenarios"


def cluster(**changes):
    return row(scenario="h100_cluster", algorithm="ddp", losses=(6.0, 4.0), seconds=(0.0, 30.0)) | changes


def test_the_ideal_is_the_cluster_of_equal_peak_that_never_waits():
    rows = [row(), cluster(system_efficiency=0.8, peak_flops=4e15)]
    home, _ = loss_figure(frame(*rows)).axes
    ideal = line(home, "ideal: unhindered cluster")
    # 30 s at 80 % would be 24 s unhindered; with a quarter of the FLOP/s, 96 s.
    assert list(ideal.get_xdata()) == pytest.approx([96.0])
    assert (ideal.get_linestyle(), list(ideal.get_ydata())) == (":", [4.0])
    home, _ = loss_figure(frame(*rows), TOKENS).axes
    assert list(line(home, "synchronous cluster").get_xdata()) == [8000]
    home, _ = loss_figure(frame(*rows), SENT).axes
    assert {found.get_label() for found in home.get_lines()} == {"diloco", "target loss"}


def test_an_algorithm_keeps_its_look_whichever_others_are_drawn():
    for rows in ([row()], [row(algorithm="ddp"), row(), row(algorithm="of_my_own")]):
        [panel] = loss_figure(frame(*rows)).axes
        found = line(panel, "diloco")
        assert (found.get_color(), found.get_marker()) == (LOOKS["diloco"].colour, LOOKS["diloco"].marker)


def test_a_legend_names_each_algorithm_once():
    rows = [row(scenario=name, seed=seed) for name in "ab" for seed in range(3)]
    assert labels(loss_figure(frame(*rows))) == ["diloco", "target loss"]


def settings_figure(count):
    return loss_figure(frame(*(row(settings=f"algorithm.sync_every={number}") for number in range(count))))


def test_settings_of_one_algorithm_are_told_apart_by_dashes_or_width():
    lines = [found for found in settings_figure(16).axes[0].get_lines() if found.get_label() != "target loss"]
    assert [found.get_label() for found in lines] == [f"diloco algorithm.sync_every={number}" for number in range(16)]
    assert len({(str(found._unscaled_dash_pattern), found.get_linewidth()) for found in lines}) == 16
    assert len({found.get_color() for found in lines}) == 1
    many = [found.get_label() for found in settings_figure(17).axes[0].get_lines()]
    assert set(many) == {"diloco", "target loss"}


def test_a_loss_that_explodes_does_not_flatten_the_others():
    explodes = row(settings="lr=9", losses=(6.0, 900.0, math.inf))
    bottom, top = loss_figure(frame(row(), explodes)).axes[0].get_ylim()
    # From the lowest, 4, to what all began with, 6, and a twentieth of 2 more on both sides.
    assert (bottom, top) == pytest.approx((3.9, 6.1))


def test_long_lines_are_thinned():
    many = 2400
    long = row(losses=tuple(np.linspace(6, 4, many)), seconds=tuple(np.linspace(0, 100, many)))
    long["curve"]["steps"] = list(range(many))
    [panel] = loss_figure(frame(long)).axes
    assert 200 <= len(line(panel, "diloco").get_xdata()) <= 240


def test_lines_tell_their_last_loss_and_their_keys(tmp_path):
    rows = [row(seed=seed, key=f"{seed}" * 32, losses=(6.0, 5.0, 4.0 + seed / 10)) for seed in range(3)]
    svg, _ = write_figure(loss_figure(frame(*rows)), tmp_path / "x")
    assert "diloco, volunteer_home: loss 4.100 [4.000 to 4.200] of 3 seeds; 00000000 11111111 22222222" in titles(
        ElementTree.parse(svg)
    )


def test_files_come_of_what_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.report.figure.write_figure", lambda figure, path: [path])

    def kinds(*rows):
        return [path.stem for path in write_figures(frame(*rows), tmp_path, "x")]

    assert kinds(row()) == ["x_loss", "x_loss_tokens", "x_loss_bytes", "x_ledger"]
    assert kinds(row(sent_bytes=0.0)) == ["x_loss", "x_loss_tokens", "x_ledger"]
    assert kinds(row(losses=())) == ["x_ledger"]
    assert kinds(row(losses=(), ledger={})) == []
