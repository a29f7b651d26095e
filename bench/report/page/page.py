"""The page of all results: what lies in results folders, and nothing else, as one file that needs no network."""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from bench.record.store import write_whole
from bench.report.page.folder import Folder, group_of, read_folder
from bench.report.page.rows import COLUMNS_OF_THE_PAGE, Line, as_columns, shortened
from bench.timeline import BUCKETS

_HERE = Path(__file__).parent
_KINDS = {
    "loss": "held-out loss against virtual time",
    "loss_tokens": "held-out loss against tokens",
    "loss_bytes": "held-out loss against bytes sent",
    "bandwidth": "efficiency against bandwidth",
    "ledger": "where the worker-seconds went",
    "waterfall": "what the slowdown is made of",
}
"""What a figure shows, by the end of its name."""


def write_page(path: Path, folders: Sequence[Path]) -> list[Path]:
    """Write the page of these results folders to `path`; returns it. It links to rows relative to where it lies.

    Rows, tables and figures that cannot be read are named in its header. Raises RecordError for a folder that is none, and
    where the page cannot be written.
    """
    names = _names(folders)
    found = [read_folder(folder, name, path, f"f{n}") for n, (folder, name) in enumerate(zip(folders, names, strict=True))]
    write_whole(path, _page(found).encode(errors="replace"))
    return [path]


def _names(folders: Sequence[Path]) -> list[str]:
    """The last words of the folders' paths, two where one is not enough."""
    paths = [folder.resolve() for folder in folders]
    last = [path.name for path in paths]
    return [name if last.count(name) == 1 else "/".join(path.parts[-2:]) for name, path in zip(last, paths, strict=True)]


def _page(folders: Sequence[Folder]) -> str:
    script = "".join(
        (_HERE / name).read_text() for name in ("units.js", "opened.js", "rows.js", "target.js", "tables.js", "start.js")
    )
    seal = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template((_HERE / "page.html").read_text()).substitute(
        names=escape(", ".join(folder.name for folder in folders)),
        seal=f"sha256-{seal}",
        style=(_HERE / "page.css").read_text(),
        script=script,
        header=_header(folders),
        note=_note(folders),
        columns=_columns(folders),
        figures=_figures(folders),
        tables=_tables(folders),
        rows=_embedded(_rows(folders)),
        drawings=_drawings(folders),
    )


def _embedded(value: Mapping[str, Any]) -> str:
    """As JSON that cannot end the element in which it stands."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _rows(folders: Sequence[Folder]) -> dict[str, Any]:
    """All rows for the script: columns, and what a row opens to."""
    from bench.report.figure import BUCKET_COLOURS, colour, places  # matplotlib

    lines: list[Line] = []
    for folder in folders:
        first = len(lines)
        for row in folder.rows:
            cluster = None if row["cluster"] is None else first + row["cluster"]
            lines.append({**row, "folder": folder.name, "link": f"{folder.link}runs/{quote(row['file'])}", "cluster": cluster})
    algorithms = places(line["algorithm"] for line in lines)
    buckets = [bucket for bucket in BUCKETS if any(line["ledger"].get(bucket) for line in lines)]
    return {
        "columns": as_columns(lines),
        "buckets": [{"name": name.replace("_", " "), "colour": BUCKET_COLOURS[name]} for name in buckets],
        "colours": {
            name: colour(place) for name, place in algorithms.items() if any(name == line["algorithm"] for line in lines)
        },
        "rows": [_row(line, buckets) for line in lines],
    }


def _row(line: Line, buckets: Iterable[str]) -> dict[str, Any]:
    """What the script needs of a row besides its columns."""
    curve = line["curve"]
    return {
        "key": line["key"],
        "link": line["link"],
        "command": line["command"],
        "reason": line["reason"],
        "ledger": [_share(line["ledger"].get(bucket)) for bucket in buckets] if line["ledger"] else [],
        "seconds": [shortened(value) for value in curve["virtual_seconds"]],
        "losses": [shortened(value) for value in curve["loss"]],
        "cluster": line["cluster"],
        "peak": shortened(line["peak_flops"]),
    }


def _share(share: Any) -> float:
    return round(share, 5) if isinstance(share, int | float) and math.isfinite(share) else 0.0


def _header(folders: Sequence[Folder]) -> str:
    """What is on the page, and what is not, and why."""
    items = []
    for folder in folders:
        counts = folder.records | {"tables": len(folder.tables), "figures": len(folder.figures)}
        said = ", ".join(
            f"{count:,} {what if count != 1 else what.removesuffix('s')}" for what, count in counts.items() if count
        )
        items.append(f"<li><strong>{escape(folder.name)}</strong>: {said or 'nothing'}</li>")
    lost = [f"{folder.name}: {line}" for folder in folders for line in folder.left_out]
    left_out = "<p>Nothing is left out.</p>"
    if lost:
        lines = "".join(f"<li>{escape(line)}</li>" for line in lost)
        count = f"{len(lost)} file{' is' if len(lost) == 1 else 's are'} left out"
        shown = " open" if len(lost) <= 8 else ""
        left_out = f'<details id="left-out"{shown}><summary>{count}</summary><ul>{lines}</ul></details>'
    return f"<ul>{''.join(items)}</ul>\n{left_out}"


def _columns(folders: Sequence[Folder]) -> str:
    """What each column says, and the target loss of each workload."""
    words = "".join(
        f"<dt>{escape(column.title)}</dt><dd>{escape(column.about)}</dd>" for column in COLUMNS_OF_THE_PAGE if column.shown
    )
    targets = [line for folder in folders for line in _targets(folder)]
    return f"<dl>{words}</dl>\n<h3>Target losses</h3>\n<ul>{''.join(f'<li>{escape(line)}</li>' for line in targets)}</ul>"


def _targets(folder: Folder) -> list[str]:
    """A line for each workload of a folder: its target loss, and from where to where training goes."""
    lines = []
    for workload, rows in _workloads(folder).items():
        about = f"{folder.name}, workload {workload[:8]}, {_count(rows)}, {rows[0]['model']} timed as {rows[0]['timed_as']}"
        target, begin, best = _losses(rows)
        if math.isfinite(target):
            lines.append(f"{about}: {target:.3f}; training begins at {begin:.3f}, the best row comes to {best:.3f}")
        else:
            lines.append(f"{about}: none, since no row is trained and ends below where it began")
    return lines


def _note(folders: Sequence[Folder]) -> str:
    """Which target losses say little, since a row that hardly learns sets them."""
    lines = []
    for folder in folders:
        for workload, rows in _workloads(folder).items():
            target, begin, best = _losses(rows)
            if begin - target < 0.1 * (begin - best):
                lines.append(
                    f"{_count(rows)} of workload {workload[:8]} in {folder.name} have a target loss of {target:.3f}, hardly "
                    f"below the {begin:.3f} at which training begins, since one of them comes no further: times to it say "
                    "little. A target loss of your own times all rows anew."
                )
    return "".join(f'<p class="note">{escape(line)}</p>' for line in lines)


def _workloads(folder: Folder) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for row in sorted(folder.rows, key=lambda row: str(row["workload"])):
        found.setdefault(row["workload"], []).append(row)
    return found


def _losses(rows: Sequence[Line]) -> tuple[float, float, float]:
    """The target loss of a workload's rows, the loss at which training begins, and the best; NaN where unknown."""
    begin = max((row["initial_loss"] for row in rows if math.isfinite(row["initial_loss"])), default=math.nan)
    best = min((row["best_loss"] for row in rows if math.isfinite(row["best_loss"])), default=math.nan)
    return rows[0]["target_loss"], begin, best


