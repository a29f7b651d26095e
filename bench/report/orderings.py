"""What papers say of the loss, beside what Farbench's small models do: changes of perplexity, over seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd
from matplotlib.figure import Figure

from bench.errors import RecordError
from bench.record import Row
from bench.report.figure import write_figure
from bench.report.formats import Table, write_formats
from bench.report.frame import load
from bench.report.keys import keys_in, printed, short_keys
from bench.report.matrix import label

Choice = Mapping[str, str]
"""Columns, groups or settings, and what they are; `sweep` is the name of the sweep that made the row."""


@dataclass(frozen=True)
class Claim:
    """That perplexity changes by `low` to `high` percent where `instead` replaces what `of` chooses."""

    says: str
    source: str
    published: str
    low: float
    high: float
    of: Choice
    instead: Choice


_REPLICAS = {"sweep": "replicas", "workers": "8", "algorithm.sync_every": "10"}
_LOST = {"sweep": "lost_payloads", "algorithm": "diloco", "participation.probability": "0.0"}
_BITS = {"sweep": "outer_bits", "algorithm": "diloco", "codec": "none"}
_ASYNC = {"sweep": "delayed_nesterov", "algorithm.delay": "1", "split": "uniform"}
_SYNC = {"sweep": "asynchrony", "algorithm": "diloco"}

CLAIMS = (
    Claim(
        "DiLoCo: eight times fewer synchronisations cost little",
        "arXiv:2311.08105, H = 50 to 1000",
        "+2.9 %",
        0.0,
        2.9,
        _REPLICAS,
        {"algorithm.sync_every": "80"},
    ),
    Claim(
        "DiLoCo: 8 replicas instead of 2 cost some, at one total batch",
        "arXiv:2503.09799, 35 M to 1.3 B parameters",
        "+2.9 % to +12.0 %",
        2.9,
        12.0,
        {**_REPLICAS, "workers": "2"},
        {"workers": "8"},
    ),
    Claim(
        "DiLoCo: a tenth of the outer gradients lost",
        "arXiv:2311.08105",
        "at most +2.1 %",
        -1.0,
        2.1,
        _LOST,
        {"participation.probability": "0.1"},
    ),
    Claim(
        "DiLoCo: a third of them lost",
        "arXiv:2311.08105, 30 %",
        "at most +2.1 %",
        -1.0,
        2.1,
        _LOST,
        {"participation.probability": "0.3"},
    ),
    Claim(
        "DiLoCo: half of them lost",
        "arXiv:2311.08105",
        "at most +2.1 %",
        -1.0,
        2.1,
        _LOST,
        {"participation.probability": "0.5"},
    ),
    Claim(
        "DiLoCo: outer gradients of 4 bits (E3M0)",
        "arXiv:2501.18512, table 5",
        "-1 % to +1 %",
        -1.0,
        1.0,
        _BITS,
        {"codec": "e3m0"},
    ),
    Claim(
        "Streaming DiLoCo with 4 bits, against DiLoCo",
        "arXiv:2501.18512, table 5",
        "-1 % to +1 %",
        -1.0,
        1.0,
        _BITS,
        {"algorithm": "streaming_diloco", "codec": "e3m0"},
    ),
    Claim(
        "Naive asynchrony (Nesterov at each arrival) costs",
        "arXiv:2401.09135",
        "more than 0 %",
        0.0,
        math.inf,
        _SYNC,
        _ASYNC,
    ),
    Claim(
        "Delayed Nesterov repairs it",
        "arXiv:2401.09135",
        "less than 0 %",
        -math.inf,
        0.0,
        _ASYNC,
        {"algorithm.delay": "16"},
    ),
    Claim(
        "With dynamic local updates it is as good as synchronous",
        "arXiv:2401.09135, 41.13 against 41.35",
        "-0.5 %",
        -2.0,
        1.0,
        _SYNC,
        {**_ASYNC, "algorithm.delay": "16", "split": "time_budget"},
    ),
)
"""A change that a paper calls nothing may be 1 % either way; its tables have three digits."""


@dataclass(frozen=True)
class Finding:
    """A claim, the changes of perplexity in percent, a seed each, ascending, and the keys of the rows they are between."""

    claim: Claim
    changes: tuple[float, ...]
    keys: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Whether the median is as claimed, or at least one seed, or none."""
        if not self.changes:
            return "not measured"
        low, high = self.claim.low, self.claim.high
        if low <= median(self.changes) <= high:
            return "agrees"
        return "within the seeds' noise" if self.changes[0] <= high and self.changes[-1] >= low else "disagrees"

    def text(self) -> str:
        """`median [lowest to highest] (seeds)`."""
        if not self.changes:
            return "-"
        low, middle, high = self.changes[0], median(self.changes), self.changes[-1]
        return f"{middle:+.1f} % [{low:+.1f} to {high:+.1f}] ({len(self.changes)})"


