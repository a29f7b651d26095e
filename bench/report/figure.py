"""Figures: loss against time, tokens and bytes, where the worker-seconds went, efficiency against bandwidth."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bench.report.figures.bandwidth import bandwidth_figure
from bench.report.figures.ledger import ledger_bars
from bench.report.figures.loss import SENT, TOKENS, loss_figure
from bench.report.figures.palette import BUCKET_COLOURS, colour, look, places
from bench.report.figures.write import tip, write_figure

__all__ = ["BUCKET_COLOURS", "colour", "look", "places", "tip", "write_figure", "write_figures"]


def write_figures(frame: pd.DataFrame, folder: Path, name: str) -> list[Path]:
    """Write figures/<name>_KIND as SVG and PNG; returns the SVGs.

    KIND is loss, loss_tokens and loss_bytes, where something was trained (and sent), ledger, where something was clocked, and
    bandwidth, where a sweep has at least three of them.
    """
    drawings: dict[str, Callable[[], Figure | None]] = {}
    trained = frame[[bool(curve["loss"]) for curve in frame["curve"]]]
    if len(trained):
        drawings["loss"] = lambda: loss_figure(frame)
        drawings["loss_tokens"] = lambda: loss_figure(frame, TOKENS)
    if (trained["sent_bytes"].astype(float) > 0).any():
        drawings["loss_bytes"] = lambda: loss_figure(frame, SENT)
    if any(frame["ledger"]):
        drawings["ledger"] = lambda: ledger_bars(frame)
    drawings["bandwidth"] = lambda: bandwidth_figure(frame)
    written = []
    for kind, draw in drawings.items():
        if figure := draw():
            written.append(write_figure(figure, folder / "figures" / f"{name}_{kind}")[0])
    return written
