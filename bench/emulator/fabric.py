"""The hosts of an emulation and the lines between them: namespaces for nodes, tbf for rates, a switch for delays."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.emulator.lines import FRAME_BYTES, Lines
from bench.emulator.namespaces import enter_network, inside, new_network
from bench.emulator.switch import Switch
from bench.errors import EmulationError
from bench.network.transfer import Floats

_SUBNET = "10.0.0.0/24"
_SYSCTL = Path("/proc/sys/net")
_FASTEST = 10e9 / 8  # bytes/s; a line above is not held back
_FREE = 100e9 / 8  # bytes/s of its shaper, which then only counts
_BURST_SECONDS = 2e-3  # at its rate; less loses tokens under load, more is a burst for nothing
_QUEUE_SECONDS, _QUEUE_BYTES = 1.0, (256e3, 32e6)  # before a shaper: at its rate, at least and at most
_FIRST_BUFFER, _LEAST_BUFFER, _MOST_BUFFER = 4_000_000, 16e6, 1e9  # bytes of a TCP socket
_ALL_AT_ONCE = 100_000  # segments: no slow start
_MOST_SEGMENTS = 65535  # that a kernel hands on as one


class Fabric:
    """`hosts` and what lies between them; used in the hub, whose thread is free to go into other namespaces for a moment.

    Nodes 0 … hosts-1 are the hosts, each with an Ethernet line of its own. Node hosts + s is a node of its own that stands
    beside host `beside`[s]: on that host's line, both ways, so that messages between the two go out by it and come back.
    Until `shape` is called the lines are free and of no length. Everything ends with the process, by SIGKILL, too, and with
    those of the nodes. `folder` is for temporary files.
    """

    def __init__(self, hosts: int, beside: Sequence[int] = (), *, seed: int = 0, folder: Path | None = None) -> None:
        if not 2 <= hosts + len(beside) <= 254:
            raise ValueError(f"hosts must be 2 … 254, those beside included, got {hosts + len(beside)}")
        if any(not 0 <= host < hosts for host in beside):
            raise ValueError(f"beside must name hosts 0 … {hosts - 1}, got {list(beside)}")
        self.hosts, self.nodes = hosts, hosts + len(beside)
        self._lines: Lines | None = None
        self._middle = new_network()
        self._networks = [new_network() for _ in range(self.nodes)]
        self._line = [*range(hosts), *beside]  # on whose line each node is
        self._plug_in(beside)
        self._switch = Switch(self._middle, hosts, beside, seed=seed, folder=folder)

    def address(self, node: int) -> str:
        """The IPv4 address of a node, at its interface eth0."""
        return f"10.0.0.{node + 1}"

    def enter(self, node: int) -> None:
        """Make the calling process, just forked and with one thread, one of this node."""
        enter_network(self._networks[node])

    def shape(self, lines: Lines) -> None:
        """The lines are like this from now on; what is on its way arrives, in order."""
        if len(lines.up) != self.hosts:
            raise ValueError(f"lines must be of {self.hosts} hosts, got {len(lines.up)}")
        before, self._lines = self._lines, lines
        self._set_endpoints(lines)
        verb = "add" if before is None else "change"
        for host in range(self.hosts):
            if before is None or before.up[host] != lines.up[host]:
                self._tc(self._networks[host], [_shaper(verb, "eth0", lines.up[host])])
        changed = [host for host in range(self.hosts) if before is None or before.down[host] != lines.down[host]]
        if changed:
            self._tc(self._middle, [_shaper(verb, f"port{host}", lines.down[host]) for host in changed])
        self._switch.set_pairs(lines.delay, lines.loss)

    def sent(self) -> Floats:
        """Bytes of Ethernet frames that each host's line took up so far, (W,), those of nodes beside it included.

        As the shaper counts them: every frame with its headers (not the checksum behind it, nor the gap), also where a
        sender's kernel hands on several segments as one; retransmissions, acknowledgements and frames lost later as well.
        """
        return np.array([self._counted(network)["eth0"] for network in self._networks[: self.hosts]])

    def received(self) -> Floats:
        """Bytes of Ethernet frames that each host's line brought so far, (W,), counted as by `sent`."""
        counted = self._counted(self._middle)
        return np.array([counted[f"port{host}"] for host in range(self.hosts)])

    def overruns(self) -> int:
        """Frames that the switch dropped for lack of buffer: if there are any, this machine is too slow for these lines."""
        return self._switch.report().overruns

    def mean_lateness(self) -> float:
        """Seconds by which frames left the switch later than they should, on average so far; NaN before the first."""
        report = self._switch.report()
        return report.late_seconds / report.handed if report.handed else np.nan

    def close(self) -> None:
        """End the switch; the hosts are gone once no process is in them."""
        self._switch.close()
        for descriptor in (self._middle, *self._networks):
            os.close(descriptor)

    def _plug_in(self, beside: Sequence[int]) -> None:
        """Make the nodes' interfaces. Everybody knows everybody's hardware address: nobody ever asks for it."""
        networks, hosts = self._networks, range(self.hosts)
        for network in (self._middle, *networks):
            with inside(network):
                for which in ("all", "default"):
                    _set(f"ipv6/conf/{which}/disable_ipv6", "1")
        cables = [
            f"link add port{host} type veth peer name eth0 address {_hardware(host)} netns {_path(networks[host])}"
            for host in hosts
        ]
        self._ip(self._middle, [*cables, *(f"link set port{host} up" for host in hosts)])
        for number, host in enumerate(beside, self.hosts):
            interface = f"eth0 address {_hardware(number)} netns {_path(networks[number])} type macvlan mode vepa"
            self._ip(networks[host], [f"link add link eth0 name {interface}"])
        for node, network in enumerate(networks):
            others = [other for other in range(self.nodes) if other != node]
            known = [f"neigh add {self.address(other)} lladdr {_hardware(other)} dev eth0 nud permanent" for other in others]
            self._ip(network, ["link set lo up", "link set eth0 up", f"addr add {self.address(node)}/32 dev eth0", *known])
        for node in range(self.nodes):  # once the lines below them are up
            self._ip(networks[node], [f"route add {_SUBNET} dev eth0 src {self.address(node)} congctl cubic"])

    def _set_endpoints(self, lines: Lines) -> None:
        """What the hosts' TCP does: its start, its windows and buffers, and how much it puts before a line at once."""
        round_trip = float((lines.delay + lines.delay.T).max())
        rate = float(np.minimum(np.concatenate([lines.up, lines.down]), _FASTEST).max())
        buffer = round(min(max(4 * rate * round_trip, _LEAST_BUFFER), _MOST_BUFFER))
        start = _ALL_AT_ONCE if lines.initial_window is None else lines.initial_window
        route = f"congctl cubic initcwnd {start} initrwnd {start}" + (f" window {lines.window}" if lines.window else "")
        for node, network in enumerate(self._networks):
            burst = _burst(lines.up[self._line[node]])
            segments = 1 if lines.loss.any() else int(burst // FRAME_BYTES)  # a frame is lost by itself
            with inside(network):
                _set("ipv4/tcp_slow_start_after_idle", str(int(lines.initial_window is not None)))
                _set("ipv4/tcp_no_metrics_save", "1")
                _set("ipv4/tcp_rmem", f"4096 {buffer} {buffer}")
                _set("ipv4/tcp_wmem", f"4096 {_FIRST_BUFFER} {buffer}")
                _set("ipv4/tcp_limit_output_bytes", str(round(2 * burst + 2 * FRAME_BYTES)))
            source = self.address(node)
            interface = f"link set dev eth0 gso_max_segs {min(segments, _MOST_SEGMENTS)}"
            self._ip(network, [interface, f"route replace {_SUBNET} dev eth0 src {source} {route}"])

    def _counted(self, network: int) -> dict[str, float]:
        """Bytes that each shaper in a network let through so far, by interface."""
        answer = self._run(network, ["tc", "-s", "-j", "qdisc", "show"])
        return {each["dev"]: float(each["bytes"]) for each in json.loads(answer) if each["kind"] == "tbf"}

    def _ip(self, network: int, lines: list[str]) -> None:
        self._run(network, ["ip", "-batch", "-"], "\n".join(lines))

    def _tc(self, network: int, lines: list[str]) -> None:
        self._run(network, ["tc", "-batch", "-"], "\n".join(lines))

    def _run(self, network: int, command: list[str], text: str = "") -> str:
        """What a command answers that runs in a network."""
        with inside(network):
            done = subprocess.run(command, input=text, capture_output=True, text=True, pass_fds=self._networks)
        if done.returncode != 0:
            raise EmulationError(f"'{command[0]}' failed: {' '.join(done.stderr.split())}")
        return done.stdout


def _shaper(verb: str, interface: str, rate: float) -> str:
    """A line for `tc`: frames leave `interface` at `rate`."""
    rate = rate if rate <= _FASTEST else _FREE
    least, most = _QUEUE_BYTES
    queue = min(max(_QUEUE_SECONDS * rate, least), most)
    return f"qdisc {verb} dev {interface} root tbf rate {rate * 8:.0f}bit burst {_burst(rate):.0f} limit {queue:.0f}"


def _burst(rate: float) -> float:
    """Bytes that a shaper lets through at once; never less than two frames."""
    return max(_BURST_SECONDS * min(rate, _FREE), 2 * FRAME_BYTES)


def _hardware(node: int) -> str:
    """A node's Ethernet address, as the switch reads it."""
    return f"02:00:00:00:{node >> 8:02x}:{node & 255:02x}"


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _set(name: str, value: str) -> None:
    """Set a sysctl of the network that the thread is in."""
    (_SYSCTL / name).write_text(value)
