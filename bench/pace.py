"""How long each worker's own work takes: steps, and passing payloads through a codec."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bench.devices import Fleet, jittered_steps, step_seconds
from bench.errors import FitError
from bench.seeds import uniforms
from bench.units import size_text

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Workload:
    """What one worker computes in one step, and what it must hold, for the shape that is timed."""

    flops: float  # a step
    traffic_bytes: float  # memory traffic of a step
    state_bytes: float  # parameters and optimizer state: what a returner downloads
    resident_bytes: float  # state and gradient: what must fit in a device's memory


class Pace:
    """The seconds of a workload on each device of a fleet; raises FitError where it does not fit."""

    def __init__(self, fleet: Fleet, workload: Workload, seed: int) -> None:
        short = workload.resident_bytes - fleet.memory  # (W,)
        if short.max() > 0:
            raise FitError(
                f"parameters, gradient and optimizer state take {size_text(workload.resident_bytes)}, "
                f"{size_text(short.max())} more than the memory of {fleet.names[short.argmax()]}"
            )
        self.step_seconds = step_seconds(fleet, workload.flops, workload.traffic_bytes)  # (W,)
        self._fleet, self._seed = fleet, seed
        self._draws = 0  # of step jitter

    def compute(self, ranks: Ints, steps: int) -> Floats:
        """Seconds in which each of `ranks` takes `steps` steps, jitter drawn from the stream (seed, "jitter")."""
        seconds = self.step_seconds[ranks] * steps
        jitter = self._fleet.jitter
        if jitter and steps:
            u = uniforms(self._seed, "jitter", ranks=ranks, draws=self._draws)
            seconds = self.step_seconds[ranks] * jittered_steps(steps, jitter, ndtri(u))
        self._draws += 1
        return seconds

    def code(self, ranks: Ints, nbytes: int) -> Floats:
        """Seconds in which each of `ranks` encodes a payload, or decodes one: `nbytes` through its device's memory."""
        return nbytes / self._fleet.memory_bandwidth[ranks] if nbytes else np.zeros(len(ranks))
