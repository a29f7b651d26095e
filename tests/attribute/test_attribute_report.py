"""Records, tables and figures of attributions: whole, found in order, and the same bytes from the same records."""

import csv
import json
import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from bench.attribute import table
from bench.attribute.bars import figure
from bench.attribute.helps import Help, as_dict
from bench.attribute.helps_table import helps_table
from bench.attribute.record import FIELDS, SCHEMA, read_record, read_records, record_key, record_path, write_record
from bench.attribute.switches import SWITCHES
from bench.attribute.tell import as_figures, factor_text, lines
from bench.attribute.waterfall import waterfall, write_waterfall
from bench.errors import RecordError


def made(key="a" * 32, algorithm="diloco", **changes):
    """A record of three seeds: bandwidth 8, 10, 12; statistics, which helps, a half; overheads off; all else exactly 1."""
    factors = {name: [1.0] * 3 for name in SWITCHES} | {"bandwidth": [8.0, 10.0, 12.0], "statistics": [0.5] * 3}
    return {
        "schema": SCHEMA,
        "key": key,
        "command": f"python -m bench.attribute attribute.seeds=3 scenario=volunteer_home algorithm={algorithm}",
        "names": {"scenario": "volunteer_home", "algorithm": algorithm},
        "settings": {},
        "workers": 8,
        "seeds": [0, 1, 2],
        "status": "done",
        "reason": "",
        "clock_alone": "",
        "total": [4.0, 5.0, 6.0],
        "factors": factors,
        "off": {"overheads": "payloads travel as they are"},
        "corners": [],
        "helps": [],
        "references": [],
        "rows": [],
        "versions": {},
    } | changes


UPLINK = Help("uplink", "double the uplink", (1.5, 1.4, 1.6), (1.0,) * 3, (1.5, 1.4, 1.6), (1.5, 1.4, 1.6))
SKIPPED = {"status": "skipped", "reason": "no", "total": [], "factors": {}, "off": {}}


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = write_record(tmp_path, made())
    assert path == record_path(tmp_path, "a" * 32) and read_record(path) == made()
    assert made().keys() == FIELDS.keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": SCHEMA + 1},
        {"status": "fine"},
        {"total": [4.0, 5.0]},
        {"total": [4.0, None, 6.0]},
        {"total": [4.0, 0.0, 6.0]},
        {"factors": {"bandwidth": [1.0] * 3}},
        {"seeds": 3},
    ],
)
def test_what_is_no_attribution_of_ours_is_named_and_left_out(changes, tmp_path):
    write_record(tmp_path, made())
    broken = write_record(tmp_path, made("b" * 32) | changes)
    records, left_out = read_records(tmp_path)
    assert records == [made()]
    assert [str(broken) in line for line in left_out] == [True]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": NaN}'])
def test_half_a_file_is_no_attribution(text, tmp_path):
    path = record_path(tmp_path, "c" * 32)
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(RecordError, match=str(path)):
        read_record(path)


def test_the_key_is_of_settings_names_text_and_seeds():
    key = record_key({"a": 1}, {"b": "c"}, "text", 3, True)
    others = [
        record_key({"a": 2}, {"b": "c"}, "text", 3, True),
        record_key({"a": 1}, {"b": "d"}, "text", 3, True),
        record_key({"a": 1}, {"b": "c"}, "other", 3, True),
        record_key({"a": 1}, {"b": "c"}, "text", 2, True),
        record_key({"a": 1}, {"b": "c"}, "text", 3, False),
    ]
    assert key == record_key({"a": 1}, {"b": "c"}, "text", 3, True) and len({key, *others}) == 6


def test_a_factor_is_its_median_with_the_lowest_and_the_highest():
    assert factor_text([43.04, 40.1, 41.2]) == "41.2x [40.1–43.0]"
    assert factor_text([41.2]) == "41.2x"
    assert factor_text([1.0004]) == "1.0004x" and factor_text([1.0, 1.0]) == "1x"


