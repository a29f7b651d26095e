"""python -m bench.probe: measures devices and links, alone or on every rank that torchrun starts, and writes presets."""

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bench.errors import FarbenchError
from bench.explain import tell
from bench.probe.settings import HELP, Settings, read


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 0 where presets were written, 1 for what went wrong, 130 after Ctrl-C."""
    words = sys.argv[1:] if words is None else words
    first = os.environ.get("RANK", "0") == "0"
    if {"-h", "--help"} & {*words}:
        if first:
            print(HELP)
        return 0
    try:
        settings = read(words)
    except FarbenchError as error:
        if first:
            tell(error)
        return 1
    # Else torch tells of each connection that breaks in thirty lines.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    try:
        return _measure(settings)
    except KeyboardInterrupt:
        return 130


def _measure(settings: Settings) -> int:
    from bench.probe.ranks import Ranks, distributed, lost  # torch, after its log level is set
    from bench.probe.session import probe

    patience = max(120.0, 2 * settings.seconds)
    ranks: Any = None
    try:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            with lost("joining"):
                store, rank, size = next(iter(distributed.rendezvous("env://", timeout=timedelta(seconds=patience))))
            ranks = Ranks(store=store, rank=rank, size=size, patience_seconds=patience)
        probe(settings, ranks)
        if ranks:
            ranks.close()
    except (FarbenchError, OSError, RuntimeError) as error:
        if ranks is None or ranks.first_to_tell():
            tell(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
