"""python -m bench.attribute: where the loss of a run comes from, factor by factor."""

import shlex
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from bench import resolvers, sweep
from bench.composed import plain, preset_names
from bench.explain import CONF
from bench.launch import launch, told
from bench.record import PATHS_AND_PLACES, as_json
from bench.record.command import repeating

HELP = """\
Where the loss of a run comes from: its slowdown against ideal, as a product of factors; and what would help it, ranked.

  python -m bench.attribute [SETTING=VALUE ...]    one attribution, with all settings of `python -m bench`, and
  python -m bench.attribute -m SETTING=A,B ...     one after the other, over all combinations, and a table of all

    attribute.seeds    how many seeds: the run's own and those after it (default 3); factors are medians [lowest–highest]
    attribute.helps    true (default): also what would help; false saves the trainings of these
    train=false        the clock alone: no learning, seconds instead of minutes

slowdown = 1 / efficiency;  efficiency = system_efficiency x statistical_efficiency
    system_efficiency       tokens/s over those of the same devices with free links, always up, nobody waiting
    statistical_efficiency  the tokens that the synchronous reference needs to a loss that both reach, over those of the run;
                            the reference: DDP, mean, no codec, nobody bad, always up; same model, data, steps, workers, seed

Each switch is ideal or real; every combination of them is a corner, which is simulated and trained:
    bandwidth      ideal: links and connections carry any number of bytes at once
    latency        ideal: nothing is far away
    heterogeneity  ideal: every device takes the harmonic mean of all devices' step seconds, without jitter
    dropouts       ideal: nobody drops out, nothing fails, no payload is lost
    adversaries    ideal: nobody is bad, nobody is checked, payloads are averaged
    overheads      ideal: codecs and robust rules take no time, and a pipeline has no bubble
    statistics     ideal: a token teaches as much as in the reference
A factor is exp of the switch's Shapley value of log slowdown: its part on the average over all orders in which switches can
become real. Factors multiply to the slowdown; a switch that changes nothing is off, and has exactly 1x.

What would help: the same run with one thing changed, such as twice the uplink. "buys 1.6x": the same loss 1.6 times sooner.

Corners that learn alike are trained once; what was trained before, in any run of the results folder, is found again.
Results go to results/local/attributions/ and figures/ unless results=DIR says otherwise.
`python -m bench --help` lists presets."""

_failed: list[int] = []  # jobs
_records: list[Path] = []  # of jobs, in their order
_json: list[bool] = []  # whether they are asked for it


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def job(config: DictConfig) -> None:
    """One attribution. A failure is told in one line; it ends a single one, and others go on without it."""
    resolvers.register()
    several = HydraConfig.get().mode is RunMode.MULTIRUN
    number = int(HydraConfig.get().job.num) if several else 0
    with told(lambda: _failed.append(number), f"job {number + 1}: " if several else ""):
        _attribute(config, f"[{number + 1}/{sweep.jobs() or '?'}] " if several else "", several)


def main() -> int:
    """The exit code: 0 for what was attributed or found, 1 for what went wrong, 130 or 143 after Ctrl-C or SIGTERM."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(HELP)
        return 0
    settings = [place for place, word in enumerate(sys.argv) if place and "=" in word and not word.startswith("-")]
    sys.argv.insert(settings[0] if settings else len(sys.argv), "+attribute=default")  # beside others: options may be anywhere
    try:
        return launch(_jobs, lambda: "what was trained is kept, ") or int(bool(_failed))
    finally:
        sweep.close()


def _jobs() -> None:
    job()
    if sweep.jobs():
        _conclude()


def _attribute(config: DictConfig, label: str, several: bool) -> None:
    """Do it, or find it on record, and tell of it."""
    from bench.attribute.attribution import Attribution  # torch: two seconds that --help does not cost
    from bench.attribute.table import write_figures
    from bench.attribute.tell import as_figures, lines

    conf = plain(config)
    record, path = Attribution(conf, preset_names(), _command(), label).record()
    figures = write_figures(record, Path(conf["results"])) if record["status"] == "done" else []
    _records.append(path)
    _json.append(conf["json"])
    print("\n".join(lines(record, path, figures[::2])) + "\n" * several, flush=True)
    if conf["json"] and not several:
        print(as_json(as_figures(record, path) | {"figures": [str(figure) for figure in figures]}))


def _conclude() -> None:
    """One table of all jobs of a sweep; as JSON, too, if that is asked for."""
    from bench.attribute.record import read_record
    from bench.attribute.table import table
    from bench.attribute.tell import as_figures
    from bench.report.formats import markdown, unfolded

    records = [(read_record(path), path) for path in dict.fromkeys(_records)]
    if records:
        print(unfolded(markdown(table([record for record, _ in records]))), end="")
    if any(_json):
        print(as_json({"attributions": [as_figures(record, path) for record, path in records]}))


def _command() -> str:
    """The command that repeats this job."""
    kept = repeating(HydraConfig.get().overrides.task, set(PATHS_AND_PLACES) - {"attribute"})
    return shlex.join(["python", "-m", "bench.attribute", *(text for text in kept if text != "+attribute=default")])


if __name__ == "__main__":
    sys.exit(main())
