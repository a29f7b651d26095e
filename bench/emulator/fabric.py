"""The hosts of an emulation and the lines between them: namespaces for nodes, shapers for rates, a switch for delays."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.emulator.endpoint import Endpoint
from bench.emulator.lines import Lines
from bench.emulator.namespaces import enter_network, inside, new_network, run
from bench.emulator.shaper import Shaper
from bench.emulator.switch import Switch
from bench.errors import EmulationError
from bench.network.transfer import Floats

_SUBNET = "10.0.0.0/24"
_SYSCTL = Path("/proc/sys/net")


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
        self._middle = new_network()
        self._networks = [new_network() for _ in range(self.nodes)]
        self._line = [*range(hosts), *beside]  # on whose line each node is
        self._endpoints: list[Endpoint | None] = [None] * self.nodes
        self._plug_in(beside)
        self._up = [Shaper(network, "eth0") for network in self._networks[:hosts]]
        self._down = [Shaper(self._middle, f"port{host}") for host in range(hosts)]
        self._switch = Switch(self._middle, hosts, beside, seed=seed, folder=folder)

    @property
    def compiled(self) -> bool:
        """Whether the switch is the compiled one; the other one keeps pace with four hosts of 100 Mbit/s."""
        return self._switch.compiled

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
        for shapers, rates in ((self._up, lines.up), (self._down, lines.down)):
            for shaper, rate in zip(shapers, rates, strict=True):
                shaper.set(float(rate))
        self._set_endpoints(lines)
        self._switch.set_pairs(lines.delay, lines.loss)

    def sent(self) -> Floats:
        """Bytes of Ethernet frames that each host's line took up so far, (W,), those of nodes beside it included.

        As the shaper counts them: every frame with its headers (not the checksum behind it, nor the gap), also where a
        sender's kernel hands on several segments as one; retransmissions, acknowledgements and frames lost later as well.
        """
        return np.array([shaper.counted() for shaper in self._up])

    def received(self) -> Floats:
        """Bytes of Ethernet frames that each host's line brought so far, (W,), counted as by `sent`."""
        return np.array([shaper.counted() for shaper in self._down])

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
                for switch in _SYSCTL.glob("ipv6/conf/*/disable_ipv6"):  # none in a kernel without IPv6
                    _set(str(switch.relative_to(_SYSCTL)), "1")
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
        for node, network in enumerate(self._networks):
            endpoint = Endpoint.of(lines, self._line[node])
            if self._endpoints[node] == endpoint:
                continue
            self._endpoints[node] = endpoint
            with inside(network):
                for name, value in endpoint.sysctls:
                    _set(f"ipv4/{name}", value)
            route = f"route replace {_SUBNET} dev eth0 src {self.address(node)} {endpoint.route}"
            self._ip(network, [f"link set dev eth0 gso_max_segs {endpoint.segments}", route])

    def _ip(self, network: int, lines: list[str]) -> None:
        run(network, ["ip", "-batch", "-"], "\n".join(lines), pass_fds=self._networks)


def _hardware(node: int) -> str:
    """A node's Ethernet address, as the switch reads it."""
    return f"02:00:00:00:{node >> 8:02x}:{node & 255:02x}"


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _set(name: str, value: str) -> None:
    """Set a sysctl of the network that the thread is in."""
    try:
        (_SYSCTL / name).write_text(value)
    except OSError as error:
        raise EmulationError(f"net/{name} cannot be set to {value}: {error.strerror}") from error
