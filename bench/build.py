"""Objects from conf nodes: quantities parsed as the constructor's annotations say, and every error named by its field."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from importlib import import_module
from typing import Any

from bench.errors import ConfError, did_you_mean
from bench.units import Dimension, parse

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def build(conf: Mapping[str, Any], field: str, make: Callable[..., Any] | None = None, **given: Any) -> Any:
    """`make(**conf, **given)`, where `make` is the conf's own `_target_` unless it is given.

    `field` is the node's name in the conf. An argument annotated with a Dimension is parsed from text; one annotated as a
    plain type is checked. Raises ConfError naming field, rule and value for an unknown or missing argument, a bad
    quantity or type, and for any ValueError of the constructor.
    """
    if not isinstance(conf, Mapping):
        raise ConfError(f"{field} must hold settings, got {conf!r}")
    settings = {str(name): value for name, value in conf.items() if name != "_target_"}
    make = make or _target(conf, field)
    hints = typing.get_type_hints(make.__init__ if inspect.isclass(make) else make, include_extras=True)
    signature = inspect.signature(make).parameters
    own = [name for name in signature if name not in given]
    for name in settings:
        if name not in own:
            raise ConfError(f"{field}.{name} is not a setting of {field}{did_you_mean(name, own)}")
    for name in own:
        if name not in settings and signature[name].default is inspect.Parameter.empty:
            raise ConfError(f"{field}.{name} is missing")
    values = {name: _value(value, hints.get(name, Any), f"{field}.{name}") for name, value in settings.items()}
    try:
        return make(**values, **given)
    except ValueError as error:
        raise ConfError(f"{field}.{error}") from error


def _target(conf: Mapping[str, Any], field: str) -> Callable[..., Any]:
    if "_target_" not in conf:
        raise ConfError(f"{field}._target_ is missing: it names the class, such as bench.algorithm.diloco.DiLoCo")
    module, _, name = str(conf["_target_"]).rpartition(".")
    try:
        target = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError):
        target = None
    if not callable(target):
        raise ConfError(f"{field}._target_ must name a class that can be imported, got '{conf['_target_']}'")
    return typing.cast(Callable[..., Any], target)


def _value(value: Any, hint: Any, field: str) -> Any:
    """`value` parsed or checked against one annotation."""
    choices = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if value is None:
        if type(None) in choices or Any in choices:
            return None
        raise ConfError(f"{field} must be given, got null")
    for choice in choices:
        for dimension in getattr(choice, "__metadata__", ()):
            if isinstance(dimension, Dimension):
                try:
                    return parse(value, dimension)
                except ValueError as error:
                    raise ConfError(f"{field} {error}") from error
    for kind, word in ((Mapping, "a mapping"), (Sequence, "a list")):
        wanted = any(typing.get_origin(choice) is kind for choice in choices) and type(value) not in choices
        if wanted and not isinstance(value, kind):
            raise ConfError(f"{field} must be {word}, got {value!r}")
    for choice in choices:
        (inner,) = typing.get_args(choice) or (None,) if typing.get_origin(choice) is Sequence else (None,)
        if inspect.isclass(inner) and is_dataclass(inner):
            return [build(item, f"{field}[{place}]", inner) for place, item in enumerate(value)]
    plain = [choice for choice in choices if choice in _WORDS]
    if isinstance(value, Sequence) and any(typing.get_origin(choice) is Sequence for choice in choices):
        return value
    if plain and len(plain) == len([choice for choice in choices if choice is not type(None)]):
        fits = (type(value) is choice or (choice is float and type(value) is int) for choice in plain)
        if not any(fits):
            raise ConfError(f"{field} must be {' or '.join(_WORDS[p] for p in plain)}, got {value!r}")
    return value
