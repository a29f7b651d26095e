"""What it takes to make one payload of many: a collective that adds on the way, or what a codec or a rule really needs."""

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.network import Paths, Plan, Transfer
from bench.network.collectives import Butterfly, ParameterServer, all_gather, reduce_scatter
from bench.network.collectives.base import Collective, nothing
from bench.network.collectives.dense import everybody_to_everybody
from bench.pace import Coding, Load, code_seconds
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

    A sum is whatever collective the scenario has. Other rules, and encodings that cannot be added up, need every payload as it
    was sent: sharded, each worker has an n-th of all of them, as in the all-to-all butterfly of volunteers or at sharded
    servers, which is no more traffic than a sum; with an all-gather, everybody has everything. A single server has all of them
    anyway: it sends back the aggregate, or every encoding where everybody decodes all of them. A rule decides how payloads
    travel, if it is no sum; else a codec does.
    """

    def __init__(self, scenario: Scenario, rule: Rule | None) -> None:
        self._scenario, self._rule = scenario, None if rule is None or rule.linear else rule

    def plan(self, word: str, members: Ints, nbytes: float, capacity: Floats, coding: Coding | None = None) -> Plan:
        """The activities among `members`, (n,), of reducing `nbytes` each on links of `capacity`, (L,).

        `word` is all_reduce, or one of its halves: reduce_scatter, all_gather. `coding` is how payloads are encoded, if at all.
        """
        paths = self._scenario.paths
        if self._scenario.changes is not None:
            paths = replace(paths, network=replace(paths.network, capacity=capacity))
        n, rule, collective = len(members), self._rule, self._collective(coding)
        if word != "all_reduce":
            return self._half(word, paths, members, nbytes, collective)
        if self._all_gather(coding) and n > 1:
            if self._in_one_place():
                return (
                    *collective.all_reduce(paths, members, nbytes)[:1],
                    *collective.all_reduce(paths, members, n * nbytes)[1:],
                )
            parts = np.full(n, 1 / n)
            return (everybody_to_everybody(paths, members, n * nbytes, parts, scatter=False, gather=True),)
        rounds = 1 if coding is None or rule is not None else coding.rounds
        plan = collective.all_reduce(paths, members, nbytes / rounds) * rounds
        if rule is None or self._in_one_place():
            return plan
        cost = rule.cost(n)
        small = collective.all_reduce(paths, members, 4.0 * cost.exchanged) if cost.rounds else ()
        return (*plan, *small * cost.rounds)

    def recoding(self, word: str, members: Ints, coding: Coding | None) -> Plan:
        """The phase in which an aggregate is decoded from encodings and encoded again; all wait for the slowest device at it.

        Sharded, each of n `members` decodes an n-th of all payloads, and encodes an n-th of the aggregate.
        """
        n = len(members)
        if coding is None or coding.traffic == "all_reduce" or self._all_gather(coding) or word != "all_reduce" or n < 2:
            return ()
        if self._in_one_place():
            return self._phase(members[:1], coding.decode * n + coding.encode)
        return self._phase(members, coding.decode + coding.encode * (1 / n))

    def decoded(self, word: str, n: int, coding: Coding) -> int:
        """How many of n payloads each worker decodes in the end."""
        return n if word == "all_reduce" and self._all_gather(coding) else 1

    def arithmetic(self, word: str, members: Ints, payload_bytes: float) -> Plan:
        """The phase in which `members` apply the rule to decoded payloads; all wait for the slowest device that does."""
        if self._rule is None or len(members) < 2 or word == "all_gather":
            return ()
        cost = self._rule.cost(len(members))
        at = members[:1] if self._in_one_place() else members
        payloads = len(members) if self._in_one_place() or self._rule.traffic == "all_gather" else 1
        return self._phase(at, Load(cost.reads * payload_bytes, cost.flops * payload_bytes / 4) * payloads)

    def needs(self, members: Ints, coding: Coding | None) -> Ints:
        """Those of `members` without whom the others begin a reduction anew."""
        alone = self._all_gather(coding) and not self._in_one_place()
        whom = "nobody" if alone else self._collective(coding).breaks_without
        return members[: {"anybody": len(members), "first": 1, "nobody": 0}[whom]]

    def _half(self, word: str, paths: Paths, members: Ints, nbytes: float, collective: Collective) -> Plan:
        """Half of an all-reduce: all to all in a butterfly, and else a ring, as libraries do it."""
        if len(members) < 2:
            return nothing()
        if isinstance(collective, Butterfly):
            scatter, parts = word == "reduce_scatter", np.full(len(members), 1 / len(members))
            return (everybody_to_everybody(paths, members, nbytes, parts, scatter=scatter, gather=not scatter),)
        return (reduce_scatter if word == "reduce_scatter" else all_gather)(paths, members, nbytes)

    def _phase(self, members: Ints, load: Load) -> Plan:
        """All wait for the slowest of `members` to do what asks that `load` of each device."""
        seconds = float(code_seconds(self._scenario.fleet, members, load).max())
        return (Transfer(0.0, np.array([], np.int64), np.array([]), seconds),)

    def _collective(self, coding: Coding | None) -> Collective:
        """The scenario's, if it adds up on the way or takes payloads as they are; else a butterfly."""
        given = self._scenario.collective
        whole = self._rule is not None or (coding is not None and coding.traffic != "all_reduce")
        return Butterfly() if whole and not isinstance(given, Butterfly | ParameterServer) else given

    def _all_gather(self, coding: Coding | None) -> bool:
        """Whether everybody gets every payload."""
        if self._rule is not None:
            return self._rule.traffic == "all_gather" and not self._in_one_place()
        return coding is not None and coding.traffic == "all_gather"

    def _in_one_place(self) -> bool:
        """Whether one server has all payloads."""
        given = self._scenario.collective
        return isinstance(given, ParameterServer) and not given.sharded
