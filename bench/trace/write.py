"""The files that trace=true adds to a run: traces/<key>.json, and for few workers figures/<...>_timeline."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.record.row import Row
from bench.record.store import write_whole
from bench.tape import MOST_EVENTS
from bench.timeline import Timeline
from bench.trace.perfetto import perfetto
from bench.units import seconds_text

MOST_DRAWN = 16
"""Workers that have a picture: with more, bars are too thin to be told apart."""


def trace_path(folder: str | Path, key: str) -> Path:
    """Where the trace of a row is."""
    return Path(folder) / "traces" / f"{key}.json"


def write_trace(
    timeline: Timeline, names: Sequence[str], row: Row, folder: Path, say: Callable[[str], None], *, most: int = MOST_EVENTS
) -> None:
    """Write the files of a row's timeline with intervals, whose workers have devices of these `names`; `say` what they lack."""
    intervals, workers = timeline.intervals, len(names)
    assert intervals is not None
    facts = {name: row[name] for name in ("key", "scenario", "algorithm", "workers", "seed")}
    trace = perfetto(timeline, names, facts, most=most)
    write_whole(trace_path(folder, row["key"]), trace.text)
    if len(intervals.of) < workers:
        say(f"trace: of the first {len(intervals.of)} of {workers} workers")
    if trace.until < timeline.virtual_seconds:
        left = f"the run takes {seconds_text(timeline.virtual_seconds)}"
        say(f"trace: ends at virtual second {trace.until:.6g}, with about {most} events; {left}")
    if workers <= MOST_DRAWN:
        from bench.report.figure import write_figure
        from bench.trace.figure import timeline_figure

        title = f"{row['scenario']} × {row['algorithm']}"
        path = folder / "figures" / f"{row['scenario']}_{row['algorithm']}_{row['key'][:8]}_timeline"
        drawn, _ = write_figure(timeline_figure(timeline, names, title), path)
        say(f"timeline drawn: {drawn}")
