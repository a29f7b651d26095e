"""Knobs of a run: each is turned once, all else equal, by another scenario or by a changed copy of the conf."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.attribute.links import connections, downlink, round_trips, shared_links, uplink
from bench.attribute.reference import preset
from bench.attribute.turned import Knob, Turned
from bench.attribute.variant import Variant
from bench.churn import AlwaysOn
from bench.churn.rarer import half_as_often
from bench.churn.without import Without
from bench.codec import BF16, FP16, Int8, NoCodec
from bench.devices import Fleet, step_seconds
from bench.failures import Failures, NoFailures
from bench.jitter import Jitter, NoJitter
from bench.pace import Pace
from bench.participation import WaitForAll
from bench.run import Run
from bench.scenario import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SLOWEST = 10
"""Of so many workers one is dropped as the slowest; of fewer, one as well."""

SYNC = ("sync_every", "local_steps")
"""Settings of algorithms that say how many steps lie between two syncs."""


def slowest(run: Run) -> Turned | str:
    """A tenth of the workers never up, at least one: those who would need longest for a round alone."""
    workers = run.scenario.workers
    if workers == 1:
        return "there is only one worker"
    seconds = round_seconds(run)  # (W,)
    if seconds.max() <= seconds.min() * (1 + 1e-6):
        return "no worker is slower than the others"
    gone = np.argsort(-seconds, kind="stable")[: max(1, workers // SLOWEST)].tolist()
    return Turned(
        Variant(run, lambda scenario: replace(scenario, churn=Without(scenario.churn, gone))),
        f"drop the slowest tenth ({len(gone)} of {workers})",
    )


def round_seconds(run: Run) -> Floats:
    """Seconds, (W,), in which each worker alone takes a round's local steps and moves its bytes over its own links.

    Nothing hinders its steps; the bytes are those of a world where all are always up and waited for.
    """

    def always_up(scenario: Scenario) -> Scenario:
        return replace(scenario, churn=AlwaysOn(), failures=NoFailures(), participation=WaitForAll())

    clocked, workers = Variant(run, always_up).clocked(), run.scenario.workers
    sent, received = clocked.sent, clocked.received
    if run.algorithm.lockstep == "none":  # who is fast sends more often, not more at a time
        sent, received = np.full(workers, sent.mean()), np.full(workers, received.mean())
    scenario = run.scenario
    pace = Pace(scenario.fleet, NoJitter(), run.workload(run.shadow()), scenario.split, scenario.seed)
    steps = pace.compute(np.arange(workers), pace.local_steps(clocked.schedule.total_steps), 0.0)
    capacity = scenario.network.capacity
    links = sent / capacity[:workers] + received / capacity[workers : 2 * workers]
    return np.asarray((steps + links) / clocked.rounds, float)


def devices(run: Run) -> Turned | str:
    """Every step in half the time, and payloads encoded, decoded and aggregated twice as fast."""

    def quicker(scenario: Scenario) -> Scenario:
        fleet = scenario.fleet
        return replace(scenario, fleet=_Quicker(fleet.kind_names, fleet.kinds, fleet.kind))

    def hastened(scenario: Scenario) -> Scenario:
        return replace(quicker(scenario), jitter=_Hastened(scenario.jitter))

    seconds = step_seconds(run.scenario.fleet, run.work(run.timed.batch))  # (W,)
    if run.scenario.split.effort(seconds).batch is None:
        return Turned(Variant(run, quicker, seconds / 2))
    # Steps of uneven batches are priced by the roofline, which seconds that are given would replace by a proportion.
    return Turned(Variant(run, hastened), ideal=2.0)


def sync_half(run: Run) -> Turned | str:
    """Twice as many steps between two syncs."""
    return _synced(run, lambda steps: 2 * steps)


def sync_twice(run: Run) -> Turned | str:
    """Half as many steps between two syncs; of an odd number, rounded down."""
    return _synced(run, lambda steps: steps // 2)


def bits(run: Run) -> Turned | str:
    """The next codec of none, bf16, int8, int4."""
    codec = run.codec
    rungs = ((NoCodec, "bf16"), (BF16, "int8"), (FP16, "int8"), (Int8, "int4"))
    for kind, name in rungs:
        if type(codec) is kind:
            return Turned(_changed(run, codec=preset("codec", name)), f"half the bits ({name})")
    return f"{type(codec).__name__} has no codec of half its bits here"


def dropouts(run: Run) -> Turned | str:
    """Up times, and those between failures of devices, twice as long; no churn at all where it has no such times."""
    churn, failures = run.scenario.churn, run.scenario.failures
    if isinstance(churn, AlwaysOn) and isinstance(failures, NoFailures):
        return "nobody drops out"
    rarer = half_as_often(churn)
    if isinstance(failures, Failures):
        failures = replace(failures, device_mttf=2 * failures.device_mttf)
    if isinstance(churn, AlwaysOn):
        text = "devices fail half as often"
    else:
        text = "nobody ever drops out" if isinstance(rarer, AlwaysOn) else ""
    return Turned(Variant(run, lambda scenario: replace(scenario, churn=rarer, failures=failures)), text)


def honest(run: Run) -> Turned | str:
    """No bad actors; the defence against them stays."""
    if not run.adversary.fraction:
        return "nobody is bad"
    return Turned(_changed(run, adversary=preset("adversary", "none")))


KNOBS = (
    Knob("uplink", "double the uplink", uplink),
    Knob("downlink", "double the downlink", downlink),
    Knob("shared_links", "double the shared links", shared_links),
    Knob("round_trips", "halve the round trips", round_trips),
    Knob("connections", "twice the connections", connections),
    Knob("slowest", "drop the slowest tenth", slowest),
    Knob("devices", "devices twice as fast", devices),
    Knob("sync_half", "sync half as often", sync_half),
    Knob("sync_twice", "sync twice as often", sync_twice),
    Knob("bits", "half the bits", bits),
    Knob("dropouts", "drop out half as often", dropouts),
    Knob("honest", "nobody bad", honest),
)


class _Quicker(Fleet):
    """Devices whose arithmetic on payloads is twice as fast."""

    @cached_property
    def peak(self) -> Floats:
        return 2 * self.column("peak")

    @cached_property
    def memory_bandwidth(self) -> Floats:
        return 2 * self.column("memory_bandwidth")


@dataclass(frozen=True)
class _Hastened:
    """A jitter around means half as long."""

    jitter: Jitter

    def seconds(self, seed: int, ranks: Ints, mean: Floats, steps: Ints | int, draw: int, now: float) -> Floats:
        return self.jitter.seconds(seed, ranks, mean / 2, steps, draw, now)


def _synced(run: Run, steps: Callable[[int], int]) -> Turned | str:
    algorithm = run.conf["algorithm"]
    field = next((name for name in SYNC if algorithm.get(name) is not None), None)
    if field is None:
        return "the algorithm has no sync_every"
    before, after = algorithm[field], steps(algorithm[field])
    if after < 1:
        return "it syncs after every step"
    often = "half as often" if after > before else "twice as often"
    text = f"sync {often} (every {after} step{'s' if after > 1 else ''})"
    return Turned(_changed(run, algorithm={**algorithm, field: after}), text)


def _changed(run: Run, **parts: Mapping[str, Any]) -> Variant:
    """The run of a changed copy of the conf. Raises ConfError for what its constructors refuse."""
    return Variant(Run({**run.conf, **parts}, run.store, run.progress))
