"""Nested settings as leaves with dotted names: network.uplink, network.tiers.0.size."""

import json
from collections.abc import Mapping
from typing import Any


def leaves(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Each leaf of nested mappings by its dotted name. Items of a list of mappings have their number as name; any other
    list is one leaf, its JSON text, and so is what is empty."""
    if isinstance(settings, Mapping) and settings:
        parts = settings.items()
    elif isinstance(settings, list) and settings and all(isinstance(item, Mapping) for item in settings):
        parts = {str(index): item for index, item in enumerate(settings)}.items()
    else:
        return {prefix: json.dumps(settings) if isinstance(settings, list | Mapping) else settings}
    found: dict[str, Any] = {}
    for name, part in parts:
        found |= leaves(part, f"{prefix}.{name}" if prefix else str(name))
    return found
