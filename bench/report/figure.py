"""Figures: loss against virtual time, and where the worker-seconds went. Colour = algorithm, in every figure."""

import io
import math
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bench.explain import CONF
from bench.record.store import write_whole
from bench.timeline import BUCKETS

# Okabe & Ito's colours, told apart by the colour-blind; line styles tell them apart in grey.
_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
_STYLES = ["-", "--", "-.", ":"]
_MOST_SETTINGS = 16
"""Of a sweep, that can be told apart by dashes and widths; the lines of a larger one are told by their algorithm alone."""
BUCKET_COLOURS = {
    "compute": "#009E73",
    "codec": "#CC79A7",
    "aggregation": "#AA4499",
    "verification": "#882255",
    "bandwidth": "#0072B2",
    "latency": "#56B4E9",
    "straggler_wait": "#E69F00",
    "pipeline_bubble": "#F0E442",
    "discarded": "#D55E00",
    "checkpoint": "#DDCC77",
    "recovering": "#999999",
    "down": "#444444",
}


def loss_over_time(frame: pd.DataFrame) -> Figure:
    """Held-out loss against virtual time, a panel a scenario, all on one logarithmic axis."""
    trained = frame[[bool(curve["loss"]) for curve in frame["curve"]]]
    scenarios = list(dict.fromkeys(trained["scenario"]))
    numbers = places(trained["algorithm"])
    settings = list(dict.fromkeys(trained["settings"]))
    told_apart = 1 < len(settings) <= _MOST_SETTINGS
    count = max(1, len(scenarios))
    figure = Figure(figsize=(3.2 * count + 0.6, 3.2), layout="constrained")
    panels = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)
    for panel, scenario in zip(panels[0], scenarios, strict=False):
        for _, row in trained[trained["scenario"] == scenario].iterrows():
            number = numbers[row["algorithm"]]
            # One line of an algorithm is told by its own dashes, several of it by those of their settings.
            style = settings.index(row["settings"]) if told_apart else number
            # The loss before the first step stands at second 0, which a logarithmic axis does not have.
            panel.plot(
                row["curve"]["virtual_seconds"][1:],
                row["curve"]["loss"][1:],
                _STYLES[style % len(_STYLES)],
                color=colour(number),
                linewidth=1 + 0.6 * (style // len(_STYLES) % 4),
                label=" ".join(filter(None, (row["algorithm"], row["settings"] if told_apart else ""))),
            )
        target = trained[trained["scenario"] == scenario]["target_loss"].max()
        panel.axhline(target, color="0.6", linewidth=0.8, label="target loss")
        panel.set(title=scenario, xscale="log", xlabel="virtual time (s)")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.grid(alpha=0.25)
    if scenarios:
        # What gets worse than it began leaves the picture upwards.
        begin = max(curve["loss"][0] for curve in trained["curve"])
        least = min(loss for curve in trained["curve"] for loss in curve["loss"] if math.isfinite(loss))
        panels[0][0].set_ylim(least - 0.05 * (begin - least), begin + 0.02 * (begin - least))
        panels[0][0].set_ylabel("held-out loss (nats a token)")
        lines = {line.get_label(): line for panel in panels[0] for line in panel.get_lines()}
        if len(lines) > 8:
            figure.legend(
                lines.values(), lines.keys(), fontsize=6, loc="outside lower center", ncol=2, frameon=False, handlelength=5
            )
            figure.set_figheight(3.2 + 0.07 * len(lines))
            figure.set_figwidth(max(figure.get_figwidth(), 9.0))
        else:
            panels[0][-1].legend(lines.values(), lines.keys(), fontsize=8)
    return figure


def ledger_bars(frame: pd.DataFrame) -> Figure:
    """Where the worker-seconds went, a bar a row; the ideal is a bar that is all compute."""
    clocked = frame[[bool(ledger) for ledger in frame["ledger"]]].iloc[::-1]
    labels = ["  ".join(filter(None, row[["scenario", "algorithm", "settings"]])) for _, row in clocked.iterrows()]
    width = max(9.0, 5 + 0.08 * max(map(len, labels), default=0))  # room for the longest label
    figure = Figure(figsize=(width, 0.32 * len(clocked) + 1.2), layout="constrained")
    panel = figure.subplots()
    left = [0.0] * len(clocked)
    shown = [bucket for bucket in BUCKETS if any(ledger[bucket] >= 5e-4 for ledger in clocked["ledger"])]
    for bucket in shown:
        shares = [100 * ledger[bucket] for ledger in clocked["ledger"]]
        label, colour = bucket.replace("_", " "), BUCKET_COLOURS[bucket]
        panel.barh(range(len(clocked)), shares, left=left, color=colour, label=label, height=0.75)
        left = [a + b for a, b in zip(left, shares, strict=True)]
    panel.set(yticks=range(len(clocked)), yticklabels=labels, xlim=(0, 100), xlabel="share of worker-seconds (%)")
    panel.axvline(100, color="black", linewidth=1)
    if len(clocked):
        figure.legend(fontsize=8, loc="outside upper center", ncol=max(1, len(shown)), frameon=False)
    return figure


def places(shown: Iterable[str]) -> dict[str, int]:
    """Every preset has its place, so that an algorithm keeps its colour whichever others a figure shows."""
    known = {path.stem for path in (CONF / "algorithm").glob("*.yaml")} | set(shown)
    return {name: place for place, name in enumerate(sorted(known))}


def colour(place: int) -> str:
    """The colour of the algorithm in that place."""
    return _COLOURS[place % len(_COLOURS)]


def write_figures(frame: pd.DataFrame, folder: Path, name: str) -> list[Path]:
    """Write figures/<name>_loss, where something was trained, and figures/<name>_ledger as SVG and PNG; returns the SVGs."""
    written = []
    trained = any(curve["loss"] for curve in frame["curve"])
    for kind, draw in (("loss", loss_over_time), ("ledger", ledger_bars)):
        if kind == "loss" and not trained:
            continue
        written.append(write_figure(draw(frame), folder / "figures" / f"{name}_{kind}")[0])
    return written


def write_figure(figure: Figure, path: Path) -> list[Path]:
    """Write `path` with .svg and .png behind its name; returns both."""
    paths = [path.with_name(path.name + suffix) for suffix in (".svg", ".png")]
    for file in reversed(paths):  # text is a little wider in pixels
        _write(figure, file)
        figure.set_layout_engine("none")  # as it is now laid out, for both files
    return paths


def _write(figure: Figure, path: Path) -> None:
    """Equal frames give equal bytes: no dates, and ids that do not change."""
    data = io.BytesIO()
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "farbench"}):
        figure.savefig(data, format=path.suffix[1:], dpi=150, metadata=metadata)
    write_whole(path, data.getvalue())
