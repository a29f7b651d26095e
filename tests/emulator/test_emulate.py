"""The command `python -m bench.emulate`, end to end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import emulate as command
from bench.emulator.isolation import why_not
from bench.emulator.launcher import Launcher

ROOT = Path(__file__).resolve().parents[2]
MISSING = why_not()
TINY = (
    *("model.layers=1", "model.width=16", "model.heads=2", "model.context=16", "model.batch=2"),
    *("data=synthetic", "data.tokens=20000", "evaluation.sequences=8"),
)
SMALL = ("scenario=shaped_links", "algorithm=diloco", "algorithm.sync_every=5", "steps=10", "workers=2", *TINY)
THROTTLED = (*SMALL, "emulate.links=throttled", "emulate.step=2 ms")

shaped = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def start(folder, *arguments, **environment):
    """The command in a process of its own, with its temporary files in `folder`/tmp, and torch's cache elsewhere."""
    (folder / "tmp").mkdir(exist_ok=True)
    elsewhere = {"TMPDIR": str(folder / "tmp"), "TORCHINDUCTOR_CACHE_DIR": str(folder / "torch")}
    settings = os.environ | {"PYTHONPATH": str(ROOT), **elsewhere, **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "bench.emulate", *arguments], cwd=folder, env=settings, **pipes)


def emulate(folder, *arguments):
    """Its exit code, output and errors."""
    process = start(folder, *arguments)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """The command in this process, which saves seconds of imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the hub
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # so that what the command sets is taken back in the end
    monkeypatch.setattr(command, "_failed", [])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["emulate", *arguments])
        code = command.main()
        return code, *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def one_hub(monkeypatch):
    """Commands in this process share a hub."""
    with Launcher(shaped=False) as launcher:
        monkeypatch.setattr(command, "_launcher", lambda shaped: launcher)
        yield


def records(folder):
    return sorted((folder / "results/local/emulations").glob("*.json"))


def test_help_says_what_it_is_and_what_can_be_set(tmp_path):
    code, out, err = emulate(tmp_path, "--help")
    assert (code, err) == (0, "")
    for word in (
        "real torch.distributed ranks",
        "emulate.step",
        "emulate.repeats",
        "emulate.links",
        "results/local/emulations/",
    ):
        assert word in out
    assert list(tmp_path.iterdir()) == [tmp_path / "tmp"]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ("workers=1", "workers must be from 2 to 16 in an emulation, got 1"),
        ("workers=17", "workers must be from 2 to 16 in an emulation, got 17"),
        ("emulate.step=fast", "emulate.step must be scenario, measured or seconds: must be a time with its unit"),
        ("emulate.step=0 s", "emulate.step must be above 0 s and finite, got '0 s'"),
        ("emulate.links=x", "emulate.links must be one of auto, shaped, throttled, got 'x'"),
        ("emulate.repeats=0", "emulate.repeats must be a whole number >= 1, got 0"),
        ("emulate.stpe=1", "emulate.stpe is not a setting of "),
        ("collective=auto", "collective.backend must be gloo in an emulation, got nccl: write collective=gloo"),
    ],
)
def test_a_wrong_value_is_told_of_in_one_line(here, wrong, line):
    code, out, err = here(*THROTTLED, wrong)
    assert (code, out) == (1, "")
    [told] = err.strip().splitlines()
    assert told.startswith(f"farbench: {line}")


@shaped
@pytest.mark.emulation
def test_links_that_cannot_be_shaped_are_skipped_with_its_reason(here, tmp_path):
    code, out, err = here(*SMALL, "emulate.links=shaped", "+network.connection_rate=1 Mbit/s", "json=true")
    assert (code, err) == (0, "")
    told = json.loads(out.splitlines()[-1])
    assert told["status"] == "skipped" and told["reason"].startswith(
        "the emulator cannot make rates that are granted to a connection"
    )
    assert f"skipped: {told['reason']}" in out
    [path] = records(tmp_path)
    record = json.loads(path.read_text())
    assert (record["status"], record["reason"], record["measurements"]) == ("skipped", told["reason"], [])


def test_a_small_emulation_is_measured_once_and_found_and_measured_more_and_mended(here, one_hub, tmp_path):
    code, out, err = emulate(tmp_path, *THROTTLED, "emulate.repeats=1", "json=true")
    assert code == 0, err
    told = json.loads(out.splitlines()[-1])
    [path] = records(tmp_path)
    assert (tmp_path / told["path"], told["status"], told["measurements"]) == (path, "done", 1)
    assert told["parameters_differ"] <= 1e-5 and told["counted_bytes"] is None  # nobody counts on the loopback
    assert "emulated        shaped_links, diloco, 2 workers on throttled links" in out
    first = json.loads(path.read_text())
    assert [span["word"] for span in first["prediction"]["spans"]] == ["all_reduce"] * 2  # 10 steps, 5 a round

    # It is on record: the file is as it was, and nothing is measured.
    code, again, err = here(*THROTTLED, "emulate.repeats=1", "json=true")
    assert (code, json.loads(path.read_text())) == (0, first), err
    assert json.loads(again.splitlines()[-1])["measured_seconds"] == told["measured_seconds"]

    # One more of the same prediction.
    code, out, err = here(*THROTTLED, "emulate.repeats=2", "json=true")
    assert code == 0, err
    second = json.loads(path.read_text())
    assert json.loads(out.splitlines()[-1])["measurements"] == 2
    assert second["prediction"] == first["prediction"] and second["measurements"][:1] == first["measurements"]
    assert second["measurements"][1] != first["measurements"][0]

    # A broken record is kept beside, and measured again.
    path.write_text(broken := path.read_text()[:100])
    code, out, err = here(*THROTTLED, "emulate.repeats=1")
    assert code == 0 and "is not a readable emulation" in err and "measured again" in err
    assert path.with_suffix(".broken").read_text() == broken
    assert len(json.loads(path.read_text())["measurements"]) == 1
    assert records(tmp_path) == [path]
    assert list((tmp_path / "tmp").iterdir()) == []


RATE = 20e6 / 8
SHAPED = (*SMALL, "model.width=64", "network.uplink=20 Mbit/s", "network.downlink=20 Mbit/s", "emulate.links=shaped")


@shaped
@pytest.mark.emulation
def test_shaped_links_take_what_was_predicted(here):
    code, out, err = here(*SHAPED, "model.context=64", "emulate.repeats=1", "json=true")
    assert code == 0, err
    told = json.loads(out.splitlines()[-1])
    # The bytes of one all-reduce of two workers are those of the parameters, 4 each; at 20 Mbit/s they take 0.1 s and more.
    assert told["predicted_communication"] > 2 * told["charged_bytes"] / 2 / RATE
    assert told["measured_communication"] == pytest.approx(told["predicted_communication"], rel=0.1)
    assert told["counted_bytes"] == pytest.approx(told["charged_bytes"], rel=0.03)
    assert told["parameters_differ"] <= 1e-5 and told["overruns"] == 0


def kin(marker):
    """Processes with `marker` in their environment, and network namespaces that these are in."""
    pids, networks = set(), set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "environ").read_bytes():
                pids.add(int(folder.name))
                networks.add(os.readlink(folder / "ns/net"))
        except OSError:
            continue  # it ended meanwhile
    return pids, networks - {os.readlink("/proc/self/ns/net")}


def networks():
    """All that any process is in."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(os.readlink(link))
        except OSError:
            continue
    return found


