"""Projections of one job: what its overrides ask for, the cluster it is compared with, and what a question changes."""

import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose
from omegaconf import DictConfig, open_dict

from bench import __version__
from bench.build import build
from bench.composed import settled
from bench.errors import ConfError, RecordError, did_you_mean
from bench.explain import CONF
from bench.progress import Progress
from bench.project.asked import Asked
from bench.project.projection import Columns, project, versus
from bench.project.record import SCHEMA, Record, check_folder, read_record, record_key, record_path, settings_of, write_record
from bench.quality import Quality
from bench.record.command import setting_of

FILE = "project"
"""The conf of this command."""

Composed = tuple[dict[str, Any], dict[str, str]]
"""Settings, and the names of their presets by group."""

KEPT = ("model", "precision", "tokens", "batch", "written_attention", "seed", "results", "progress", "json")
"""Settings that the cluster shares with what is compared with it: what is trained."""

DOUBLINGS = 12
"""How often the cluster is made larger until the model fits it."""


class Session:
    """The overrides of one job, the settings and names of presets that they come to, and the `command` that repeats it."""

    def __init__(self, overrides: Sequence[str], composed: Composed, command: str, progress: Progress) -> None:
        self._overrides, self._command, self._progress = list(overrides), command, progress
        self.conf, self.names = composed

    def record(self) -> tuple[Record, Path]:
        """The record of this job, found or made, and where it is. Raises FarbenchError for what the user must mend."""
        conf, names = self.conf, self.names
        _check_versus(conf["versus"])
        check_folder(conf["results"])
        settings = settings_of(conf)
        quality: Quality = build(conf["quality"], "quality")
        key = record_key(settings, names, quality.fingerprint)
        path = record_path(conf["results"], key)
        if path.exists():
            try:
                record = read_record(path)
            except RecordError as error:
                kept = path.with_suffix(".broken")
                with suppress(FileNotFoundError):  # another command may have moved it just now
                    path.replace(kept)
                self._progress.say(f"{error}; kept as {kept} and projected again")
            else:
                self._progress.say(f"projection {key[:8]} found")
                return record, path
        columns = self.columns(conf)
        record = {
            "schema": SCHEMA,
            "key": key,
            "command": self._command,
            "names": names,
            "settings": settings,
            "columns": columns,
            "versus_cluster": self._versus(conf, columns),
            "versions": {"farbench": __version__, "python": platform.python_version(), "numpy": np.__version__},
        }
        write_record(conf["results"], record)
        return read_record(path), path

    def asked(self, changes: Mapping[str, Any]) -> Columns:
        """All columns with some settings or presets changed, as a question asks for them."""
        if set(changes) == {"scenario"}:  # another's hardware: nothing of ours
            return self.columns(_settings(self._composed(changes, self._what_is_trained())))
        return self.columns(_settings(self._composed(changes, self._overrides)))

    def columns(self, conf: Mapping[str, Any]) -> Columns:
        """All columns of these settings."""
        asked = Asked(conf)
        with self._progress.steps("simulating", asked.steps) as progress:
            return project(asked, progress)

    def _composed(self, changes: Mapping[str, Any], overrides: Sequence[str]) -> DictConfig:
        """What the overrides come to with some settings changed."""
        kept = [text for text in overrides if setting_of(text) not in changes]
        return compose(FILE, overrides=[*kept, *(f"{name}={_quoted(value)}" for name, value in changes.items())])

    def _what_is_trained(self) -> list[str]:
        return [text for text in self._overrides if setting_of(text).split(".")[0] in KEPT]

    def _versus(self, conf: Mapping[str, Any], columns: Columns) -> float:
        """How many times less a peak FLOP/s gives here than on the cluster; NaN where one of the two has no figures.

        The cluster has as many devices, a power of two, as have at most the same peak; fewer, if a step has too few sequences
        for them, or more, if the model needs more room.
        """
        if columns["status"] != "done":
            return np.nan
        batch = int(columns["batch"])  # more than was asked for, where there are more workers than sequences
        changes = {"scenario": conf["versus"], "accelerators": 1, "worker": "all", "batch": batch}
        cluster = self._composed(changes, self._what_is_trained())
        try:
            one = Asked(_settings(cluster)).fleet.peak[0]
        except ConfError as error:
            raise _no_cluster(conf, error) from error
        most = max(0, int(np.log2(columns["peak_flops"] / one)))
        for power in [*range(most, -1, -1), *range(most + 1, most + 1 + DOUBLINGS)]:
            cluster.accelerators = 2**power
            try:
                found = self.columns(_settings(cluster))
            except ConfError as error:
                raise _no_cluster(conf, error) from error
            if found["status"] == "done":
                return versus(columns, found)
        return np.nan


def settled_composed(config: DictConfig, choices: Mapping[str, Any]) -> Composed:
    """Settings and the names of their presets, by group, without those of a question. Raises ConfError."""
    names = {group.rpartition("@")[2]: str(name) for group, name in choices.items() if not group.startswith("hydra/")}
    return _settings(config), {group: name for group, name in names.items() if group != "solve"}


def _settings(config: DictConfig) -> dict[str, Any]:
    """The settings of a projection alone. Raises ConfError."""
    with open_dict(config):
        config.pop("solve", None)
    return settled(config, FILE)


def _check_versus(versus: Any) -> None:
    """Raises ConfError unless it is a scenario: the projection would be made, and nothing be there to compare it with."""
    known = [path.stem for path in (CONF / "scenario").glob("*.yaml")]
    if versus not in known:
        raise ConfError(f"versus must be a scenario, got {versus!r}{did_you_mean(str(versus), known)}")


def _no_cluster(conf: Mapping[str, Any], error: ConfError) -> ConfError:
    """The error of the cluster's settings, as one of `versus`: ours are right."""
    return ConfError(f"versus must be a cluster that can train the same, got '{conf['versus']}': {error}")


def _quoted(value: Any) -> str:
    """A value as an override's text."""
    return f"'{value}'" if isinstance(value, str) else str(value)
