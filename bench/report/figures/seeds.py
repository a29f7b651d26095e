"""Rows that differ in nothing but their seed, put together: the middle of them, and how far apart they are."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.record.command import setting_of, without_seed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Variant:
    """One algorithm in one scenario with one choice of settings: a row a seed."""

    workload: str
    scenario: str
    algorithm: str
    settings: str  # what the commands set that not all of the frame's do, less scenario, algorithm and seed
    rows: tuple[pd.Series, ...]

    def keys(self) -> str:
        """The beginnings of its rows' keys, of many the first three."""
        shown = [str(row["key"])[:8] for row in self.rows]
        return " ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")

    def seeds(self) -> str:
        """' of 3 seeds', and nothing for one."""
        return f" of {len(self.rows)} seeds" if len(self.rows) > 1 else ""


def variants(frame: pd.DataFrame, less: Collection[str] = ()) -> list[Variant]:
    """The rows of `frame` by workload, scenario, algorithm and settings, in their order; settings in `less` part none."""
    silent = {"scenario", "algorithm", *less}
    texts_of = without_seed(frame.to_dict("records"))
    said = [[text for text in texts if setting_of(text) not in silent] for texts in texts_of]
    counts = Counter(text for texts in said for text in dict.fromkeys(texts))
    common = {text for text, count in counts.items() if count == len(said)}
    found: dict[tuple[str, str, str, str], list[pd.Series]] = {}
    for (_, row), texts in zip(frame.iterrows(), said, strict=True):
        settings = " ".join(text for text in texts if text not in common)
        found.setdefault((row["workload"], row["scenario"], row["algorithm"], settings), []).append(row)
    return [Variant(*parts, rows=tuple(rows)) for parts, rows in found.items()]


@dataclass(frozen=True)
class Band:
    """Where the middle of some seeds runs, and the lowest and the highest of them, each (n,)."""

    x: Floats
    low: Floats
    middle: Floats
    high: Floats


def loss_band(rows: Sequence[pd.Series], along: Callable[[pd.Series], Sequence[float]]) -> Band:
    """The losses of `rows` after the first step, against the median of what `along` gives for each evaluation of a row.

    Where a row has no loss, or one that is not finite, while others have, its loss is infinite: it never came there.
    """
    steps = sorted({step for row in rows for step in row["curve"]["steps"][1:]})
    losses = np.full((len(rows), len(steps)), np.inf)
    places = np.full((len(rows), len(steps)), np.nan)
    for number, row in enumerate(rows):
        at = np.searchsorted(steps, row["curve"]["steps"][1:])
        own = np.array(row["curve"]["loss"][1:], float)
        losses[number, at] = np.where(np.isfinite(own), own, np.inf)
        places[number, at] = along(row)[1:]
    return Band(np.nanmedian(places, axis=0), losses.min(axis=0), np.median(losses, axis=0), losses.max(axis=0))
