"""What is the same in all figures' files: titles, ids, sizes, bytes."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from charted import titles
from matplotlib.figure import Figure
from PIL import Image

from bench.report.figures.write import plain, tip, write_figure


def picture(*, rows=1, height=2.0, label="a", text="some text"):
    figure = Figure(figsize=(3.0, height))
    panel = figure.subplots()
    bars = panel.barh(range(rows), [1] * rows, hatch="//", label=label)
    for bar in bars:
        tip(bar, text)
    [line] = panel.plot([0, 1], [0, 1], "o-")
    tip(line, f"line of {text}")
    panel.legend()
    return figure


def test_a_tip_is_the_title_of_its_group_and_is_escaped(tmp_path):
    text = "a<b> & \"c\" 'd' -- $x$ é"
    svg, png = write_figure(picture(rows=2, text=text), tmp_path / "x")
    root = ElementTree.parse(svg).getroot()
    assert titles(root)[-3:] == [text, text, f"line of {text}"]
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        for place, child in enumerate(group):
            assert not child.tag.endswith("title") or place == 0  # a browser looks at the first child
    assert png.read_bytes().startswith(b"\x89PNG\r\n")


def test_a_tip_that_looks_like_markup_stays_text(tmp_path):
    text = '"/><script id="x">url(#y) href="#z" <g id="tip:a">'
    svg, _ = write_figure(picture(text=text), tmp_path / "x")
    assert titles(ElementTree.parse(svg).getroot())[-2] == text
    assert 'id="tip:' not in svg.read_text()
    assert not [found for found in ElementTree.parse(svg).iter() if found.tag.endswith("script")]


def test_a_character_that_xml_does_not_know_is_left_out(tmp_path):
    svg, _ = write_figure(picture(text="a\x07b"), tmp_path / "x")
    assert "ab" in titles(ElementTree.parse(svg).getroot())


def test_a_dollar_is_no_formula(tmp_path):
    figure = Figure(figsize=(3, 2))
    figure.suptitle(plain("a=$x{ b=$y"))
    svg, _ = write_figure(figure, tmp_path / "x")
    assert "<!-- a=$x{ b=$y -->" in svg.read_text()


def ids(svg):
    return re.findall(r' id="([^"]*)"', svg.read_text())


def test_ids_of_two_figures_never_clash_and_each_is_referred_to(tmp_path):
    one, _ = write_figure(picture(label="a"), tmp_path / "one")
    two, _ = write_figure(picture(label="b"), tmp_path / "two")
    assert ids(one)
    assert not set(ids(one)) & set(ids(two))
    for svg in (one, two):
        assert len(ids(svg)) == len(set(ids(svg)))
        assert set(ids(svg)) == set(re.findall(r'(?:href="|url\()#([^")]*)', svg.read_text()))


def test_equal_figures_are_equal_bytes_whatever_their_name(tmp_path):
    first, again = write_figure(picture(), tmp_path / "one"), write_figure(picture(), tmp_path / "two")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_shorter_paths_are_in_the_same_place(tmp_path):
    figure = picture()
    svg, _ = write_figure(figure, tmp_path / "x")
    [line] = figure.axes[0].get_lines()
    [points] = [path for path in re.findall(r'd="([^"]*)"[^>]*fill: none; stroke: #1f77b4', svg.read_text())]
    # From pixels at 72 a inch, upwards, to points, downwards.
    (x0, y0), (x1, y1) = (line.get_transform().transform(np.array([(0, 0), (1, 1)]))) * 72 / figure.dpi
    assert [float(number) for number in re.findall(r"[\d.]+", points)] == pytest.approx([x0, 144 - y0, x1, 144 - y1], abs=6e-4)
    assert "\n" not in points


def test_text_is_drawn_as_paths(tmp_path):
    svg, _ = write_figure(picture(), tmp_path / "x")
    assert "<text" not in svg.read_text()


def test_a_high_figure_has_fewer_pixels(tmp_path):
    _, png = write_figure(picture(height=40.0), tmp_path / "x")
    # 40 inches would be 6000 pixels at 150 an inch; at 3000 the width of 3 inches is 225.
    assert Image.open(png).size == (225, 3000)
    _, png = write_figure(picture(), tmp_path / "x")
    assert Image.open(png).size == (450, 300)


def test_a_large_png_has_fewer_colours_and_then_fewer_pixels(tmp_path):
    figure = Figure(figsize=(6, 6))
    figure.figimage(np.random.default_rng(0).random((900, 900, 3)))  # 2.4 MB as it is
    _, png = write_figure(figure, tmp_path / "x")
    assert png.stat().st_size <= 300_000
    image = Image.open(png)
    assert image.mode == "P"
    assert image.size[0] < 900
