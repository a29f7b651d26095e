"""The command line: errors in a line, runs that repeat themselves, sweeps that survive what happens to sweeps."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra.errors import ConfigCompositionException

from bench.__main__ import main
from bench.record.store import read_row
from bench.report.formats import unfolded

ROOT = Path(__file__).resolve().parents[1]
MODEL = ["model.layers=1", "model.width=16", "model.context=16"]
DATA = ["data=synthetic", "data.tokens=20000"]
TINY = ["scenario=h100_cluster", "steps=4", "evaluation.sequences=8", *MODEL, *DATA]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "bench", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Tests that a shell runs in the background ignore Ctrl-C, and what they start would too.
    return subprocess.Popen(command, cwd=folder, env=environment, preexec_fn=_heed_ctrl_c, **pipes)


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def outcome(process: subprocess.Popen) -> Outcome:
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys) -> Callable[..., Outcome]:
    """The command in this process, which saves seconds of imports."""
    monkeypatch.chdir(tmp_path)
    for name in ("HYDRA_FULL_ERROR", "FARBENCH_SWEEP_FILE", "FARBENCH_SWEEP_JOBS"):
        monkeypatch.setenv(name, "")  # so that what the command sets is taken back in the end
        monkeypatch.delenv(name)

    def run(*arguments: str) -> Outcome:
        monkeypatch.delenv("FARBENCH_SWEEP_FILE", raising=False)
        monkeypatch.delenv("FARBENCH_SWEEP_JOBS", raising=False)
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        capsys.readouterr()
        try:
            code = main()
        except SystemExit as stop:
            code = stop.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return Outcome(code, *capsys.readouterr())

    return run


def row_files(folder: Path) -> list[Path]:
    return sorted((folder / "results" / "local" / "runs").glob("*.json"))


def rows(folder: Path) -> list[dict]:
    """All rows; one that is broken raises."""
    return [read_row(path) for path in row_files(folder)]


def table(out: str) -> list[str]:
    """The lines of the printed table, one a row."""
    return [line for line in out.splitlines() if line.startswith(" h100_cluster ")]


def without_wall(row: dict) -> str:
    return json.dumps({name: value for name, value in row.items() if name not in ("wall_seconds", "path")}, sort_keys=True)


DEVICE = "devices.{way} must name devices of the catalogue, got 'rtx_3009'; did you mean 'rtx_3090'?"
DROP = " '~devices.NAME' drops one"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["algorithm.sync_every=0"], "algorithm.sync_every must be >= 1, got 0"),
        (["algorithm.sync_evry=5"], "algorithm.sync_evry is not a setting of this run; did you mean 'algorithm.sync_every'?"),
        (["network.uplink=100"], "network.uplink must be a data rate with its unit, such as '100 Mbit/s', got 100"),
        (["max_virtual=10"], "max_virtual must be a time with its unit, such as '25 ms', got 10"),
        (["algorithm=dilco"], "algorithm must be one of its presets, got 'dilco'; did you mean 'diloco'?"),
        (["data=files", "data.path=/nowhere"], "data.path must be a folder that exists, got '/nowhere'"),
        (["data=files"], "data.path must be given, such as data.path=VALUE"),
        (["results=file/below"], "results must be a folder that can be written, got 'file/below': Not a directory"),
        (["steps=0"], "steps must be a whole number >= 1, got 0"),
        (["workers=x"], "workers must be a whole number >= 1, got 'x'"),
        (["timed_as=gpt_1b"], "timed_as must be one of its presets: write model@timed_as=gpt_1b"),
        (["model.heads=3"], "model.heads must divide width = 64, got 3"),
        (["progress=loud"], "progress must be one of auto, bar, plain, none, got 'loud'"),
        (["device=tpu", "train=false"], "device must be auto, cpu or cuda, got 'tpu'"),
        (["json=1"], "json must be true or false, got 1"),
        (["devices=lab_mixed", "devices.list=[rtx_3009]"], DEVICE.format(way="list")),
        (["devices=from_file", "devices.file={rtx_3009: 4}"], DEVICE.format(way="file")),
        (["devices=from_file", "devices.file=none.csv"], "devices.file: none.csv cannot be read: No such file or directory"),
        (["devices=from_file", "devices.file=3"], "devices.file must be a .csv file with the columns device,count, got 3"),
        (["devices=lab_mixed", "devices.list=rtx_3090"], "devices.list must be a list of devices, got 'rtx_3090'"),
        (
            ["devices=lab_mixed", "+devices.mix={t4: 1.0}"],
            "devices must have one of mix, list and file, got mix and list;" + DROP,
        ),
        (["devices=h100", "devices.mix=7"], "devices.mix must map devices to their shares, got 7"),
        (
            ["jitter=home", "jitter.thermal.after=600"],
            "jitter.thermal.after must be a time with its unit, such as '25 ms', got 600",
        ),
        (["jitter=slow_nodes", "jitter.share=1.3"], "jitter.share must be in 0 … 1, got 1.3"),
        (["jitter=hom"], "jitter must be one of its presets, got 'hom'; did you mean 'home'?"),
        (["adversary=sign_flp"], "adversary must be one of its presets, got 'sign_flp'; did you mean 'sign_flip'?"),
        (["adversary=gaussian", "adversary.fraction=1.3"], "adversary.fraction must be in [0, 1), got 1.3"),
        (["adversary=ipm", "adversary.epsilon=some"], "adversary.epsilon must be a number, got 'some'"),
        (["aggregator=krun"], "aggregator must be one of its presets, got 'krun'; did you mean 'krum'?"),
        (["aggregator=trimmed_mean", "aggregator.trim=0.6"], "aggregator.trim must be in [0, 0.5), got 0.6"),
        (["aggregator=median", "aggregator.bucketing=0"], "aggregator.bucketing must be >= 1, got 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_value_is_told_in_one_line(arguments, line, bench, tmp_path):
    (tmp_path / "file").write_text("")
    assert bench(*arguments) == Outcome(1, "", f"farbench: {line}\n")
    assert row_files(tmp_path) == []


def test_a_preset_that_is_not_there_is_told_with_those_that_are(bench):
    code, _, err = bench("scenario=nope")
    assert code == 1
    assert err.startswith("farbench: scenario must be one of its presets, got 'nope'; known: a100_cluster, ")
    assert err.count("\n") == 1


def test_a_bad_value_is_told_in_one_line_by_a_process_too(tmp_path):
    composed, composing = (start(tmp_path, argument) for argument in ("algorithm.sync_every=0", "algorithm=dilco"))
    assert outcome(composed) == Outcome(1, "", "farbench: algorithm.sync_every must be >= 1, got 0\n")
    line = "farbench: algorithm must be one of its presets, got 'dilco'; did you mean 'diloco'?\n"
    assert outcome(composing) == Outcome(1, "", line)


def test_a_sweep_that_cannot_write_says_so_in_the_same_line(bench, tmp_path):
    (tmp_path / "file").write_text("")
    line = "farbench: results must be a folder that can be written, got 'file/below': Not a directory\n"
    assert bench("-m", "results=file/below", "seed=0,1", *TINY) == Outcome(1, "", line)


def test_a_run_ends_with_its_row_as_json_and_repeats_itself(bench, tmp_path):
    code, out, err = outcome(start(tmp_path, *TINY, "algorithm=ddp", "json=true"))
    assert re.fullmatch(r"curve \w{8} trained\n", err), err
    assert code == 0
    *lines, last = out.splitlines()
    assert len(lines) == 6
    printed = json.loads(last)
    [path], [row] = row_files(tmp_path), rows(tmp_path)
    assert tmp_path / printed["path"] == path
    assert (row["status"], row["steps"], row["workers"], row["scenario"]) == ("done", 4, 8, "h100_cluster")
    assert row["curve"]["steps"] == [0, 4]
    assert row["final_loss"] < row["initial_loss"]

    # Again, in this process and into another folder: equal but for the seconds that it took.
    assert bench(*TINY, "algorithm=ddp", "results=other").code == 0
    [other] = (tmp_path / "other" / "runs").iterdir()
    assert other.name == path.name
    assert without_wall(read_row(other)) == without_wall(row)

    # Again, into the same folder: found, and not touched.
    before, moment = path.read_bytes(), path.stat().st_mtime_ns
    code, out, err = bench(*TINY, "algorithm=ddp")
    assert (code, out.splitlines()) == (0, lines)
    assert err == f"row {row['key'][:8]} found\n"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, moment)

    # A row that was cut off is told, kept aside, and made again.
    path.write_bytes(before[:100])
    code, _, err = bench(*TINY, "algorithm=ddp")
    assert code == 0
    assert f"{path.name} is not a readable row" in err
    assert path.with_suffix(".broken").read_bytes() == before[:100]
    assert without_wall(read_row(path)) == without_wall(row)


def test_the_command_of_a_row_makes_the_row_again(bench, tmp_path):
    settings = [
        "algorithm=diloco",
        "train=false",
        "network.uplink=100 Mbit/s",
        "+devices.mix={h100_sxm: 0.5, a100_sxm_80gb: 0.5}",
    ]
    assert bench(*TINY, *settings, "threads=1").code == 0
    [row] = rows(tmp_path)
    assert "threads" not in row["command"]
    assert bench(*shlex.split(row["command"])[3:], "results=other").code == 0  # after: python -m bench
    [other] = (tmp_path / "other" / "runs").iterdir()
    assert without_wall(read_row(other)) == without_wall(row)


def test_the_command_of_a_row_of_a_named_sweep_has_the_settings_of_the_sweep(bench, tmp_path):
    narrow = [*TINY, "adversary=none", "aggregator=mean", "seed=0", "train=false"]
    assert bench("+sweep=bad_actors", *(text for text in narrow if not text.startswith("steps="))).code == 0
    [row] = rows(tmp_path)
    assert row["steps"] == 100  # the sweep's own
    assert bench(*shlex.split(row["command"])[3:], "results=other").code == 0
    [other] = (tmp_path / "other" / "runs").iterdir()
    assert without_wall(read_row(other)) == without_wall(row)


def test_a_sweep_prints_a_table_and_goes_on_where_a_row_is_missing(bench, tmp_path):
    sweep = ["-m", *TINY, "algorithm=ddp,local_sgd", "seed=0,1"]
    code, out, err = bench(*sweep)
    assert code == 0
    assert [line.split()[1:3] for line in table(out)] == [
        *(["ddp", "seed=0"], ["ddp", "seed=1"], ["local_sgd", "seed=0"], ["local_sgd", "seed=1"]),
    ]
    assert "[4/4] h100_cluster local_sgd seed=1: " in err
    first = {path: without_wall(read_row(path)) for path in row_files(tmp_path)}
    assert len(first) == 4
    markdown = tmp_path / "results" / "local" / "tables" / "last_sweep.md"
    assert markdown.read_text().count("| h100_cluster |") == 4
    written = markdown.read_bytes()

    missing = next(iter(first))
    missing.unlink()
    code, out, err = bench(*sweep)
    assert code == 0
    assert len(re.findall("row .* found", err)) == 3
    assert {path: without_wall(read_row(path)) for path in row_files(tmp_path)} == first
    assert markdown.read_bytes() == written


def test_a_sweep_that_asks_for_a_matrix_gets_one_and_its_rows_have_the_same_keys(bench, tmp_path):
    sweep = ["-m", *TINY, "workers=6", "algorithm=ddp", "adversary=none,gaussian", "aggregator=mean,median", "seed=0,1"]
    code, out, err = bench(*sweep, "+matrix={rows:adversary,columns:aggregator}")
    assert code == 0, err
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    assert lines[0] == "| adversary \\ aggregator | mean | median |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| none", "| gaussian"]
    assert all(line.count("(2)") == 2 for line in lines[2:])
    matrix = tmp_path / "results" / "local" / "tables" / "last_sweep_matrix.md"
    assert unfolded(matrix.read_text()) in out
    code, _, err = bench(*sweep, "+matrix={rows:aggregator,columns:seed}")
    assert len(re.findall("row .* found", err)) == 8  # another table of the same rows, of which it cannot tell two apart
    assert code == 1
    assert "farbench: a matrix of aggregator and seed cannot tell two rows apart: " in err


@pytest.mark.parametrize(
    ("matrix", "line"),
    [
        (
            "{rows:adversry,columns:seed}",
            "matrix.rows must be a column or a setting, got 'adversry'; did you mean 'adversary'?",
        ),
        ("{rows:adversary}", "matrix.columns is missing"),
        ("{rows:adversary,columns:seed,value:los}", "matrix.value must be a column that holds a number, got 'los'"),
    ],
)
def test_a_matrix_that_cannot_be_made_is_told_before_anything_is_run(matrix, line, bench, tmp_path):
    code, out, err = bench("-m", *TINY, "seed=0,1", f"+matrix={matrix}")
    assert (code, out) == (1, "")
    assert err.startswith(f"farbench: {line}")
    assert err.count("\n") == 1
    assert row_files(tmp_path) == []


def test_jobs_side_by_side_make_the_same_rows(bench, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    sweep = ["-m", *TINY, "algorithm=ddp,local_sgd", "seed=0,1"]
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    code, out, err = outcome(start(tmp_path, *sweep, *launcher))
    assert code == 0, err
    assert "Traceback" not in err
    assert len(table(out)) == 4
    assert bench(*sweep, "results=other").code == 0
    markdown = Path("tables") / "last_sweep.md"
    assert (tmp_path / "results" / "local" / markdown).read_bytes() == (tmp_path / "other" / markdown).read_bytes()
    for path in row_files(tmp_path):
        assert without_wall(read_row(path)) == without_wall(read_row(tmp_path / "other" / "runs" / path.name))


def test_a_job_that_fails_leaves_the_others(bench, tmp_path):
    code, out, err = bench("-m", *TINY, "algorithm=ddp", "steps=4,0,8")
    assert code == 1
    assert "farbench: job 2: steps must be a whole number >= 1, got 0\n" in err
    assert sorted(row["steps"] for row in rows(tmp_path)) == [4, 8]
    assert len(table(out)) == 2


def test_a_sweep_whose_table_cannot_be_written_fails(bench, tmp_path):
    (tmp_path / "results" / "local").mkdir(parents=True)
    (tmp_path / "results" / "local" / "tables").write_text("in the way")
    code, _, err = bench("-m", *TINY, "algorithm=ddp", "train=false", "seed=0,1")
    assert code == 1
    assert "farbench: cannot write results/local/tables/last_sweep.md: " in err
    assert len(rows(tmp_path)) == 2


def test_a_diverged_run_does_not_keep_a_sweep_from_its_table(bench, tmp_path):
    code, out, _ = bench("-m", *TINY, "algorithm=diloco", "algorithm.sync_every=4", "algorithm.outer_lr=0.7,1e30")
    assert code == 0
    assert sorted(row["status"] for row in rows(tmp_path)) == ["diverged", "done"]
    assert len(table(out)) == 2
    assert (tmp_path / "results" / "local" / "tables" / "last_sweep.md").exists()


def test_other_links_change_the_clock_and_share_one_training(bench, tmp_path):
    links = "network.uplink=10 Mbit/s,100 Mbit/s,1 Gbit/s"
    code, _, err = bench("-m", *TINY, "algorithm=diloco", "algorithm.sync_every=2", links)
    assert code == 0
    assert err.count(" trained\n") == 1
    made = rows(tmp_path)
    assert len({row["virtual_seconds"] for row in made}) == len(made) == 3
    for column in ("initial_loss", "final_loss", "curve_digest"):
        assert len({row[column] for row in made}) == 1
    assert len({tuple(row["curve"]["loss"]) for row in made}) == 1
    # More than half of the seconds go over the slower links, so they fall with the speed.
    by_speed = sorted(made, key=lambda row: row["sent_bytes"] / row["virtual_seconds"])
    assert [row["conf"]["network"]["uplink"] for row in by_speed] == ["10 Mbit/s", "100 Mbit/s", "1 Gbit/s"]


def first_row(process: subprocess.Popen, folder: Path) -> None:
    """Wait until a sweep under way has made its first row."""
    while not row_files(folder):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


SEEDS = ",".join(str(seed) for seed in range(30))


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path):
    process = start(tmp_path, "-m", *TINY, "algorithm=ddp", f"seed={SEEDS}")
    first_row(process, tmp_path)
    process.send_signal(signal.SIGINT)
    code, _, err = outcome(process)
    assert code == 130, err
    assert "Traceback" not in err
    finished = rows(tmp_path)
    assert 1 <= len(finished) < 30
    assert {row["status"] for row in finished} == {"done"}
    said = re.search(r"farbench: interrupted; (\d+) of 30 rows are finished and kept; repeat the same command to go on\n", err)
    assert len(finished) - 1 <= int(said[1]) <= len(finished)  # one may be written and not yet counted


def test_a_killed_sweep_goes_on_when_it_is_repeated(bench, tmp_path):
    sweep = ["-m", *TINY, "algorithm=ddp", "seed=0,1,2,3,4,5"]
    process = start(tmp_path, *sweep)
    first_row(process, tmp_path)
    process.kill()
    assert outcome(process).code == -signal.SIGKILL
    kept = {path: path.read_bytes() for path in row_files(tmp_path)}
    assert 1 <= len(rows(tmp_path)) < 6
    code, out, err = bench(*sweep)
    assert code == 0
    assert len(re.findall("row .* found", err)) == len(kept)
    assert sorted(row["seed"] for row in rows(tmp_path)) == list(range(6))
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(table(out)) == 6


def test_a_ctrl_c_that_a_library_swallowed_is_still_one(bench, monkeypatch):
    def swallowing():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt:
            pass
        raise ConfigCompositionException("")

    monkeypatch.setattr("bench.__main__.job", swallowing)
    code, _, err = bench()
    assert code == 130
    assert "interrupted; repeat the same command to go on" in err
