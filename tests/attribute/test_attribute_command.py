"""The command `python -m bench.attribute`, end to end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attributed import TINY

from bench.attribute import __main__ as command
from bench.attribute.record import read_record
from bench.record.store import read_row

ROOT = Path(__file__).resolve().parents[2]
SMALL = (*TINY, "model@timed_as=nano", "scenario=volunteer_home", "algorithm=diloco", "algorithm.sync_every=4")
CLOCK = (*SMALL, "train=false", "attribute.seeds=2")


def start(folder, *arguments):
    """The command in a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # what a shell runs behind ignores Ctrl-C
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "bench.attribute", *arguments], cwd=folder, env=environment, **pipes, **heed)


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """A command in this process, which saves seconds of imports."""
    monkeypatch.chdir(tmp_path)
    for name in ("HYDRA_FULL_ERROR", "FARBENCH_SWEEP_FILE", "FARBENCH_SWEEP_JOBS", "FARBENCH_SWEEP_VARYING"):
        monkeypatch.setenv(name, "")  # so that what the command sets is taken back in the end
        monkeypatch.delenv(name)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments, main=command.main):
        for name in ("FARBENCH_SWEEP_FILE", "FARBENCH_SWEEP_JOBS"):
            monkeypatch.delenv(name, raising=False)
        for kept in (command._failed, command._records, command._json):
            kept.clear()
        monkeypatch.setattr(sys, "argv", ["attribute", *arguments])
        capsys.readouterr()
        return main(), *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def records(folder):
    return sorted((folder / "results/local/attributions").glob("*.json"))


def test_help_says_what_it_is_and_what_the_words_mean(tmp_path):
    process = start(tmp_path, "--help")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    for word in ("slowdown = 1 / efficiency", "attribute.seeds", "Shapley", "synchronous reference", "bandwidth", "statistics"):
        assert word in out
    assert not any(tmp_path.iterdir()) and max(map(len, out.splitlines())) <= 130


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ("attribute.seeds=0", "attribute.seeds must be a whole number >= 1, got 0"),
        ("attribute.seeds=1.5", "attribute.seeds must be a whole number >= 1, got 1.5"),
        ("attribute.seeds=true", "attribute.seeds must be a whole number >= 1, got True"),
        ("attribute.sedes=1", "attribute.sedes is not a setting of this run; did you mean 'attribute.seeds'?"),
        ("+attribute.sedes=1", "attribute.sedes is not a setting of attribute; known: seeds"),
        ("attribute=other", "attribute must be one of its presets, got 'other'"),
        ("algorithm.sync_every=0", "algorithm.sync_every must be >= 1, got 0"),
        ("results=/dev/null/x", "results must be a folder that can be written, got '/dev/null/x'"),
    ],
)
def test_a_wrong_value_is_told_of_in_one_line(here, wrong, line):
    code, out, err = here(*(text for text in CLOCK if text.split("=")[0] != wrong.split("=")[0]), wrong)
    assert (code, out) == (1, "")
    [told] = err.strip().splitlines()
    assert told.startswith(f"farbench: {line}")


def test_an_attribution_is_told_recorded_drawn_and_found(here, tmp_path):
    code, out, err = here(*CLOCK, "json=true")
    assert code == 0, err
    *told, last = out.splitlines()
    figures, [path] = json.loads(last), records(tmp_path)
    record = read_record(path)
    assert Path(figures["path"]) == path.relative_to(tmp_path) and figures["key"] == path.stem == record["key"]
    assert figures["factors"]["bandwidth"].keys() == {"median", "lowest", "highest"}
    low, high = sorted(record["total"])
    assert figures["slowdown"] == {"median": (low + high) / 2, "lowest": low, "highest": high}
    assert told[0] == "attributed      volunteer_home, diloco, 4 workers, seeds 0 to 1"
    assert re.fullmatch(r"slowdown +[\d.,]+x \[[\d.,]+–[\d.,]+\] of the clock alone, against ideal; the product of", told[1])
    assert re.match(r"  bandwidth +[\d.,]+x \[", told[2])
    assert any(line.startswith("no part in it   adversaries (nobody is bad, and nobody is checked)") for line in told)
    assert any(line.startswith("what would help ") for line in told)
    assert any(re.search(r" double the uplink  +buys ", line) for line in told)
    assert len(figures["figures"]) == 4
    for figure in figures["figures"]:
        assert re.fullmatch(r"(attribution|helps)_volunteer_home_diloco_[0-9a-f]{8}\.(svg|png)", Path(figure).name)
        assert Path(figure).stat().st_size > 1000
    before = path.read_bytes()

    code, again, _ = here(*CLOCK, "json=true")
    assert (code, again, path.read_bytes()) == (0, out, before)

    path.write_text(broken := path.read_text()[:100])
    code, again, err = here(*[text for text in CLOCK if text != "progress=none"], "progress=plain", "json=true")
    assert (code, again, path.read_bytes()) == (0, out, before)
    assert "is not a readable attribution" in err and "attributed again" in err
    assert path.with_suffix(".broken").read_text() == broken


