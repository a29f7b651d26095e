"""What every command that Hydra runs does around its jobs: a signal ends it, and whatever stops it is told in one line."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.explain import tell

_signals: list[int] = []  # that came: libraries turn what a handler raises into errors of their own, without a trace of it


def launch(jobs: Callable[[], object], kept: Callable[[], str], config: str = "config") -> int:
    """Run Hydra's `jobs`; the exit code: 0, 1 for what stopped them, 130 or 143 after Ctrl-C or SIGTERM.

    `kept` says what is not lost then; `config` is the file, without its ending, that says which settings there are.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach `tell` instead of being printed by Hydra
    _signals.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        jobs()
    except BaseException as error:
        if _signals or isinstance(error, KeyboardInterrupt):
            word, code = ("terminated", 143) if signal.SIGTERM in _signals else ("interrupted", 130)
            print(f"\nfarbench: {word}; {kept()}repeat the same command to go on", file=sys.stderr)
            return code
        if isinstance(error, SystemExit):
            raise
        tell(error, config=config)
        return 1
    return 0


@contextmanager
def told(failed: Callable[[], object], where: str = "", config: str = "config") -> Iterator[None]:
    """One job: its failure is told, after `where` it was, and `failed` is called; a signal goes on to end the command."""
    try:
        yield
    except Exception as error:
        if _signals:
            raise KeyboardInterrupt from error
        tell(error, where, config)
        failed()


def _stop(number: int, frame: object) -> None:
    _signals.append(number)
    raise KeyboardInterrupt
