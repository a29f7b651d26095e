"""Cell by cell, figure by figure: regression, improvement, same within noise, within tolerance, identical, not comparable."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.compare.figures import figures
from bench.compare.folder import Folder, label
from bench.compare.noise import Groups, Judged, judge, overall
from bench.record import Row

ALPHA = 0.001
"""The chance of at least one false regression in a whole comparison, shared by all its tests; the same for improvements."""

VERDICTS = ("regression", "improvement", "within tolerance", "same within noise", "identical", "not comparable")


@dataclass(frozen=True)
class Finding:
    """One figure of one cell, or of all: medians over seeds in base units, and what is to be thought of them."""

    verdict: str
    metric: str
    label: str
    change: float  # relative, of the median: of NEW to BASE; NaN where there is no ratio
    worse: float  # the same as a worsening: above 0 is worse
    base: float
    new: float
    chance: float  # that it is noise; NaN where only the tolerance judged
    seeds: tuple[int, int]  # in BASE, in NEW
    paired: bool
    keys: tuple[str, ...]  # of the rows of both
    why: str = ""


@dataclass
class Comparison:
    """All findings, and how they were come by."""

    findings: list[Finding]
    tests: int  # that shared ALPHA
    noiseless: list[str] = field(default_factory=list)  # metrics of which no noise is known: only the tolerance judged

    def of(self, verdict: str) -> list[Finding]:
        """The findings of one verdict, the largest worsening first; of improvements, the largest gain first."""
        sign = 1 if verdict == "improvement" else -1
        found = [finding for finding in self.findings if finding.verdict == verdict]
        return sorted(found, key=lambda one: (sign * _place(one.worse), one.metric, one.label, one.keys))


def compare(base: Folder, new: Folder, tolerance: float, metrics: Sequence[str]) -> Comparison:
    """The cells that both folders have, judged; `tolerance` is a relative change of the median, 0.01 for 1 %."""
    findings: list[Finding] = []
    cells = [_Cell.of(base.cells[name], new.cells[name]) for name in sorted(base.cells.keys() & new.cells.keys())]
    for cell in cells:
        findings += cell.statuses()
    known: dict[str, list[tuple[_Cell, Groups]]] = {}
    for metric in metrics:
        known[metric] = []
        for cell in cells:
            groups = cell.groups(metric)
            if isinstance(groups, Finding):
                findings.append(groups)
            elif groups:
                known[metric].append((cell, groups))
    judged = {metric: judge([groups for _, groups in pairs]) for metric, pairs in known.items()}
    together = {m: overall([groups for _, groups in pairs], judged[m]) for m, pairs in known.items()}
    tests = sum(chance is not None for chance in together.values())
    for metric, pairs in known.items():
        tests += sum(len(each.chances) for (_, groups), each in zip(pairs, judged[metric], strict=True) if not groups.identical)
    limit = ALPHA / max(tests, 1)
    for metric, pairs in known.items():
        of_cells = [
            cell.finding(metric, groups, each, limit, tolerance)
            for (cell, groups), each in zip(pairs, judged[metric], strict=True)
        ]
        findings += of_cells + _of_all(metric, of_cells, together[metric], limit, tolerance)
    noiseless = [m for m, pairs in known.items() if pairs and not any(each.chances for each in judged[m])]
    return Comparison(findings, tests, noiseless)


@dataclass(frozen=True)
class _Cell:
    """The rows of both folders that are one cell, in the order of seeds; only equal seeds where one side's are all there."""

    base: tuple[Row, ...]
    new: tuple[Row, ...]
    paired: bool

    @classmethod
    def of(cls, base: Mapping[int, Row], new: Mapping[int, Row]) -> "_Cell":
        shared = sorted(base.keys() & new.keys())
        paired = len(shared) == min(len(base), len(new))
        if paired:
            return cls(tuple(base[seed] for seed in shared), tuple(new[seed] for seed in shared), True)
        return cls(tuple(base[seed] for seed in sorted(base)), tuple(new[seed] for seed in sorted(new)), False)

    def statuses(self) -> list[Finding]:
        """What is to be said of rows that are done in one folder and not in the other."""
        if self.paired:
            changed = [(one, other) for one, other in zip(self.base, self.new, strict=True) if one["status"] != other["status"]]
        else:  # a seed may have had bad luck: only where all of one folder's seeds end one way
            all_done = [all(row["status"] == "done" for row in rows) for rows in (self.base, self.new)]
            none_done = [all(row["status"] != "done" for row in rows) for rows in (self.base, self.new)]
            turned = (all_done[0] and none_done[1]) or (none_done[0] and all_done[1])
            changed = [(self.base[0], self.new[0])] if turned else []
        return [self._status(one, other) for one, other in changed]

    def _status(self, one: Row, other: Row) -> Finding:
        was, now = one["status"] == "done", other["status"] == "done"
        verdict = "not comparable" if was == now else "regression" if was else "improvement"
        reason = other["reason"] or one["reason"]
        why = f"{one['status']} → {other['status']}, seed {one['seed']:g}" + (f": {reason}" if reason else "")
        return self._made(verdict, "status", math.nan, math.inf if was else -math.inf, why=why, keys=(one["key"], other["key"]))

    def groups(self, metric: str) -> Groups | Finding | None:
        """The logarithms of a figure where both folders know it; a finding where there are none; None if neither knows it."""
        base, new = figures(metric, self.base, self.new, self.paired)
        if not base.size and not new.size:
            return None
        known = [np.isfinite(figures) for figures in (base, new)]
        if self.paired:
            known = [known[0] & known[1]] * 2
        if not (known[0].any() and known[1].any()):
            return self._unknown(metric, base, new)
        base, new = base[known[0]], new[known[1]]
        if (base > 0).all() and (new > 0).all():
            return Groups(np.log(base), np.log(new), self.paired)
        medians = float(np.median(base)), float(np.median(new))
        if medians[0] == medians[1]:
            same = base.shape == new.shape and bool((base == new).all())
            return self._made("identical" if same else "same within noise", metric, 0.0, 0.0, *medians)
        # Nothing was sent before, or is now: no ratio, and no noise.
        rose = medians[1] > medians[0]
        worse = math.inf if rose == (metric != "throughput") else -math.inf
        return self._made("regression" if worse > 0 else "improvement", metric, math.nan, worse, *medians, why="from or to 0")

    def _unknown(self, metric: str, base: NDArray[np.float64], new: NDArray[np.float64]) -> Finding | None:
        """No seed has the figure in both folders."""
        was, now = bool(np.isfinite(base).any()), bool(np.isfinite(new).any())
        if was == now:
            return None if not was else self._made("not comparable", metric, math.nan, math.nan, why="no seed knows it in both")
        if metric == "best_loss":  # NaN of what does not end below where it began
            why = "it learns nothing any more" if was else "it learnt nothing before"
            known = [some[np.isfinite(some)] for some in (base, new)]
            medians = [float(np.median(some)) if some.size else math.nan for some in known]
            verdict = "regression" if was else "improvement"
            return self._made(verdict, metric, math.nan, math.inf if was else -math.inf, *medians, why=why)
        return self._made("not comparable", metric, math.nan, math.nan, why="only in " + ("BASE" if was else "NEW"))

    def finding(self, metric: str, groups: Groups, judged: Judged, limit: float, tolerance: float) -> Finding:
        """What is to be thought of one figure of this cell."""
        base, new = float(np.median(np.exp(groups.base))), float(np.median(np.exp(groups.new)))
        if groups.paired:
            change = math.expm1(float(np.median(groups.new - groups.base)))
        else:
            change = math.expm1(float(np.median(groups.new) - np.median(groups.base)))
        worse = -change if metric == "throughput" else change
        chance = min(judged.chances, default=math.nan)
        if groups.identical:
            verdict = "identical"
        elif judged.chances and chance >= limit:
            verdict = "same within noise"
        else:
            verdict = _beyond(worse, tolerance)
        seeds = len(groups.base), len(groups.new)
        return self._made(verdict, metric, change, worse, base, new, chance=chance, seeds=seeds)

    def _made(
        self,
        verdict: str,
        metric: str,
        change: float,
        worse: float,
        base: float = math.nan,
        new: float = math.nan,
        *,
        chance: float = math.nan,
        seeds: tuple[int, int] | None = None,
        why: str = "",
        keys: tuple[str, ...] = (),
    ) -> Finding:
        keys = keys or tuple(row["key"] for row in (*self.base, *self.new))
        counts = seeds or (len(self.base), len(self.new))
        name = label(self.base[0])
        return Finding(
            verdict, metric, name, change, worse, base, new, chance, counts, self.paired, tuple(dict.fromkeys(keys)), why
        )


def _of_all(metric: str, cells: Sequence[Finding], chance: float | None, limit: float, tolerance: float) -> list[Finding]:
    """What many cells say together, though none may by itself."""
    if chance is None or all(cell.verdict == "identical" for cell in cells):
        return []
    change = float(np.median([cell.change for cell in cells]))
    worse = -change if metric == "throughput" else change
    verdict = _beyond(worse, tolerance) if chance < limit else "same within noise"
    if verdict not in ("regression", "improvement"):
        return []
    seeds = sum(cell.seeds[0] for cell in cells), sum(cell.seeds[1] for cell in cells)
    paired = all(cell.paired for cell in cells)
    name = f"all {len(cells)} cells, the median change"
    return [Finding(verdict, metric, name, change, worse, math.nan, math.nan, chance, seeds, paired, ())]


def _beyond(worse: float, tolerance: float) -> str:
    """The verdict on a change that is not noise."""
    if abs(worse) <= tolerance:
        return "within tolerance"
    return "regression" if worse > 0 else "improvement"


def _place(worse: float) -> float:
    return 0.0 if math.isnan(worse) else worse