def test_it_finds_the_row_of_the_same_settings_and_its_command_repeats_it(here, tmp_path):
    from bench.__main__ import main

    ordinary = [*SMALL, "network.uplink=2 Mbit/s", "train=false"]
    code, out, err = here(*ordinary, "json=true", main=main)
    assert code == 0, err
    row = read_row(tmp_path / json.loads(out.splitlines()[-1])["path"])
    code, out, err = here(*ordinary, "attribute.seeds=1", "json=true")
    assert code == 0, err
    [path] = records(tmp_path)
    record = read_record(path)
    assert record["rows"] == [row["key"]]
    assert record["settings"] == row["conf"]
    whole = max(record["corners"], key=lambda corner: len(corner["real"]))
    assert whole["tokens_per_second"] == row["tokens_per_second"]
    words = record["command"]
    assert words.startswith("python -m bench.attribute ") and "attribute.seeds=1" in words
    assert "+attribute" not in words and "results" not in words and "json" not in words


def test_a_sweep_ends_with_one_table_and_goes_on_without_what_fails(here, tmp_path):
    sweep = [text for text in CLOCK if not text.startswith(("algorithm", "scenario", "attribute"))]
    sweep += ["attribute.helps=false"]
    several = ("-m", *sweep, "attribute.seeds=1", "scenario=h100_cluster,volunteer_home", "algorithm=ddp,pipeline", "json=true")
    code, out, err = here(*several)
    assert code == 0, err
    *_, last = out.splitlines()
    found = json.loads(last)["attributions"]
    assert [(one["scenario"], one["algorithm"]) for one in found] == [
        *(("h100_cluster", "ddp"), ("h100_cluster", "pipeline")),
        *(("volunteer_home", "ddp"), ("volunteer_home", "pipeline")),
    ]
    # Two layers are no four stages.
    assert [one["status"] for one in found] == ["done", "skipped", "done", "skipped"]
    table = [line for line in out.splitlines() if line.startswith("| ")]
    assert len(table) == 2 + 4 and table[0].startswith("| scenario | algorithm | settings | seeds | bandwidth | latency |")
    assert len(records(tmp_path)) == 4
    code, out, err = here("-m", *sweep, "scenario=h100_cluster", "algorithm=ddp", "attribute.seeds=0,1")
    assert code == 1 and "farbench: job 1: attribute.seeds must be a whole number >= 1, got 0" in err
    assert len([line for line in out.splitlines() if line.startswith("| ")]) == 2 + 1


def test_ctrl_c_ends_it_and_keeps_what_was_trained(tmp_path):
    # Four corners that learn alike; the reference is trained first.
    alike = (
        "scenario=h100_cluster",
        "jitter=none",
        "failures=none",
        "steps=120",
        "evaluation.every=120",
        "attribute.seeds=1",
    )
    process = start(tmp_path, *(text for text in SMALL if not text.startswith(("scenario", "steps", "eval"))), *alike)
    try:
        curves = tmp_path / "results/local/curves"
        deadline = time.monotonic() + 300
        while not (curves.is_dir() and any(curves.glob("*.csv"))) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 130 and out == ""
    assert "farbench: interrupted; what was trained is kept, repeat the same command to go on" in err
    assert "Traceback" not in err
    assert list(curves.glob("*.csv")) and not records(tmp_path)
