"""What it takes to make one payload of many: a collective that adds on the way, or what a robust rule really needs."""

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.network import Paths, Plan, Transfer
from bench.network.collectives import Butterfly, ParameterServer, all_gather, reduce_scatter
from bench.network.collectives.dense import everybody_to_everybody
from bench.scenario import Scenario

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Cost(Protocol):
    """What a rule asks for where its arithmetic is divided among n workers, each with its part of all n payloads."""

    @property
    def reads(self) -> float:
        """Times that each number of each payload passes through memory."""
        ...

    @property
    def flops(self) -> float:
        """Arithmetic for each number of each payload."""
        ...

    @property
    def rounds(self) -> int:
        """Small all-reduces in between, one after the other, …"""
        ...

    @property
    def exchanged(self) -> int:
        """… each of so many fp32 numbers."""
        ...


class Rule(Protocol):
    """An aggregator, as far as the clock is concerned."""

    linear: bool
    traffic: str  # sharded, or all_gather: everybody receives all payloads and computes all

    def cost(self, n: int) -> Cost:
        """The cost of aggregating `n` payloads."""
        ...


class Aggregation:
    """The reductions of one run on the links and devices of a scenario.

    A sum is whatever collective the scenario has. Other rules need every payload as it was sent: sharded, each worker has an
    n-th of all of them, as in the all-to-all butterfly of volunteers or at sharded servers, which is no more traffic than a
    sum; with an all-gather, everybody has everything. A single server has all of them anyway.
    """

    def __init__(self, scenario: Scenario, rule: Rule | None) -> None:
        self._scenario, self._rule = scenario, None if rule is None or rule.linear else rule
        given = scenario.collective
        robust = self._rule is not None and not isinstance(given, Butterfly | ParameterServer)
        self._collective = Butterfly() if robust else given

    def plan(self, word: str, members: Ints, nbytes: float, capacity: Floats) -> Plan:
        """The activities among `members`, (n,), of reducing `nbytes` each on links of `capacity`, (L,).

        `word` is all_reduce, or one of its halves: reduce_scatter, all_gather.
        """
        paths = self._scenario.paths
        if self._scenario.changes is not None:
            paths = replace(paths, network=replace(paths.network, capacity=capacity))
        n, rule = len(members), self._rule
        if word != "all_reduce":
            return self._half(word, paths, members, nbytes)
        if self._all_gather and n > 1:
            parts = np.full(n, 1 / n)
            return (everybody_to_everybody(paths, members, n * nbytes, parts, scatter=False, gather=True),)
        plan = self._collective.all_reduce(paths, members, nbytes)
        if rule is None or self._in_one_place():
            return plan
        cost = rule.cost(n)
        small = self._collective.all_reduce(paths, members, 4.0 * cost.exchanged) if cost.rounds else ()
        return (*plan, *small * cost.rounds)

    def arithmetic(self, word: str, members: Ints, payload_bytes: float) -> Plan:
        """The phase in which `members` apply the rule to decoded payloads; all wait for the slowest device that does."""
        if self._rule is None or len(members) < 2 or word == "all_gather":
            return ()
        fleet, cost = self._scenario.fleet, self._rule.cost(len(members))
        at = members[:1] if self._in_one_place() else members
        payloads = len(members) if self._in_one_place() or self._all_gather else 1
        memory = cost.reads * payloads * payload_bytes / fleet.memory_bandwidth[at]
        compute = cost.flops * payloads * payload_bytes / 4 / fleet.peak[at]
        seconds = float(np.maximum(memory, compute).max())
        return (Transfer(0.0, np.array([], np.int64), np.array([]), seconds),)

    def _half(self, word: str, paths: Paths, members: Ints, nbytes: float) -> Plan:
        """Half of an all-reduce: all to all in a butterfly, and else a ring, as libraries do it."""
        if isinstance(self._collective, Butterfly):
            scatter, parts = word == "reduce_scatter", np.full(len(members), 1 / len(members))
            return (everybody_to_everybody(paths, members, nbytes, parts, scatter=scatter, gather=not scatter),)
        return (reduce_scatter if word == "reduce_scatter" else all_gather)(paths, members, nbytes)

    def needs(self, members: Ints) -> Ints:
        """Those of `members` without whom the others begin a reduction anew."""
        whom = "nobody" if self._all_gather else self._collective.breaks_without
        return members[: {"anybody": len(members), "first": 1, "nobody": 0}[whom]]

    @property
    def _all_gather(self) -> bool:
        return self._rule is not None and self._rule.traffic == "all_gather" and not self._in_one_place()

    def _in_one_place(self) -> bool:
        """Whether one server has all payloads."""
        return isinstance(self._collective, ParameterServer) and not self._collective.sharded
