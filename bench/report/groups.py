"""Rows that belong together: what a glance at scenarios, algorithms and seeds holds all else equal for."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from bench.record import Row
from bench.record.command import setting_of, without_seed
from bench.report.cell import Cell
from bench.report.projected import SCENARIOS

FIRST = ("ddp", "local_sgd", "diloco")
"""The algorithms that others are measured against come first, the others by name."""

QUIET = ("hydra.mode",)
"""Settings that tell no two rows of a group apart, besides the seed."""

WORDS = {
    "diverged": "the loss is not finite",
    "timeout": "longer than max_virtual",
    "does_not_fit": "too large for its devices",
    "skipped": "what does not go together",
    "error": "it broke off",
    "not trained": "the clock only",
    "learnt nothing": "it does not end below where it began",
    "never": "it does not come to the target",
    "no cluster": "no row of the cluster with as many workers learns the same and comes as far",
}
"""What stands in place of a number, and what it says; no other word does."""

OF_TARGETS = ("target_seconds", "versus_cluster")
"""Columns that are not known of a row which does not come to the target."""

Number = Callable[[Row], float | str]
"""What a row says: a number, a word, or NaN for nothing."""


@dataclass(frozen=True)
class Group:
    """Rows of one workload and number of workers whose commands set the same but for what may differ.

    settings: what all of them set besides. rows: lines of `bench.report.frame.compared`, in the order of tables.
    """

    settings: str
    workers: int
    workload: str
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """As a title has it."""
        return f"{self.settings or 'as the presets are'}, {self.workers:g} worker{'s' if self.workers != 1 else ''}"

    @property
    def scenarios(self) -> list[str]:
        """In the order of tables."""
        return list(dict.fromkeys(row["scenario"] for row in self.rows))

    @property
    def algorithms(self) -> list[str]:
        """In the order of tables."""
        return sorted({row["algorithm"] for row in self.rows}, key=_algorithm)

    @cached_property
    def pairs(self) -> dict[tuple[str, str], list[Row]]:
        """The rows of each scenario and algorithm: a seed each; in the order of tables."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row["scenario"], row["algorithm"]), []).append(row)
        return found

    def cell(self, scenario: str, algorithm: str, number: Number) -> Cell:
        """What the rows of one pair say."""
        return Cell.of((number(row), row["key"]) for row in self.pairs.get((scenario, algorithm), ()))

    def line(self, scenario: str, number: Number) -> dict[str, Cell]:
        """What the rows of one scenario say, by algorithm."""
        return {algorithm: self.cell(scenario, algorithm, number) for algorithm in self.algorithms}

    @property
    def task(self) -> str:
        """What all rows learn."""
        first = self.rows[0]
        target = "" if math.isnan(first["target_loss"]) else f"; target loss {first['target_loss']:.3f}"
        return f"{first['model']} trained, timed as {first['timed_as']}; workload {self.workload[:8]}{target}"

    def notes(self) -> list[str]:
        """The task, and seeds of which a pair has several rows: they are more than a seed's noise apart."""
        count: dict[tuple[str, str, int], int] = {}
        for row in self.rows:
            place = row["scenario"], row["algorithm"], int(row["seed"])
            count[place] = count.get(place, 0) + 1
        return [self.task] + [
            f"{scenario}, {algorithm}: {number} rows have seed {seed}; all are shown, and they differ in more than a seed"
            for (scenario, algorithm, seed), number in count.items()
            if number > 1
        ]


def groups(frame: pd.DataFrame, differ: Sequence[str] = ("scenario", "algorithm")) -> list[Group]:
    """The rows of a frame that differ only in scenario, algorithm, seed and the settings in `differ`, by settings."""
    found: dict[tuple[str, int, str], list[Row]] = {}
    rows, without = lines_of(frame), (*differ, *QUIET)
    for row, texts in zip(rows, without_seed(rows), strict=True):
        settings = " ".join(sorted(text for text in texts if setting_of(text) not in without))
        place = settings, row["workers"], row["workload"]
        found.setdefault(place, []).append(row)
    return [Group(*place, tuple(sorted(found[place], key=place_of))) for place in sorted(found)]


def lines_of(frame: pd.DataFrame) -> list[Row]:
    """The lines of a frame as mappings, of which thousands are read much faster than lines of pandas."""
    return [{str(name): value for name, value in line.items()} for line in frame.to_dict("records")]


def place_of(row: Row) -> tuple[tuple[int, str], tuple[int, str], str, str]:
    """By which rows are ordered: scenario, algorithm, command, key."""
    name = row["scenario"]
    scenario = (SCENARIOS.index(name) if name in SCENARIOS else len(SCENARIOS)), name
    return scenario, _algorithm(row["algorithm"]), row["command"], row["key"]


def number_of(value: str) -> Number:
    """What a row says of a column of the frame: its number, or one of WORDS."""

    def number(row: Row) -> float | str:
        if row["status"] != "done":
            return str(row["status"])
        if math.isfinite(row[value]):
            return float(row[value])
        if not row["curve"]["loss"]:
            return "not trained"
        if math.isnan(row["best_loss"]):
            return "learnt nothing"
        if value in OF_TARGETS and math.isnan(row["target_seconds"]):
            return "never"
        return "no cluster"

    return number


def spoken(cells: Iterable[Cell]) -> list[str]:
    """A note of the words that stand in some cells, if any do."""
    said = {word for cell in cells for word, _ in cell.others}
    meanings = [f"{word}: {meaning}" for word, meaning in WORDS.items() if word in said]
    return ["; ".join(meanings)] if meanings else []


def _algorithm(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST)), name
