"""Where a row also goes: MLflow, TensorBoard. They hold copies; the results folder is what counts."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from bench.errors import ConfError, RecordError
from bench.record import Row
from bench.sinks.content import without_password

SINKS = ("mlflow", "tensorboard")


class Sink(Protocol):
    """What takes rows, each once."""

    place: str  # for people: where what was sent is to be found

    def send(self, row: Row) -> bool:
        """Take a row; False if it was there already. Raises whatever the library behind it does."""
        ...


def open_sinks(names: Any, results: str | Path) -> list[Sink]:
    """The sinks of these names for a results folder. Raises ConfError for one that is unknown or not installed."""
    if not isinstance(names, list):
        raise ConfError(f"sinks must be a list of {', '.join(SINKS)}, got {names!r}")
    for name in names:
        if name not in SINKS:
            raise ConfError(f"sinks must be a list of {', '.join(SINKS)}, got {name!r}")
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # a folder of that name is no package
            raise ConfError(f"sink {name} needs: pip install 'farbench[{name}]'")
    return [_opened(name, Path(results)) for name in dict.fromkeys(names)]


def send_all(sinks: Sequence[Sink], row: Row) -> None:
    """Send a row; what fails is told in one line, for the row itself is kept."""
    for sink in sinks:
        try:
            send(sink, row)
        except RecordError as error:
            print(f"farbench: {error}; the row is kept", file=sys.stderr)


def send(sink: Sink, row: Row) -> bool:
    """Send a row to one sink; False if it was there. Raises RecordError for whatever goes wrong."""
    try:
        return sink.send(row)
    except Exception as error:
        reason = without_password(" ".join(str(error).split()))
        raise RecordError(f"row {row['key'][:8]} was not sent to {sink.place}: {type(error).__name__}: {reason}") from error


def _opened(name: str, results: Path) -> Sink:
    from bench.sinks.mlflow import MLflow
    from bench.sinks.tensorboard import TensorBoard

    return MLflow(results) if name == "mlflow" else TensorBoard(results)
