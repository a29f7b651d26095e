"""Small runs to attribute, composed as the command line composes them."""

from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bench import resolvers
from bench.attribute.attribution import Attribution
from bench.composed import settled
from bench.job import Job
from bench.progress import Progress

CONF = Path(__file__).parent.parent / "conf"
TINY = (
    *("data=synthetic", "data.tokens=20000", "workers=4", "steps=12", "evaluation.every=4", "evaluation.sequences=8"),
    *(
        "lr_schedule.warmup=2",
        "model.layers=1",
        "model.width=16",
        "model.context=16",
        "model.batch=2",
        "progress=none",
        "threads=1",
    ),
)
ALIKE = ("jitter=none", "devices=h100", "failures=none", "churn=always_on")  # nobody is slower, nobody is ever away
FREE = ("network=shaped", "network.uplink=unlimited", "network.downlink=unlimited", "network.last_mile=0 s", "transport=none")


def composed(folder, *overrides):
    """Settings and names of presets, with `folder` for the results."""
    conf, names = _composed(*overrides)
    return {**conf, "results": str(folder)}, names


@cache
def _composed(*overrides):
    resolvers.register()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        config = compose("config", overrides=[*TINY, *overrides], return_hydra_config=True)
    choices = config.hydra.runtime.choices
    names = {group.rpartition("@")[2]: str(name) for group, name in choices.items() if not group.startswith("hydra/")}
    return settled(OmegaConf.masked_copy(config, [name for name in config if name != "hydra"])), names


def attribution(folder, *overrides, seeds=1, helps=False):
    conf, names = composed(folder, *overrides)
    command = " ".join(["python -m bench.attribute", *overrides])
    return Attribution({**conf, "attribute": {"seeds": seeds, "helps": helps}}, names | {"attribute": "default"}, command)


def attributed(folder, *overrides, seeds=1, helps=False):
    """The record."""
    return attribution(folder, *overrides, seeds=seeds, helps=helps).record()[0]


def row(folder, *overrides):
    """The row that `python -m bench` has of these settings."""
    conf, names = composed(folder, *overrides)
    return Job(conf, names, " ".join(["python -m bench", *overrides])).row(Progress("none"))


def factor(record, name):
    """Of the first seed."""
    return record["factors"][name][0]
