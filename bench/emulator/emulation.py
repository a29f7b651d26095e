"""One emulation, as its hub conducts it: nodes begin, meet, start together, drop out and come back, and report."""

import random
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from bench.emulator.channel import Channel
from bench.emulator.fabric import Fabric
from bench.emulator.journal import Journal, Over
from bench.emulator.limits import check
from bench.emulator.lines import Lines
from bench.emulator.machine import Load
from bench.emulator.membership import Answers, Break, Membership
from bench.emulator.node import Post
from bench.emulator.nodes import Child, Nodes
from bench.emulator.probed import Probed
from bench.errors import EmulationError, SkipError
from bench.recovery import FromPeers
from bench.setup import Setup

_LEAD = 0.1  # seconds from the word to start to the start
_PORT = 29500
_PROBED = 3e-3  # seconds one way, on which a message's time is found

Hosts = Callable[[int, tuple[int, ...]], Fabric | None]


class Emulation:
    """What a launcher asked for. Raises EmulationError where a node fails."""

    def __init__(self, launcher: Channel, message: dict[str, Any], folder: Path, hosts: Hosts) -> None:
        self._launcher, self._folder = launcher, folder
        self._setup = Setup(message["conf"])
        check(self._setup)
        scenario = self._setup.scenario
        workers, beside = scenario.workers, self._setup.algorithm.servers(scenario.workers)
        self._workload = self._setup.workload(self._setup.shadow(), np.array(message["step_seconds"]))
        self._measured, self._probes = message["measured"], message["probe"]
        self._throttled = bool(message.get("throttled", False))
        self._presence = scenario.churn.presence(self._setup.conf["seed"], _regions(self._setup))
        self._changing = bool(np.isfinite(self._presence.until).any())
        self._fabric = hosts(workers, beside)
        self._lines = Lines.of(scenario) if self._fabric is not None else None
        nodes = range(workers + len(beside))
        fabric = self._fabric
        here = {node: "127.0.0.1" if fabric is None else fabric.address(node) for node in nodes}
        port = _PORT if fabric is not None else _free_ports(len(nodes))
        self._addresses = {node: (address, port + node) for node, address in here.items()}
        self._nodes = Nodes(launcher)
        up = np.flatnonzero(self._presence.up).tolist()
        self._membership = Membership(set(up), near=self._setup.algorithm.lockstep == "groups")
        self._servers = list(range(workers, workers + len(beside)))
        self._dropped: list[tuple[int, float]] = []
        self._journal: Journal | None = None  # of programs of their own
        if self._setup.algorithm.lockstep == "none":
            self._journal = Journal(folder, workers, len(nodes), self._setup.steps)
            for rank in np.flatnonzero(~self._presence.up).tolist():
                self._journal.leave_out(rank)

    def run(self) -> None:
        """Conduct it, and tell the launcher."""
        try:
            if self._fabric is not None and self._lines is not None and self._probes:
                self._fabric.shape(self._lines.free(_PROBED))
            for node in [*sorted(self._membership.members), *self._servers]:
                self._begin(node)
            self._nodes.everybody("met")
            self._launcher.send({"ready": asdict(self._probed())})
            self._launcher.receive()
            if self._fabric is not None and self._lines is not None:
                self._fabric.shape(self._lines)
            self._nodes.tell({"go": True})
            self._nodes.everybody("warm")
            before, sent, received, start = Load.now(), *self._counted(), time.monotonic() + _LEAD
            self._nodes.tell({"start": start})
            self._conduct(start)
            seconds, load = time.monotonic() - start, Load.now()
            self._settle_links()
            sent_after, received_after = self._counted()
            self._report(start, load.since(before, seconds), sent_after - sent, received_after - received)
        finally:
            self._nodes.end()
            if self._journal:
                self._journal.close()

    def _begin(self, node: int, returns: bool = False) -> None:
        """The process of a node begins."""
        post = Post(
            node=node,
            setup=self._setup,
            workload=self._workload,
            fabric=self._fabric,
            addresses=self._addresses,
            folder=self._folder,
            measured=self._measured,
            changing=self._changing,
            throttled=self._throttled,
            members=sorted(self._membership.members),
            returns=returns,
        )
        self._nodes.begin(post)

    def _probed(self) -> Probed:
        """What is not the links, if it is asked for and there are all-reduces; of messages beyond a delay that is known.

        Without a delay all ranks would be busy all the time, and keep each other from this machine's processors.
        """
        probes = self._fabric is not None and self._probes and self._setup.algorithm.lockstep != "none"
        self._nodes.tell({"probe": probes})
        if not probes:
            return Probed()
        told = self._nodes.everybody("message_seconds")
        seconds = max(message["message_seconds"] for message in told)
        bandwidths = [message["codec_bandwidth"] for message in told]
        return Probed(max(0.0, seconds - _PROBED), None if None in bandwidths else min(bandwidths))

    def _conduct(self, start: float) -> None:
        """Until every node that is there is through: kill and begin workers as churn says, and settle who meets."""
        while not self._nodes.through:
            for child, (message, tensors) in self._nodes.heard(start + float(self._presence.until.min())):
                self._answer(child, message, tensors)
            now = time.monotonic() - start
            while self._presence.until.min() <= now and not (self._journal and self._journal.is_over):
                self._turn(int(self._presence.until.argmin()), start)

    def _answer(self, child: Child, message: dict[str, Any], tensors: list[Tensor]) -> None:
        """One message of a node on the way."""
        membership, rank = self._membership, child.node
        match message:
            case {"done": report}:
                child.report, child.tensors = report, tensors[: len(tensors) - len(report["answers"])]
                membership.done[rank] = _answers(report.pop("answers"), tensors[len(child.tensors) :])
                self._meet()
            case {"round": number, "to": to}:
                for joining in to:
                    self._hand_over(self._nodes[joining], message, tensors)
            case {"round": number}:
                joined = membership.round(number)
                child.main.send(
                    {
                        "generation": membership.generation,
                        "members": sorted(membership.members),
                        "joined": joined,
                        "hand_over": [one for one in joined if one in membership.joining and rank == membership.giver(one)],
                    }
                )
            case {"broken": index, "has": has}:
                membership.broken(rank, Break(index, _answers(has, tensors)))
                self._meet()
            case {"steps": steps}:
                if rank == next(iter(self._nodes)).node:
                    self._launcher.send({"steps": steps})
            case {"back": _}:
                child.main.send({"sources": self._sources()})
            case {"ready": _}:
                membership.ready.add(rank)
            case {"joined": _}:
                membership.members.add(rank)
            case {"counted": steps}:
                self._launcher.send({"steps": steps})
                if steps >= self._setup.steps:
                    self._nodes.tell({"stop": True})
            case _:
                raise EmulationError(f"node {rank} said {message}, which nobody expected")

    def _meet(self) -> None:
        """If all whose reduction broke wait for it, they meet anew."""
        met = self._membership.meet()
        if met is None:
            return
        first, lacking = met
        members = sorted(lacking)
        for rank, answers in lacking.items():
            has = [[index, *counted] for index, (counted, _) in answers.items()]
            message = {"members": members, "generation": self._membership.generation, "first": first, "has": has}
            self._nodes[rank].breaks.send(message, [answer for _, answer in answers.values()])

    def _hand_over(self, child: Child, past: dict[str, Any], tensors: list[Tensor]) -> None:
        """Give a returner what the program's variables are made of, beside the links."""
        membership = self._membership
        members, generation = sorted(membership.members), membership.generation
        child.main.send({**past, "members": members, "generation": generation}, tensors)
        membership.joined(child.node)

    def _sources(self) -> list[int]:
        """From whom a returner downloads its state."""
        recovery = self._setup.scenario.recovery
        if not isinstance(recovery, FromPeers):
            raise SkipError(
                "who comes back downloads from other workers here; a server outside is not emulated: recovery=peers"
            )
        return sorted(self._membership.members)[: recovery.peers]

    def _turn(self, rank: int, start: float) -> None:
        """A worker's interval, up or down, ends: a real kill, or a new process."""
        up = bool(self._presence.up[rank])
        self._presence.next(np.array([rank]))
        child = self._nodes.get(rank)
        if not up:
            if self._journal:
                self._nodes.tell({"returned": rank})
            else:
                for other in self._nodes:
                    if other.report is None:
                        other.news.send({"returned": rank})
            self._begin(rank, returns=True)
        elif child is not None and child.report is None:
            if self._journal:
                self._kill_apart(child, self._journal)
            else:
                self._nodes.kill(child)
            self._dropped.append((rank, time.monotonic() - start))
            if rank in self._membership.members | self._membership.ready:
                self._membership.lost(rank)
                if not self._membership.members:
                    raise EmulationError("all workers were away at once: nobody is left to go on, which is not emulated")
                self._meet()

    def _kill_apart(self, child: Child, journal: Journal) -> None:
        """At a moment: nothing happens to it, or with it, half."""
        with ExitStack() as stack:
            with suppress(Over):  # then it does not matter
                stack.enter_context(journal.moment())
                journal.drop(child.node)
            self._nodes.kill(child)
        self._nodes.tell({"lost": child.node})

    def _counted(self) -> tuple[Any, Any]:
        """Bytes that went out and came in by each worker's line so far, (W,)."""
        if self._fabric is None:
            unknown = np.full(self._setup.scenario.workers, np.nan)
            return unknown, unknown
        return self._fabric.sent(), self._fabric.received()

    def _settle_links(self) -> None:
        """Let what is still on its way arrive."""
        if self._lines is not None:
            time.sleep(float(self._lines.delay.max()) + 0.02)

    def _report(self, start: float, load: dict[str, float | None], sent: Any, received: Any) -> None:
        """All that was seen, and each worker's parameters."""
        told = [child for child in self._nodes if child.tensors]
        message = {
            "measured": {
                "start": start,
                "nodes": {child.node: child.report for child in self._nodes},
                "dropped": self._dropped,
                "sent": sent.tolist(),
                "received": received.tolist(),
                "load": load,
                "overruns": 0 if self._fabric is None else self._fabric.overruns(),
                "ranks": [child.node for child in told],
                "events": [] if self._journal is None else self._journal.events(),
            }
        }
        self._launcher.send(message, [child.tensors[0] for child in told])


def _answers(has: list[list[int]], tensors: list[Tensor]) -> Answers:
    """What a member has, as it told."""
    return {index: (counted, tensor) for (index, *counted), tensor in zip(has, tensors, strict=True)}


def _free_ports(count: int) -> int:
    """The first of so many ports of the loopback on which nobody listens, below those that the system gives away."""
    while True:
        first = random.randrange(10_000, 30_000)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first


def _regions(setup: Setup) -> Any:
    """As the Simulator asks for them, (W,)."""
    network = setup.scenario.network
    return network.region if network.several_regions else np.full(network.workers, -1)
