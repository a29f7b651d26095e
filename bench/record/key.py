"""Names for what a result depends on: equal settings, equal key."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from bench.record.row import SCHEMA

PATHS_AND_PLACES = (
    *("results", "device", "threads", "progress", "json", "trace", "sinks"),
    *("sweep", "matrix", "target_loss", "emulate", "attribute"),
)
"""Settings that say where and how to run and how to tell of it; they change no result and no key."""

UNREAD = ("sustained", "peak_fp8", "die_mm2", "io", "datacentre")
"""Fields of a device that no run reads, only projections and the export rules' measures of it: no result depends on them, and
rows from before the catalogue had them keep their keys."""


def digest(**parts: Any) -> str:
    """The sha256 of `parts`, written as JSON. Order counts: that of a mixture decides who gets what."""
    text = json.dumps(parts, allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()


def settings(conf: Mapping[str, Any]) -> dict[str, Any]:
    """What of a resolved conf a result depends on: without paths and places, devices that its fleet lacks, and UNREAD."""
    named = {name for way in ("mix", "list", "file") for name in conf["devices"].get(way) or ()}
    catalogue = {
        name: {field: value for field, value in entry.items() if field not in UNREAD}
        for name, entry in conf["catalogue"].items()
        if name in named
    }
    return {name: value for name, value in conf.items() if name not in PATHS_AND_PLACES} | {"catalogue": catalogue}


def row_key(conf: Mapping[str, Any], names: Mapping[str, str], text: str) -> str:
    """The key of a row: its settings, the names of its presets, the fingerprint of its text, and the row's schema."""
    return digest(schema=SCHEMA, conf=settings(conf), names=dict(names), text=text)[:32]