def test_lines_rank_factors_and_say_what_has_no_part(tmp_path):
    told = lines(made(helps=[as_dict(UPLINK)]), tmp_path / "r.json", [tmp_path / "f.svg"])
    assert told == [
        "attributed      volunteer_home, diloco, 8 workers, seeds 0 to 2",
        "slowdown        5.00x [4.00–6.00] of clock and learning, against ideal; the product of",
        "  bandwidth     10.0x [8.00–12.0]",
        "  statistics    0.500x [0.500–0.500]",
        "no part in it   latency (1x), heterogeneity (1x), dropouts (1x), adversaries (1x), "
        "overheads (payloads travel as they are)",
        "what would help double the uplink  buys 1.50x [1.40–1.60]  (throughput 1.50x, learning 1.00x)",
        f"record          {tmp_path / 'r.json'}",
        f"figure          {tmp_path / 'f.svg'}",
    ]
    assert lines(made(workers=1), tmp_path)[0] == "attributed      volunteer_home, diloco, 1 worker, seeds 0 to 2"
    assert "skipped         no" in lines(made(**SKIPPED), tmp_path)
    assert as_figures(made(), tmp_path)["slowdown"] == {"median": 5.0, "lowest": 4.0, "highest": 6.0}
    assert "slowdown" not in as_figures(made(**SKIPPED), tmp_path)


def test_the_table_has_a_line_a_record_and_a_column_a_switch(tmp_path):
    write_record(tmp_path, made("b" * 32, "gossip", **SKIPPED))
    write_record(tmp_path, made(helps=[as_dict(UPLINK)]))
    paths, broken = table.write(tmp_path)
    assert broken == [] and [path.name for path in paths] == [
        *("attributions.md", "attributions.csv", "attributions.tex"),
        *("what_would_help.md", "what_would_help.csv", "what_would_help.tex"),
        *("attributions.svg", "attributions.png"),
        *(f"{kind}_volunteer_home_diloco_aaaaaaaa.{suffix}" for kind in ("attribution", "helps") for suffix in ("svg", "png")),
    ]
    _, _, *rows = [line for line in paths[0].read_text().splitlines() if line.startswith("|")]
    assert rows == [
        "| volunteer_home | diloco |  | 3 | 10.0x [8.00–12.0] | 1x | 1x | 1x "
        "| 1x | - | 0.500x [0.500–0.500] | 5.00x [4.00–6.00] | aaaaaaaa |",
        "| volunteer_home | gossip |  | 3 | - | - | - | - | - | - | - | skipped | bbbbbbbb |",
    ]
    first, second = csv.DictReader(paths[1].read_text().splitlines())
    assert [float(first[name]) for name in ("bandwidth", "bandwidth_lowest", "bandwidth_highest")] == [10, 8, 12]
    assert (first["overheads"], second["slowdown"], second["status"]) == ("", "", "skipped")
    [helps] = csv.DictReader(paths[4].read_text().splitlines())
    assert (helps["knob"], float(helps["buys"]), helps["tie"]) == ("uplink", 1.5, "False")
    assert "diloco | 1 | double the uplink | buys 1.50x" in paths[3].read_text()
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in table.write(tmp_path)[0]] == before


def test_a_folder_without_attributions_is_said_so(tmp_path):
    with pytest.raises(RecordError, match=r"must hold attributions in attributions/, got none"):
        table.write(tmp_path)
    record_path(tmp_path, "c" * 32).parent.mkdir()
    record_path(tmp_path, "c" * 32).write_text("{")
    with pytest.raises(RecordError, match=r"got 1 broken: .*is not a readable attribution"):
        table.write(tmp_path)


def bars(panel):
    """(from, to) of each bar, by its height on the page."""
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in panel.patches]


