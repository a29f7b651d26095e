"""python -m bench: one job or, with -m or +sweep=NAME, many. Composes conf, runs, records a row, prints six lines."""

import json
import os
import platform
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bench import sweep
from bench.errors import FarbenchError
from bench.explain import explain
from bench.job import Job
from bench.progress import Progress
from bench.record import PATHS_AND_PLACES
from bench.report import six_lines

_HERE = Path(__file__).resolve().parent
# Inside the package where it is installed, beside it in a checkout.
CONF = next(folder for folder in (_HERE / "conf", _HERE.parent / "conf") if folder.is_dir())


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def job(config: DictConfig) -> str:
    """Runs one composed job; returns the status of its row."""
    # Here, not at import: a launcher may run this function in a process of its own.
    OmegaConf.register_new_resolver("python_version", platform.python_version, replace=True)
    hydra_config = HydraConfig.get()
    conf: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    names = {
        group.rpartition("@")[2]: str(name) for group, name in hydra_config.runtime.choices.items() if "hydra/" not in group
    }
    in_sweep = hydra_config.mode is hydra.types.RunMode.MULTIRUN
    number = int(hydra_config.job.num) if in_sweep else 0
    total = sweep.jobs()
    label = f"[{number + 1}{f'/{total}' if total else ''}] {names['scenario']} {names['algorithm']}: " if in_sweep else ""
    progress = Progress(conf["progress"], label)
    row = Job(conf, names, _command(list(hydra_config.overrides.task))).row(progress)
    path = Path(conf["results"]) / "runs" / f"{row['key']}.json"
    if in_sweep:
        sweep.note(number, row["key"])
        if row["status"] != "done":
            progress.say(f"{row['status']}: {row['reason']}")
    else:
        print("\n".join(six_lines(row, path)))
    if conf["json"]:
        print(json.dumps({**row, "path": str(path)}))
    if row["status"] == "error":
        raise FarbenchError(f"{row['reason']}; the row is recorded, and tried again when its command is repeated")
    return str(row["status"])


def main() -> int:
    """The exit code: 0 for rows made or found, 1 for what went wrong, 130 or 143 after Ctrl-C or SIGTERM."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach `explain` instead of being printed by Hydra
    signal.signal(signal.SIGTERM, _terminate)
    try:
        job()
    except KeyboardInterrupt:
        rows = f"{sweep.rows_so_far()} of {sweep.jobs()} rows are finished and kept; " if sweep.jobs() else ""
        print(f"\nfarbench: interrupted; {rows}repeat the same command to go on", file=sys.stderr)
        return 130
    except Exception as error:
        print(f"farbench: {explain(error, CONF)}", file=sys.stderr)
        return 1
    return 0


def _command(overrides: list[str]) -> str:
    """The command that repeats this job anywhere."""
    kept = [text for text in overrides if text.lstrip("+~").partition("=")[0] not in PATHS_AND_PLACES]
    return shlex.join(["python", "-m", "bench", *kept])


def _terminate(signum: int, frame: object) -> None:
    print("\nfarbench: terminated; finished rows are kept, repeat the same command to go on", file=sys.stderr)
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
