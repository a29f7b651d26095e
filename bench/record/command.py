"""What a row's command sets: the words behind `python -m bench`."""

import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bench.record.key import digest
from bench.record.row import PRESETS


def overrides(command: str) -> list[str]:
    """The words of a command that set something. Raises ValueError for a command that is none."""
    return shlex.split(command)[3:]  # after: python -m bench


def setting_of(override: str) -> str:
    """The setting of an override."""
    return override.lstrip("+~").partition("=")[0]


def group_of(override: str) -> str:
    """The first word of an override's setting: data of data.tokens=1 and of data@of=x."""
    return re.split(r"[.@=]", override.lstrip("+~"))[0]


def repeating(texts: Iterable[str], without: Collection[str]) -> list[str]:
    """Of overrides as Hydra hands them on, those that a command repeats: not what sets the groups in `without`."""
    # Hydra escapes their blanks; it reads them as well without.
    return [text.replace("\\ ", " ") for text in texts if group_of(text) not in without]


def but_for_seed(row: Mapping[str, Any]) -> str:
    """What rows share that are equal but for their seed: settings, presets, and the text."""
    conf = {name: value for name, value in row["conf"].items() if name != "seed"}
    text = json.dumps(conf, sort_keys=True)
    return digest(conf=text, names=[row[name] for name in PRESETS], data=row["data_digest"])


def without_seed(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """What the command of each row sets besides its seed.

    Rows that are equal but for their seed have the words of one of them, whichever sweeps they were made by: one may have set
    by its name what another's command says.
    """
    texts = [shlex.join(text for text in overrides(row["command"]) if setting_of(text) != "seed") for row in rows]
    alike: dict[str, list[int]] = {}
    for place in _with_two_texts(rows, texts):
        alike.setdefault(but_for_seed(rows[place]), []).append(place)
    for places in alike.values():
        word = min((texts[place] for place in places), key=lambda text: (len(text), text))
        for place in places:
            texts[place] = word
    return [shlex.split(text) for text in texts]


def _with_two_texts(rows: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> list[int]:
    """Places of the rows whose scenario and algorithm are in several texts: all others need not be looked into."""
    pairs = [(row["scenario"], row["algorithm"]) for row in rows]
    seen: dict[tuple[str, str], set[str]] = {}
    for pair, text in zip(pairs, texts, strict=True):
        seen.setdefault(pair, set()).add(text)
    return [place for place, pair in enumerate(pairs) if len(seen[pair]) > 1]