def test_a_waterfall_goes_from_ideal_to_the_slowdown_and_back_where_something_helps():
    [panel] = waterfall(made()).axes
    # Bandwidth from 1 to 10, then statistics halves it; below, the slowdown.
    assert bars(panel) == [(1.0, 10.0), (10.0, 5.0), (1.0, 5.0)]
    assert panel.get_xscale() == "log"
    assert [label.get_text() for label in panel.get_yticklabels()] == ["bandwidth", "statistics (helps)", "slowdown"]
    whiskers = [tuple(line.get_xdata()) for line in panel.get_lines() if line.get_marker() == "|"]
    assert whiskers == [(8.0, 12.0), (4.0, 6.0)]
    assert [text.get_text() for text in panel.texts] == ["10.0x [8.00–12.0]", "0.500x [0.500–0.500]", "5.00x [4.00–6.00]"]


def test_a_waterfall_is_written_twice_the_same(tmp_path):
    paths = write_waterfall(made(), tmp_path)
    assert [path.name for path in paths] == [f"attribution_volunteer_home_diloco_aaaaaaaa.{kind}" for kind in ("svg", "png")]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_waterfall(made(), tmp_path)] == before
    assert ElementTree.fromstring(before[0]).tag.endswith("svg")


def test_side_by_side_what_helps_goes_to_the_left_of_ideal():
    [panel] = figure([made(), made(algorithm="ddp", total=[20.0] * 3)], ["one", "other"]).axes
    # From where what helps ends, a half, ten times as far: to the slowdown, 5.
    assert bars(panel)[:2] == [(0.5, 5.0), (1.0, 0.5)]
    marks = [float(line.get_xdata()[0]) for line in panel.get_lines() if line.get_marker() == "D" and len(line.get_xdata())]
    assert marks == [5.0, 20.0]


def test_a_world_without_any_loss_can_be_drawn():
    record = made(total=[1.0] * 3, factors={name: [1.0] * 3 for name in SWITCHES})
    assert bars(waterfall(record).axes[0]) == [(1.0, 1.0)]
    assert math.isfinite(figure([record], ["ideal"]).axes[0].get_xlim()[1])
    assert json.loads(json.dumps(record)) == record


def test_what_is_asked_of_an_attribution_is_no_setting_of_its_run():
    asked = [made(), made(command=made()["command"].replace("attribute.seeds=3", "attribute.helps=false attribute.seeds=5"))]
    assert table.labels(asked) == ["volunteer_home diloco"] * 2


@pytest.mark.parametrize("most", [1.3, 3.0, 7.0, 12.6, 19.0, 40.0])
def test_figures_of_the_axis_do_not_touch(most):
    shown = waterfall(made(factors=dict.fromkeys(SWITCHES, [1.0] * 3) | {"bandwidth": [most] * 3}, total=[most] * 3))
    shown.draw_without_rendering()
    [panel] = shown.axes
    labels = [label for label in (*panel.get_xticklabels(), *panel.get_xticklabels(minor=True)) if label.get_text()]
    low, high = panel.get_xlim()
    boxes = sorted(
        (label.get_window_extent() for label in labels if low <= label.get_position()[0] <= high), key=lambda box: box.x0
    )
    assert boxes and all(first.x1 < second.x0 for first, second in pairwise(boxes))


def test_runs_of_which_was_not_asked_what_would_help_are_not_told_that_nothing_does():
    lame = Help("latency", "halve the round trips", (1.001,) * 3, (1.0,) * 3, (1.001,) * 3, (1.001,) * 3)
    tie = Help("codec", "half the bits", (1.5,) * 3, (1.0, 0.5, 1.0), (1.5, 0.75, 1.5), (1.5, 0.75, 1.5))
    asked, unasked, idle = made(helps=[as_dict(UPLINK), as_dict(lame), as_dict(tie)]), made(), made(helps=[as_dict(lame)])
    shown = helps_table([asked, unasked, idle], ["asked", "unasked", "idle"])
    assert [line[:3] for line in shown.lines] == [["asked", "1", "double the uplink"], ["idle", "-", "nothing"]]


def test_nothing_is_written_of_what_would_help_where_nobody_asked(tmp_path):
    write_record(tmp_path, made())
    assert not [path for path in table.write(tmp_path)[0] if "help" in path.name]
