"""From what Hydra composed to plain settings, with the tables that they name read in; every error names its field."""

from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bench.churn.tables import with_recording
from bench.devices.tables import with_fleet
from bench.errors import ConfError
from bench.explain import check_top
from bench.network.tables import with_tables, with_trace


def plain(config: DictConfig, of: str = "config") -> dict[str, Any]:
    """The resolved settings of this job; `of` is the file that says which there are. Raises ConfError."""
    for text in HydraConfig.get().overrides.task:
        if text.partition("=")[2].replace(" ", "") == "{}":
            raise ConfError(f"{text.partition('=')[0]} must not be empty, got {{}}")
    return settled(config, of)


def settled(config: DictConfig, of: str = "config") -> dict[str, Any]:
    """The same of a conf that was composed in any way."""
    if config.get("size") not in ("small", "full"):
        raise ConfError(f"size must be small or full, got {config.get('size')!r}")
    conf: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    check_top(conf, of)
    for name in ("json", "trace"):
        if type(conf.get(name, False)) is not bool:
            raise ConfError(f"{name} must be true or false, got {conf[name]!r}")
    conf |= {"network": with_tables(conf["network"]), "variation": with_trace(conf["variation"])}
    return conf | {"churn": with_recording(conf["churn"]), "devices": with_fleet(conf["devices"])}


def preset_names() -> dict[str, str]:
    """The presets that were chosen, by group."""
    choices = HydraConfig.get().runtime.choices
    return {group.rpartition("@")[2]: str(name) for group, name in choices.items() if not group.startswith("hydra/")}
