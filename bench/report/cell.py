"""One cell of a table over seeds: the numbers of some rows, what the others are instead, and which rows those are."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from bench.report.keys import printed

Form = Callable[[float], str]
"""How a number is written."""


@dataclass(frozen=True)
class Cell:
    """The numbers, ascending; how many rows have which word instead of one; and the keys of all these rows."""

    values: tuple[float, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    keys: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Iterable[tuple[float | str, str]]) -> "Cell":
        """The cell of what was found and the key of its row, one pair a row; NaN is a row that says nothing."""
        pairs = sorted(found, key=lambda pair: pair[1])
        values = [value for value, _ in pairs if not isinstance(value, str) and math.isfinite(value)]
        words = Counter(value for value, _ in pairs if isinstance(value, str))
        return cls(tuple(sorted(values)), tuple(sorted(words.items())), tuple(key for _, key in pairs))

    @property
    def whole(self) -> bool:
        """Whether there are numbers, and nothing else."""
        return bool(self.values) and not self.others

    @cached_property
    def median(self) -> float:
        """NaN where there is no number."""
        return median(self.values) if self.values else math.nan

    def meets(self, other: "Cell") -> bool:
        """Whether the intervals of the two have a value in common."""
        return min(self.values) <= max(other.values) and min(other.values) <= max(self.values)

    def text(self, form: Form) -> str:
        """`median [lowest–highest] (seeds)`, and what is no number; `-` where nothing was measured.

        An interval that is written as its median is left out.
        """
        parts = [f"{word} ({count})" for word, count in self.others]
        if self.values:
            low, middle, high = map(form, (self.values[0], self.median, self.values[-1]))
            interval = "" if low == middle == high else f" [{low}–{high}]"
            parts.insert(0, f"{middle}{interval} ({len(self.values)})")
        return ", ".join(parts) or "-"

    def flat(self) -> dict[str, float | int | str]:
        """The cell for programs."""
        return {
            "seeds": len(self.values),
            "median": self.median,
            "lowest": min(self.values, default=math.nan),
            "highest": max(self.values, default=math.nan),
            "instead": " ".join(f"{word.replace(' ', '_')}:{count}" for word, count in self.others),
            "rows": printed(self.keys, {}),
        }
