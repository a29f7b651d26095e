"""One job of a sweep: find its row, or run it and record what came of it."""

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.build import build
from bench.data import Source
from bench.errors import FarbenchError, FitError, RecordError, SkipError, VirtualTimeout
from bench.progress import Progress
from bench.record import Row, Store, blank_row, row_key, settings
from bench.record.row import PRESETS
from bench.sinks import open_sinks, send_all

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
            row = _found(store, key, progress)
            if row:
                progress.say(f"row {key[:8]} found")
                return row
            start = time.perf_counter()
            row = self._make(key, store, progress)
            row["wall_seconds"] = time.perf_counter() - start
            store.write(row)
        if row["status"] in FINAL:
            send_all(sinks, row)
        return row

    def _make(self, key: str, store: Store, progress: Progress) -> Row:
        from bench.run import Run, versions  # torch: two seconds that a row already there does not cost

        conf, run = self.conf, Run(self.conf, store, progress)
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
