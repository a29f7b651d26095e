"""The Simulator of workers that do not move in step: from event to event, each worker on its own."""

from collections.abc import Callable

import numpy as np

from bench.aggregation import Aggregation, Rule
from bench.algorithm import Algorithm
from bench.codec import Codec
from bench.codings import Codings
from bench.errors import SkipError
from bench.events.processes import Processes
from bench.events.rendezvous import Rendezvous
from bench.events.testbed import Testbed
from bench.events.unrolled import unrolled
from bench.failures import NoFailures
from bench.feedback import Feedback
from bench.pace import Workload
from bench.participation import WaitForAll
from bench.replicas import Replicas
from bench.scenario import Scenario
from bench.tape import Tape
from bench.timeline import Timeline
from bench.verification import Hostile


class EventSimulator:
    """An interpreter of algorithms whose lockstep is "groups" or "none", for up to some thousand workers.

    Bad actors take the time that others take; what they send counts as discarded.
    """

    def __init__(
        self,
        scenario: Scenario,
        workload: Workload,
        codec: Codec,
        max_virtual: float,
        *,
        rule: Rule | None = None,
        feedback: Feedback | None = None,
        hostile: Hostile | None = None,
        spans: bool = False,
        tape: Tape | None = None,
    ) -> None:
        self._testbed = Testbed(scenario, workload, Codings(codec, feedback), max_virtual, hostile, spans=spans, tape=tape)
        self._rule = rule
        self.step_seconds = self._testbed.pace.step_seconds  # (W,)

    def run(
        self, algorithm: Algorithm, replicas: Replicas, steps: int, progress: Callable[[int], None] = lambda done: None
    ) -> Timeline:
        """The timeline of at least `steps` program steps; calls `progress(steps done)`.

        Raises VirtualTimeout where that takes more than the limit of virtual seconds, SkipError where the world is none for it.
        """
        self._check(algorithm)
        if algorithm.lockstep == "none":
            processes = Processes(self._testbed, algorithm, replicas, steps, progress)
            processes.run()
            return self._testbed.timeline(processes.order, processes.staleness)
        testbed = self._testbed
        split = testbed.scenario.split
        items = unrolled(
            algorithm,
            replicas,
            steps,
            pace=testbed.pace,
            messages=testbed.messages,
            local_steps_only=split.local_steps_only,
            rule=self._rule,
        )
        rendezvous = Rendezvous(testbed, Aggregation(testbed.scenario, self._rule), items, progress)
        rendezvous.run()
        return testbed.timeline(rendezvous.schedule, [])

    def _check(self, algorithm: Algorithm) -> None:
        """Raises SkipError where the scenario has what workers that do not move in step know nothing of."""
        scenario, roster = self._testbed.scenario, self._testbed.roster
        if not isinstance(scenario.participation, WaitForAll):
            raise SkipError("workers that do not move in step wait for all whom they meet: this participation leaves some out")
        stays = not np.isfinite(roster.until).any() and bool(roster.active.all())
        if not isinstance(scenario.failures, NoFailures) and not stays:
            raise SkipError("failures stop all clocks of workers that do not move in step, and this churn has some of its own")
        if scenario.verification.share:
            raise SkipError("verification checks the last reduction of all workers, and these do not move in step")
        if algorithm.lockstep == "none" and self._rule is not None and not self._rule.linear:
            raise SkipError("this aggregator needs several payloads at a time, and here each arrives by itself")
        if algorithm.needs_everybody and not stays:
            raise SkipError("each worker holds what the others cannot go on without, and this churn drops some")
