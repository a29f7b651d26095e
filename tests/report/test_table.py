"""What is printed and written of rows: the table, its notes, its files and the figures."""

import csv
import io
import json
import math
import shutil
import sys

import pytest

from bench.errors import RecordError
from bench.record import Store, blank_row
from bench.record.row import CLOCKED
from bench.report import __main__ as command
from bench.report import six_lines
from bench.report.figure import write_figures
from bench.report.frame import compared
from bench.report.publish import publish, tell
from bench.report.table import cells, notes, write_tables
from bench.timeline import BUCKETS

LEDGER = dict.fromkeys(BUCKETS, 0.0) | {"compute": 0.6, "bandwidth": 0.25, "down": 0.1, "discarded": 0.05}


def row(**changes) -> dict:
    """A finished and trained row with every column."""
    return (
        blank_row()
        | dict.fromkeys(CLOCKED, 1.0)
        | {"key": "a", "status": "done", "reason": "", "command": "python -m bench"}
        | {"scenario": "volunteer_home", "algorithm": "diloco", "codec": "none", "aggregator": "mean", "adversary": "none"}
        | {"model": "nano", "timed_as": "gpt_350m"}
        | {"workload": "w" * 64, "seed": 0, "workers": 8, "peak_flops": 1e15, "parameters": 355_698_688}
        | {"steps": 40, "rounds": 2, "tokens_per_second": 12_400.0, "system_efficiency": 0.5, "virtual_seconds": 120.0}
        | {"sent_bytes": 2.86e9, "final_loss": 4.0, "ledger": dict(LEDGER), "conf": {}, "versions": {}}
        | {"curve": {"steps": [0, 20, 40], "virtual_seconds": [0.0, 60.0, 120.0], "loss": [6.0, 5.0, 4.0]}}
        | changes
    )


def cluster(**changes) -> dict:
    """The cluster reaches 4 after 30 s."""
    curve = {"steps": [0, 40], "virtual_seconds": [0.0, 30.0], "loss": [6.0, 4.0]}
    return row(key="b", scenario="h100_cluster", algorithm="ddp", curve=curve, **changes)


def unfit(**changes) -> dict:
    """A row that was neither clocked nor trained."""
    empty = {"ledger": {}, "curve": {"steps": [], "virtual_seconds": [], "loss": []}}
    unknown = dict.fromkeys(("final_loss", "tokens_per_second", "sent_bytes", "virtual_seconds"), math.nan)
    return row(key="c", status="does_not_fit", reason="too large by 4 GB") | empty | unknown | changes


def test_a_line_of_the_table_says_what_its_row_says():
    text = {name: column[1] for name, column in cells(compared([cluster(), row()])).items()}
    assert text == {
        "scenario": "volunteer_home",
        "algorithm": "diloco",
        "tokens/s": "12.4 k",
        "versus cluster": "4.00x",  # 120 s against 30 s, of equal peak
        "worker-seconds": "compute 60.0 %, bandwidth 25.0 %, lost 15.0 %",  # lost: down and discarded
        "loss": "4.000",
        "time to target": "2.00 min",
        "sent a worker": "2.86 GB",
        "row": "a",
    }


def test_unknown_numbers_are_dashes_and_not_zeros():
    text = {name: column[1] for name, column in cells(compared([row(), unfit()])).items()}
    unknown = ("tokens/s", "versus cluster", "worker-seconds", "loss", "sent a worker")
    assert {text[name] for name in unknown} == {"-"}
    assert (text["time to target"], text["status"]) == ("-", "does_not_fit")


def test_settings_and_status_have_a_column_only_where_they_say_something():
    assert not {"settings", "status"} & cells(compared([row(), row()])).keys()
    assert "status" in cells(compared([row(), unfit()]))
    assert cells(compared([row(command="python -m bench seed=1"), row()]))["settings"] == ["seed=1", ""]


def test_notes_name_each_workload_and_each_reason():
    lines = notes(compared([row(), row(workload="v" * 64, final_loss=3.0), unfit()]))
    assert sum("workload wwwwwwww" in line for line in lines) == 1
    assert sum("workload vvvvvvvv" in line for line in lines) == 1
    assert "volunteer_home diloco: too large by 4 GB" in lines


def test_the_markdown_has_a_line_a_row_and_the_csv_every_number_in_base_units(tmp_path):
    markdown, table, latex = write_tables(compared([cluster(), row(), unfit()]), tmp_path, "x")
    bars = [line for line in markdown.read_text().splitlines() if line.startswith("|")]
    assert len(bars) == 2 + 3
    assert len({line.count("|") for line in bars}) == 1
    lines = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [line["key"] for line in lines] == ["b", "a", "c"]
    assert [line["target_seconds"] for line in lines] == ["30.0", "120.0", ""]
    assert [line["share_bandwidth"] for line in lines] == ["0.25", "0.25", ""]
    assert lines[1]["sent_bytes"] == "2860000000.0"
    assert "volunteer\\_home & diloco" in latex.read_text()


def test_each_line_ends_in_the_start_of_its_key_which_no_other_row_of_the_folder_has(tmp_path):
    keys = ["0123456789abcdef" * 2, "0123456789" + "f" * 22, "9" * 32]
    frame = compared([row(key=key) for key in keys])
    assert cells(frame)["row"] == ["0123456789a", "0123456789f", "99999999"]
    assert list(cells(frame))[-1] == "row"
    Store(tmp_path).row_path("9" * 20 + "0" * 12).write_text("broken, and still a file")
    text = write_tables(frame, tmp_path, "x")[0].read_text()
    assert f"| {'9' * 21} |" in text


