"""What of a row a sink gets: numbers, settings as text, and a name."""

import math
import re

from bench.record import Row
from bench.record.command import overrides
from bench.record.leaves import leaves
from bench.record.row import MAPPINGS, PRESETS, TEXTS


def name(row: Row, between: str) -> str:
    """Scenario, algorithm and the first eight digits of the key."""
    return between.join((row["scenario"], row["algorithm"], row["key"][:8]))


def numbers(row: Row) -> dict[str, float]:
    """The finite numbers of a row in base units, and the ledger's shares."""
    plain = {column: value for column, value in row.items() if column not in (*TEXTS, *MAPPINGS)}
    shares = {f"share_{bucket}": share for bucket, share in row["ledger"].items()}
    return {name: float(value) for name, value in (plain | shares).items() if math.isfinite(value)}


def evaluations(row: Row) -> list[tuple[int, float, float]]:
    """Step, virtual second and held-out loss of each evaluation with a finite loss."""
    curve = row["curve"]
    lines = zip(curve["steps"], curve["virtual_seconds"], curve["loss"], strict=True)
    return [(int(step), float(seconds), float(loss)) for step, seconds, loss in lines if math.isfinite(loss)]


def parameters(row: Row) -> dict[str, str]:
    """The presets, and what else the command sets, by names that any program takes."""
    found = {preset: str(row[preset]) for preset in PRESETS} | {"seed": str(row["seed"]), "workers": str(row["workers"])}
    for text in overrides(row["command"]):
        setting, _, value = text.lstrip("+~").partition("=")
        found.setdefault(re.sub(r"[^\w. -]", ".", setting), value)
    return found


def settings(row: Row) -> dict[str, str]:
    """Every setting by its dotted name."""
    return {setting: str(value) for setting, value in sorted(leaves(row["conf"]).items())}


def without_password(text: str) -> str:
    """A text for people: addresses in it lose who logs in, and with what."""
    return re.sub(r"//[^/@\s]*@", "//", text)
