"""An emulation's processes and namespaces end with whoever launched them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.emulator import isolation
from bench.emulator.isolation import isolated, why_not

MISSING = why_not()
HERE = Path(__file__).parent
SETTINGS = {"env": os.environ | {"PYTHONPATH": str(HERE.parents[1])}}

made = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def kin(marker):
    """Of the processes with `marker` in their environment: their namespaces, by pid."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = {os.readlink(folder / "ns" / kind) for kind in ("net", "pid", "mnt")}
        except OSError:
            continue  # it ended meanwhile
    return found


def everywhere():
    """All namespaces that any process is in."""
    links = set()
    for link in Path("/proc").glob("[0-9]*/ns/*"):
        try:
            links.add(os.readlink(link))
        except OSError:
            continue
    return links


@made
@pytest.mark.emulation
@pytest.mark.parametrize("victim", ["launcher", "unshare"])
def test_nothing_is_left_of_an_emulation_whose_launcher_is_killed(victim, tmp_path):
    marker = f"FARBENCH_TEST={tmp_path}"
    name, value = marker.split("=")
    environment = SETTINGS["env"] | {name: value, "TMPDIR": str(tmp_path)}
    launch = (
        "import subprocess, sys; from bench.emulator.isolation import isolated; "
        f"sys.exit(subprocess.call(isolated([sys.executable, {str(HERE / 'in_hub.py')!r}, 'stay'])))"
    )
    launcher = subprocess.Popen([sys.executable, "-c", launch], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        check_the_end(launcher, victim, marker, tmp_path)
    finally:
        launcher.kill()
        launcher.wait()


def check_the_end(launcher, victim, marker, folder):
    """Kill the launcher or what it started once all is there, and see it all go."""
    assert launcher.stdout.readline() == "there\n"
    own = {os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "pid", "mnt")}
    # The launcher, unshare, the hub, the switch and two hosts; a network each of the hub, the switch and the hosts, and
    # one pid and one mount namespace.
    deadline = time.monotonic() + 5
    while len(spaces := set().union(*(before := kin(marker)).values()) - own) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)  # until the hosts' processes are where they belong
    assert len(before) == len(spaces) == 6
    if victim == "launcher":
        launcher.kill()
    else:
        os.kill(min(pid for pid in before if pid != launcher.pid), 9)
    launcher.wait()
    deadline = time.monotonic() + 5
    while (kin(marker) or spaces & everywhere()) and time.monotonic() < deadline:
        time.sleep(0.02)  # the kernel ends them, and somebody must still take note of it
    assert kin(marker) == {}
    assert spaces & everywhere() == set()
    assert list(folder.iterdir()) == []
    names = Path("/run/netns")
    assert not names.exists() or list(names.iterdir()) == []


@made
@pytest.mark.emulation
def test_a_private_folder_is_seen_by_nobody_outside():
    look = (
        "from bench.emulator.isolation import private_run; folder = private_run(); (folder / 'mine').touch(); "
        "print(folder, [path.name for path in folder.parent.rglob('*')])"
    )
    done = subprocess.run(isolated([sys.executable, "-c", look]), capture_output=True, text=True, **SETTINGS)
    assert done.stdout == "/run/farbench ['farbench', 'mine']\n", done.stderr
    assert not Path("/run/farbench").exists()


@made
@pytest.mark.emulation
def test_whoever_is_not_the_launcher_starts_nothing(monkeypatch):
    command = isolated(["true"])
    assert subprocess.run(command).returncode == 0
    # As if the launcher had died, and another process had become the parent.
    at = command.index(str(os.getpid()))
    assert subprocess.run([*command[:at], "1", *command[at + 1 :]]).returncode != 0


def test_it_says_which_program_is_missing(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "tc" else f"/usr/bin/{tool}")
    assert why_not() == "the program 'tc' is missing"


@made
@pytest.mark.emulation
def test_it_says_what_the_kernel_lacks(monkeypatch):
    begin = time.monotonic()
    assert why_not() is None
    assert time.monotonic() - begin < 1
    monkeypatch.setattr(isolation, "_TRIAL", isolation._TRIAL.replace("type veth", "type no_such_type"))
    assert why_not() == "virtual Ethernet (veth) cannot be made"


def test_it_says_that_namespaces_are_refused(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(isolation, "isolated", lambda argv: ["sh", "-c", "echo unshare failed >&2; exit 1"])
    assert why_not() == "namespaces are refused (unshare failed)"
