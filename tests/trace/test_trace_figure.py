"""The picture of a run: parts of bars add up, long runs are enlarged, equal runs give equal files."""

import pytest
from test_events_groups import Loose
from worlds import Scripted, scenario, simulate

from bench.algorithm.local_sgd import LocalSGD
from bench.report.figure import BUCKET_COLOURS, write_figure
from bench.tape import Interval, Tape
from bench.timeline import BUCKETS
from bench.trace.figure import BUCKET_HATCHES, MOST_RECTANGLES, pieces, timeline_figure


def drawn(steps, workers=2, **changes):
    world = scenario(workers, speeds=(1.0, 2.0), **changes)
    timeline = simulate(LocalSGD(sync_every=1), world, steps, spans=True, tape=Tape(workers=workers))
    return timeline, timeline_figure(timeline, ["card"] * workers, "world × local_sgd")


def test_short_intervals_lie_above_each_other_by_their_shares():
    # Cells of 2 s: 0.5 + 1 s of compute and 0.5 + 1 s of latency, in 3 s, are halves; 4 s of bandwidth are a bar of their own,
    # of which 1 s lies before the end.
    line = [("compute", 0, 0.5), ("latency", 0.5, 1), ("compute", 1, 2), ("latency", 2, 3), ("bandwidth", 3, 7)]
    assert pieces([Interval(*one) for one in line], 5.0, 2.0) == [
        ("compute", 0, 2, 0.0, 0.75),
        ("latency", 0, 2, 0.75, 1.0),
        ("latency", 2, 3, 0.0, 1.0),
        ("bandwidth", 3, 5, 0.0, 1.0),
    ]


def test_pieces_keep_the_seconds_of_each_bucket():
    timeline, _ = drawn(40, churn=Scripted({1: [20.0, 3.0]}), jitter=0.3)
    whole = timeline.virtual_seconds
    for line in timeline.intervals.of:
        for cell in (0.0, 3.0, 50.0, 2 * whole):
            bar = pieces(line, whole, cell)
            for bucket in BUCKETS:
                area = sum((end - begin) * (high - low) for name, begin, end, low, high in bar if name == bucket)
                assert area == pytest.approx(sum(one.end - one.begin for one in line if one.bucket == bucket))


def test_a_long_run_has_its_first_rounds_enlarged():
    timeline, figure = drawn(20)
    whole, first = figure.axes
    assert whole.get_title() == "world × local_sgd"
    assert whole.get_xlim()[1] * 60 == pytest.approx(timeline.virtual_seconds)
    assert whole.get_xlabel() == "virtual time (min)"
    assert first.get_xlim()[1] == pytest.approx(timeline.round_end[2])
    assert first.get_xlabel() == "virtual time (s)"
    assert len(drawn(4)[1].axes) == 1


def test_no_panel_has_more_rectangles_than_can_be_looked_at():
    _, figure = drawn(700, workers=3, jitter=0.3)
    counts = [sum(len(one.get_paths()) for one in panel.collections) for panel in figure.axes]
    assert MOST_RECTANGLES / 3 < counts[0] <= MOST_RECTANGLES
    assert "drawn as shares" in figure.axes[0].texts[0].get_text()
    assert not figure.axes[1].texts


def test_every_bucket_has_a_colour_and_a_hatch():
    assert BUCKET_COLOURS.keys() == BUCKET_HATCHES.keys() == set(BUCKETS)


def test_the_legend_names_what_is_there():
    # Rank 0 waits until 2 s for rank 1, which drops out of the ring at 4 s: then nobody sends anything any more.
    _, figure = drawn(3, churn=Scripted({1: [4.0]}))
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["compute", "straggler wait", "discarded", "down", "an operation is in the air"]


def test_equal_runs_give_equal_files(tmp_path):
    one, other = (write_figure(drawn(6)[1], tmp_path / name) for name in ("one", "other"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_run_apart_is_drawn_the_same():
    world = scenario(2, speeds=(1.0, 2.0))
    timeline = simulate(Loose(LocalSGD(sync_every=1)), world, 3, spans=True, tape=Tape(workers=2))
    _, together = drawn(3)
    apart = timeline_figure(timeline, ["card"] * 2, "world × local_sgd")
    for one, other in zip(apart.axes[0].collections, together.axes[0].collections, strict=True):
        for path, same in zip(one.get_paths(), other.get_paths(), strict=True):
            assert path.vertices == pytest.approx(same.vertices)
