"""Rows as a table: every value comes back as the row has it, through every format; nothing is overwritten unasked."""

import csv
import json
import math
import sys

import pandas as pd
import pytest
from folders import row, write

from bench.export.__main__ import main
from bench.export.frames import curves, frame

ROWS = [
    row("a", 0, rate=1000 / 3, loss=(5.0, 3.1, 1 / 3)),
    row("b", 1, loss=(), reason="it said: “no”,\nand\tmore", status="skipped"),
]


@pytest.fixture
def export(monkeypatch, capsys):
    """The command in this process: its exit code, what it printed, and what of errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
        code = main()
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def results(tmp_path):
    return write(tmp_path / "results", ROWS)


def read(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return pd.DataFrame([{name: number(text) for name, text in line.items()} for line in csv.DictReader(file)])
    return pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])


def number(text):
    """The float that a text is, or the text."""
    try:
        return float(text)
    except ValueError:
        return text if text else math.nan


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_every_value_comes_back_as_the_row_has_it(ending, results, tmp_path, export):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    path = tmp_path / f"rows.{ending}"
    code, out, err = export("--results", results, "--to", path)
    table = read(path)
    assert (code, err, out) == (0, "", f"written: {path}, 2 lines, {len(table.columns)} columns\n")
    for line, each in zip(table.to_dict(orient="records"), ROWS, strict=True):
        for name, value in each.items():
            if name in ("ledger", "curve", "conf", "versions"):
                assert name not in line
            elif value == "" or (isinstance(value, float) and math.isnan(value)):
                assert line[name] == "" or pd.isna(line[name])
            else:
                assert line[name] == value
        assert (line["share_compute"], line["share_latency"]) == (0.75, 0.25)
        assert (line["conf.network.uplink"], line["conf.network.tiers.0.size"]) == ("30 Mbit/s", 8)
        assert line["versions.torch"] == "2.13.0"
    # Of the first row, which alone was trained: 1e6 tokens at 1000/3 a second are 3000 s, and the last loss is the target.
    assert table["target_seconds"][0] == pytest.approx(3000) and pd.isna(table["target_seconds"][1])


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_equal_rows_give_equal_files(ending, results, tmp_path, export):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    paths = [tmp_path / name / f"rows.{ending}" for name in ("one", "two")]
    for path in paths:
        assert export("--results", results, "--to", path)[0] == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_settings_of_several_types_are_text():
    rows = [row("a"), row("b"), row("c"), row("d")]
    for each, value, other in zip(rows, (1, "auto", True, None), (1, 2.5, None, 3), strict=True):
        each["conf"] |= {"some": value, "other": other}
    table = frame(rows)
    assert table["conf.some"].tolist()[:3] == ["1", "auto", "true"] and pd.isna(table["conf.some"][3])
    assert table["conf.other"].tolist()[:2] == [1.0, 2.5] and table["conf.other"][3] == 3.0


def test_a_setting_that_a_row_lacks_is_nothing_there():
    rows = [row("a"), row("b")]
    rows[1]["conf"]["only"] = 0.5
    assert frame(rows)["conf.only"].isna().tolist() == [True, False]


def test_curves_have_a_line_for_each_evaluation():
    # 20 steps of 1e6 tokens and 1e9 bytes in 3000 s: half of all after 10.
    table = curves(ROWS)
    assert table["key"].tolist() == ["a30s0"] * 3
    assert table["step"].tolist() == [0, 10, 20]
    assert table["virtual_seconds"].tolist() == pytest.approx([0, 1500, 3000])
    assert table["tokens"].tolist() == [0, 5e5, 1e6]
    assert table["sent_bytes"].tolist() == [0, 5e8, 1e9]
    assert table["loss"].tolist() == [5.0, 3.1, 1 / 3]
    assert curves(ROWS[1:]).empty


def test_a_file_that_is_there_is_not_overwritten_unasked(results, tmp_path, export):
    path = tmp_path / "rows.csv"
    path.write_text("mine")
    code, _, err = export("--results", results, "--to", path)
    assert (code, err) == (1, f"farbench: --to must be a new file, got '{path}', which exists (--force overwrites it)\n")
    assert path.read_text() == "mine"
    assert export("--results", results, "--to", path, "--force", "--curves")[0] == 0
    assert path.read_text().startswith("key,step,virtual_seconds,tokens,sent_bytes,loss\na30s0,0,0.0,0.0,0.0,5.0\n")


def test_a_row_that_is_broken_is_named_and_left_out(results, tmp_path, export):
    (results / "runs/z.json").write_text('{"schema": 4')
    code, out, err = export("--results", results, "--to", tmp_path / "rows.csv")
    assert code == 0 and ", 2 lines, " in out
    assert err.startswith(f"left out: {results}/runs/z.json is not a readable row: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--to", "wandb"], "--to must end in .parquet, .csv, .json, or be one of mlflow, tensorboard, got 'wandb'"),
        (["--to", "x.xlsx"], "--to must end in .parquet, .csv, .json, or be one of mlflow, tensorboard, got 'x.xlsx'"),
        (["--to", "mlflow", "--curves"], "--curves must go to a file, got --to mlflow, which gets curves with the rows"),
        (["--to", "x.csv", "--results", "nowhere"], "--results must be a folder with rows in runs/, got 'nowhere'"),
    ],
)
def test_a_bad_value_is_told_in_one_line(arguments, line, export):
    assert export(*arguments) == (1, "", f"farbench: {line}\n")


def test_parquet_without_pyarrow_is_told_in_one_line(results, tmp_path, export, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    line = "farbench: --to FILE.parquet needs: pip install 'farbench[parquet]'\n"
    assert export("--results", results, "--to", tmp_path / "rows.parquet") == (1, "", line)
