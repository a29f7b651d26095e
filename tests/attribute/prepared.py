"""Runs of two workers whose seconds are derived by hand; a test's overrides change them."""

import copy
from functools import cache
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bench.progress import Progress
from bench.record import Store
from bench.run import Run

CONF = Path(__file__).parents[2] / "conf"
SMALL = [
    *("data=synthetic", "data.tokens=20000", "workers=2", "steps=4", "evaluation.every=2", "evaluation.sequences=8"),
    *("model.layers=1", "model.width=16", "model.context=16", "scenario=h100_cluster", "failures=none"),
    # Uplinks of 1 GB/s, 10 ms to the switch, a plain ring, no jitter.
    *("jitter=none", "transport=none", "collective=ring", "network.tiers=[]"),
    *("network.uplink=1 GB/s", "network.downlink=2 GB/s", "network.last_mile=10 ms"),
    *("timed_as.layers=2", "timed_as.width=64", "timed_as.vocabulary=256", "timed_as.context=64", "timed_as.heads=2"),
]

P = 119_424  # (256 + 64) 64 + 2 (12 64^2 + 4 64) + 2 64 parameters are timed
TOKENS = 512  # 8 sequences of 64 tokens a step
LATENCY = 0.04  # a ring of two: 2 hops of 10 + 10 ms,
BYTES = 4 * P  # and all of 4 P bytes over each uplink


def conf(*overrides):
    """The conf of these overrides, which add settings without a `+`; presets are composed once for all tests."""
    ddp = [] if any(each.startswith("algorithm=") for each in overrides) else ["algorithm=ddp", "algorithm.buckets=1"]
    texts = [*SMALL, *ddp, *overrides]
    settings = [text for text in texts if _is_setting(text)]
    config = copy.deepcopy(_composed(tuple(text for text in texts if text not in settings)))
    for field, _, value in (text.partition("=") for text in settings):
        OmegaConf.update(config, field, yaml.safe_load(value))
    return OmegaConf.to_container(config, resolve=True)


def _is_setting(text):
    return "." in text.partition("=")[0] or text.partition("=")[0] in ("workers", "steps", "seed", "train", "max_virtual")


@cache
def _composed(presets):
    OmegaConf.register_new_resolver("python_version", lambda: "3", replace=True)
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        config = compose("config", overrides=list(presets))
    OmegaConf.set_struct(config, False)
    return config


def prepared(folder, *overrides):
    return Run(conf(*overrides), Store(folder), Progress("none"))
