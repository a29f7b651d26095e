"""An emulation from conf to record: predicted, then measured as often as is asked for, and compared with the Trainer."""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from bench.emulator.agreement import difference
from bench.emulator.isolation import why_not
from bench.emulator.launcher import Launcher
from bench.emulator.limits import check
from bench.emulator.lines import Lines
from bench.emulator.prediction import emulated, paced, predict
from bench.emulator.probed import Probed
from bench.emulator.record import SCHEMA, Record, read_record, record_key, record_path, write_record
from bench.emulator.seen import measured
from bench.errors import ConfError, EmulationError, RecordError, SkipError
from bench.pace import Pace
from bench.progress import Progress
from bench.record import Store, settings
from bench.run import versions
from bench.setup import Setup
from bench.world import Conf

LEAST, MOST = 2, 16
"""Workers of an emulation: all of them are processes of one machine."""

LINKS = ("auto", "shaped", "throttled")


class Trial:
    """What conf asks for. `launcher(shaped)` gives a hub, one that may have served before."""

    def __init__(
        self, conf: Conf, names: Mapping[str, str], command: str, launcher: Callable[[bool], Launcher], progress: Progress
    ) -> None:
        self._conf, self._names, self._command = emulated(conf), names, command
        self._launcher, self._progress = launcher, progress
        self._asked = _checked(conf)
        self._step = paced(conf, self._asked["step"])
        self._setup = Setup(self._conf)

    def record(self) -> Record:
        """The record of it, found or made; with as many measurements as are asked for. Raises FarbenchError."""
        conf, emulate = self._conf, self._asked
        shaped = self._shaped()
        links = "shaped" if shaped else "throttled"
        kept = settings(conf)
        key = record_key(kept, self._names, emulate, links)
        store = Store(conf["results"])
        with store.claim(key):
            record = self._found(key) or {
                "schema": SCHEMA,
                "key": key,
                "command": self._command,
                "names": dict(self._names),
                "workers": conf["workers"],
                "seed": conf["seed"],
                "settings": kept,
                "emulate": emulate,
                "status": "done",
                "reason": "",
                "links": links,
                "prediction": None,
                "measurements": [],
                "versions": {**versions(), "kernel": platform.release()},
            }
            try:
                check(self._setup)
                if shaped:
                    Lines.of(self._setup.scenario)
                self._measure(record, shaped)
            except SkipError as error:
                record |= {"status": "skipped", "reason": str(error)}
            except EmulationError as error:
                where = f" (traceback in {store.write_trace(key, error.trace)})" if error.trace else ""
                raise EmulationError(f"{error}{where}") from error
            write_record(conf["results"], record)
        return record

    def _measure(self, record: Record, shaped: bool) -> None:
        """Predict, then measure what is missing; the record is written each time."""
        done, repeats = record["measurements"], self._asked["repeats"]
        scenario = self._setup.scenario
        workload = self._setup.workload(self._setup.shadow(), self._step)
        effort = Pace(scenario.fleet, scenario.jitter, workload, scenario.split, self._conf["seed"]).effort
        message = {
            "conf": self._conf,
            "step_seconds": self._step.tolist(),
            "measured": self._asked["step"] == "measured",
            "throttled": not shaped,
        }

        if not shaped and self._setup.algorithm.lockstep == "none":
            raise SkipError("messages of workers that do not move in step cannot be throttled: they need shaped links")

        def predicted(probed: Probed) -> None:
            if record["prediction"] is None:
                record["prediction"] = predict(self._setup, self._step, probed).record()
                write_record(self._conf["results"], record)

        while len(done) < repeats:
            with self._progress.steps(f"measuring, {len(done) + 1} of {repeats}", self._setup.steps) as progress:
                begun = time.monotonic()
                hear = self._hearing(progress)
                asked = {**message, "probe": record["prediction"] is None}
                raw, params = self._launcher(shaped).emulate(asked, predicted, hear)
            one = asdict(measured(raw)) | {"dropped": raw["dropped"], "wall_seconds": time.monotonic() - begun}
            one["parameters_differ"] = difference(self._setup, effort, raw, params)
            if self._asked["step"] == "measured":
                paced = self._step * (raw_step_seconds(raw) / self._step.min())
                probed = Probed(record["prediction"]["host_seconds"], record["prediction"]["codec_bandwidth"])
                one["predicted_after"] = predict(self._setup, paced, probed).seconds
            done.append(one)
            write_record(self._conf["results"], record)

    def _hearing(self, progress: Callable[[int], None]) -> Callable[[Mapping[str, Any]], None]:
        """Tells the progress of what a hub says."""
        return lambda message: progress(int(message["steps"])) if "steps" in message else None

    def _found(self, key: str) -> Record | None:
        path = record_path(self._conf["results"], key)
        if not path.exists():
            return None
        try:
            return read_record(path)
        except RecordError as error:
            kept = path.with_suffix(".broken")
            path.replace(kept)
            self._progress.say(f"{error}; kept as {kept} and measured again")
            return None

    def _shaped(self) -> bool:
        """Whether links are shaped. Raises ConfError where they must be and cannot."""
        links = self._asked["links"]
        if links == "throttled":
            return False
        reason = why_not()
        if reason is None:
            return True
        if links == "shaped":
            raise ConfError(f"emulate.links must be throttled here, got shaped: {reason}")
        self._progress.say(
            f"links are throttled, not shaped: {reason}. Ranks sleep the model's seconds: that checks the program only"
        )
        return False


def raw_step_seconds(raw: Mapping[str, Any]) -> float:
    """Seconds of the fastest worker's step on this machine, as it was measured: the least of all workers' means."""
    return min(report["real_seconds"] / report["local_steps"] for report in raw["nodes"].values() if report.get("local_steps"))


def _checked(conf: Conf) -> dict[str, Any]:
    """What emulate asks for. Raises ConfError."""
    emulate = dict(conf["emulate"])
    for name in emulate:
        if name not in ("step", "repeats", "links"):
            raise ConfError(f"emulate.{name} is not a setting of emulate; known: links, repeats, step")
    if type(emulate["repeats"]) is not int or emulate["repeats"] < 1:
        raise ConfError(f"emulate.repeats must be a whole number >= 1, got {emulate['repeats']!r}")
    if emulate["links"] not in LINKS:
        raise ConfError(f"emulate.links must be one of {', '.join(LINKS)}, got {emulate['links']!r}")
    if not LEAST <= conf["workers"] <= MOST:
        raise ConfError(f"workers must be from {LEAST} to {MOST} in an emulation, got {conf['workers']}")
    collective = conf["collective"]
    if collective.get("backend") == "nccl":
        raise ConfError("collective.backend must be gloo in an emulation, got nccl: write collective=gloo")
    return emulate