def _count(rows: Sequence[Line]) -> str:
    return f"{len(rows):,} row{'s' if len(rows) != 1 else ''}"


def _figures(folders: Sequence[Folder]) -> str:
    parts = []
    for number, folder in enumerate(folders):
        if folder.figures:
            parts.append(f"<h3>{escape(folder.name)}</h3>")
        groups: dict[str, list[str]] = {}
        for place, name in enumerate(folder.figures):
            group = group_of(name, folder.tables)
            groups.setdefault(group, []).append(_figure(folder, name, group, f"drawing-{number}-{place}"))
        for group, figures in sorted(groups.items()):
            count = "" if len(figures) == 1 else f" <small>{len(figures)} figures</small>"
            parts.append(
                f'<details class="figures"><summary>{escape(_spoken(group))}{count}</summary>{"".join(figures)}</details>'
            )
    return "\n".join(parts) or "<p>No figures.</p>"


def _figure(folder: Folder, name: str, group: str, drawing: str) -> str:
    kind = name.removeprefix(group).lstrip("_")
    caption = f"{_spoken(group)}: {_KINDS.get(kind, _spoken(kind))}" if kind else _spoken(group)
    link = f"{folder.link}figures/{quote(name)}.svg"
    return (
        f'<figure><div class="paper scroll" tabindex="0" data-drawing="{drawing}" data-caption="{escape(caption)}"></div>'
        f'<figcaption>{escape(caption)} (<a href="{escape(link)}">SVG</a>)</figcaption></figure>'
    )


def _drawings(folders: Sequence[Folder]) -> str:
    """The figures as texts, which the script turns into elements when somebody looks."""
    return "\n".join(
        f'<script type="image/svg+xml" id="drawing-{number}-{place}">{drawing}</script>'
        for number, folder in enumerate(folders)
        for place, drawing in enumerate(folder.figures.values())
    )


def _tables(folders: Sequence[Folder]) -> str:
    parts = []
    for folder in folders:
        if folder.tables:
            parts.append(f"<h3>{escape(folder.name)}</h3>")
        parts += [
            f"<details><summary>{escape(_spoken(name))}</summary>{text}</details>"
            for name, text in sorted(folder.tables.items())
        ]
    return "\n".join(parts) or "<p>No tables.</p>"


def _spoken(name: str) -> str:
    return name.replace("_", " ")
