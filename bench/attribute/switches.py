"""The switches of attribution: parts of a world that are ideal or as they are, and which of them are off in a run.

Each of the first six changes when things happen, and with it perhaps who takes part in what; the last one counts learning.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from bench.attribute.variant import Variant
from bench.churn import AlwaysOn
from bench.codec import NoCodec
from bench.devices import Fleet, step_seconds
from bench.devices.fleet import Floats
from bench.failures import NoFailures
from bench.jitter import NoJitter
from bench.network import Network
from bench.participation import Lossy, WaitForAll
from bench.run import Run
from bench.scenario import Scenario
from bench.split import BySpeed, TimeBudget, Uniform

SWITCHES = {
    "bandwidth": "links and connections carry any number of bytes at once, and never vary",
    "latency": "nothing is far away, and a message costs hosts no time",
    "heterogeneity": "every device takes the harmonic mean of all step seconds, so that their throughput stays; no jitter",
    "dropouts": "nobody ever drops out, nothing fails, no payload is lost",
    "adversaries": "nobody is bad, nobody is checked, payloads are averaged",
    "overheads": "codecs and robust rules take no time; nor does what is left where all else is ideal: a pipeline's bubble",
    "statistics": "a token teaches as much as in the synchronous reference",
}
"""Each switch, and what the world is where it is ideal."""

TIMED = tuple(name for name in SWITCHES if name != "statistics")
"""Those that the clock sees."""

NOTHING_LEFT = 1e-9
"""Of log slowdown: what an ideal world may have by rounding."""


def variant(run: Run, ideal: frozenset[str]) -> Variant:
    """The run with these of its switches ideal; adversaries are a matter of the run's own conf."""

    def replaced(scenario: Scenario) -> Scenario:
        for name, change in _CHANGES.items():
            if name in ideal:
                scenario = change(scenario)
        return scenario

    return Variant(run, replaced, alike(run) if "heterogeneity" in ideal else None)


def alike(run: Run) -> Floats:
    """The harmonic mean of the devices' step seconds, for every worker, (W,)."""
    seconds = _seconds(run)
    return np.full_like(seconds, 1 / np.mean(1 / seconds))


def off(run: Run) -> dict[str, str]:
    """The switches that change nothing in a run, each with the reason; but for what the ideal world is found to lack."""
    scenario = run.scenario
    reasons = {
        "bandwidth": "links carry any number of bytes at once" if _same(scenario, _endless(scenario)) else "",
        "latency": "nothing is far away" if _same(scenario, _near(scenario)) else "",
        "heterogeneity": "all devices are alike" if len(set(_seconds(run))) == 1 and scenario.jitter == NoJitter() else "",
        "dropouts": "nobody drops out, nothing fails" if _stays(scenario) else "",
        "adversaries": "" if hardened(run) else "nobody is bad, and nobody is checked",
        "overheads": "" if coded(run) else "payloads travel as they are",
        "statistics": "" if run.corpus else "train=false: the clock alone",
    }
    return {name: reason for name, reason in reasons.items() if reason}


def hardened(run: Run) -> bool:
    """Whether somebody is bad, or there is a defence."""
    return bool(run.adversary.fraction or run.scenario.verification.share or not run.aggregator.linear)


def coded(run: Run) -> bool:
    """Whether payloads are encoded, put together by a rule that has arithmetic of its own, or pass from stage to stage."""
    return not isinstance(run.codec, NoCodec) or not run.aggregator.linear or run.algorithm.lockstep == "stages"


class Quick(Fleet):
    """A fleet whose steps take their time, and whose encoding, decoding and rules take none."""

    @cached_property
    def peak(self) -> Floats:
        """(W,) FLOP/s"""
        return np.full(len(self.kind), np.inf)

    @cached_property
    def memory_bandwidth(self) -> Floats:
        """(W,) bytes/s"""
        return np.full(len(self.kind), np.inf)


def _endless(scenario: Scenario) -> Scenario:
    network = scenario.network
    transport = replace(scenario.paths.transport, window=None, loss=0.0, initial_window=None, connection_rate=None)
    unlimited = replace(
        network,
        capacity=np.full_like(network.capacity, np.inf),
        single_connection=np.full_like(network.single_connection, np.inf),
        measured=np.full_like(network.measured, np.inf),
    )
    return replace(scenario, paths=replace(scenario.paths, network=unlimited, transport=transport), changes=None)


def _near(scenario: Scenario) -> Scenario:
    network, changes = scenario.network, scenario.changes
    transport = replace(scenario.paths.transport, message=0.0)
    here = replace(
        network,
        last_mile=np.zeros_like(network.last_mile),
        region_latency=np.zeros_like(network.region_latency),
        tiers=tuple(replace(tier, latency=0.0) for tier in network.tiers),
    )
    return replace(
        scenario,
        paths=replace(scenario.paths, network=here, transport=transport),
        changes=None if changes is None else replace(changes, network=here),
    )


def _alike(scenario: Scenario) -> Scenario:
    """Whose devices are alike gets no share by its speed; a budget of seconds that is given stays."""
    by_speed = isinstance(scenario.split, BySpeed) or (
        isinstance(scenario.split, TimeBudget) and scenario.split.per_step is None
    )
    return replace(scenario, jitter=NoJitter(), split=Uniform() if by_speed else scenario.split)


def _present(scenario: Scenario) -> Scenario:
    lossy = isinstance(scenario.participation, Lossy)
    participation = WaitForAll() if lossy else scenario.participation
    return replace(scenario, churn=AlwaysOn(), failures=NoFailures(), participation=participation)


def _stays(scenario: Scenario) -> bool:
    """Whether nobody ever drops out, nothing fails and no payload is lost."""
    calm = isinstance(scenario.churn, AlwaysOn) and isinstance(scenario.failures, NoFailures)
    return calm and not isinstance(scenario.participation, Lossy)


def _quick(scenario: Scenario) -> Scenario:
    fleet = scenario.fleet
    return replace(scenario, fleet=Quick(fleet.kind_names, fleet.kinds, fleet.kind))


_CHANGES = {
    "bandwidth": _endless,
    "latency": _near,
    "heterogeneity": _alike,
    "dropouts": _present,
    "overheads": _quick,
}


def _seconds(run: Run) -> Floats:
    return step_seconds(run.scenario.fleet, run.work(run.timed.batch))


def _same(one: Scenario, other: Scenario) -> bool:
    """Whether two worlds have the same links."""
    if one.paths.transport != other.paths.transport or (one.changes is None) != (other.changes is None):
        return False
    return all(np.array_equal(a, b) for a, b in zip(_numbers(one.network), _numbers(other.network), strict=True))


def _numbers(network: Network) -> tuple[Floats, ...]:
    tiers = np.array([tier.latency for tier in network.tiers])
    return (
        *(network.capacity, network.single_connection, network.measured),
        *(network.last_mile, network.region_latency, tiers),
    )
