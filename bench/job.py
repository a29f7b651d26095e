"""One job of a sweep: find its row, or run it and record what came of it."""

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.build import build
from bench.data import Source
from bench.errors import FarbenchError, FitError, RecordError, SkipError, VirtualTimeout
from bench.progress import Progress
from bench.record import Row, Store, blank_row, row_key, settings
from bench.record.row import PRESETS
from bench.sinks import open_sinks, send_all

if TYPE_CHECKING:
    from bench.run import Run

FINAL = ("done", "diverged", "timeout", "does_not_fit", "skipped")
"""Statuses of rows that are found and not run again; an `error` row is tried anew."""


@dataclass(frozen=True)
class Job:
    """One run as composed: resolved conf, the names of its presets by group, and the command that repeats it."""

    conf: Mapping[str, Any]
    names: Mapping[str, str]
    command: str

    def row(self, progress: Progress) -> Row:
        """The row of this job, found or made. Raises FarbenchError for what the user must mend."""
        sinks = open_sinks(self.conf["sinks"], self.conf["results"])
        source: Source = build(self.conf["data"], "data")
        key = row_key(self.conf, self.names, source.fingerprint())
        store = Store(self.conf["results"])
        with store.claim(key):
            row, run = _found(store, key, progress), None
            if row:
                progress.say(f"row {key[:8]} found")
                if sinks:
                    progress.say(
                        f"not sent to {', '.join(self.conf['sinks'])}, as a sink gets new rows: python -m bench.export sends it"
                    )
            else:
                start = time.perf_counter()
                run = self._run(self.conf, store, progress)
                row = self._make(key, run)
                row["wall_seconds"] = time.perf_counter() - start
                store.write(row)
            if self.conf["trace"]:
                self._trace(row, run or self._run({**self.conf, "train": False}, store, progress))
        if run is not None and row["status"] in FINAL:
            send_all(sinks, row)
        return row

    @staticmethod
    def _run(conf: Mapping[str, Any], store: Store, progress: Progress) -> "Run":
        from bench.run import Run  # torch: two seconds that a row already there does not cost

        return Run(conf, store, progress)

    @staticmethod
    def _trace(row: Row, run: "Run") -> None:
        """Write a trace of a run; of one that was found, the clock alone is simulated again."""
        from bench.trace import write_trace

        if row["status"] not in ("done", "diverged"):
            run.progress.say(f"no trace: the run is {row['status']}")
            return
        timeline = run.timeline or run.simulate(traced=True)[0]
        write_trace(timeline, run.scenario.fleet.names.tolist(), row, run.store.folder, run.progress.say)

    def _make(self, key: str, run: "Run") -> Row:
        from bench.run import versions

        conf, store = self.conf, run.store
        row = blank_row() | {
            "key": key,
            "status": "done",
            "command": self.command,
            **{column: self.names[column] for column in PRESETS},
            "workers": conf["workers"],
            "seed": conf["seed"],
            "versions": versions(),
            "conf": settings(conf),
            **run.facts(),
        }
        try:
            row |= run.columns()
        except FitError as error:
            row |= {"status": "does_not_fit", "reason": str(error)}
        except SkipError as error:
            row |= {"status": "skipped", "reason": str(error)}
        except VirtualTimeout as error:
            row |= {"status": "timeout", "reason": str(error)}
        except FarbenchError:
            raise  # the user's to mend: no row
        except Exception as error:
            trace = store.write_trace(key, traceback.format_exc())
            row |= {"status": "error", "reason": f"{type(error).__name__}: {error} (traceback in {trace})"}
        return row


def _found(store: Store, key: str, progress: Progress) -> Row | None:
    try:
        row = store.read(key)
    except RecordError as error:
        progress.say(f"{error}; kept as {store.set_aside(key)} and run again")
        return None
    return row if row and row["status"] in FINAL else None
