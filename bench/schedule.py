"""Who took part in what: the only thing that the Trainer learns from the Simulator."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Round:
    """The local steps between two synchronisations, and whose result entered the second."""

    steps: int
    counted: Mask  # (W,) finished in time and stayed to the end
    joined: Mask  # (W,) came back before this round, with state downloaded from the others


@dataclass
class Schedule:
    """The rounds of a run, in order. Masks are kept packed: a million workers take 250 kB a round."""

    workers: int
    steps: list[int] = field(default_factory=list)
    _masks: list[bytes] = field(default_factory=list)

    def append(self, steps: int, counted: Mask, joined: Mask) -> None:
        self.steps.append(steps)
        self._masks.append(np.packbits(np.stack([counted, joined]), axis=1).tobytes())

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> Round:
        packed = np.frombuffer(self._masks[index], np.uint8).reshape(2, -1)
        counted, joined = np.unpackbits(packed, axis=1, count=self.workers).astype(bool)
        return Round(self.steps[index], counted, joined)

    def digest(self) -> str:
        """A name for this schedule: equal schedules, whatever world they come from, train the same model."""
        text = repr((self.workers, self.steps)).encode() + b"".join(self._masks)
        return hashlib.sha256(text).hexdigest()
