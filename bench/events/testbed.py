"""The hardware of a run of workers that do not move in step, its clock, and what it has achieved so far."""

import numpy as np

from bench.codings import Codings
from bench.errors import VirtualTimeout
from bench.events.agenda import Agenda
from bench.events.messages import Messages
from bench.pace import Amount, Load, Pace, Workload
from bench.roster import Ints, Roster
from bench.scenario import Scenario
from bench.schedule import Order, Schedule
from bench.tape import Tape
from bench.timeline import Floats, Ledger, Span, Timeline, in_order
from bench.units import seconds_text
from bench.verification import Hostile


class Testbed:
    """What the interpreters of such programs share. Raises FitError where the workload does not fit a device."""

    def __init__(
        self,
        scenario: Scenario,
        workload: Workload,
        codings: Codings,
        max_virtual: float,
        hostile: Hostile | None,
        *,
        spans: bool = False,
        tape: Tape | None = None,
    ) -> None:
        workers, seed = scenario.workers, scenario.seed
        self.scenario, self.workers = scenario, workers
        self.pace = Pace(scenario.fleet, scenario.jitter, workload, scenario.split, seed)
        self.ledger = Ledger(workers, tape)
        self.roster = Roster(
            churn=scenario.churn,
            paths=scenario.paths,
            changes=scenario.changes,
            recovery=scenario.recovery,
            state_bytes=workload.state_bytes,
            ledger=self.ledger,
            seed=seed,
        )
        self.agenda = Agenda(self.roster, max_virtual)
        self.messages = Messages(scenario.paths, codings)
        self.round_end, self.round_steps = list[float](), list[int]()
        self._interruptions = scenario.failures.interruptions(seed, workers)
        self._stood_still, self._round_begin, self._failures = 0.0, 0.0, 0
        self._max_virtual = max_virtual
        self._counted_steps = self._counted_sequences = 0
        self._hostile = hostile
        self._ranks = np.arange(workers)
        self._spans: list[Span] | None = [] if spans else None  # of what is over, if they are asked for
        self._local: dict[int, Amount] = {}

    @property
    def now(self) -> float:
        """The virtual second."""
        return self.roster.now

    @property
    def second(self) -> float:
        """The virtual second of the timeline, which has stood still where failures stopped the clocks."""
        return self.roster.now + self._stood_still

    def span(self, word: str, index: int, node: int, wire_bytes: float, began: float, members: tuple[int, ...] = ()) -> None:
        """An operation that moved bytes is over now, which `began` at a second of the timeline."""
        if self._spans is not None:
            self._spans.append(Span(word, index, node, float(wire_bytes), began, self.second, members))

    def local_steps(self, steps: int, rank: int) -> int:
        """Local steps of `rank` in a Train of `steps`."""
        if steps not in self._local:
            self._local[steps] = self.pace.local_steps(steps)
        local = self._local[steps]
        return local if isinstance(local, int) else int(local[rank])

    def step_seconds(self, rank: int, local: int, draw: int) -> float:
        """Seconds in which `rank` takes `local` steps from now on; `draw` numbers its drawings of the jitter."""
        return float(self.pace.compute(self._ranks[rank : rank + 1], local, self.now, draw)[0])

    def codec_seconds(self, rank: int, load: Load) -> float:
        """Seconds in which `rank` encodes or decodes what asks that `load` of its device."""
        return float(self.pace.code(self._ranks[rank : rank + 1], load)[0])

    def count(self, ranks: Ints, local: Amount, compute: Floats | float, step: int, until: Floats | float) -> None:
        """Work of `ranks`, (n,), up to the program step `step` entered the model, or their attacks did.

        `local` are the steps that each takes, or of all (W,), and `compute` their seconds, (n,), up to those of `until`, (n,).
        """
        hostile = self._hostile
        if hostile is not None and step > hostile.start and hostile.members[ranks].any():
            bad = hostile.members[ranks]  # (n,)
            compute, until = np.broadcast_to(compute, ranks.shape), np.broadcast_to(until, ranks.shape)
            self.ledger.charge("discarded", ranks[bad], compute[bad], until=until[bad])
            ranks, compute, until = ranks[~bad], compute[~bad], until[~bad]
        self.ledger.charge("compute", ranks, compute, until=until)
        steps, sequences = self.pace.work(ranks, local)
        self._counted_steps += steps
        self._counted_sequences += sequences

    def end_round(self, steps: int) -> None:
        """So many program steps are done now.

        A cluster's failures make all of it stand still then, clocks and links included: the second `now` does not know of it,
        those of the timeline do.
        """
        end = self.second
        pause = self._interruptions.after(self._round_begin, end) if self._interruptions else None
        if pause is not None:
            self.ledger.failed(pause.failures, end)
            self.ledger.stand_still(
                self.now, {name: getattr(pause, name) for name in ("checkpoint", "discarded", "recovering")}
            )
            self._stood_still += pause.seconds
            self._failures += pause.failures
            end += pause.seconds
            if end >= self._max_virtual:
                limit = seconds_text(self._max_virtual)
                raise VirtualTimeout(f"after {len(self.round_end)} rounds the virtual clock passed max_virtual = {limit}")
        self._round_begin = end
        self.round_end.append(end)
        self.round_steps.append(steps)

    def timeline(self, schedule: Schedule | Order, staleness: list[int]) -> Timeline:
        """The timeline of a run that ends now, whose workers' ledgers are complete but for the absent."""
        roster, workers = self.roster, self.workers
        roster.settle()
        seconds = self.second
        self.ledger.check(seconds)
        self.round_end[-1] = seconds  # what was left in the air belongs to the last round
        carried: Floats = roster.carried
        return Timeline(
            virtual_seconds=seconds,
            round_end=np.array(self.round_end),
            round_steps=np.array(self.round_steps),
            counted_steps=self._counted_steps,
            counted_sequences=self._counted_sequences,
            sent=carried[:workers],
            received=carried[workers : 2 * workers],
            drops=roster.drops,
            failures=self._failures,
            banned=0,
            ledger=self.ledger,
            schedule=schedule,
            staleness=float(np.mean(staleness)) if staleness else 0.0,
            staleness_max=max(staleness, default=0),
            spans=in_order(self._spans),
            intervals=self.ledger.intervals(seconds),
        )
