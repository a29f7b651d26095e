"""python -m bench.project: time, quality and cost of a training of any size, on hardware of any size; nothing is trained."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from bench import resolvers
from bench.build import build
from bench.errors import ConfError
from bench.explain import CONF, tell
from bench.launch import launch, told
from bench.progress import Progress
from bench.project.record import PLACES, settings_of
from bench.project.session import FILE, Session, settled_composed
from bench.project.tell import lines
from bench.record import as_json, digest
from bench.record.command import setting_of
from bench.solve import Point, Question

HELP = """\
Farbench's projections: what a training takes that nobody could run here. Real model sizes, real parallelism inside a cluster,
sites and volunteers joined by a program; seconds by the same physics as `python -m bench`, and nothing is trained.

  python -m bench.project [SETTING=VALUE ...]             one projection: layout, step, throughput, quality, days, money
  python -m bench.project -m SETTING=A,B ...              one after the other, over all combinations
  python -m bench.project solve=bandwidth [SETTING=...]   the other way round: how many workers, what bandwidth, which model

    model         llama3_8b, llama3_405b, deepseek_v3, gpt_175b, ... (conf/model)
    scenario      h100_cluster, h800_cluster, two_datacenters, volunteer_worldwide, ... (conf/scenario)
    accelerators  how many devices there are (default: the scenario's full size)
    worker        those that hold one replica together: all, those of a tier (node, site) or a region, a number, device, crew
    layout        auto (default: the fastest that fits), single, fsdp, megatron with layout.tensor=8 layout.pipeline=8 ...
    precision     bf16 (default), fp8, fp32
    tokens, batch to train on, and in a step of all workers: tokens="15 T" batch="16 M"
    algorithm     what joins several workers: diloco (default), ddp, streaming_diloco, ...
    quality       what that costs in tokens: diloco_scaling_laws (default), own_runs, none
    prices        cloud (default) or owned
    solve         workers, bandwidth, latency, model, sync_every; solve.target=0.9

Records go to results/local/projections/ unless results=DIR says otherwise. `python -m bench --help` lists presets."""

_failed: list[int] = []  # jobs


@hydra.main(version_base="1.3", config_path=str(CONF), config_name=FILE)
def job(config: DictConfig) -> None:
    """One projection, or one question. A failure is told in one line; it ends a single one, and others go on without it."""
    resolvers.register()
    several = HydraConfig.get().mode is RunMode.MULTIRUN
    number = int(HydraConfig.get().job.num) if several else 0
    with told(lambda: _failed.append(number), f"job {number + 1}: " if several else "", FILE):
        _job(config, f"[{number + 1}] " if several else "")


def main() -> int:
    """The exit code: 0 for what was projected or found, 1 for what went wrong, 130 or 143 after Ctrl-C or SIGTERM."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(HELP)
        return 0
    _failed.clear()
    asked = [word for word in sys.argv[1:] if _asks(word)]
    if asked and not any(setting_of(word) == "solve" for word in asked):
        tell(ConfError(f"solve must be a question, such as solve=bandwidth, where {setting_of(asked[0])} is given"))
        return 1
    sys.argv[1:] = [f"+{word}" if word.startswith("solve=") else word for word in sys.argv[1:]]
    return launch(job, lambda: "what was projected is kept, ", FILE) or int(bool(_failed))


def _job(config: DictConfig, label: str) -> None:
    """Project or answer, and tell of it."""
    progress = Progress(config["progress"], label)
    overrides = [text.replace("\\ ", " ") for text in HydraConfig.get().overrides.task]
    asks: Any = OmegaConf.to_container(config["solve"], resolve=True) if "solve" in config else None
    composed = settled_composed(config, HydraConfig.get().runtime.choices)
    session = Session([text for text in overrides if not _asks(text)], composed, _command(overrides), progress)
    if asks is not None:
        _answer(asks, session, progress)
        return
    record, path = session.record()
    print("\n".join(lines(record, path)), flush=True)
    if session.conf["json"]:
        print(as_json({"path": str(path), "versus_cluster": record["versus_cluster"], **record["columns"]}))


def _answer(asks: Any, session: Session, progress: Progress) -> None:
    """Answer a question, with the curve of all that was asked."""
    from bench.solve import answer  # matplotlib: half a second that a projection does not cost
    from bench.solve.figure import write_curve

    question: Question = build(asks, "solve")
    conf, names, asked = session.conf, session.names, 0

    def told(point: Point) -> None:
        nonlocal asked
        asked += 1
        figure = point.reason or question.y_text(point.y)
        progress.say(f"{asked}: {question.knob_text} {question.x_text(point.x)}: {question.goal} {figure}")

    solution = question.ask(session.asked, told)
    model = "" if "model" in question.knob else f", model {names['model']}"
    print(f"scenario    {names['scenario']}{model}")
    print("\n".join(answer.lines(question, solution)), flush=True)
    key = digest(settings=settings_of(conf), names=names, solve=asks)[:8]  # another question has a curve of its own
    name = f"solve_{question.name}_{names['scenario']}_{names['model']}_{key}"
    paths = write_curve(question, solution, Path(conf["results"]) / "figures" / name)
    print("curve       " + ", ".join(str(path) for path in paths))
    if conf["json"]:
        print(as_json(answer.as_dict(question, solution)))


def _asks(text: str) -> bool:
    """Whether an override belongs to a question, not to what is projected."""
    return setting_of(text).split(".")[0] == "solve"


def _command(overrides: Sequence[str]) -> str:
    """The command that repeats this job."""
    kept = [text for text in overrides if setting_of(text).split(".")[0] not in PLACES]
    return shlex.join(["python", "-m", "bench.project", *kept])


if __name__ == "__main__":
    sys.exit(main())
