"""A results folder as a whole: everything is made anew from rows, sweeps and records, and nothing broken stops the rest."""

import shutil
import sys
from pathlib import Path

import pytest
from seeded_rows import seeded

from bench.errors import RecordError
from bench.record import Store
from bench.record.sweeps import Swept
from bench.report import __main__ as command
from bench.report import folder as results
from bench.report.publish import publish

STUDY = Path(__file__).resolve().parents[2] / "results" / "study"


def some(folder: Path, count: int) -> list[str]:
    """Keys of so many committed rows, copied to a folder."""
    (folder / "runs").mkdir(parents=True)
    paths = sorted((STUDY / "runs").glob("*.json"))[:count]
    for path in paths:
        shutil.copy(path, folder / "runs")
    return [path.stem for path in paths]


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "tables").glob("*")}


def test_each_sweep_has_its_tables(tmp_path):
    keys = some(tmp_path, 4)
    for name, its in (("one", keys[:2]), ("other", keys[1:])):
        Swept(name=name, keys=tuple(its)).write(tmp_path)
    written, broken = results.write(tmp_path)
    assert not broken
    assert {"one.md", "one.csv", "other.md", "other.csv"} <= files(tmp_path)
    assert all(path.exists() for path in written)
    lines = (tmp_path / "tables" / "other.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == keys[1:]  # in the sweep's order


def test_a_row_that_is_gone_is_named_and_the_sweep_has_the_others(tmp_path):
    keys = some(tmp_path, 2)
    Swept(name="one", keys=(*keys, "0" * 32)).write(tmp_path)
    _, [line] = results.write(tmp_path)
    assert line.startswith(f"{tmp_path / 'runs' / ('0' * 32)}.json is not a readable row")
    assert "one.md" in files(tmp_path)


def test_a_sweep_without_a_row_is_named_and_the_others_are_made(tmp_path):
    keys = some(tmp_path, 2)
    Swept(name="empty", keys=("0" * 32,)).write(tmp_path)
    Swept(name="one", keys=tuple(keys)).write(tmp_path)
    _, [line] = results.write(tmp_path)
    assert line.startswith("sweep empty: no row")
    assert "one.md" in files(tmp_path)


def test_a_matrix_that_cannot_be_made_does_not_stop_the_table(tmp_path):
    keys = some(tmp_path, 3)
    Swept(name="one", keys=tuple(keys), matrix={"rows": "codec", "columns": "data"}).write(tmp_path)
    _, [line] = results.write(tmp_path)
    assert line.startswith("sweep one: a matrix of codec and data cannot tell two rows apart")
    assert "one.md" in files(tmp_path)


def test_records_of_one_kind_that_are_all_broken_do_not_stop_the_others(tmp_path):
    some(tmp_path, 1)
    (tmp_path / "projections").mkdir()
    (tmp_path / "projections" / "half.json").write_text("{")
    _, [line] = results.write(tmp_path)
    assert "half.json is not a readable projection" in line


def test_a_folder_with_nothing_in_it_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="--results must be folders with rows in runs/"):
        results.write(tmp_path)


def test_the_command_makes_several_folders_and_prints_rows_once(tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        some(tmp_path / name, 1)
    monkeypatch.setattr(sys, "argv", ["report", "--results", str(tmp_path / "a"), str(tmp_path / "b")])
    assert command.main() == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert sum(line.startswith("h100_cluster ") for line in lines) == 2
    assert (tmp_path / "a" / "tables" / "all.md").exists() and (tmp_path / "b" / "tables" / "all.md").exists()


def test_a_cluster_of_other_rows_does_not_hide_the_one_that_stands_elsewhere(tmp_path):
    clusters = [seeded("h100_cluster", "ddp", workers=workers, sets=f"workers={workers}") for workers in (8, 16)]
    ours = seeded("b", "diloco", workers=16, sets="workers=16", seconds=20.0)
    for row in (*clusters, ours):
        Store(tmp_path).write(row)
    files = [tmp_path / "runs" / f"{row['key']}.json" for row in (clusters[0], ours)]
    assert publish(files, tmp_path, "x").frame["versus_cluster"].tolist() == [1.0, 2.0]
