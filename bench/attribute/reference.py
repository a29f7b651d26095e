"""The synchronous reference of a run: DDP of the same model on the same data, with nothing in its way."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from yaml import safe_load

from bench.attribute.switches import TIMED, Quick, variant
from bench.attribute.variant import Clocked
from bench.devices.fleet import Floats
from bench.explain import CONF
from bench.progress import Progress
from bench.record import Store
from bench.run import Run
from bench.world import Conf

PLAIN = {"adversary": "none", "aggregator": "mean", "verification": "none"}
"""Presets of a run in which nobody is bad and nobody is checked."""

SYNCHRONOUS = {
    **PLAIN,
    **{"algorithm": "ddp", "codec": "none", "feedback": "none", "split": "uniform"},
    **{"participation": "wait_for_all", "churn": "always_on", "failures": "none"},
}
"""Presets of the reference; all else is the run's own: model, data, steps, workers, seed."""


def plain_conf(conf: Conf) -> dict[str, Any]:
    """The same settings without adversaries and without the defence against them."""
    return {**conf, **{group: preset(group, name) for group, name in PLAIN.items()}}


def reference_conf(conf: Conf, names: Mapping[str, str]) -> dict[str, Any]:
    """The settings of the reference.

    Its optimizer is the run's, if that is of the preset that config.yaml has; else it is that preset: algorithms that bring
    an optimizer of their own bring one with which DDP would be no reference.
    """
    usual = _usual("optimizer")
    optimizer = conf["optimizer"] if names["optimizer"] == usual else preset("optimizer", usual)
    return {**conf, **{group: preset(group, name) for group, name in SYNCHRONOUS.items()}, "optimizer": optimizer}


def clocked_reference(conf: Conf, names: Mapping[str, str], store: Store) -> tuple[Run, Clocked]:
    """The reference's run, and its clock in an ideal world whose devices hold any model: its schedule is what counts."""
    run = Run(reference_conf(conf, names), store, Progress("none"))
    ideal = variant(run, frozenset(TIMED))
    fleet = run.scenario.fleet
    ideal.run.scenario = replace(ideal.run.scenario, fleet=_Roomy(fleet.kind_names, fleet.kinds, fleet.kind))
    return run, ideal.clocked()


class _Roomy(Quick):
    """A fleet that holds any model: an algorithm that cuts a model may train what DDP could not hold."""

    @cached_property
    def memory(self) -> Floats:
        """(W,) bytes"""
        return np.full(len(self.kind), np.inf)


def preset(group: str, name: str) -> dict[str, Any]:
    """The settings of a preset that has no other presets in it."""
    settings: Any = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml"))
    return settings


def _usual(group: str) -> str:
    """The preset of a group that config.yaml has."""
    defaults = safe_load((CONF / "config.yaml").read_text())["defaults"]
    return str(next(entry[group] for entry in defaults if isinstance(entry, dict) and group in entry))
