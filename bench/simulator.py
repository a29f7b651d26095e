"""The Simulator says when: it runs an algorithm's program on shadow tensors and moves a virtual clock."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bench.algorithm import Algorithm, AllReduce, Backward, Train
from bench.codec import Codec
from bench.devices import jittered_steps, step_seconds
from bench.errors import FitError, VirtualTimeout
from bench.replicas import Replicas
from bench.roster import Roster
from bench.scenario import Scenario
from bench.schedule import Schedule
from bench.seeds import uniforms
from bench.timeline import Ledger, Timeline
from bench.units import seconds_text, size_text

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Workload:
    """What one worker computes in one step, and what it must hold, for the shape that is timed."""

    flops: float  # a step
    traffic_bytes: float  # memory traffic of a step
    state_bytes: float  # parameters and optimizer state: what a returner downloads
    resident_bytes: float  # state and gradient: what must fit in a device's memory


class Simulator:
    """A lockstep interpreter: one program drives all workers, vectorised over them.

    All workers begin a round together. Each computes; those that finish in time and stay up count; who drops out loses its
    work since the last synchronisation, who is late does too but stays. A drop in the middle of an all-reduce makes the
    others begin it anew without it. If nobody is left, the round is done again by those who return.
    """

    def __init__(self, scenario: Scenario, workload: Workload, codec: Codec, max_virtual: float) -> None:
        fleet = scenario.fleet
        short = workload.resident_bytes - fleet.memory  # (W,)
        if short.max() > 0:
            raise FitError(
                f"parameters, gradient and optimizer state take {size_text(workload.resident_bytes)}, "
                f"{size_text(short.max())} more than the memory of {fleet.names[short.argmax()]}"
            )
        self.step_seconds = step_seconds(fleet, workload.flops, workload.traffic_bytes)  # (W,)
        self._scenario, self._codec, self._max_virtual = scenario, codec, max_virtual
        self._ledger = Ledger(scenario.workers)
        self._roster = Roster(
            churn=scenario.churn,
            paths=scenario.paths,
            changes=scenario.changes,
            state_bytes=workload.state_bytes,
            ledger=self._ledger,
            seed=scenario.seed,
        )
        self._schedule = Schedule(scenario.workers)
        self._round_end: list[float] = []
        self._counted_steps = 0
        self._draws = 0  # of step jitter
        self._joined = np.zeros(scenario.workers, bool)

    def run(
        self, algorithm: Algorithm, replicas: Replicas, steps: int, progress: Callable[[int], None] = lambda done: None
    ) -> Timeline:
        """The timeline of at least `steps` program steps, ending with a synchronisation; calls `progress(steps done)`.

        Raises VirtualTimeout where that takes more than the limit of virtual seconds.
        """
        program = algorithm.run(replicas)
        operation = next(program)
        done = pending = 0
        synchronised = False  # the round's first reduction is over
        while True:
            match operation:
                case Train() | Backward():
                    if synchronised:
                        if done >= steps:
                            break
                        self._joined |= self._roster.join()
                        synchronised = False
                    pending += operation.steps if isinstance(operation, Train) else 1
                    answer = replicas.params if isinstance(operation, Backward) else None
                case AllReduce():
                    counted = self._reduce(pending, operation)
                    if synchronised:
                        self._round_end[-1] = self._roster.now
                    else:
                        self._end_round(pending, counted)
                        done, pending, synchronised = done + pending, 0, True
                        progress(done)
                    answer = operation.payload[:1]
            operation = program.send(answer)
        program.close()
        return self._timeline()

    def _end_round(self, steps: int, counted: Ints) -> None:
        mask = np.zeros(self._scenario.workers, bool)
        mask[counted] = True
        self._schedule.append(steps, mask, self._joined & mask)
        self._joined &= ~mask
        self._counted_steps += steps * len(counted)
        self._round_end.append(self._roster.now)

    def _reduce(self, steps: int, operation: AllReduce) -> Ints:
        """`steps` of compute, then the reduction, again until somebody's work counts; returns whose did."""
        row = operation.payload[:1]
        encoded = self._codec.encode(row)
        wire_bytes = sum(part.nbytes for part in encoded)
        # A codec that changes anything reads one form and writes the other, through the device's memory.
        codec_bytes = 0 if self._codec.exact else row.nbytes + wire_bytes
        codec_seconds = codec_bytes / self._scenario.fleet.memory_bandwidth  # (W,)
        while (counted := self._attempt(steps, codec_seconds, wire_bytes)) is None:
            if not self._roster.active.any():
                self._roster.wait_for_somebody(self._max_virtual)
            self._check_limit()
            self._joined |= self._roster.join()
        self._check_limit()
        return counted

    def _attempt(self, steps: int, codec_seconds: Floats, wire_bytes: float) -> Ints | None:
        """One try at a round; returns the ranks that counted, or None if none did."""
        roster, charge = self._roster, self._ledger.charge
        start = roster.now
        ranks = np.flatnonzero(roster.active)  # (n,)
        compute = self._compute_seconds(ranks, steps)
        ready = start + compute + codec_seconds[ranks]  # encoded
        begin = self._begin(ranks, ready, start)
        stays = roster.until[ranks] > begin
        left = self._lose(ranks[~stays], start)
        if not stays.any():
            roster.advance(left.max(initial=start))  # the round is over when the last of them has gone
            return None
        ranks, compute, ready = ranks[stays], compute[stays], ready[stays]
        roster.advance(begin)

        kept, wasted, latency, bandwidth = self._ring(ranks, wire_bytes, start)
        ranks, compute, ready = ranks[kept], compute[kept], ready[kept]
        on_time = ready <= begin
        if not on_time.any():
            # Only late ones are left: there is nothing to aggregate, and the round is done again.
            charge("discarded", ranks, roster.now - start)
            return None
        decode = codec_seconds[ranks]
        roster.advance(roster.now + decode.max())
        counted, late = ranks[on_time], ranks[~on_time]
        charge("compute", counted, compute[on_time])
        charge("codec", counted, codec_seconds[counted])
        charge("straggler_wait", counted, begin - ready[on_time])
        charge("discarded", late, begin - start)
        charge("discarded", ranks, wasted)
        charge("latency", ranks, latency)
        charge("bandwidth", ranks, bandwidth)
        charge("codec", ranks, decode)
        charge("straggler_wait", ranks, decode.max() - decode)
        return counted

    def _begin(self, ranks: Ints, ready: Floats, start: float) -> float:
        """The second at which the reduction begins, infinity if nobody lives to be ready."""
        until = np.maximum(self._roster.until[ranks], start)
        lives = until > ready
        if not lives.any():
            return np.inf
        begin = self._scenario.participation.begin(ready, until, start)
        if not (lives & (ready <= begin) & (until > begin)).any():
            # All that were ready dropped out while they waited: the next one to be ready begins.
            begin = float(ready[lives & (ready > begin)].min(initial=np.inf))
        return begin

    def _ring(self, ranks: Ints, nbytes: float, start: float) -> tuple[NDArray[np.bool_], float, float, float]:
        """The ring among `ranks`, begun anew without whoever drops out of it.

        Returns who stayed, (n,), and seconds: wasted on broken attempts, of latency, and of bandwidth.
        """
        roster, kept, wasted = self._roster, np.ones(len(ranks), bool), 0.0
        while kept.any():
            self._check_limit()
            begin = roster.now
            (transfer,) = self._scenario.all_reduce(ranks[kept], nbytes)
            number = roster.fluid.start(transfer)
            drop = roster.until[ranks[kept]].min()
            while roster.now < drop:
                if number in roster.advance(min(roster.next_event(), drop)):
                    return kept, wasted, transfer.latency, roster.now - (begin + transfer.latency)
            roster.fluid.cancel(number)
            gone = kept & (roster.until[ranks] <= roster.now)
            self._lose(ranks[gone], start)
            kept &= ~gone
            wasted += roster.now - begin
        return kept, wasted, 0.0, 0.0

    def _lose(self, ranks: Ints, start: float) -> Floats:
        """`ranks` drop out, and with them what they did since `start`; returns when they do."""
        left = self._roster.leave(ranks)
        self._ledger.charge("discarded", ranks, left - start)
        return left

    def _compute_seconds(self, ranks: Ints, steps: int) -> Floats:
        """Seconds in which each of `ranks` takes `steps` steps, jitter drawn from the stream (seed, "jitter")."""
        seconds = self.step_seconds[ranks] * steps
        jitter = self._scenario.fleet.jitter
        if jitter and steps:
            u = uniforms(self._scenario.seed, "jitter", ranks=ranks, draws=self._draws)
            seconds = self.step_seconds[ranks] * jittered_steps(steps, jitter, ndtri(u))
        self._draws += 1
        return seconds

    def _check_limit(self) -> None:
        if self._roster.now >= self._max_virtual:
            raise VirtualTimeout(
                f"after {len(self._schedule)} rounds the virtual clock passed max_virtual = {seconds_text(self._max_virtual)}"
            )

    def _timeline(self) -> Timeline:
        self._roster.settle()
        self._ledger.check(self._roster.now)
        workers, carried = self._scenario.workers, self._roster.fluid.carried
        return Timeline(
            virtual_seconds=self._roster.now,
            round_end=np.array(self._round_end),
            counted_steps=self._counted_steps,
            sent=carried[:workers],
            received=carried[workers : 2 * workers],
            ledger=self._ledger,
            schedule=self._schedule,
        )
