"""The validation study: what its tables and figure say of made-up emulations, by hand."""

import csv
import json
import math
import sys

import pytest
from made_up import EQUAL, judged, measurement, record

from bench.emulator.record import write_record
from bench.report import __main__ as command
from bench.report.judged import judge
from bench.report.validation import markdown, summary, write
from bench.report.validation_figure import figure


def stored(folder, *records):
    for one in records:
        write_record(folder, one)
    return folder


def test_every_cell_is_a_line_of_the_table():
    # Communication: 1.05 s against the median of 0.9, 1.0 and 1.2 s. The whole run: 9.5 against 10 s. Bytes: 990 against 1000.
    lines = markdown(judged(record(predicted=1.05, measured=(1.2, 0.9, 1.0)))).splitlines()
    world = "| diloco | - | 2 | 100 Mbit/s | 20.0 ms | - "
    figures = "| 1.05 s | 1.00 s | +5.0 % | 9.50 s | 10.0 s | -5.0 % | -1.0 % | - | 25 % |"
    assert world + figures in lines


def test_the_table_tells_of_codec_unlike_lines_parameters_and_processors():
    busy = measurement(0.5, busy=0.95, parameters_differ=2.5e-7)
    network = {**EQUAL, "uplink": "10 Mbit/s", "last_mile": "0 ms"}
    found = record(names={"codec": "int8"}, network=network, workers=4, measurements=[busy])
    line = next(line for line in markdown(judged(found)).splitlines() if line.startswith("| diloco | int8"))
    assert line.startswith("| diloco | int8 | 4 | 10 Mbit/s / 100 Mbit/s | 0 s | - | 1.00 s | 500 ms | +100.0 % |")
    assert line.endswith("| 2.5e-07 | 95 %, processors |")


def test_errors_that_are_not_known_are_left_out():
    # Nothing was counted where links have no counters.
    uncounted = record("b", measurements=[measurement(1.0, sent=[None, None])])
    bytes_sent = next(line for line in summary(judged(record("a"), uncounted)).splitlines() if line.startswith("| bytes"))
    assert bytes_sent == "| bytes sent | 1 | 1.0 % | 1.0 % | 1.0 % | at most 2 % | yes |"
    assert "| bytes sent | 0 | - | - | - | at most 2 % | - |" in summary(judged(uncounted))


def test_cells_whose_pace_the_processors_set_are_judged_apart():
    busy = record("b", predicted=2.0, measurements=[measurement(1.0, busy=0.9)])
    head, links, every, *_ = markdown(judged(record("a", predicted=1.02), busy)).split("### ")
    assert head == ""
    assert "| communication | 1 | 2.0 % | 2.0 % | 2.0 % | median 3 %, 95th percentile 10 % | yes |" in links
    # 2 % and 100 %: the median is 51 %, the 95th percentile 2 + 0.95 · 98 = 95.1 %.
    assert "| communication | 2 | 51.0 % | 95.1 % | 100.0 % | median 3 %, 95th percentile 10 % | no |" in every


def test_groups_are_by_algorithm_with_codec_by_slowest_line_and_by_round_trip():
    slow = {**EQUAL, "uplink": "10 Mbit/s", "last_mile": "25 ms"}
    busy = measurement(1.0, busy=1.0)
    found = [
        record("a", predicted=1.02),
        record("b", predicted=1.04, names={"codec": "int8"}),
        record("c", predicted=1.10, network=slow, names={"algorithm": "ddp"}, measurements=[busy]),
    ]
    lines = markdown(judged(*found)).splitlines()
    assert "| diloco | 1 | 2.0 % | 2.0 % | 1 | 2.0 % | 2.0 % |" in lines
    assert "| diloco, int8 | 1 | 4.0 % | 4.0 % | 1 | 4.0 % | 4.0 % |" in lines
    assert "| ddp | 0 | - | - | 1 | 10.0 % | 10.0 % |" in lines
    # 2 and 4 %: the 95th percentile is 2 + 0.95 · 2 = 3.9 %. The slower line comes first.
    fast = lines.index("| 100 Mbit/s | 2 | 3.0 % | 3.9 % | 2 | 3.0 % | 3.9 % |")
    assert lines.index("| 10.0 Mbit/s | 0 | - | - | 1 | 10.0 % | 10.0 % |") == fast - 1
    near = lines.index("| 20.0 ms | 2 | 3.0 % | 3.9 % | 2 | 3.0 % | 3.9 % |")
    assert lines.index("| 100 ms | 0 | - | - | 1 | 10.0 % | 10.0 % |") == near + 1


def test_what_cannot_be_judged_is_listed_with_its_reason():
    found = [
        record("a"),
        record("b", measurements=[], status="skipped", reason="links that vary"),
        record("c", measurements=[]),
        record("d", links="throttled"),
    ]
    cells, others = judge(found)
    assert [one.key for one in cells] == ["a"]
    assert markdown(cells, others).split("### Not judged\n\n")[1].splitlines() == [
        "- `python -m bench.emulate number=b`: links that vary",
        "- `python -m bench.emulate number=c`: not measured yet",
        "- `python -m bench.emulate number=d`: on throttled links, which say nothing of a network",
    ]
    assert "Not judged" not in markdown(cells)


