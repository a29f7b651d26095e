"""One clear line for anything that stops a command: what is wrong, the rule, the value, and what was probably meant."""

import re
from pathlib import Path

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from bench.errors import FarbenchError, did_you_mean


def explain(error: BaseException, conf: Path) -> str:
    """The line for `error`; `conf` is the folder of presets, where near names are looked up."""
    chain = _chain(error)
    for cause in chain:
        if isinstance(cause, FarbenchError):
            return str(cause)
        if isinstance(cause, MissingConfigException):
            return _preset(cause, conf)
        if isinstance(cause, MissingMandatoryValue):
            return f"{cause.full_key} must be given, such as {cause.full_key}=VALUE"
        if isinstance(cause, ConfigCompositionException) and "Could not override" in str(cause):
            return _setting(str(cause), conf)
        if isinstance(cause, OSError):
            return f"{cause.filename or 'system'}: {cause.strerror or cause}"
    for cause in chain:
        if isinstance(cause, HydraException | OmegaConfBaseException):
            return " ".join(str(cause).split())
    return f"this is a fault of farbench's own: {type(error).__name__}: {error}"


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


def _setting(text: str, conf: Path) -> str:
    """A setting or a group that does not exist, such as algorithm.sync_evry=5."""
    match = re.search(r"Could not override '([^']+)'", text)
    assert match, text
    field = match[1].partition("@")[0]
    known = _known_settings(conf)
    if field in known:
        return f"{field} has other entries: add one with '+{field}.NAME=VALUE', drop one with '~{field}.NAME'"
    return f"{field} is not a setting of this run{did_you_mean(field, known)}"


def _known_settings(conf: Path) -> set[str]:
    """Names of all groups, of settings at the top, and of settings of all presets."""
    from yaml import safe_load

    known = {folder.name for folder in conf.iterdir() if folder.is_dir()}
    for path in conf.rglob("*.yaml"):
        group = path.parent.relative_to(conf).as_posix()
        for name in safe_load(path.read_text()) or {}:
            known.add(name if group == "." else f"{group}.{name}")
    return {name for name in known if not name.endswith(("_target_", "defaults"))}
