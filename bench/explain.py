"""One clear line for anything that stops a command: what is wrong, the rule, the value, and what was probably meant."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import safe_load

from bench.errors import ConfError, FarbenchError, did_you_mean

_HERE = Path(__file__).resolve().parent
CONF = next(folder for folder in (_HERE / "conf", _HERE.parent / "conf") if folder.is_dir())
"""The folder of presets: inside the package where it is installed, beside it in a checkout."""


COMMANDS = {"config": "python -m bench", "project": "python -m bench.project"}
"""By the file, without its ending, that says which settings a command has."""


def tell(error: BaseException, where: str = "", config: str = "config") -> None:
    """The line for `error` of a command, on standard error; none where a reader, such as `head`, has had enough."""
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed has no reader
        return
    print(f"farbench: {where}{explain(error, CONF, config)}", file=sys.stderr)


def explain(error: BaseException, conf: Path, config: str = "config") -> str:
    """The line for `error` of the command whose settings `config` has; near names are looked up in the folder `conf`."""
    chain = _chain(error)
    for cause in chain:
        if isinstance(cause, FarbenchError):
            return str(cause)
        if isinstance(cause, MissingConfigException):
            return _preset(cause, conf)
        if isinstance(cause, MissingMandatoryValue):
            return f"{cause.full_key} must be given, such as {cause.full_key}=VALUE"
        if isinstance(cause, ConfigCompositionException) and "Could not override" in str(cause):
            return _setting(cause, conf, config)
        if isinstance(cause, OverrideParseException):
            text = str(cause.override)
            return f"'{text}' cannot be read; write NAME=VALUE, unusual characters of a value in quotes: \"results='é'\""
        if isinstance(cause, OSError):
            return f"{cause.filename or 'system'}: {cause.strerror or cause}"
    for cause in chain:
        if isinstance(cause, HydraException | OmegaConfBaseException):
            return " ".join(str(cause).split())
        if isinstance(cause, ValueError) and "Config group override" in str(cause):  # Hydra's own, such as model=null
            return f"a group must be set to one of its presets: {cause}"
    return f"this is a fault of farbench's own: {type(error).__name__}: {error}"


def check_top(conf: Mapping[str, Any], config: str = "config") -> None:
    """Raises ConfError for a setting at the top of a conf that is unknown, or a group that is missing.

    `config` is the file, without its ending, that says which there are.
    """
    groups, settings = _top(config)
    for name in conf:
        if name not in groups | settings | {"sweep", "matrix", "target_loss", "emulate", "attribute", "solve"}:
            raise ConfError(f"{name} is not a setting of this run{did_you_mean(name, groups | settings)}")
    for name in sorted(groups | settings):
        if conf.get(name) is None:
            raise ConfError(f"{name} must be given, got nothing")
        if name in groups and not isinstance(conf[name], Mapping):
            raise ConfError(f"{name} must be one of its presets{_how(name, conf[name])}")
    if not isinstance(conf["results"], str) or not conf["results"].strip():
        raise ConfError(f"results must be the name of a folder, got {conf['results']!r}")
    _check_fleet(conf["devices"])


def _check_fleet(devices: Mapping[str, Any]) -> None:
    """Raises ConfError unless a fleet is given in one way, as that way is written."""
    given = {way: value for way in ("mix", "list", "file") if (value := devices.get(way)) is not None}
    if len(given) != 1:
        raise ConfError(
            f"devices must have one of mix, list and file, got {' and '.join(given) or 'none'}; '~devices.NAME' drops one"
        )
    [(way, value)] = given.items()
    if way == "list":
        if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(name, str) for name in value):
            raise ConfError(f"devices.list must be a list of devices, got {value!r}")
    elif not isinstance(value, Mapping) and not (way == "file" and isinstance(value, str)):
        rule = "map devices to their shares" if way == "mix" else "be a .csv file with the columns device,count"
        raise ConfError(f"devices.{way} must {rule}, got {value!r}")


@cache
def _top(config: str) -> tuple[set[str], set[str]]:
    """Groups of presets, and other settings at the top of a conf."""
    settings = safe_load((CONF / f"{config}.yaml").read_text())
    names = [next(iter(entry)) for entry in settings["defaults"] if isinstance(entry, Mapping)]
    groups = {name.rpartition("@")[2] for name in names if not name.startswith("override ")}
    return groups, set(settings) - {"defaults", "hydra"}


def _words(config: str) -> set[str]:
    """The first words of all settings of a command."""
    groups, settings = _top(config)
    others = {"sweep", "emulate", "attribute", "matrix", "target_loss"}
    return groups | settings | ({"solve"} if config == "project" else others)


def _how(group: str, value: Any) -> str:
    """How to say what was probably meant by setting a group to `value`."""
    return f": write model@timed_as={value}" if group == "timed_as" else f", got {value!r}"


def _chain(error: BaseException | None) -> list[BaseException]:
    """`error` and what caused it."""
    chain: list[BaseException] = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain


def _preset(error: MissingConfigException, conf: Path) -> str:
    """A preset that does not exist, such as scenario=nope."""
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    known = [path.stem for path in (conf / group).glob("*.yaml")]
    return f"{group} must be one of its presets, got '{name}'{did_you_mean(name, known)}"


def _setting(error: ConfigCompositionException, conf: Path, config: str) -> str:
    """A setting or a group that does not exist, such as algorithm.sync_evry=5."""
    match = re.search(r"Could not override '([^']+)'", str(error))
    assert match, error
    field = match[1].partition("@")[0]
    top = (match[1].rpartition("@")[2] if "@" in match[1] else field).partition(".")[0]
    if elsewhere := [command for of, command in COMMANDS.items() if top in _words(of) - _words(config)]:
        return f"{match[1]} belongs to {elsewhere[0]}"
    known = _known_settings(conf)
    if field in known:
        if str(getattr(error.__cause__, "full_key", field)).startswith(f"{field}."):
            return f"{field} has other entries: add one with '+{field}.NAME=VALUE', drop one with '~{field}.NAME'"
        group = field.partition(".")[0]
        # Presets without a class of their own are all of one kind, and take each other's settings.
        one_kind = not any("_target_" in path.read_text() for path in (conf / group).glob("*.yaml"))
        hint = f"; '+{field}=VALUE' adds it" if one_kind else ""
        return f"{field} is a setting of another preset of {group} than the one that was chosen{hint}"
    return f"{field} is not a setting of this run{did_you_mean(field, known)}"


def _known_settings(conf: Path) -> set[str]:
    """Names of all groups, of settings at the top, and of settings of all presets."""
    known = {folder.name for folder in conf.iterdir() if folder.is_dir()}
    for path in conf.rglob("*.yaml"):
        group = path.parent.relative_to(conf).as_posix()
        text = path.read_text()
        at_top = group == "." or text.startswith("# @package _global_")
        for name, value in (safe_load(text) or {}).items():
            known.add(name if at_top else f"{group}.{name}")
            if at_top and isinstance(value, dict):
                known |= {f"{name}.{inner}" for inner in value}
    return {name for name in known if not name.endswith(("_target_", "defaults"))}
