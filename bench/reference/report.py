"""Predicted beside measured: a table, a summary, a figure."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.record.store import write_whole
from bench.report.figure import write_figure

_COLUMNS = {
    "ranks": lambda row: str(row["ranks"]),
    "MiB": lambda row: f"{row['mebibytes']:g}",
    "shaped to": lambda row: row["shaped_to"] or "-",
    "delay": lambda row: f"{row['delay_ms']:g} ms",
    "measured ms": lambda row: f"{row['measured_ms']:,.0f}",
    "predicted ms": lambda row: f"{row['predicted_ms']:,.0f}",
    "error": lambda row: f"{100 * row['error']:+.1f} %",
    "within": lambda row: f"{row['within']} ({100 * row['tolerance']:.0f} %)" if row["within"] else "-",
}
"""Columns of the table that is read; `within` is "-" where a row is not judged."""


def _groups(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows by source, operation and backend, each with its title."""
    grouped = frame.groupby(["source", "operation", "backend"], sort=False)
    return [(f"{source}: {operation}, {backend}", group) for (source, operation, backend), group in grouped]


def for_terminal(frame: pd.DataFrame) -> list[Table]:
    """A table a group, for rich to print."""
    tables = []
    for title, group in _groups(frame):
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for name in _COLUMNS:
            table.add_column(name, justify="right")
        for _, row in group.iterrows():
            table.add_row(*(text(row) for text in _COLUMNS.values()))
        tables.append(table)
    return tables


def summary(frame: pd.DataFrame) -> list[str]:
    """How many rows are judged and how many are within, and how large the errors are, a line a group."""
    lines = []
    for title, group in _groups(frame):
        judged = group[group["within"] != ""]
        within = f"{(judged['within'] == 'yes').sum()} of {len(judged)} within" if len(judged) else "not judged"
        sizes = 100 * group["error"].abs()
        lines.append(f"{title}: {within}; errors: median {sizes.median():.1f} %, largest {sizes.max():.1f} %")
    missed, judged = (frame["within"] == "no").sum(), (frame["within"] != "").sum()
    lines.append(f"{missed} of {judged} judged measurements are beyond their tolerance; {len(frame) - judged} are not judged")
    return lines


def write(frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Write tables/network.md and .csv and figures/network.svg and .png; returns them."""
    lines = []
    for title, group in _groups(frame):
        lines += [f"**{title}**", "", "| " + " | ".join(_COLUMNS) + " |", "|" + "---:|" * len(_COLUMNS)]
        lines += ["| " + " | ".join(text(row) for text in _COLUMNS.values()) + " |" for _, row in group.iterrows()]
        lines.append("")
    lines += [f"- {line}" for line in summary(frame)]
    paths = [folder / "tables" / "network.md", folder / "tables" / "network.csv"]
    write_whole(paths[0], "\n".join(lines) + "\n")
    write_whole(paths[1], frame.to_csv(index=False, float_format="%.6g"))
    return [*paths, *write_figure(_figure(frame), folder / "figures" / "network")]


def _figure(frame: pd.DataFrame) -> Figure:
    """Predicted against measured seconds; the ideal is the diagonal, the band 10 % to each side."""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    panel = figure.subplots()
    ends = [0.7 * frame["measured_ms"].min() / 1e3, 1.4 * frame["measured_ms"].max() / 1e3]
    panel.plot(ends, ends, color="black", linewidth=1, label="ideal")
    panel.fill_between(ends, [0.9 * end for end in ends], [1.1 * end for end in ends], color="0.85", label="10 % off")
    styles = {"nccl": ("o", "#0072B2"), "gloo": ("^", "#D55E00")}
    for (operation, backend), group in frame.groupby(["operation", "backend"], sort=False):
        marker, colour = styles[backend]
        filled = colour if operation == "all_reduce" else "none"
        label = f"{backend}, {operation.replace('_', ' ')}"
        seconds = group["measured_ms"] / 1e3, group["predicted_ms"] / 1e3
        size = 40 if operation == "all_reduce_in_parts" else 22
        panel.scatter(*seconds, marker=marker, s=size, facecolors=filled, edgecolors=colour, linewidths=0.9, label=label)
    panel.set(xscale="log", yscale="log", xlabel="measured (s)", ylabel="predicted (s)", xlim=ends, ylim=ends)
    panel.legend(fontsize=8)
    panel.grid(alpha=0.25)
    return figure
