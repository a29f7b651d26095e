"""Where the worker-seconds went: a bar a row, of many rows the worst."""

import pandas as pd
from matplotlib.figure import Figure

from bench.report.figures.palette import BUCKET_COLOURS, BUCKET_EDGES, BUCKET_HATCHES
from bench.report.figures.seeds import variants
from bench.report.figures.write import plain, tip
from bench.timeline import BUCKETS

MOST_BARS = 40
_LEAST = 1e-3
"""Of the worker-seconds, that can be seen."""
_WIDEST = 90
"""Characters of a label."""


def ledger_bars(frame: pd.DataFrame) -> Figure:
    """The share of each bucket in the worker-seconds, a bar a row; the ideal is a bar that is all compute.

    Of more than MOST_BARS rows, those that differ in their seed alone have one bar, of the seed whose share of compute is the
    median; if these are still too many, the MOST_BARS with the least compute are drawn, as a note says.
    """
    clocked = frame[[bool(ledger) for ledger in frame["ledger"]]]
    rows = [(row["scenario"], row["algorithm"], row["settings"], row) for _, row in clocked.iterrows()]
    notes = []
    if len(rows) > MOST_BARS:
        found = variants(clocked)
        if len(found) < len(rows):
            notes.append("of each the seed with the median share of compute")
        rows = [(one.scenario, one.algorithm, one.settings, _middle(one.rows)) for one in found]
    if len(rows) > MOST_BARS:
        notes.insert(0, f"the {MOST_BARS} of {len(rows)} with the least compute")
        rows = sorted(rows, key=lambda parts: _compute(parts[-1]))[:MOST_BARS]
    labels = [_label("  ".join(filter(None, names))) for *names, _ in rows]
    shown = [bucket for bucket in BUCKETS if any(row["ledger"][bucket] >= _LEAST for *_, row in rows)]
    width = max(9.0, 5 + 0.08 * max(map(len, labels), default=0))  # room for the longest label
    figure = Figure(figsize=(width, 0.28 * len(rows) + 1.5), layout="constrained")
    panel = figure.subplots()
    for bucket in shown:
        _bars(figure, bucket, [row for *_, row in rows])
    panel.set(yticks=range(len(rows)), xlim=(0, 100), ylim=(len(rows) - 0.4, -0.6))
    panel.set_yticklabels(labels, fontsize=8)
    panel.set_xlabel("share of worker-seconds (%)", fontsize=8)
    panel.set_title("\n".join(["where the worker-seconds went", *notes]), fontsize=9)
    panel.axvline(100, color="black", linewidth=1)
    if rows:
        figure.legend(
            fontsize=8, loc="outside lower center", ncol=min(7, len(shown)), frameon=False, handlelength=2.5, handleheight=1.2
        )
    return figure


def _bars(figure: Figure, bucket: str, rows: list[pd.Series]) -> None:
    """One bucket's part of each bar, behind those of the buckets before it; what cannot be seen is not drawn."""
    seen = [(place, row) for place, row in enumerate(rows) if row["ledger"][bucket] >= _LEAST]
    before = BUCKETS[: BUCKETS.index(bucket)]
    drawn = figure.axes[0].barh(
        [place for place, _ in seen],
        [100 * row["ledger"][bucket] for _, row in seen],
        left=[100 * sum(row["ledger"][name] for name in before) for _, row in seen],
        color=BUCKET_COLOURS[bucket],
        hatch=BUCKET_HATCHES[bucket],
        edgecolor=BUCKET_EDGES[bucket],
        linewidth=0.3,
        height=0.75,
        label=bucket.replace("_", " "),
    )
    for bar, (_, row) in zip(drawn, seen, strict=True):
        words = f"{row['scenario']} {row['algorithm']}: {bucket.replace('_', ' ')} {100 * row['ledger'][bucket]:.1f} %"
        tip(bar, f"{words}; {str(row['key'])[:8]}")


def _middle(rows: tuple[pd.Series, ...]) -> pd.Series:
    """The row with the median share of compute; of an even number, the lower of the two."""
    return sorted(rows, key=_compute)[(len(rows) - 1) // 2]


def _compute(row: pd.Series) -> float:
    return float(row["ledger"]["compute"])


def _label(text: str) -> str:
    """`text`, its middle left out where it is too long."""
    half = (_WIDEST - 3) // 2
    return plain(text if len(text) <= _WIDEST else f"{text[:half]}...{text[-half:]}")
