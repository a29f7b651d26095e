"""Predicted beside measured: a table, a summary, a figure for each study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.record.store import write_whole
from bench.report.figure import write_figure

Columns = Mapping[str, Callable[[pd.Series], str]]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "black")
_MARKERS = "o^sDv"  # 35 pairs before one comes again: 5 and 7 have no common divisor


def percent(row: pd.Series) -> str:
    """The error of a row, signed."""
    return f"{100 * row['error']:+.1f} %"


def verdict(row: pd.Series) -> str:
    """Whether a row is within its tolerance; "-" where it is not judged."""
    return f"{row['within']} ({100 * row['tolerance']:.0f} %)" if row["within"] else "-"


def scatter(frame: pd.DataFrame, label: str, unit: str, colours: Mapping[str, str] | None = None) -> Figure:
    """Predicted against measured, a marker for each value of the column `label`; the ideal is the diagonal.

    `colours` are those of the values, if they are not just to differ.
    """
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    panel = figure.subplots()
    both = frame[["measured", "predicted"]]  # what is furthest off must not fall off the picture
    diagonal(panel, both.min().min(), both.max().max(), unit)
    for number, (name, group) in enumerate(frame.groupby(label, sort=False)):
        marker = _MARKERS[number % len(_MARKERS)]
        colour = colours[str(name)] if colours else COLOURS[number % len(COLOURS)]
        points = group["measured"], group["predicted"]
        panel.scatter(*points, marker=marker, s=22, facecolors="none", edgecolors=colour, linewidths=0.9, label=str(name))
    panel.legend(fontsize=8)
    return figure


def diagonal(panel: Axes, least: float, most: float, unit: str) -> None:
    """Logarithmic axes around a diagonal, and a band of 10 % to each side of it."""
    ends = [0.7 * least, 1.4 * most]
    panel.plot(ends, ends, color="black", linewidth=1, label="ideal")
    panel.fill_between(ends, [0.9 * end for end in ends], [1.1 * end for end in ends], color="0.85", label="10 % off")
    panel.set(xscale="log", yscale="log", xlabel=f"measured ({unit})", ylabel=f"predicted ({unit})", xlim=ends, ylim=ends)
    panel.grid(alpha=0.25)


@dataclass(frozen=True, kw_only=True)
class Study:
    """Measurements of one kind beside what Farbench says of them.

    The frame has at least source, error, tolerance and within ("yes", "no", or "" where a row is not judged).
    """

    name: str
    frame: pd.DataFrame
    group_by: tuple[str, ...] = ("source",)
    title: str = "{source}"  # of a group, from the columns it is grouped by
    columns: Columns
    remarks: Callable[[pd.DataFrame], list[str]] | None = None  # lines for the end of the summary
    figure: Callable[[pd.DataFrame], Figure]

    @property
    def judged(self) -> pd.DataFrame:
        """Its rows that are judged."""
        return self.frame[self.frame["within"] != ""]

    @property
    def missed(self) -> int:
        return int((self.frame["within"] == "no").sum())

    def groups(self) -> list[tuple[str, pd.DataFrame]]:
        """The rows group by group, each with its title."""
        grouped = self.frame.groupby(list(self.group_by), sort=False)
        return [(self.title.format(**dict(zip(self.group_by, key, strict=True))), group) for key, group in grouped]

    def for_terminal(self) -> list[Table]:
        """A table a group, for rich to print."""
        tables = []
        for title, group in self.groups():
            table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
            for name in self.columns:
                table.add_column(name, justify="right")
            for _, row in group.iterrows():
                table.add_row(*(text(row) for text in self.columns.values()))
            tables.append(table)
        return tables

    def summary(self) -> list[str]:
        """How many rows are judged and how many are within, and how large the errors are, a line a group."""
        lines = []
        for title, group in self.groups():
            judged = group[group["within"] != ""]
            within = f"{(judged['within'] == 'yes').sum()} of {len(judged)} within" if len(judged) else "not judged"
            sizes = 100 * group["error"].abs()
            lines.append(f"{title}: {within}; errors: median {sizes.median():.1f} %, largest {sizes.max():.1f} %")
        others = len(self.frame) - len(self.judged)
        lines.append(f"{outcome([self])}; {others} are not judged")
        return lines + (self.remarks(self.frame) if self.remarks else [])

    def write(self, folder: Path) -> list[Path]:
        """Write tables/NAME.md and .csv and figures/NAME.svg and .png; returns them."""
        lines = []
        for title, group in self.groups():
            lines += [f"**{title}**", "", "| " + " | ".join(self.columns) + " |", "|" + "---:|" * len(self.columns)]
            lines += ["| " + " | ".join(text(row) for text in self.columns.values()) + " |" for _, row in group.iterrows()]
            lines.append("")
        lines += [f"- {line}" for line in self.summary()]
        paths = [folder / "tables" / f"{self.name}.md", folder / "tables" / f"{self.name}.csv"]
        write_whole(paths[0], "\n".join(lines) + "\n")
        write_whole(paths[1], self.frame.to_csv(index=False, float_format="%.6g"))
        return [*paths, *write_figure(self.figure(self.frame), folder / "figures" / self.name)]


def outcome(studies: Sequence[Study]) -> str:
    """How many judged measurements are missed, and their median error."""
    errors = pd.concat([study.judged["error"] for study in studies]).abs()
    missed = sum(study.missed for study in studies)
    return (
        f"{missed} of {len(errors)} judged measurements are beyond their tolerance, median error {100 * errors.median():.1f} %"
    )
