"""The corners of attribution: a run with each choice of its switches ideal, clocked, and what each of them learns."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from bench.attribute.reference import clocked_reference, plain_conf
from bench.attribute.shapley import Coalition
from bench.attribute.switches import TIMED, off, variant
from bench.attribute.variant import Clocked
from bench.errors import FarbenchError, FitError, SkipError, VirtualTimeout
from bench.progress import Progress
from bench.record import Store
from bench.record.learning import Learning, statistical_efficiency
from bench.run import Run
from bench.world import Conf

STATUSES = {SkipError: "skipped", FitError: "does_not_fit", VirtualTimeout: "timeout"}


class NoCorner(FarbenchError):
    """A corner has no figures: the `status` that a row of it would have, and why, naming the corner."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Corner:
    """One choice of switches: how fast it goes, and what it learns if that is asked for."""

    real: Coalition  # switches that are not ideal, of those that the clock sees
    run: Run  # its conf has the adversaries and the defence, or has neither
    clocked: Clocked
    statistical_efficiency: float = math.nan  # of its own learning; NaN where it is not known, or it learns nothing
    curve_digest: str = ""

    @property
    def system_efficiency(self) -> float:
        return self.clocked.tokens_per_second / self.clocked.ideal

    @property
    def efficiency(self) -> float:
        """Of the clock alone, where nothing was trained."""
        return self.system_efficiency * (self.statistical_efficiency if self.curve_digest else 1.0)


class Corners:
    """All corners of a run for one seed."""

    def __init__(self, conf: Conf, names: Mapping[str, str], store: Store) -> None:
        quiet = Progress("none")
        self.run = Run(conf, store, quiet)
        self.honest = Run(plain_conf(conf), store, quiet)  # nobody bad, nobody checked
        self.off = off(self.run)
        self.found: dict[Coalition, Corner] = {}  # by switches that are real, of those that the clock sees
        self.reference_digest = ""  # of its curve, once it has been learnt
        self._names = names

    @cached_property
    def reference(self) -> tuple[Run, Clocked]:
        """The synchronous reference, and its clock."""
        return clocked_reference(self.run.conf, self._names, self.run.store)

    @property
    def left(self) -> float:
        """The log slowdown that is left where all is ideal. Raises NoCorner."""
        ideal = self._clocked(frozenset(), frozenset(TIMED) - (self.off.keys() - {"overheads"}))
        return -math.log(ideal.system_efficiency)

    def clock(self, switches: Sequence[str], progress: Callable[[], None]) -> None:
        """Simulate every choice of `switches`; all others are real, which makes no difference. Raises NoCorner."""
        for real in choices(name for name in switches if name in TIMED):
            self.found[real] = self._clocked(real, frozenset(switches) - real)
            progress()

    def _clocked(self, real: Coalition, ideal: Coalition) -> Corner:
        run = self.honest if "adversaries" in ideal else self.run
        try:
            clocked = variant(run, ideal).clocked()
        except (SkipError, FitError, VirtualTimeout) as error:
            raise NoCorner(STATUSES[type(error)], f"{error} (seed {run.conf['seed']}, {named(real)})") from error
        if not clocked.tokens > 0:
            raise NoCorner("skipped", f"nobody's work enters the model (seed {run.conf['seed']}, {named(real)})")
        return Corner(real, run, clocked)

    def to_train(self) -> dict[str, tuple[Run, Clocked]]:
        """The curves that the corners and the reference need, by name, each with a run that trains it; the reference first."""
        corpus = self.run.corpus
        assert corpus is not None
        needed = [self.reference, *((corner.run, corner.clocked) for corner in reversed(list(self.found.values())))]
        curves: dict[str, tuple[Run, Clocked]] = {}
        for run, clocked in needed:
            curves.setdefault(run.curve_name(clocked.schedule, corpus), (run, clocked))
        return curves

    def learn(self, curves: Mapping[str, Learning]) -> None:
        """Give each corner what it learns, by curves of `to_train`."""
        run, clocked = self.reference
        self.reference_digest, reference = self._learning(run, clocked, curves)
        for real, corner in self.found.items():
            name, learning = self._learning(corner.run, corner.clocked, curves)
            share = statistical_efficiency(learning, reference)
            self.found[real] = replace(corner, statistical_efficiency=share, curve_digest=name)

    def _learning(self, run: Run, clocked: Clocked, curves: Mapping[str, Learning]) -> tuple[str, Learning]:
        assert run.corpus is not None
        name = run.curve_name(clocked.schedule, run.corpus)
        return name, replace(curves[name], tokens=clocked.tokens)

    def game(self, switches: Sequence[str]) -> dict[Coalition, float]:
        """The log slowdown of every choice of real `switches`, less what is left where all is ideal unless overheads are real.

        What is left belongs to overheads: a pipeline's bubble, the work of backup workers.
        """
        clock = {real: -math.log(corner.system_efficiency) for real, corner in self.found.items()}
        left = clock[frozenset()]
        values = {}
        for real in choices(switches):
            timed = real - {"statistics"}
            value = clock[timed] - (0.0 if "overheads" in real else left)
            if "statistics" in real:
                value -= math.log(self.found[timed].statistical_efficiency)
            values[real] = value
        return values


def choices(switches: Iterable[str]) -> list[Coalition]:
    """All subsets, the smallest first."""
    every = list(switches)
    return [frozenset(some) for size in range(len(every) + 1) for some in combinations(every, size)]


def named(real: Coalition) -> str:
    """A corner in words."""
    names = [name for name in TIMED if name in real]
    return f"with {', '.join(names)} real, all else ideal" if names else "with all ideal"
