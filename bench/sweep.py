"""A sweep as a whole: how many jobs it has, which rows they made, and the table at its end.

Hydra's launchers run jobs in this process, in others, or on other machines. What they share is the environment and the
results folder: the sweep's own file lists the keys of its rows, one a line, as they come.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from bench.build import build
from bench.errors import ConfError, RecordError, did_you_mean
from bench.explain import tell
from bench.record.row import COLUMNS
from bench.record.sweeps import Swept

if TYPE_CHECKING:
    from bench.report.matrix import Matrix

_FILE, _JOBS, _VARYING = "FARBENCH_SWEEP_FILE", "FARBENCH_SWEEP_JOBS", "FARBENCH_SWEEP_VARYING"
_FAILED = "failed"


class SweepReport(Callback):
    """Opens the sweep's file at its start; prints and writes the table at its end."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        with _fatal():
            self._open(config)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        from bench.report.formats import unfolded
        from bench.report.matrix import write_matrix
        from bench.report.publish import publish, tell

        folder = Path(config.results)
        with _fatal():
            if rows():
                name, matrix, target = config.get("sweep") or "last_sweep", _matrix(config), _target(config)
                of = vars(matrix) if matrix else None
                Swept(name=name, keys=tuple(rows()), matrix=of, target_loss=target).write(folder)
                files = [folder / "runs" / f"{key}.json" for key in rows()]
                written = write_matrix(files, folder, name, matrix) if matrix else []
                tell(publish(files, folder, name, target=target), json=config.json is True)
                for path in written if config.json is not True else []:
                    print(f"{unfolded(path.read_text())}\nwritten: {path}" if path.suffix == ".md" else f"written: {path}")

    def _open(self, config: DictConfig) -> None:
        _matrix(config)
        _target(config)
        folder = Path(config.results)
        path = folder / ".sweep" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.keys"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise RecordError(f"results must be a folder that can be written, got '{folder}': {error.strerror}") from error
        count, varying = _plan(config)
        os.environ |= {_FILE: str(path.absolute()), _JOBS: str(count), _VARYING: ",".join(varying)}


def _target(config: DictConfig) -> float | None:
    """The loss to which a sweep's table wants the time."""
    target = config.get("target_loss")
    if target is not None and not (isinstance(target, (int, float)) and target > 0):
        raise ConfError(f"target_loss must be above 0, got {target!r}")
    return target


def _matrix(config: DictConfig) -> "Matrix | None":
    """The table of two settings that a sweep asks for."""
    if config.get("matrix") is None:
        return None
    from bench.report.matrix import Matrix

    matrix: Matrix = build(OmegaConf.to_container(config.matrix), "matrix", Matrix)  # type: ignore[arg-type]
    for field, name in (("rows", matrix.rows), ("columns", matrix.columns)):
        # Of a setting in a group, only the group is sure to be here: which of its presets a job has may differ.
        if name not in COLUMNS and OmegaConf.select(config, name.partition(".")[0]) is None:
            raise ConfError(f"matrix.{field} must be a column or a setting, got '{name}'{did_you_mean(name, COLUMNS)}")
    return matrix


@contextmanager
def _fatal() -> Iterator[None]:
    """Tell of an error and end the command: Hydra makes a warning of what a callback raises, and goes on."""
    try:
        yield
    except Exception as error:
        tell(error)
        raise SystemExit(1) from error


def jobs() -> int:
    """How many jobs the sweep under way has; 0 outside a sweep."""
    return int(os.environ.get(_JOBS, 0))


def varying() -> list[str]:
    """The settings that the sweep under way varies."""
    return os.environ.get(_VARYING, "").split(",")


def note(number: int, key: str | None) -> None:
    """The job `number` of the sweep under way has the row `key`, or has failed."""
    with open(os.environ[_FILE], "a") as file:  # a short line is appended whole, also by two at once
        file.write(f"{number} {key or _FAILED}\n")


def rows() -> list[str]:
    """Keys of the rows that the sweep under way, or just ended, has; in the order of its jobs."""
    return list(dict.fromkeys(key for _, key in _lines() if key != _FAILED))


def failures() -> int:
    """How many jobs of the sweep under way, or just ended, have failed; 0 outside a sweep."""
    return sum(key == _FAILED for _, key in _lines())


def close() -> None:
    """Forget the sweep: its file has served."""
    if _FILE in os.environ:
        Path(os.environ.pop(_FILE)).unlink(missing_ok=True)


def _lines() -> list[tuple[int, str]]:
    if _FILE not in os.environ:
        return []
    pairs = (line.split() for line in Path(os.environ[_FILE]).read_text().splitlines())
    return sorted((int(number), key) for number, key in pairs)


def _plan(config: DictConfig) -> tuple[int, list[str]]:
    """Jobs of a sweep by Hydra's basic sweeper, and the settings it varies; other sweepers decide as they go (0, none)."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
        return 0, []
    params = [f"{name}={value}" for name, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*params, *config.hydra.overrides.task])
    varied = [str(override.get_key_element()) for override in overrides if override.is_sweep_override()]
    return sum(len(batch) for batch in BasicSweeper.split_arguments(overrides, None)), varied
