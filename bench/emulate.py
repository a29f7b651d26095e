"""python -m bench.emulate: a run on real ranks behind shaped links, its prediction beside what was measured."""

import shlex
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from bench import resolvers
from bench.composed import plain, preset_names
from bench.emulator.cells import cell
from bench.emulator.launcher import Launcher
from bench.emulator.record import record_path
from bench.emulator.table import lines
from bench.emulator.trial import Trial
from bench.explain import CONF
from bench.launch import launch, told
from bench.progress import Progress
from bench.record import PATHS_AND_PLACES, as_json
from bench.record.command import repeating

HELP = """\
Farbench's Emulator: the program of an algorithm on 2 to 16 real torch.distributed ranks, one process each, on links that
are really slow. Prints what the Simulator predicted beside what was measured: seconds, bytes, parameters.

  python -m bench.emulate [SETTING=VALUE ...]      one emulation, with all settings of `python -m bench`, and
  python -m bench.emulate -m SETTING=A,B ...       one after the other, over all combinations

    emulate.step       seconds of the fastest worker's step (default "50 ms"); the others' are longer, as those of timed_as are
                       on their devices. `scenario`: as long as these. `measured`: as long as the model takes here
    emulate.repeats    measurements of one prediction (default 3); what is on record is not measured again
    emulate.links      shaped (each rank in a network namespace, as root or any user where the kernel allows it), throttled
                       (ranks sleep the model's seconds: that checks the program, never the network), or auto

Needs collective=gloo or collective=butterfly, and links of the hosts' own (scenario=shaped_links, volunteer_home).
Results go to results/local/emulations/ unless results=DIR says otherwise. `python -m bench --help` lists presets."""

_launchers: dict[bool, Launcher] = {}  # by whether links are shaped: one serves emulation after emulation
_failed: list[int] = []  # jobs


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def job(config: DictConfig) -> None:
    """One emulation. A failure is told in one line; it ends a single one, and others go on without it."""
    resolvers.register()
    several = HydraConfig.get().mode is RunMode.MULTIRUN
    number = int(HydraConfig.get().job.num) if several else 0

    def failed() -> None:
        _close()  # a hub that has failed is not asked again
        _failed.append(number)

    with told(failed, f"job {number + 1}: " if several else ""):
        _emulate(config, f"[{number + 1}] " if several else "")


def main() -> int:
    """The exit code: 0 for what was measured or found, 1 for what went wrong, 130 or 143 after Ctrl-C or SIGTERM."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(HELP)
        return 0
    settings = [place for place, word in enumerate(sys.argv) if place and "=" in word and not word.startswith("-")]
    sys.argv.insert(settings[0] if settings else len(sys.argv), "+emulate=default")  # beside others: options may be anywhere
    try:
        return launch(_jobs, lambda: "what was measured is kept, ") or int(bool(_failed))
    finally:
        _close()


def _jobs() -> None:
    try:
        job()
    except BaseException:
        _close()  # here, where it sees that something happened: what a hub is at is not waited for
        raise


def _emulate(config: DictConfig, label: str) -> None:
    """Do it, or find it on record, and tell of it."""
    conf = plain(config)
    record = Trial(conf, preset_names(), _command(), _launcher, Progress(conf["progress"], label)).record()
    path = record_path(conf["results"], record["key"])
    print("\n".join(lines(record, path)), flush=True)
    if conf["json"]:
        found = cell(record)
        figures = {name: value for name, value in vars(found).items() if name != "words"} if found else {}
        print(as_json({"path": str(path), "status": record["status"], "reason": record["reason"], **figures}))


def _launcher(shaped: bool) -> Launcher:
    """The hub of this command, begun when it is first needed."""
    if shaped not in _launchers:
        _launchers[shaped] = Launcher(shaped=shaped).__enter__()
    return _launchers[shaped]


def _close() -> None:
    while _launchers:
        _launchers.popitem()[1].__exit__(*sys.exc_info())


def _command() -> str:
    """The command that repeats this job."""
    kept = repeating(HydraConfig.get().overrides.task, set(PATHS_AND_PLACES) - {"emulate"})
    return shlex.join(["python", "-m", "bench.emulate", *(text for text in kept if text != "+emulate=default")])


if __name__ == "__main__":
    sys.exit(main())
