"""Namespaces of their own for the hub of an emulation, which end with the launcher, however that ends."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.emulator.namespaces import mount

_FOLDER = Path("/run/farbench")
_NAMESPACES = ("--mount", "--net", "--pid")

# Now that it would be killed with its parent, the shell looks whether that is still the launcher.
_LAST_LOOK = 'test "$PPID" = "$0" && exec "$@"'

_TRIAL = """
want() { what=$1; shift; "$@" >/dev/null 2>&1 || { echo "$what"; exit 1; }; }
want "a tmpfs cannot be mounted" mount -t tmpfs none /run
want "virtual Ethernet (veth) cannot be made" ip link add farbench0 type veth peer name farbench1
want "macvlan interfaces cannot be made" ip link add link farbench0 name farbench2 type macvlan mode vepa
want "the shaper (htb) is not there" tc qdisc add dev farbench0 root handle 1: htb default 1
want "the shaper (htb) has no classes" tc class add dev farbench0 parent 1: classid 1:1 htb rate 100mbit
want "the queue of a shaper (bfifo) is not there" tc qdisc add dev farbench0 parent 1:1 bfifo limit 100000
want "the congestion control 'cubic' is not there" grep -qw cubic /proc/sys/net/ipv4/tcp_available_congestion_control
"""


def isolated(argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` as pid 1 of namespaces of its own: mount, network and pid, and user where it takes that.

    Root does without a user namespace where it can: packet sockets then get large buffers, and the switch its turn at once.
    The process that calls this is to start the command, from a thread that lives as long as all of it should: when that
    thread ends, by SIGKILL, too, the kernel kills `unshare`, with it pid 1, and with that all others of its pid namespace.
    """
    user = [] if _root_suffices() else ["--user", "--map-root-user"]
    unshare = ["unshare", *user, *_NAMESPACES, "--fork", "--kill-child", "--mount-proc", "--", *argv]
    return ["setpriv", "--pdeathsig", "KILL", "sh", "-c", _LAST_LOOK, str(os.getpid()), *unshare]


def private_run() -> Path:
    """A folder for temporary files on a tmpfs over /run, which goes with the mount namespace; for the hub, once.

    The names of `ip netns`, too, are then its own.
    """
    mount("tmpfs", "/run", "tmpfs")
    _FOLDER.mkdir(mode=0o700)
    return _FOLDER


def why_not() -> str | None:
    """What is missing here for an emulation, in one line; None if all is there. It is tried, which takes less than a second."""
    for tool in ("setpriv", "unshare", "mount", "ip", "tc"):
        if shutil.which(tool) is None:
            return f"the program '{tool}' is missing"
    done = subprocess.run(isolated(["sh", "-c", _TRIAL]), capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return done.stdout.strip() or f"namespaces are refused ({done.stderr.strip()})"


def _root_suffices() -> bool:
    """Whether namespaces can be made without one of users; only root may."""
    return subprocess.run(["unshare", *_NAMESPACES, "true"], capture_output=True).returncode == 0