def until(holds, seconds):
    """Whether it holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@shaped
@pytest.mark.emulation
def test_nothing_is_left_of_commands_that_are_ended_in_the_middle(here, tmp_path):
    folders = {signal.SIGKILL: tmp_path / "killed", signal.SIGTERM: tmp_path / "terminated"}
    running = {}
    try:
        for number, folder in folders.items():
            folder.mkdir()
            running[number] = start(folder, *SHAPED, "emulate.step=1 s", FARBENCH_TEST=str(folder))
        for number, folder in folders.items():
            check_the_end(running[number], number, folder)
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    code, out, err = here(*SHAPED, "emulate.repeats=1", "json=true")
    assert code == 0 and json.loads(out.splitlines()[-1])["measurements"] == 1, err


def check_the_end(process, number, folder):
    """End a command that is measuring, and see all go that it began."""
    # A prediction is recorded when all ranks are there, just before they begin; their steps take 10 s.
    assert until(lambda: records(folder), 30)
    time.sleep(0.5)
    marker = f"FARBENCH_TEST={folder}"
    before, spaces = kin(marker)
    assert (
        len(before) >= 5 and len(spaces) == 4
    )  # this command, the hub, the switch, two ranks; all but the first have networks
    process.send_signal(number)
    _, err = process.communicate(timeout=3)  # less than a round: nobody waits for that
    if number == signal.SIGTERM:
        assert process.returncode == 143 and "terminated; what was measured is kept" in err
    else:
        assert process.returncode == -9
    assert until(lambda: kin(marker) == (set(), set()), 5), kin(marker)
    assert not spaces & networks()
    assert list((folder / "tmp").iterdir()) == []
    [path] = records(folder)
    assert json.loads(path.read_text())["measurements"] == []  # whole, with a prediction
