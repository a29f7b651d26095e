"""What is committed is what rows and records give: everything is made anew, byte by byte."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

import bench.report.folder
from bench.record.sweeps import sweeps_of
from bench.report import figure
from bench.report import folder as results

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ("runs", "sweeps", "attributions", "emulations", "projections")


def copied(name: str, folder: Path) -> Path:
    """The records of a committed results folder, without what was made of them."""
    for part in RECORDS:
        if (ROOT / "results" / name / part).is_dir():
            shutil.copytree(ROOT / "results" / name / part, folder / name / part)
    return folder / name


def different(name: str, made: Path) -> list[str]:
    """The files below `made` that are not as committed; PNGs are not."""
    there = ROOT / "results" / name
    files = [path for path in sorted(made.rglob("*.*")) if path.parent.name in ("tables", "figures") and path.suffix != ".png"]
    assert files
    return [
        str(path.relative_to(made))
        for path in files
        if not (there / path.relative_to(made)).exists() or path.read_bytes() != (there / path.relative_to(made)).read_bytes()
    ]


@pytest.fixture
def undrawn(monkeypatch):
    """Tables alone: drawing all figures of the study takes half a minute."""
    monkeypatch.setattr(figure, "write_figures", lambda *given: [])
    for module in ("bench.attribute.table", "bench.report.orderings", "bench.report.validation", "bench.report.projections"):
        monkeypatch.setattr(f"{module}.write_figure", lambda *given: [])
    monkeypatch.setattr("bench.attribute.table.write_figures", lambda *given: [])


@pytest.mark.parametrize("name", ["study", "validation", "projections"])
def test_tables_are_made_again_byte_by_byte(name, tmp_path, undrawn):
    written, broken = results.write(copied(name, tmp_path))
    assert broken == []
    assert different(name, tmp_path / name) == []
    # And nothing else lies there: a table whose sweep is gone would stay for ever.
    committed = {path.name for path in (ROOT / "results" / name / "tables").iterdir()}
    assert committed == {path.name for path in written if path.parent.name == "tables"}


def test_figures_of_a_sweep_are_made_again_byte_by_byte(tmp_path):
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    for name in ("matplotlib", "numpy", "pillow"):
        if version(name) != pinned[name]:
            pytest.skip(f"drawn with {name} {pinned[name]}, here is {version(name)}")
    folder = copied("study", tmp_path)
    [swept] = [swept for swept in sweeps_of(folder)[0] if swept.name == "first_look"]
    bench.report.folder.of_sweep(folder, swept)
    assert different("study", folder) == []


def test_every_row_of_the_study_is_in_a_sweep():
    study = ROOT / "results" / "study"
    swept = {key for swept in sweeps_of(study)[0] for key in swept.keys}
    assert {path.stem for path in (study / "runs").glob("*.json")} == swept
