"""Emulations in the colours of their algorithms, and what a browser tells of them."""

from xml.etree import ElementTree

from charted import titles
from made_up import judged, record

from bench.report.figure import write_figure
from bench.report.figures.palette import LOOKS
from bench.report.validation_figure import figure


def test_cells_have_the_colour_of_their_algorithm_and_tell_their_seconds_and_key(tmp_path):
    picture = figure(
        judged(record("abcdef0123", predicted=1.1, measured=(0.8, 1.0, 1.6)), record("b", names={"algorithm": "ddp"}))
    )
    ddp, diloco, _ = picture.axes
    for panel, name in ((ddp, "ddp"), (diloco, "diloco")):
        assert panel.containers[0].lines[0].get_color() == LOOKS[name].colour
    svg, _ = write_figure(picture, tmp_path / "x")
    assert (
        titles(ElementTree.parse(svg)).count("diloco: predicted 1.10 s, measured 1.00 s; abcdef01") == 2
    )  # there, and as an error
