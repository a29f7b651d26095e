"""What is going on, on standard error: a bar on a terminal, plain lines elsewhere, and an estimate of what is left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from bench.errors import ConfError
from bench.units import seconds_text

STYLES = ("auto", "bar", "plain", "none")
_QUIET_SECONDS = 2.0  # nothing is said of work that takes less
_LINE_EVERY = 5.0  # seconds between plain lines


class Progress:
    """Tells of one job, under its `label`. `style` is one of STYLES; auto is a bar on a terminal, else plain lines."""

    def __init__(self, style: str, label: str = "") -> None:
        if style not in STYLES:
            raise ConfError(f"progress must be one of {', '.join(STYLES)}, got '{style}'")
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._style = ("bar" if sys.stderr.isatty() else "plain") if style == "auto" else style
        self._label = label

    def say(self, text: str) -> None:
        """One line, now."""
        if self._style != "none":
            self._console.print(f"{self._label}{text}", markup=False)

    @contextmanager
    def steps(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """A function to call with the number of steps done so far."""
        if self._style == "bar":
            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} steps")
            with Bar(*columns, TimeRemainingColumn(), console=self._console, transient=True) as bar:
                task = bar.add_task(f"{self._label}{what}", total=total)
                yield lambda done: bar.update(task, completed=done)
        else:
            start = said = time.monotonic()

            def line(done: int) -> None:
                nonlocal said
                now = time.monotonic()
                if now - start > _QUIET_SECONDS and now - said > _LINE_EVERY and done < total:
                    said = now
                    left = f", {seconds_text((now - start) * (total - done) / done)} left" if done else ""
                    self.say(f"{what}: {done} of {total} steps{left}")

            yield line
