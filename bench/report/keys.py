"""Keys of rows as a table prints them: short, and still one row's alone."""

from collections.abc import Iterable, Mapping
from pathlib import Path

DIGITS = 8
"""Of a key's 32, where those tell all rows apart."""


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Each key's first DIGITS digits, or as many more as no other of `keys` begins with."""
    ordered = sorted(set(keys))
    shown = {}
    for before, key, after in zip(["", *ordered[:-1]], ordered, [*ordered[1:], ""], strict=True):
        # Sorted, a key shares the most digits with a neighbour.
        shown[key] = key[: max(DIGITS, _shared(key, before) + 1, _shared(key, after) + 1)]
    return shown


def keys_in(folder: Path) -> list[str]:
    """The keys of all rows in a results folder, readable or not."""
    return sorted(path.stem for path in (folder / "runs").glob("*.json"))


def printed(keys: Iterable[str], shown: Mapping[str, str]) -> str:
    """Some keys side by side, as `shown` has them; a key that it has not is whole."""
    return " ".join(shown.get(key, key) for key in keys)


def _shared(one: str, other: str) -> int:
    """How many digits two keys begin with alike."""
    count = 0
    for here, there in zip(one, other, strict=False):
        if here != there:
            break
        count += 1
    return count
