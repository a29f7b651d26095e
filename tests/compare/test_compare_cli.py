"""The command as a gate: exit codes, what it prints, and what it leaves out by name."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from folders import row, write

from bench.compare.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def compare(monkeypatch, capsys):
    """The command in this process: its exit code, what it printed, and what of errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        code = main()
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def base(tmp_path):
    return write(tmp_path / "base", [row(cell, seed, rate=1000 + seed) for cell in "ab" for seed in range(3)])


def slower(path, factor=0.9):
    """Cell b is slower."""
    return write(path, [row(c, s, rate=(1000 + s) * (factor if c == "b" else 1)) for c in "ab" for s in range(3)])


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (0.9, 1), (1.1, 0)])
def test_the_exit_code_of_a_process_says_whether_there_is_a_regression(factor, code, base, tmp_path):
    arguments = [sys.executable, "-m", "bench.compare", str(base), str(slower(tmp_path / "new", factor))]
    done = subprocess.run(arguments, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_process_that_has_nothing_to_compare_ends_with_2(base, tmp_path):
    arguments = [sys.executable, "-m", "bench.compare", str(base), str(tmp_path / "nothing")]
    done = subprocess.run(arguments, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"farbench: a results folder must have rows in runs/, got '{tmp_path}/nothing'\n"


def test_a_regression_is_in_the_table_with_its_keys(base, tmp_path, compare):
    _, out, _ = compare(base, slower(tmp_path / "new"), "--metric", "throughput")
    assert out.splitlines()[0] == (
        "2 cells in both folders, 2 figures: 1 regression, 1 identical; 3 of 6 rows with equal keys are identical"
    )
    (line,) = [line for line in out.splitlines() if line.startswith(" regression")]
    for text in (
        "throughput",
        "volunteer_home diloco data.tokens=b",
        "1.00 k tokens/s",
        "901 tokens/s",
        "-10.0 %",
        "b30s0 b30s1 +1",
    ):
        assert text in line


def test_the_last_line_is_json_with_all_figures(base, tmp_path, compare):
    code, out, _ = compare(base, slower(tmp_path / "new"), "--json")
    last = json.loads(out.splitlines()[-1])
    assert (code, last["regressions"], last["cells"], last["identical_rows"], last["shared_rows"]) == (1, 2, 2, 3, 6)
    assert {finding["metric"] for finding in last["findings"] if finding["verdict"] == "regression"} == {"throughput", "time"}


def test_markdown_is_written_byte_for_byte_the_same(base, tmp_path, compare):
    new = slower(tmp_path / "new")
    for name in ("one.md", "two.md"):
        compare(base, new, "--markdown", tmp_path / name)
    text = (tmp_path / "one.md").read_bytes()
    assert text == (tmp_path / "two.md").read_bytes()
    assert text.count(b"| regression |") == 2 and str(tmp_path).encode() not in text


def test_changed_settings_and_versions_and_lone_rows_are_told(base, tmp_path, compare):
    rows = [row("a", uplink="10 Mbit/s", seed=0, rate=400), row("a", 1, versions={"torch": "2.14.0"}), row("c", workers=9)]
    code, out, _ = compare(base, write(tmp_path / "new", rows))
    assert code == 0  # of the cell that both have, seed 1 is 1001 tokens/s before and 1000 after
    assert "- other settings in 1 row, not judged: network.uplink: 30 Mbit/s → 10 Mbit/s; these are " in out
    assert "a30s0 a10s0 throughput -60.0 %, final_loss 0 %" in out
    assert "- version of torch: 2.13.0 → 2.13.0, 2.14.0" in out
    assert "- 1 row only in NEW: volunteer_home diloco seed 0 (c30s0)" in out
    assert "- 4 rows only in BASE: " in out


def test_rows_of_another_schema_and_broken_ones_are_named_and_counted(base, tmp_path, compare):
    new = slower(tmp_path / "new", 1.0)
    old = json.loads((new / "runs/a30s0.json").read_text())
    for seed in (0, 1):
        (new / f"runs/a30s{seed}.json").write_text(json.dumps(old | {"schema": 3}))
    (new / "runs/b30s2.json").write_text('{"schema": 4, "key')
    (new / "runs/b30s1.json").write_text((new / "runs/b30s1.json").read_text().replace("1001.0", "NaN").replace("1001", "NaN"))
    code, out, err = compare(base, new)
    assert code == 0
    assert "- 2 rows of NEW are of schema 3: not comparable" in out and "- 2 rows of NEW are broken: left out" in out
    assert [line.split("/")[-1].split(" ")[0] for line in err.splitlines()] == [
        *("a30s0.json", "a30s1.json", "b30s1.json", "b30s2.json")
    ]
    assert all(line.startswith("left out: ") for line in err.splitlines())


def test_a_folder_of_another_schema_only_cannot_be_compared(base, tmp_path, compare):
    new = write(tmp_path / "new", [row(seed=seed, schema=3) for seed in range(31)])
    code, _, err = compare(base, new)
    assert (code, err) == (2, f"farbench: no row of '{new}' can be compared: 31 of schema 3, this version reads 4\n")


def test_folders_without_a_common_cell_cannot_be_compared_but_are_told(base, tmp_path, compare):
    code, out, err = compare(base, write(tmp_path / "new", [row("a", 0, uplink="10 Mbit/s")]))
    assert code == 2 and err.startswith("farbench: no row in common")
    assert "network.uplink: 30 Mbit/s → 10 Mbit/s" in out


def test_without_seeds_it_is_said_that_only_the_tolerance_judged(tmp_path, compare):
    folders = [write(tmp_path / name, [row(rate=rate)]) for name, rate in (("base", 1000), ("new", 995))]
    code, out, _ = compare(*folders)
    assert code == 0
    assert "no cell has two seeds with throughput, final_loss, best_loss, time, sent: only the tolerance judged" in out
    assert compare(*folders, "--tolerance", "0.4%")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--metric", "speed"), "--metric must be one of throughput, final_loss, best_loss, time, sent, got 'speed'"),
        (("--tolerance", "much"), "--tolerance must be a share from 0 to below 1, such as 1% or 0.01, got 'much'"),
        (("--tolerance", "100%"), "--tolerance must be a share from 0 to below 1, such as 1% or 0.01, got '100%'"),
        (("--tolerance", "-1%"), "--tolerance must be a share from 0 to below 1, such as 1% or 0.01, got '-1%'"),
    ],
)
def test_a_bad_value_is_told_in_one_line(arguments, line, base, compare):
    arguments = (f"{arguments[0]}={arguments[1]}",)
    assert compare(base, base, *arguments) == (2, "", f"farbench: {line}\n")


def test_lines_of_the_table_are_whole_where_nobody_watches(base, tmp_path):
    arguments = [sys.executable, "-m", "bench.compare", str(base), str(slower(tmp_path / "new"))]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "volunteer_home diloco data.tokens=b" in done.stdout  # in one line, as no column is folded
    assert "2 regressions" in done.stdout.splitlines()[0]


def test_rows_of_one_folder_only_are_named_and_change_no_exit_code(base, tmp_path, compare):
    new = slower(tmp_path / "new", 1.0)
    (new / "runs" / "b30s1.json").unlink()
    (new / "runs" / "b30s2.json").write_text("{")
    code, out, err = compare(base, new)
    assert (code, err.count("left out: ")) == (0, 1)
    assert "1 row of NEW is broken" in out and "2 rows only in BASE: " in out


def test_a_row_without_figures_is_not_compared_and_nothing_fails(tmp_path, compare):
    untrained = [row(seed=seed, loss=(), source_entropy=math.nan) for seed in range(2)]
    folders = [write(tmp_path / name, untrained) for name in ("base", "new")]
    code, out, err = compare(*folders, "-v")
    assert (code, err) == (0, "")
    assert "2 figures: 0 regressions, 2 identical; 2 of 2 rows" in out
