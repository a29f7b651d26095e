"""An attribution from conf to record: corners clocked, trained where that is asked for, and shared out."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.attribute.corners import Corner, Corners, NoCorner, named
from bench.attribute.helps import as_dict, what_helps
from bench.attribute.record import SCHEMA, Record, found, read_record, record_key, record_path, write_record
from bench.attribute.shapley import shapley
from bench.attribute.switches import NOTHING_LEFT, SWITCHES, TIMED
from bench.build import build
from bench.data import Source
from bench.errors import ConfError
from bench.progress import Progress
from bench.record import Store, row_key, settings
from bench.record.learning import Learning
from bench.run import Run, versions
from bench.world import Conf, whole


class Attribution:
    """What conf asks for. Raises ConfError.

    `names` are its presets by group, `command` is what repeats it, `label` stands before what is told of it.
    """

    def __init__(self, conf: Conf, names: Mapping[str, str], command: str, label: str = "") -> None:
        self.conf, self.command, self._label = conf, command, label
        self._progress = Progress(conf["progress"], label)
        self.names = {group: name for group, name in names.items() if group != "attribute"}  # as those of a row
        self._store = Store(conf["results"])
        first, seeds = whole(conf, "seed", 0), _seeds(conf)
        self._helps: bool = conf["attribute"]["helps"]
        self._confs = [{**conf, "seed": first + number} for number in range(seeds)]

    def runs(self) -> list[Run]:
        """The run, one for each seed."""
        return [Run(conf, self._store, self._progress) for conf in self._confs]

    def record(self) -> tuple[Record, Path]:
        """The record of it, found or made, and where it is. Raises FarbenchError for what the user must mend."""
        source: Source = build(self.conf["data"], "data")
        text, kept = source.fingerprint(), settings(self.conf)
        key = record_key(kept, self.names, text, len(self._confs), self._helps)
        path = record_path(self.conf["results"], key)
        with self._store.claim(key):
            record = found(self.conf["results"], key, self._progress)
            if record is not None:
                self._progress.say(f"attribution {key[:8]} found")
                return record, path
            record = {
                "schema": SCHEMA,
                "key": key,
                "command": self.command,
                "names": self.names,
                "settings": kept,
                "workers": self.conf["workers"],
                "seeds": [conf["seed"] for conf in self._confs],
                "status": "done",
                "reason": "",
                "clock_alone": "",
                "total": [],
                "factors": {},
                "off": {},
                "corners": [],
                "helps": [],
                "references": [],
                "rows": [row_key(conf, self.names, text) for conf in self._confs],
                "versions": versions(),
            }
            try:
                record |= self._figures()
                if self._helps:
                    record["helps"] = [as_dict(each) for each in what_helps(self.runs(), self._progress, self.names)]
            except NoCorner as error:
                record |= {"status": error.status, "reason": str(error)}
            write_record(self.conf["results"], record)
            return read_record(path), path

    def _figures(self) -> dict[str, Any]:
        """What all corners of all seeds come to."""
        worlds = [Corners(conf, self.names, self._store) for conf in self._confs]
        off = dict(worlds[0].off)
        if "overheads" in off and any(abs(world.left) > NOTHING_LEFT for world in worlds):
            del off["overheads"]
        switches = [name for name in SWITCHES if name not in off]
        self._clock(worlds, switches)
        alone = off.get("statistics", "")
        if not alone:
            alone = self._learn(worlds)
            if alone:
                switches.remove("statistics")
                off["statistics"] = alone
        parts = [shapley(world.game(switches)) for world in worlds]
        return {
            "clock_alone": alone,
            "total": [1 / _efficiency(world.found, switches) for world in worlds],
            "factors": {name: [math.exp(part.get(name, 0.0)) for part in parts] for name in SWITCHES},
            "off": off,
            "corners": [_figures_of(corner) for world in worlds for corner in world.found.values()],
            "references": [world.reference_digest for world in worlds if world.reference_digest],
        }

    def _clock(self, worlds: Sequence[Corners], switches: Sequence[str]) -> None:
        """Simulate all corners, telling of it."""
        total = len(worlds) * 2 ** len(set(switches) & set(TIMED))
        done = 0
        with self._progress.steps(f"simulating {total} corners", total) as progress:

            def count() -> None:
                nonlocal done
                done += 1
                progress(done)

            for world in worlds:
                world.clock(switches, count)

    def _learn(self, worlds: Sequence[Corners]) -> str:
        """Find or train all curves; why learning cannot be shared out, else nothing."""
        needed = {name: pair for world in worlds for name, pair in world.to_train().items()}
        missing = [name for name in needed if not (Path(self.conf["results"]) / "curves" / f"{name}.csv").exists()]
        corners = sum(len(world.found) for world in worlds)
        self._progress.say(
            f"{corners} corners and the reference{'s' * (len(worlds) > 1)} learn in {len(needed)} ways: "
            f"{len(needed) - len(missing)} found, {len(missing)} to train"
        )
        curves = {}
        for name, (run, clocked) in needed.items():
            place = f"{missing.index(name) + 1} of {len(missing)}: " if name in missing else ""
            run.progress = Progress(self.conf["progress"] if place else "none", self._label + place)
            assert run.corpus is not None
            _, curve = run.curve(clocked.schedule, run.corpus)
            curves[name] = Learning(curve.steps, curve.losses, clocked.tokens)
        for world in worlds:
            world.learn(curves)
        return _unbounded(worlds)


def _seeds(conf: Conf) -> int:
    """How many seeds are asked for. Raises ConfError for any setting of `attribute` that is wrong."""
    asked = dict(conf["attribute"])
    for name in asked:
        if name not in ("seeds", "helps"):
            raise ConfError(f"attribute.{name} is not a setting of attribute; known: seeds, helps")
    if type(asked.get("seeds")) is not int or asked["seeds"] < 1:
        raise ConfError(f"attribute.seeds must be a whole number >= 1, got {asked.get('seeds')!r}")
    if type(asked.get("helps")) is not bool:
        raise ConfError(f"attribute.helps must be true or false, got {asked.get('helps')!r}")
    return int(asked["seeds"])


def _unbounded(worlds: Sequence[Corners]) -> str:
    """Which corners never come below the loss they began with, so that no factor says what that costs; else nothing."""
    lost = [
        (world.run.conf["seed"], corner)
        for world in worlds
        for corner in world.found.values()
        if math.isnan(corner.statistical_efficiency)
    ]
    if not lost:
        return ""
    every = sum(len(world.found) for world in worlds)
    seeds = sorted({seed for seed, _ in lost})
    common = frozenset.intersection(*(corner.real for _, corner in lost))
    if "adversaries" in common:
        run = worlds[0].run
        bad = int(run.adversary.members(run.conf["seed"], run.scenario.workers).sum())
        who = f"with {bad} of {run.scenario.workers} bad actors"
        rule = (
            "and no robust rule" if run.aggregator.linear else f"under {run.conf['aggregator']['_target_'].rpartition('.')[2]}"
        )
        why = f"{who} {rule} the model learns nothing: no factor for what adversaries do to learning"
    elif len(lost) == every:
        why = "no corner learns anything, not the ideal one either: more steps may be needed"
    else:
        why = f"nothing is learnt {named(common)}" if common else "some corners learn nothing"
    return f"{why} ({len(lost)} of {every} corners, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"


def _efficiency(found: Mapping[Any, Corner], switches: Sequence[str]) -> float:
    """Of the corner in which all is real; of its clock alone where statistics is off."""
    corner = max(found.values(), key=lambda corner: len(corner.real))
    return corner.efficiency if "statistics" in switches else corner.system_efficiency


def _figures_of(corner: Corner) -> dict[str, Any]:
    return {
        "seed": corner.run.conf["seed"],
        "real": [name for name in TIMED if name in corner.real],
        "tokens_per_second": corner.clocked.tokens_per_second,
        "system_efficiency": corner.system_efficiency,
        "statistical_efficiency": corner.statistical_efficiency,
        "efficiency": corner.efficiency,
        "curve_digest": corner.curve_digest,
    }
