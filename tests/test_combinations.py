"""Any codec, aggregator, adversary, participation and split with any algorithm: a result, or a reason why there is none."""

import math
from itertools import product
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bench import resolvers
from bench.errors import SkipError
from bench.progress import Progress
from bench.record import Store
from bench.run import Run

CONF = Path(__file__).resolve().parents[1] / "conf"
TINY = [
    *("data=synthetic", "data.tokens=20000", "data.source_seed=0", "scenario=h100_cluster", "workers=8", "steps=16", "seed=1"),
    *(
        "evaluation.every=6",
        "evaluation.sequences=8",
        "model.layers=2",
        "model.width=16",
        "model.heads=2",
        "model.vocabulary=32",
    ),
    *("model.context=8", "model.batch=2", "timed_as.layers=4", "timed_as.width=64", "timed_as.heads=2", "timed_as.context=64"),
    *("threads=1", "progress=none", "lr_schedule.warmup=2"),
]
GROUPS = ("codec", "feedback", "aggregator", "adversary", "participation", "split")
ALGORITHMS = sorted(path.stem for path in (CONF / "algorithm").glob("*.yaml"))


def presets(group):
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / group).glob("*.yaml"))}


PRESETS = {group: presets(group) for group in GROUPS}
CHURN = {"always_on": presets("churn")["always_on"], "flaky": presets("churn")["exponential"] | {"up": "2 s", "down": "200 ms"}}


@pytest.fixture(scope="module")
def base():
    """The conf of each algorithm by itself."""
    resolvers.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return {
            name: OmegaConf.to_container(compose("config", overrides=[*TINY, f"algorithm={name}"]), resolve=True)
            for name in ALGORITHMS
        }


def outcome(conf, folder, **chosen):
    """The row of a run, or why there is none. Short rounds, so that sixteen steps have some; short intervals between drops."""
    nodes = {group: PRESETS[group][name] for group, name in chosen.items() if group != "churn"}
    algorithm = conf["algorithm"] | ({"sync_every": 8} if "sync_every" in conf["algorithm"] else {})
    conf = conf | nodes | {"churn": CHURN[chosen["churn"]], "algorithm": algorithm}
    try:
        return Run(conf, Store(folder), Progress("none")).columns()
    except SkipError as error:
        return str(error)


def check(found, what):
    if isinstance(found, str):
        assert len(found) > 20, what  # a reason
        return
    assert found["status"] in ("done", "diverged"), what
    assert found["steps"] >= 16 or found["status"] == "diverged", what
    assert math.isclose(sum(found["ledger"].values()), 1, abs_tol=1e-9), what


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_hand_of_everything_runs_or_says_why_not(base, algorithm, tmp_path):
    place = ALGORITHMS.index(algorithm)
    for deal in range(5):
        chosen = {
            # Steps without a common divisor with the number of presets: all come, in changing company.
            group: [*nodes][(place * 5 + deal * 3 + number) % len(nodes)]
            for number, (group, nodes) in enumerate([*PRESETS.items(), ("churn", CHURN)])
        }
        check(outcome(base[algorithm], tmp_path, **chosen), chosen)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_by_itself_each_runs(base, algorithm, tmp_path):
    nothing = {"aggregator": "mean", "adversary": "none", "participation": "wait_for_all", "split": "uniform"}
    found = outcome(base[algorithm], tmp_path, churn="always_on", **nothing)
    assert found["status"] == "done"
    assert found["sent_bytes"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_all_pairs_run_or_say_why_not(base, algorithm, tmp_path):
    nothing = {"codec": "none", "feedback": "none", "aggregator": "mean", "adversary": "none"}
    nothing |= {"participation": "wait_for_all", "split": "uniform", "churn": "always_on"}
    for group in (*GROUPS, "churn"):
        for name, churn in product(CHURN if group == "churn" else PRESETS[group], CHURN):
            chosen = nothing | {"churn": churn} | {group: name}
            check(outcome(base[algorithm], tmp_path, **chosen), chosen)
