"""python -m bench: one job or, with -m or +sweep=NAME, many. Composes conf, runs, records a row, prints six lines."""

import shlex
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from bench import resolvers, sweep
from bench.composed import plain, preset_names
from bench.errors import FarbenchError
from bench.explain import CONF
from bench.job import Job
from bench.launch import launch, told
from bench.progress import Progress
from bench.record import PATHS_AND_PLACES, Row, as_json
from bench.record.command import repeating
from bench.report import six_lines
from bench.trace import trace_path


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def job(config: DictConfig) -> None:
    """Runs one composed job. A failure is told in one line; it ends a single run, and a sweep goes on without it."""
    # Here, not at import: a launcher may run this function in a process of its own.
    resolvers.register()
    in_sweep = HydraConfig.get().mode is RunMode.MULTIRUN
    number = int(HydraConfig.get().job.num) if in_sweep else 0

    def failed() -> None:
        if not in_sweep:
            raise SystemExit(1)
        sweep.note(number, None)

    with told(failed, f"job {number + 1}: " if in_sweep else ""):
        row = _row(config, number, in_sweep)
        if in_sweep:
            sweep.note(number, row["key"])


def _row(config: DictConfig, number: int, in_sweep: bool) -> Row:
    """The row of one job, told to the user."""
    choices, overrides = HydraConfig.get().runtime.choices, list(HydraConfig.get().overrides.task)
    conf, names = plain(config), preset_names()
    place = f"[{number + 1}/{sweep.jobs() or '?'}] {_short(names, overrides)}: " if in_sweep else ""
    progress = Progress(conf["progress"], place)
    row = Job(conf, names, _command(overrides, choices.get("sweep"))).row(progress)
    path = Path(conf["results"]) / "runs" / f"{row['key']}.json"
    if row["status"] == "error":
        raise FarbenchError(f"{row['reason']}; recorded in {path}, and tried again when its command is repeated")
    if in_sweep:
        if row["status"] != "done":
            progress.say(f"{row['status']}: {row['reason']}")
        return row
    print("\n".join(six_lines(row, path)))
    told = {**row, "path": str(path)}
    if conf["trace"] and row["status"] in ("done", "diverged"):
        told["trace"] = str(trace_path(conf["results"], row["key"]))
        print(f"trace       {told['trace']}")
    if conf["json"]:
        print(as_json(told))
    return row


def main() -> int:
    """The exit code: 0 for rows made or found, 1 for what went wrong, 130 or 143 after Ctrl-C or SIGTERM."""

    def kept() -> str:
        return f"{len(sweep.rows())} of {sweep.jobs()} rows are finished and kept; " if sweep.jobs() else ""

    try:
        code = launch(job, kept)
        return 1 if code == 0 and sweep.failures() else code
    finally:
        sweep.close()


def _short(names: dict[str, str], overrides: list[str]) -> str:
    """Scenario, algorithm, and what else varies from job to job of a sweep."""
    others = [name for name in sweep.varying() if name not in ("scenario", "algorithm")]
    varied = [text.replace("\\ ", " ") for text in overrides if text.partition("=")[0] in others]
    return " ".join((names["scenario"], names["algorithm"], *varied))


def _command(overrides: list[str], named_sweep: str | None) -> str:
    """The command that repeats this job anywhere; with the settings that a sweep's own file has."""
    sweeps = [f"+sweep={named_sweep}", "hydra.mode=RUN"] if named_sweep else []
    return shlex.join(["python", "-m", "bench", *sweeps, *repeating(overrides, PATHS_AND_PLACES)])


if __name__ == "__main__":
    sys.exit(main())
