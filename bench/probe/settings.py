"""The words on the probe's command line, `name=value`, read and checked."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from yaml import safe_load

from bench.errors import ConfError, did_you_mean
from bench.explain import CONF

HELP = """Farbench's probe: measures these machines, and writes presets that describe them.

  python -m bench.probe name=NAME [SETTING=VALUE ...]                                 the device of this machine
  torchrun --nproc-per-node ... -m bench.probe name=NAME [SETTING=VALUE ...]          devices and links of all ranks

  name=NAME         of the presets: a small letter, then small letters, digits and _
  out=my_conf       folder for OUT/devices/NAME.yaml and, with two ranks or more, OUT/network and OUT/transport
  model=nano        preset of the model whose training step is timed; another one is timed beside it
  threads=auto      of each rank on a CPU; auto: as torch has them, one a rank under torchrun
  seconds=20        to spend on measuring, as far as long round trips allow
  overwrite=false   true: replace presets that are there
  json=false        true: the last line of output is one JSON object

Then: python -m bench --config-dir OUT network=NAME transport=NAME devices=NAME collective.backend=gloo workers=RANKS"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the user asked for."""

    name: str
    out: Path = Path("my_conf")
    model: str = "nano"
    threads: int | None = None
    seconds: float = 20.0
    overwrite: bool = False
    json: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"name must be a small letter, then small letters, digits and _, got '{self.name}'")
        taken = [group for group in ("network", "transport", "devices") if (CONF / group / f"{self.name}.yaml").exists()]
        if taken:
            raise ValueError(f"name must not be that of a preset which Farbench has in {taken[0]}, got '{self.name}'")
        if self.name in safe_load((CONF / "catalogue" / "devices.yaml").read_text(encoding="utf-8")):
            raise ValueError(f"name must not be that of a device of the catalogue, got '{self.name}'")
        models = [path.stem for path in (CONF / "model").glob("*.yaml")]
        if self.model not in models:
            raise ValueError(f"model must be one of its presets, got '{self.model}'{did_you_mean(self.model, models)}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be auto or >= 1, got {self.threads}")
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds must be > 0 and finite, got {self.seconds:g}")


def read(words: Sequence[str]) -> Settings:
    """The settings that `words` give. Raises ConfError for a word that is none, an unknown or missing name, or a bad value."""
    names = [field.name for field in fields(Settings)]
    texts: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ConfError(f"'{word}' cannot be read; write SETTING=VALUE, or --help")
        if name not in names:
            raise ConfError(f"{name} is not a setting of the probe{did_you_mean(name, names)}")
        if name in texts:
            raise ConfError(f"{name} must be given once, got '{texts[name]}' and '{text}'")
        texts[name] = text
    if "name" not in texts:
        raise ConfError("name must be given, such as name=my_lab")
    try:
        return Settings(
            name=texts["name"],
            out=_folder(texts.get("out", str(Settings.out))),
            model=texts.get("model", Settings.model),
            threads=None if texts.get("threads", "auto") == "auto" else _whole("threads", texts["threads"]),
            seconds=_number("seconds", texts.get("seconds", str(Settings.seconds))),
            overwrite=_flag("overwrite", texts.get("overwrite", "false")),
            json=_flag("json", texts.get("json", "false")),
        )
    except ValueError as error:
        raise ConfError(str(error)) from error


def _folder(text: str) -> Path:
    if not text.strip():
        raise ConfError("out must be the name of a folder, got nothing")
    return Path(text).expanduser()


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfError(f"{name} must be a number, got '{text}'") from None


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise ConfError(f"{name} must be auto or a whole number, got '{text}'")
    return int(text)


def _flag(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise ConfError(f"{name} must be true or false, got '{text}'")
    return text == "true"
