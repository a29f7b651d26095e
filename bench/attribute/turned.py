"""A knob of a run, and a run with it turned."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.attribute.variant import Variant
from bench.run import Run


@dataclass(frozen=True)
class Turned:
    """A run with a knob turned."""

    variant: Variant
    text: str = ""  # what was done, where the knob's own text does not say it all
    ideal: float = 1.0  # by which the ideal throughput that the variant's clock finds is too low


@dataclass(frozen=True)
class Knob:
    """One thing that could be better; `turn` gives the run with it, or why it does nothing there."""

    name: str
    text: str
    turn: Callable[[Run], Turned | str]
