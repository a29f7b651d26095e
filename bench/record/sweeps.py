"""Which rows a sweep has, in their order, and how its tables are to be: one file a sweep, sweeps/<name>.json.

A row does not know of the sweeps that found it; with these files, all that a report shows is made anew from a results folder.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.errors import RecordError
from bench.record.store import write_whole


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The rows of a sweep, by their keys; settings of its matrix, if it has one; the loss to which it wants the time."""

    name: str
    keys: tuple[str, ...]
    matrix: Mapping[str, Any] | None = None
    target_loss: float | None = None

    def write(self, folder: Path) -> Path:
        """Record it in a results folder, in place of the last sweep of its name."""
        path = folder / "sweeps" / f"{self.name}.json"
        write_whole(path, json.dumps(asdict(self), indent=1) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> "Swept":
        """The sweep in a file. Raises RecordError, naming the file, if it is not a whole one."""
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} is not a readable sweep: {error}") from error
        whole = isinstance(found, dict) and found.keys() == cls.__dataclass_fields__.keys() and found["name"] == path.stem
        if not whole or not isinstance(found["keys"], list) or not all(map(_is_key, found["keys"])):
            raise RecordError(f"{path} is not a sweep of ours: it must have its name, and the keys of its rows")
        if not isinstance(found["matrix"], dict | None) or not isinstance(found["target_loss"], float | int | None):
            raise RecordError(f"{path} is not a sweep of ours: its matrix or its target_loss is none")
        return cls(**found | {"keys": tuple(found["keys"])})


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) is not None


def sweeps_of(folder: Path) -> tuple[list[Swept], list[str]]:
    """The sweeps of a results folder, by name; and a line for each file that is broken, which is left out."""
    found, broken = [], []
    for path in sorted((folder / "sweeps").glob("*.json")):
        try:
            found.append(Swept.read(path))
        except RecordError as error:
            broken.append(str(error))
    return found, broken
