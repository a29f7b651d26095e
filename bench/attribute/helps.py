"""What would help a run: each knob turned once, all else equal, ranked by what it buys."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any

from bench.attribute.knobs import KNOBS
from bench.attribute.turned import Knob, Turned
from bench.attribute.variant import Clocked, Variant
from bench.data import Corpus
from bench.errors import ConfError, FitError, SkipError, VirtualTimeout
from bench.progress import Progress
from bench.record.learning import Learning, statistical_efficiency
from bench.run import LEARNING, Run
from bench.units import three_digits

Trial = tuple[Turned, Clocked]

EXACT = 1e-9
"""Relative difference up to which a factor is 1 but for rounding."""

LITTLE = 0.005
"""Relative difference that two decimals do not show."""


@dataclass(frozen=True)
class Help:
    """What one knob does, a factor a seed; all without unit, above 1 where it helps. None at all where it is left out.

    `learning` is the statistical efficiency with the knob over that without it: the tokens that the run needs to the lowest
    loss which both reach, over those with the knob. It is NaN where that was not trained, or if neither learns anything; 0 if
    only the knob's run does not, infinity if only it does. `buys` is seconds to that loss over those with the knob: throughput
    x learning, or throughput alone where learning is NaN. `efficiency` is what becomes of system efficiency x learning:
    devices that are twice as fast buy time, and wait for a larger share of it; those that are dropped still count.
    """

    knob: str
    text: str
    throughput: tuple[float, ...] = ()
    learning: tuple[float, ...] = ()
    buys: tuple[float, ...] = ()
    efficiency: tuple[float, ...] = ()
    reason: str = ""  # why it is left out

    @property
    def is_tie(self) -> bool:
        """Whether the interval of the seeds, from lowest to highest, has 1 in it."""
        return not self.reason and min(self.buys) <= 1 + EXACT and max(self.buys) >= 1 - EXACT


def what_helps(runs: Sequence[Run], progress: Progress, names: Mapping[str, str]) -> tuple[Help, ...]:
    """Every knob turned in each of `runs`, one a seed and of one conf otherwise: ranked, those that are left out last.

    `names` are the presets' by group. What keeps the schedule and all that is learnt from needs no training, and runs without
    a corpus have none at all. Raises SkipError, FitError or VirtualTimeout if a run has no clock even as it is.
    """
    label = f"what would help {names['scenario']} {names['algorithm']}"
    progress.say(f"{label}: {len(KNOBS)} knobs, each turned with {len(runs)} seed{'s' if len(runs) > 1 else ''}")
    bases = [Variant(run).clocked() for run in runs]
    trials = [[_clocked(knob, run) for run in runs] for knob in KNOBS]
    tried = [
        (knob, [trial for trial in trial_of if not isinstance(trial, str)], _reason(trial_of, runs))
        for knob, trial_of in zip(KNOBS, trials, strict=True)
    ]
    learnings = _Learnings(runs, bases)
    needed = sum(not reason and learnings.needs(trial_of) for _, trial_of, reason in tried)
    if needed and runs[0].corpus:
        progress.say(
            f"{label}: {needed} knobs change the learning: at most {needed + 1} trainings for each of {len(runs)} seeds"
        )
    helps = [
        Help(knob.name, knob.text, reason=reason) if reason else _help(knob, trial_of, bases, learnings.factors(trial_of))
        for knob, trial_of, reason in tried
    ]
    return tuple(sorted(helps, key=_rank))


def lines(helps: Iterable[Help]) -> list[str]:
    """A line for people on each knob that is not left out, in their order: the median over seeds, and lowest to highest."""
    shown = [each for each in helps if not each.reason]
    width = max((len(each.text) for each in shown), default=0)
    return [f"{each.text:<{width}}  {told(each)}" for each in shown]


def told(each: Help) -> str:
    """What a knob does, in words: what it buys, the interval over several seeds, and in brackets what that is made of."""
    if set(each.buys) == {1.0}:
        return "no difference"
    if all(abs(factor - 1) < LITTLE for factor in (*each.buys, *each.throughput)):
        return f"next to nothing (below {100 * LITTLE:g} %)"
    if each.is_tie:
        return f"no difference beyond the seeds' noise ({_interval(each.buys)})"
    parts = f"throughput {_times(each.throughput)}"
    parts += ", not trained" if any(map(math.isnan, each.learning)) else f", learning {_times(each.learning)}"
    if math.isinf(median(each.buys)):
        return f"learns, which the run as it is does not  ({parts})"
    if median(each.buys) == 0:
        return f"learns nothing  ({parts})"
    interval = f" [{_interval(each.buys)}]" if len(each.buys) > 1 else ""
    return f"{'buys' if median(each.buys) > 1 else 'leaves'} {_times(each.buys)}{interval}  ({parts})"


def as_dict(each: Help) -> dict[str, Any]:
    """A Help as JSON may hold it: NaN stays for the writer to make null of, infinity is a text."""
    return {
        name: ["inf" if value == math.inf else value for value in values] if isinstance(values, tuple) else values
        for name, values in asdict(each).items()
    }


def from_dict(record: Mapping[str, Any]) -> Help:
    """The Help that `as_dict` made such a record of, null being NaN."""
    values = {field.name: record[field.name] for field in fields(Help)}
    for name, given in values.items():
        if isinstance(given, list | tuple):
            values[name] = tuple(math.nan if value is None else float(value) for value in given)
    return Help(**values)


class _Learnings:
    """The learning of runs as they are, trained when it is first needed, and what trials of knobs learn beside it."""

    def __init__(self, runs: Sequence[Run], bases: Sequence[Clocked]) -> None:
        self._runs, self._bases = runs, bases
        self._known: dict[int, Learning] = {}  # by place in `runs`

    def needs(self, trials: Sequence[Trial]) -> bool:
        """Whether any of these, one a run, is another learning than that of its run."""
        return any(not self._same(seed, trial) for seed, trial in enumerate(trials))

    def factors(self, trials: Sequence[Trial]) -> tuple[float, ...]:
        """The factor on learning of each; exactly 1 where nothing that is learnt from differs."""
        return tuple(1.0 if self._same(seed, trial) else self._factor(seed, trial) for seed, trial in enumerate(trials))

    def _same(self, seed: int, trial: Trial) -> bool:
        turned, clocked = trial
        before, after = self._runs[seed].conf, turned.variant.run.conf
        same_settings = all(before[name] == after[name] for name in LEARNING)
        return same_settings and clocked.schedule.digest() == self._bases[seed].schedule.digest()

    def _factor(self, seed: int, trial: Trial) -> float:
        corpus: Corpus | None = self._runs[seed].corpus
        if corpus is None:
            return math.nan
        if seed not in self._known:
            self._known[seed] = Variant(self._runs[seed]).learning(self._bases[seed], corpus)
        before, (turned, clocked) = self._known[seed], trial
        after = turned.variant.learning(clocked, corpus)
        if math.isnan(before.best):
            return math.nan if math.isnan(after.best) else math.inf
        return 0.0 if math.isnan(after.best) else statistical_efficiency(after, before)


def _clocked(knob: Knob, run: Run) -> Trial | str:
    """The run with the knob turned, and its clock; or why there is none."""
    try:
        turned = knob.turn(run)
        return turned if isinstance(turned, str) else (turned, turned.variant.clocked())
    except SkipError as error:
        return f"skipped: {error}"
    except FitError as error:
        return f"does not fit: {error}"
    except VirtualTimeout as error:
        return f"timeout: {error}"
    except ConfError as error:
        return str(error)


def _reason(trials: Sequence[Trial | str], runs: Sequence[Run]) -> str:
    """Why a knob is left out, if it has no clock with some seed; else an empty text."""
    why = {run.conf["seed"]: trial for run, trial in zip(runs, trials, strict=True) if isinstance(trial, str)}
    if not why:
        return ""
    seed, reason = next(iter(why.items()))
    return reason if len(why) == len(runs) else f"with seed {seed}: {reason}"


def _help(knob: Knob, trials: Sequence[Trial], bases: Sequence[Clocked], learning: tuple[float, ...]) -> Help:
    pairs = list(zip(trials, bases, strict=True))
    throughput = tuple(_ratio(after.tokens_per_second, before.tokens_per_second) for (_, after), before in pairs)
    ideal = tuple(_ratio(after.ideal * turned.ideal, before.ideal) for (turned, after), before in pairs)
    learnt = [1.0 if math.isnan(factor) else factor for factor in learning]
    buys = tuple(speed * factor for speed, factor in zip(throughput, learnt, strict=True))
    efficiency = tuple(bought / devices for bought, devices in zip(buys, ideal, strict=True))
    return Help(knob.name, trials[0][0].text or knob.text, throughput, learning, buys, efficiency)


def _ratio(after: float, before: float) -> float:
    """What rounding makes of 1 is 1: else a knob that does nothing would have a sign."""
    ratio = after / before
    return 1.0 if abs(ratio - 1) <= EXACT else ratio


def _rank(each: Help) -> tuple[bool, float]:
    """Those that are left out last, the others by the median of what they buy; equal ones stay in the order of KNOBS."""
    return bool(each.reason), 0.0 if each.reason else -median(each.buys)


def _times(values: Sequence[float]) -> str:
    middle = median(values)
    return "∞x" if math.isinf(middle) else f"{three_digits(middle)}x"


def _interval(values: Sequence[float]) -> str:
    return "–".join("∞" if math.isinf(value) else three_digits(value) for value in (min(values), max(values)))