def test_tables_and_figures_are_the_same_bytes_each_time(tmp_path):
    def written(folder) -> dict[str, bytes]:
        # Other wall seconds: what a repetition has, and no table shows.
        frame = compared([cluster(wall_seconds=float(len(folder.name))), row(), unfit()])
        write_tables(frame, folder, "x")
        write_figures(frame, folder, "x")
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}

    first = written(tmp_path / "one")
    assert sorted(first) == [
        *(
            f"figures/x_{kind}.{suffix}"
            for kind in ("ledger", "loss", "loss_bytes", "loss_tokens")
            for suffix in ("png", "svg")
        ),
        *("tables/x.csv", "tables/x.md", "tables/x.tex"),
    ]
    assert written(tmp_path / "second") == first


def stored(folder, *rows) -> list:
    return [Store(folder).write(each) for each in rows]


def test_a_broken_row_is_named_and_left_out(tmp_path, capsys):
    paths = stored(tmp_path, cluster(), row(), unfit())
    paths[1].write_text("{")
    tell(publish(paths, tmp_path, "x"))
    out, err = capsys.readouterr()
    assert err.startswith(f"left out: {paths[1]} is not a readable row")
    assert len(err.splitlines()) == 1
    assert "h100_cluster" in out
    assert "b,done" in (tmp_path / "tables" / "x.csv").read_text()
    assert "a,done" not in (tmp_path / "tables" / "x.csv").read_text()


def test_nothing_but_broken_rows_is_an_error(tmp_path):
    paths = stored(tmp_path, row())
    paths[0].write_text("{")
    with pytest.raises(RecordError, match=r"no row of '.*' can be read: .*a.json is not a readable row"):
        publish(paths, tmp_path, "x")


def test_the_command_reports_on_all_rows_of_a_folder(tmp_path, monkeypatch, capsys):
    stored(tmp_path, cluster(), row())
    shutil.copy(tmp_path / "runs" / "a.json", tmp_path / "runs" / "a.broken")  # set aside: no row any more
    monkeypatch.setattr(sys, "argv", ["report", "--results", str(tmp_path), "--name", "mine"])
    assert command.main() == 0
    out = capsys.readouterr().out
    assert out.count("volunteer_home") == 1
    assert f"written: {tmp_path / 'tables' / 'mine.md'}" in out


def test_the_command_tells_in_one_line_of_a_folder_without_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["report", "--results", str(tmp_path / "nowhere")])
    assert command.main() == 1
    rule = "--results must be folders with rows in runs/, or records in attributions/, emulations/ or projections/"
    assert capsys.readouterr().err == f"farbench: {rule}, got '{tmp_path / 'nowhere'}'\n"


def test_a_folder_without_rows_is_told_before_another_is_reported(tmp_path, monkeypatch, capsys):
    Store(tmp_path / "good").write(row())
    monkeypatch.setattr(sys, "argv", ["report", "--results", str(tmp_path / "good"), str(tmp_path / "nowhere")])
    assert command.main() == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert not (tmp_path / "good" / "tables").exists()


def test_the_last_line_of_the_commands_json_holds_all_figures_and_files(tmp_path, monkeypatch, capsys):
    for name in ("one", "two"):
        Store(tmp_path / name).write(row(key=name[0]))
        (tmp_path / name / "runs" / "b.json").write_text("{")
    monkeypatch.setattr(sys, "argv", ["report", "--json", "--results", str(tmp_path / "one"), str(tmp_path / "two")])
    assert command.main() == 0
    out, err = capsys.readouterr()
    assert err.count("left out: ") == 2  # once a file
    (line,) = [line for line in out.splitlines() if line.startswith("{")]
    printed = json.loads(line)
    assert line == out.splitlines()[-1]
    assert [found["key"] for found in printed["rows"]] == ["o", "t"]
    for path in ("one/tables/all.md", "two/tables/all.md", "index.html"):
        assert printed["written"].count(str(tmp_path / path)) == 1


def test_six_lines_say_what_a_finished_row_is_about(tmp_path):
    lines = six_lines(row(), tmp_path)
    assert len(lines) == 6
    assert "volunteer_home, 8 workers" in lines[0]
    assert "12.4 k tokens/s, 50.0% of unhindered devices" in lines[2]
    assert "4.000 nats a token after 40 steps, 2.00 min" in lines[3]
    assert "60.0% compute; the biggest loss is bandwidth, 25.0%" in lines[4]


def test_the_lines_of_an_unfinished_row_say_why(tmp_path):
    assert "status      does_not_fit: too large by 4 GB" in six_lines(unfit(), tmp_path)


def test_the_last_line_of_json_holds_the_figures_of_the_table(tmp_path, capsys):
    store = Store(tmp_path)
    files = [store.write(row()), store.write(cluster()), store.write(unfit(key="c"))]
    tell(publish(files, tmp_path, "some"), json=True)
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [found["scenario"] for found in printed["rows"]] == ["volunteer_home", "h100_cluster", unfit()["scenario"]]
    assert printed["rows"][0]["share_bandwidth"] == 0.25
    assert printed["rows"][2]["final_loss"] is None
    assert all((tmp_path / path).exists() for path in printed["written"])
