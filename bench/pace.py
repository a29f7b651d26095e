"""How long each worker's own work takes: steps, and passing payloads through a codec."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.devices import Fleet, Work, kind_seconds, step_seconds
from bench.errors import FitError
from bench.jitter import Jitter
from bench.split import Split
from bench.units import size_text

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Amount = int | Ints
"""Local steps: of each worker alike, or (W,)."""


@dataclass(frozen=True)
class Load:
    """What encoding or decoding a payload asks of a device."""

    memory_bytes: float  # through its memory
    flops: float

    def __mul__(self, times: float) -> "Load":
        return Load(times * self.memory_bytes, times * self.flops)

    def __add__(self, other: "Load") -> "Load":
        return Load(self.memory_bytes + other.memory_bytes, self.flops + other.flops)


@dataclass(frozen=True)
class Coding:
    """A codec at work on one payload, as far as the clock is concerned."""

    wire_bytes: int  # of the encoding
    traffic: str  # all_reduce, sharded or all_gather: how encodings travel
    rounds: int  # all-reduces, one after the other, in which one does
    first: Load  # of encoding what a worker sends, with what error feedback adds
    encode: Load  # of encoding the aggregate
    decode: Load  # of decoding one payload


@dataclass(frozen=True)
class Activations:
    """What lies between the layers of the shape that is timed."""

    layers: int
    tokens: int  # of a sequence
    width: int  # numbers a token


@dataclass(frozen=True)
class Workload:
    """What one worker computes in one step, and what it must hold, for the shape that is timed."""

    work: Callable[[int], Work]  # of a step of so many sequences
    sequences: int  # of a step, in an equal split
    state_bytes: float  # parameters and optimizer state: what a returner downloads
    resident_bytes: float  # state and gradient: what must fit in a device's memory
    activations: Activations | None = None  # for a model that is cut between layers
    step_seconds: Floats | None = None  # (W,) of a step of an equal split, measured or given: stands in for the roofline


class Pace:
    """The seconds of a workload on each device of a fleet; raises FitError where it does not fit.

    Where the workload gives the seconds of a step, one of more or fewer sequences takes as much longer or shorter.
    """

    def __init__(self, fleet: Fleet, jitter: Jitter, workload: Workload, split: Split, seed: int) -> None:
        short = workload.resident_bytes - fleet.memory  # (W,)
        if short.max() > 0:
            raise FitError(
                f"parameters, gradient and optimizer state take {size_text(workload.resident_bytes)}, "
                f"{size_text(short.max())} more than the memory of {fleet.names[short.argmax()]}"
            )
        self.step_seconds = _equal_step_seconds(fleet, workload)  # (W,) mean, of an equal split, unhindered
        self.effort = split.effort(self.step_seconds)
        self._sequences = self.effort.sequences(workload.sequences, len(self.step_seconds))
        if self.effort.batch is None:
            self._seconds = self.step_seconds  # (W,)
        elif workload.step_seconds is None:
            self._seconds = _step_seconds(fleet, workload, self._sequences)
        else:
            self._seconds = self.step_seconds * self._sequences / workload.sequences
        self._fleet, self._jitter, self._seed = fleet, jitter, seed
        self._draws = 0  # of step jitter

    def local_steps(self, steps: int) -> Amount:
        """Local steps of a Train of `steps`: one number where all take the same, else (W,)."""
        return steps if self.effort.steps is None else self.effort.local_steps(steps, len(self.step_seconds))

    def work(self, ranks: Ints, local: Amount) -> tuple[int, int]:
        """Steps, and sequences in them, of all of `ranks` together if each takes its `local` steps."""
        if isinstance(local, int) and self.effort.batch is None:
            return local * len(ranks), local * len(ranks) * int(self._sequences[0])
        steps = np.broadcast_to(local, len(self._sequences))[ranks]
        return int(steps.sum()), int((steps * self._sequences[ranks]).sum())

    def compute(self, ranks: Ints, steps: Amount, now: float, draw: int | None = None) -> Floats:
        """Seconds in which each of `ranks` takes its local `steps`, from the virtual second `now` on.

        `draw` numbers the drawing of the jitter; by itself each call is one more.
        """
        taken = steps if isinstance(steps, int) else steps[ranks]
        if draw is None:
            draw = self._draws
            self._draws += 1
        return self._jitter.seconds(self._seed, ranks, self._seconds[ranks], taken, draw, now)

    def code(self, ranks: Ints, load: Load) -> Floats:
        """Seconds in which each of `ranks` encodes or decodes what asks that `load` of its device."""
        return code_seconds(self._fleet, ranks, load)


def code_seconds(fleet: Fleet, ranks: Ints, load: Load) -> Floats:
    """Seconds of a `load` on the devices of `ranks`, (n,): of its memory traffic or its arithmetic, whichever takes longer."""
    return np.maximum(load.memory_bytes / fleet.memory_bandwidth[ranks], load.flops / fleet.peak[ranks])


def _equal_step_seconds(fleet: Fleet, workload: Workload) -> Floats:
    """The mean seconds of each worker's step in an equal split, (W,): those that are given, else those of its device."""
    given, workers = workload.step_seconds, len(fleet.kind)
    if given is None:
        return step_seconds(fleet, workload.work(workload.sequences))
    if given.shape != (workers,):
        raise ValueError(f"step_seconds must be of {workers} workers, got shape {given.shape}")
    if not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"step_seconds must be above 0 s and finite, got {given.tolist()}")
    return given


def _step_seconds(fleet: Fleet, workload: Workload, sequences: Ints) -> Floats:
    """The mean seconds of each worker's step, (W,); priced once for each kind of device and number of sequences."""
    counts, which = np.unique(sequences, return_inverse=True)
    table = np.array([kind_seconds(fleet, workload.work(int(count))) for count in counts])
    return table[which, fleet.kind]
