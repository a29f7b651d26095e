"""trace=true on the command line: files beside a row, which stays as it is."""

import json

import pytest
from test_cli import TINY, bench, row_files  # noqa: F401  (a fixture)

from bench.algorithm.local_sgd import LocalSGD
from bench.record import blank_row
from bench.run import Run
from bench.tape import Tape
from bench.trace import trace_path, write_trace

SMALL = [*TINY, "algorithm=local_sgd", "workers=2"]


def test_a_run_writes_a_trace_and_a_picture_and_says_where(bench, tmp_path):  # noqa: F811
    done = bench(*SMALL, "trace=true", "json=true")
    assert done.code == 0, done.err
    [row] = row_files(tmp_path)
    told = json.loads(done.out.splitlines()[-1])
    assert told["trace"] == f"results/local/traces/{row.stem}.json"
    assert done.out.splitlines()[6] == f"trace       {told['trace']}"
    trace = json.loads((tmp_path / told["trace"]).read_text())
    assert trace["otherData"] | {"key": row.stem, "scenario": "h100_cluster", "algorithm": "local_sgd"} == trace["otherData"]
    assert trace["traceEvents"][0]["args"]["name"] == "worker 0: h100_sxm"
    figures = sorted(path.name for path in (tmp_path / "results/local/figures").iterdir())
    assert figures == [f"h100_cluster_local_sgd_{row.stem[:8]}_timeline.{kind}" for kind in ("png", "svg")]


def test_a_row_that_is_there_is_neither_trained_nor_written_again(bench, tmp_path, monkeypatch):  # noqa: F811
    assert "trace" not in bench(*SMALL).out
    [row] = row_files(tmp_path)
    before = row.read_bytes(), row.stat().st_mtime_ns, row.stat().st_ino
    monkeypatch.setattr(Run, "curve", None)  # whoever trains calls it
    again = bench(*SMALL, "trace=true")
    assert again.code == 0, again.err
    assert (row.read_bytes(), row.stat().st_mtime_ns, row.stat().st_ino) == before
    assert trace_path(tmp_path / "results/local", row.stem).exists()
    seconds = json.loads(row.read_text())["virtual_seconds"]
    told = json.loads(trace_path(tmp_path / "results/local", row.stem).read_text())["otherData"]
    assert told["virtual_seconds"] == told["until_virtual_second"] == seconds


def test_every_job_of_a_sweep_writes_one_and_a_skipped_one_says_why_not(bench, tmp_path):  # noqa: F811
    done = bench("-m", *SMALL, "train=false", "trace=true", "algorithm=local_sgd,pipeline", "codec=int8")
    assert done.code == 0, done.err
    statuses = {path.stem: json.loads(path.read_text())["status"] for path in row_files(tmp_path)}
    assert sorted(statuses.values()) == ["done", "skipped"]
    traces = {path.stem for path in (tmp_path / "results/local/traces").iterdir()}
    assert traces == {key for key, status in statuses.items() if status == "done"}
    assert "no trace: the run is skipped" in done.err


@pytest.mark.parametrize("value", ["maybe", "1"])
def test_a_trace_is_asked_for_or_not(bench, value):  # noqa: F811
    done = bench(*SMALL, f"trace={value}")
    shown = f"'{value}'" if value == "maybe" else value
    assert (done.code, done.err.strip().splitlines()[-1]) == (1, f"farbench: trace must be true or false, got {shown}")


def test_what_a_trace_leaves_out_is_said(tmp_path):
    from worlds import scenario, simulate

    timeline = simulate(LocalSGD(sync_every=1), scenario(20), 5, spans=True, tape=Tape(workers=16))
    row, said = blank_row() | {"key": "ab", "workers": 20, "seed": 0}, []
    write_trace(timeline, ["card"] * 20, row, tmp_path, said.append, most=100)
    assert said[0] == "trace: of the first 16 of 20 workers"
    until = json.loads(trace_path(tmp_path, "ab").read_text())["otherData"]["until_virtual_second"]
    assert said[1].startswith(f"trace: ends at virtual second {until:.6g}, with about 100 events; the run takes")
    assert len(said) == 2
    assert not (tmp_path / "figures").exists()