def test_the_csv_has_plain_numbers_in_base_units(tmp_path):
    write(stored(tmp_path, record("a", predicted=1.05, measured=(1.2, 0.9, 1.0))))
    [line] = csv.DictReader((tmp_path / "tables" / "validation.csv").read_text().splitlines())
    numbers = {
        "uplink_bytes_per_second": 12.5e6,  # 100 Mbit/s
        "round_trip_seconds": 0.02,
        "predicted_communication_seconds": 1.05,
        "measured_communication_seconds": 1.0,
        "measured_communication_seconds_least": 0.9,
        "measured_communication_seconds_most": 1.2,
        "communication_error": 0.05,
        "seconds_error": -0.05,
        "counted_bytes": 1000.0,
        "bytes_error": -0.01,
        "measurements": 3,
    }
    assert {name: float(line[name]) for name in numbers} == pytest.approx(numbers)
    assert (line["key"], line["command"]) == ("a", "python -m bench.emulate number=a")
    assert (line["parameters_differ"], line["saturated"]) == ("", "False")


def test_the_figure_has_a_panel_an_algorithm_and_each_cell_in_its_place():
    busy = measurement(4.0, busy=1.0)
    found = [
        record("a", predicted=1.1, measured=(0.8, 1.0, 1.6)),
        record("b", predicted=3.0, names={"algorithm": "ddp"}, measurements=[busy]),
        record("c", predicted=0.0, measured=(0.0,), names={"algorithm": "gossip"}),  # has no logarithm
    ]
    ddp, diloco, errors = figure(judged(*found)).axes
    assert (ddp.get_title(), diloco.get_title()) == ("ddp", "diloco")
    assert [tick.get_text() for tick in errors.get_yticklabels()] == ["ddp", "diloco"]
    [hollow], [filled] = ([bar.lines[0] for bar in panel.containers] for panel in (ddp, diloco))
    assert (filled.get_xdata()[0], filled.get_ydata()[0]) == (1.0, 1.1)
    assert (hollow.get_markerfacecolor(), filled.get_markerfacecolor()) == ("white", filled.get_color())
    assert hollow.get_color() != filled.get_color()
    # The spread of measurements: from 0.8 to 1.6 s; as errors from 1.1 / 1.6 - 1 to 1.1 / 0.8 - 1.
    [spread] = diloco.containers[0].lines[2]
    assert spread.get_segments()[0][:, 0] == pytest.approx([0.8, 1.6])
    [spread] = errors.containers[1].lines[2]
    assert spread.get_segments()[0][:, 0] == pytest.approx([-31.25, 37.5])
    assert [bar.lines[0].get_xdata()[0] for bar in errors.containers] == pytest.approx([-25.0, 10.0])


def test_cells_of_one_algorithm_are_ordered_by_workers_rate_and_round_trip_those_without_a_codec_first():
    found = [
        record("a", names={"codec": "int8"}),
        record("b", workers=4),
        record("c", network={**EQUAL, "tiers": [{"name": "rack"}]}),  # of which the round trip is not known
        record("d", network={**EQUAL, "last_mile": "25 ms"}),
        record("e", network={**EQUAL, "downlink": "10 Mbit/s"}),
        record("f"),
    ]
    cells = judged(*found)
    assert [one.key for one in cells] == ["e", "f", "d", "c", "b", "a"]
    assert math.isnan(cells[3].round_trip)
    assert [line for line in markdown(cells).splitlines() if line.startswith("| - | 1 |")]  # and has a group of its own


def test_the_command_writes_tables_and_figures_and_names_what_is_broken(tmp_path, monkeypatch, capsys):
    stored(tmp_path, record("a"))
    (tmp_path / "emulations" / "b.json").write_text("{")
    monkeypatch.setattr(sys, "argv", ["report", "--json", "--results", str(tmp_path)])
    assert command.main() == 0
    out, err = capsys.readouterr()
    assert (
        err.startswith(f"left out: {tmp_path / 'emulations' / 'b.json'} is not a readable emulation") and err.count("\n") == 1
    )
    written = json.loads(out.splitlines()[-1])["written"]
    files = ("tables/validation.md", "tables/validation.csv", "figures/validation.svg", "figures/validation.png")
    for name in files:
        assert str(tmp_path / name) in written
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda folder: stored(folder, record(links="throttled")), "1 that cannot be judged"),
        (lambda folder: (stored(folder, record()) / "emulations" / "a.json").write_text("{"), "1 broken: "),
    ],
)
def test_a_folder_without_emulations_to_judge_is_one_clear_line(tmp_path, monkeypatch, capsys, make, found):
    make(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", "--results", str(tmp_path)])
    assert command.main() == 1
    out, err = capsys.readouterr()
    assert err.startswith(f"farbench: '{tmp_path}' must hold emulations on shaped links in emulations/, got {found}")
    assert (out, err.count("\n")) == ("", 1)
