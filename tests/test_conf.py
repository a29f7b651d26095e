"""Every preset composes, builds, and says what it is and how to run it."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from bench import resolvers, world
from bench.build import build
from bench.devices import Device
from bench.progress import Progress
from bench.record import UNREAD, Store
from bench.run import Run

CONF = Path(__file__).resolve().parents[1] / "conf"
PRESETS = [path.relative_to(CONF).with_suffix("").as_posix() for path in sorted(CONF.glob("*/*.yaml"))]
DEFAULTS = yaml.safe_load((CONF / "config.yaml").read_text())["defaults"]
ADDED = {path.parent.name for path in CONF.glob("*/*.yaml")} - {
    group.split("@")[0] for choice in DEFAULTS if choice != "_self_" for group in choice
}
"""Groups that `config` has not: a run adds them with a +, other commands have them of their own."""
CATALOGUE = yaml.safe_load((CONF / "catalogue" / "devices.yaml").read_text())


@pytest.fixture(autouse=True)
def composing() -> Iterator[None]:
    resolvers.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def composed(*overrides: str, of: str = "config") -> DictConfig:
    return compose(of, overrides=list(overrides), return_hydra_config=True)


def resolved(*overrides: str) -> dict:
    return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True, throw_on_missing=True)


def selecting(preset: str, folder: Path) -> list[str]:
    """The overrides that select a preset; what it needs beside it, and nothing heavy."""
    group, name = preset.split("/")
    if preset == "data/files":
        (folder / "a.txt").write_text("to be or not to be " * 1000)
        return ["data=files", f"data.path={folder}"]
    if preset == "variation/trace":
        return [
            "data=synthetic",
            "data.tokens=2048",
            "variation=trace",
            "variation.trace=[[0,1.0],[60,0.5]]",
            "variation.period=2 min",
        ]
    if preset == "churn/trace":
        return ["data=synthetic", "data.tokens=2048", "churn=trace", "churn.intervals=[[0,0,60]]", "churn.period=2 min"]
    if preset == "churn/counts":
        return [
            "data=synthetic",
            "data.tokens=2048",
            "churn=counts",
            "churn.counts=[[0,4]]",
            "churn.fleet=8",
            "churn.period=2 min",
        ]
    if preset == "devices/from_file":
        return ["data=synthetic", "data.tokens=2048", "devices=from_file", "devices.file={h100_sxm: 3, a800_sxm: 1}"]
    if group == "data":
        return [f"data={name}"]
    return ["data=synthetic", "data.tokens=2048", f"{'+' * (group in ADDED)}{group}={name}"]


@pytest.mark.parametrize(
    "preset", [name for name in PRESETS if name.split("/")[0] not in ADDED - {"sweep", "emulate", "attribute"}]
)
def test_a_preset_composes_and_builds(preset, tmp_path):
    conf = resolved(*selecting(preset, tmp_path))
    # Text is read where the preset is about text; a synthetic one over the vocabulary of a large model takes gigabytes.
    run = Run(conf | {"train": preset.startswith("data/")}, Store(tmp_path / "results"), Progress("none"))
    assert run.scenario.workers == conf["workers"] == conf["scenario"][conf["size"]]
    assert (run.corpus is not None) == preset.startswith("data/")


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset.startswith("model/")])
def test_a_model_can_be_timed_as(preset, tmp_path):
    conf = resolved(f"model@timed_as={Path(preset).name}", "train=false")
    run = Run(conf, Store(tmp_path), Progress("none"))
    assert run.timed.parameters > 100_000
    assert run.shape.parameters < 200_000  # what is trained stays the nano model


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset.startswith("scenario/")])
def test_a_scenario_builds_in_full_size(preset):
    conf = resolved(f"scenario={Path(preset).name}", "size=full")
    scenario = world.scenario(conf)
    assert scenario.workers == len(scenario.fleet.names) == conf["scenario"]["full"] > conf["scenario"]["small"]


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if re.fullmatch("scenario/(.*_cluster|rented_cloud)", preset)])
def test_hosts_of_a_cluster_have_the_links_that_the_catalogue_gives_their_devices(preset):
    scenario = world.scenario(resolved(f"scenario={Path(preset).name}"))
    [device] = scenario.fleet.kinds
    hosts = scenario.paths.network.capacity[: 2 * scenario.workers]
    np.testing.assert_allclose(hosts, device.fabric)


@pytest.mark.parametrize(("size", "node", "site"), [("small", 2, 2), ("full", 8, 16384)])
def test_several_hyperscale_has_four_sites_of_equal_nodes_in_either_size(size, node, site):
    network = world.scenario(resolved("scenario=several_hyperscale", f"size={size}")).paths.network
    nodes, sites = network.tiers
    assert (set(np.bincount(nodes.group)), list(np.bincount(sites.group))) == ({node}, [site] * 4)
    # One way: 2 * 1.125 us inside a node; half of a round trip of 33.7 ms between sites, and 4 * 1.125 us.
    inside, between = network.latency(np.array([0, 0]), np.array([1, network.workers - 1]))
    assert (inside, between) == pytest.approx((2.25e-6, 16.85e-3 + 4.5e-6))


def test_ascends_beyond_a_super_node_share_its_way_out():
    network = world.scenario(resolved("scenario=ascend_910c_cluster", "size=full")).paths.network
    [super_nodes] = network.tiers
    assert list(np.bincount(super_nodes.group)) == [384, 384]
    # 76.8 Tbit/s are 384 * 200 Gbit/s, each way of each of the two.
    np.testing.assert_allclose(network.capacity[2 * 768 :], [384 * 200e9 / 8] * 4)


def test_zones_of_the_day_go_with_the_regions_of_the_world():
    scenario = world.scenario(resolved("scenario=volunteer_worldwide", "workers=1000"))
    by_worker, region = scenario.churn, scenario.paths.network.region
    by_region = replace(by_worker, zones_by="region")
    up, same, turned = (
        churn.presence(0, at).up for churn, at in ((by_worker, region), (by_region, region), (by_region, 2 - region))
    )
    assert list(up) == list(same)
    assert list(up) != list(turned)  # it is night elsewhere


@pytest.mark.parametrize("preset", ["config", "project", *PRESETS])
def test_a_preset_says_what_it_is_and_the_command_that_selects_it(preset):
    comment = re.match(r"(#.*\n)*", (CONF / f"{preset}.yaml").read_text())[0].splitlines()
    header = [line for line in comment if not line.startswith("# @package")]
    assert len(header[0]) > len("# ") + 15
    assert not header[0].startswith("# python")
    command = next(line for line in header if line.startswith("# python -m bench"))
    overrides = shlex.split(command)[4:]  # after: # python -m bench
    of = "project" if command.startswith("# python -m bench.project") else "config"
    added = {"solve"} if of == "project" else ADDED
    overrides = ["+" * (text.split("=")[0] in added) + text for text in overrides]
    for other in ("emulate", "attribute"):
        overrides += [f"+{other}=default"] * command.startswith(f"# python -m bench.{other}")
    conf = composed(*overrides, of=of)
    if "/" in preset:
        group, name = preset.split("/")
        choices = {(key.split("@")[0], value) for key, value in conf.hydra.runtime.choices.items()}
        assert (group, name) in choices


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_device_of_the_catalogue_builds_and_has_a_source(name):
    device = build(CATALOGUE[name], f"catalogue.{name}", Device)
    assert len(device.source) > 10
    assert 1e12 < device.peak < 1e16
    assert 1e9 < device.memory < 1e12


def catalogue_entries() -> list[list[str]]:
    """The lines of each device's entry."""
    text = (CONF / "catalogue" / "devices.yaml").read_text()
    entries = re.split(r"^(?=\w+:$)", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(CATALOGUE)
    return [entry.splitlines() for entry in entries]


def test_a_device_with_a_recalled_or_assumed_number_is_not_called_verified():
    for name, *lines in catalogue_entries():
        read = [line for line in lines if line.split(":")[0].strip() not in UNREAD]
        doubtful = re.search("recalled|assumed", "\n".join(read)) is not None
        assert CATALOGUE[name.rstrip(":")]["verified"] is not doubtful


def test_a_number_for_export_rules_has_its_source_on_its_line():
    numbers = [line for _, *lines in catalogue_entries() for line in lines if re.match("  (peak_fp8|die_mm2|io):", line)]
    assert len(numbers) > 40
    for line in numbers:
        assert re.search(r"# .{4,}", line), line


def test_every_fleet_has_devices_of_the_catalogue_only():
    fleets = [yaml.safe_load(path.read_text()) for path in (CONF / "devices").glob("*.yaml") if path.stem != "from_file"]
    assert len(fleets) > 20
    for fleet in fleets:
        [(way, devices)] = fleet.items()
        assert way in ("mix", "list")
        assert set(devices) <= CATALOGUE.keys()


def test_the_first_look_runs_scenarios_that_exist_with_three_algorithms():
    params = composed("+sweep=first_look").hydra.sweeper.params
    assert set(params.scenario.split(",")) <= {path.stem for path in (CONF / "scenario").glob("*.yaml")}
    assert set(params.algorithm.split(",")) == {"ddp", "local_sgd", "diloco"}