def findings(rows: Sequence[Row], claims: Sequence[Claim] = CLAIMS) -> list[Finding]:
    """What `rows` say of each claim; seeds of which one of the two rows is missing or not done are left out."""
    return [_finding(rows, claim) for claim in claims]


def _finding(rows: Sequence[Row], claim: Claim) -> Finding:
    instead = claim.instead if "sweep" in claim.instead else {**claim.of, **claim.instead}
    before, after = _chosen(rows, claim.of), _chosen(rows, instead)
    pairs = [(before[seed], after[seed]) for seed in sorted(before.keys() & after.keys())]
    changes = sorted(100 * math.expm1(new["final_loss"] - old["final_loss"]) for old, new in pairs)
    return Finding(claim, tuple(changes), tuple(row["key"] for pair in pairs for row in pair))


def _chosen(rows: Sequence[Row], choice: Choice) -> dict[int, Row]:
    """By seed, the rows that are done and as `choice` says; raises RecordError where two have one seed."""
    found: dict[int, Row] = {}
    for row in rows:
        if row["status"] == "done" and all(_is(row, name, value) for name, value in choice.items()):
            if row["seed"] in found:
                raise RecordError(f"two rows are {dict(choice)} with seed {row['seed']}; the last is {row['command']}")
            found[row["seed"]] = row
    return found


def _is(row: Row, name: str, value: str) -> bool:
    if name == "sweep":
        return f" +sweep={value} " in row["command"]
    return label(row, name) == value


def table(found: Sequence[Finding], others: Iterable[str] = ()) -> Table:
    """The claims and findings to be read; no key is printed so short that one of `others` begins so."""
    shown = short_keys([*others, *(key for finding in found for key in finding.keys)])
    head = ["what is said", "by", "published", "ours", ""]
    return Table(
        head=head,
        lines=[
            [finding.claim.says, finding.claim.source, finding.claim.published, finding.text(), finding.verdict]
            for finding in found
        ],
        left=["what is said", "by", ""],
        notes=[
            "ours: change of held-out perplexity, median [lowest to highest] over seeds (how many), both runs with one seed",
            "agrees: the median lies in the published range; within the seeds' noise: that of a seed does; disagrees: none",
            "the papers train 20 M to 1.3 B parameters for thousands of steps, we 0.12 M parameters for 320",
        ],
        behind=[(finding.claim.says, printed(finding.keys, shown)) for finding in found if finding.keys],
    )


def flat(found: Sequence[Finding]) -> pd.DataFrame:
    """The claims and findings for programs, changes as shares."""
    return pd.DataFrame(
        {
            "says": finding.claim.says,
            "source": finding.claim.source,
            "published": finding.claim.published,
            "seeds": len(finding.changes),
            "median": median(finding.changes) / 100 if finding.changes else math.nan,
            "lowest": min(finding.changes, default=math.nan) / 100,
            "highest": max(finding.changes, default=math.nan) / 100,
            "verdict": finding.verdict,
            "rows": printed(finding.keys, {}),
        }
        for finding in found
    )


def figure(found: Sequence[Finding]) -> Figure:
    """Each claim's range as a band, and the seeds' as a line with the median on it."""
    measured = [finding for finding in found if finding.changes]
    picture = Figure(figsize=(8, 0.8 + 0.42 * len(measured)), layout="constrained")
    panel = picture.subplots()
    ends = [change for finding in measured for change in finding.changes]
    ends += [end for finding in measured for end in (finding.claim.low, finding.claim.high) if math.isfinite(end)]
    left, right = min(ends, default=-1.0) - 1, max(ends, default=1.0) + 1
    for place, finding in enumerate(measured):
        low, high = max(finding.claim.low, left), min(finding.claim.high, right)
        label_once = place == 0
        panel.barh(place, high - low, left=low, height=0.6, color="0.85", label="published" if label_once else None)
        panel.plot([finding.changes[0], finding.changes[-1]], [place, place], color="#0072B2", linewidth=2)
        panel.plot(median(finding.changes), place, "o", color="#0072B2", label="ours, with seeds" if label_once else None)
    panel.axvline(0, color="black", linewidth=1)
    panel.set_yticks(range(len(measured)), [finding.claim.says for finding in measured], fontsize=8)
    panel.invert_yaxis()
    panel.set(xlabel="change of perplexity (%)", xlim=(left, right))
    panel.grid(axis="x", alpha=0.25)
    panel.legend(fontsize=8, loc="best")
    return picture


def write(folder: Path) -> list[Path]:
    """Write tables/orderings.* and figures/orderings.* from the rows of a results folder; returns the files.

    Nothing is written where none of the sweeps that the claims are about has rows.
    """
    rows, _ = load(sorted((folder / "runs").glob("*.json")))
    found = findings(rows)
    if not any(finding.changes for finding in found):
        return []
    written = write_formats(folder, "orderings", [table(found, keys_in(folder))], flat(found))
    return [*written, *write_figure(figure(found), folder / "figures" / "orderings")]
