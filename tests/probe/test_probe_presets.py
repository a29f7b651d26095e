"""Presets from measurements that are known: their text, that runs compose and are priced with them, and their files."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bench import resolvers
from bench.errors import ConfError
from bench.network import plan_seconds
from bench.probe.collectives import Timing, beside, message_seconds, predicted
from bench.probe.describe import network
from bench.probe.device import Sample
from bench.probe.kinds import kinds
from bench.probe.links import Links
from bench.probe.presets import Occasion, check_free, devices_text, network_text, transport_text, write
from bench.progress import Progress
from bench.record import Store
from bench.run import Run

CONF = Path(__file__).resolve().parents[2] / "conf"
OCCASION = Occasion("my_lab", "2030-01-02", "gloo", 3)
MBIT = 1e6 / 8


def links():
    """Three hosts, 4 ms apart, that send 10, 20 and 30 Mbit/s and get 100; only 12 from the last to the first."""
    rate = np.array([[np.nan, 10, 10], [20, np.nan, 20], [12, 30, np.nan]]) * MBIT
    latency = np.where(np.eye(3, dtype=bool), np.nan, 4e-3)
    return Links(("a", "b", "c"), latency, 0 * latency + 0.1, rate, 0 * rate + 0.02, np.nanmax(rate, 1), np.full(3, 100 * MBIT))


def texts():
    steps = ({"nano": 10e-3, "small": 80e-3}, {"nano": 20e-3, "small": 160e-3})
    samples = [
        Sample("A cpu: of sorts", 1, 1e11, 9e9, 8e9, steps[rank % 2], {"nano": 0.01, "small": 0.01}) for rank in range(3)
    ]
    made, order = kinds("my_lab", "nano", samples, ["a", "b", "c"])
    found = links()
    return {
        "network": network_text(OCCASION, network(found), found),
        "transport": transport_text(OCCASION, 1.5e-4),
        "devices": devices_text(OCCASION, made, order),
    }


@pytest.fixture
def written(tmp_path) -> Iterator[Path]:
    for group, text in texts().items():
        write(tmp_path / "my_conf" / group / "my_lab.yaml", text)
    resolvers.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield tmp_path


def run(folder, *overrides):
    """A run as `python -m bench --config-dir` composes it."""
    words = [f"hydra.searchpath=[file://{folder / 'my_conf'}]", "network=my_lab", "transport=my_lab", "devices=my_lab"]
    words += [
        "collective.backend=gloo",
        "workers=3",
        "train=false",
        "jitter=none",
        "churn=always_on",
        "collective=auto",
        *overrides,
    ]
    conf = OmegaConf.to_container(compose("config", overrides=words), resolve=True, throw_on_missing=True)
    return Run(conf, Store(folder / "results"), Progress("none"))


def test_the_presets_say_what_was_measured():
    made = {group: yaml.safe_load(text) for group, text in texts().items()}
    assert made["network"] == {
        "uplink": ["10.0 Mbit/s", "20.0 Mbit/s", "30.0 Mbit/s"],
        "downlink": ["100 Mbit/s", "100 Mbit/s", "100 Mbit/s"],
        "last_mile": ["2.00 ms", "2.00 ms", "2.00 ms"],
        "regions": ["host_0", "host_1", "host_2"],
        "region_latency": [["0 s"] * 3] * 3,
        "pair_rate": [["unlimited"] * 3, ["unlimited"] * 3, ["12.0 Mbit/s", "unlimited", "unlimited"]],
    }
    assert made["transport"] == {"connections": 1, "message": "150 us"}
    assert made["devices"]["devices"] == {"list": ["my_lab_1", "my_lab_2", "my_lab_1"]}
    assert made["devices"]["catalogue"].keys() == {"my_lab_1", "my_lab_2"}
    assert made["devices"]["catalogue"]["my_lab_1"]["peak"] == "100 GFLOP/s"
    assert made["devices"]["catalogue"]["my_lab_1"]["memory_bandwidth"] == "10.0 GB/s"  # 9 / 0.9


@pytest.mark.parametrize("group", ["network", "transport", "devices"])
def test_a_preset_says_when_and_how_it_was_measured_and_its_command(group):
    text = texts()[group]
    assert "Measured by bench.probe on 2030-01-02, torch " in text
    assert re.search(rf"^# python -m bench --config-dir DIR .*{group}=my_lab", text, re.MULTILINE)
    assert all(len(line) <= 128 for line in text.splitlines())


def test_a_run_composes_with_the_presets_and_is_priced_by_them(written):
    made = run(written, "model@timed_as=nano")
    scenario = made.scenario
    assert scenario.fleet.names.tolist() == ["my_lab_1", "my_lab_2", "my_lab_1"]
    assert scenario.network.capacity[:3] == pytest.approx([10 * MBIT, 20 * MBIT, 30 * MBIT])
    timeline, ideal = made.simulate()
    # 4 sequences of 64 tokens in 10, 20 and 10 ms.
    assert ideal == pytest.approx(256 / 10e-3 * 2 + 256 / 20e-3, rel=0.01)
    assert timeline.virtual_seconds > 0


def test_what_the_probe_predicts_is_what_a_run_takes_for_an_all_reduce(written):
    scenario = run(written).scenario
    plan = scenario.collective.all_reduce(scenario.paths, np.arange(3), 1e6)
    seconds = predicted(network(links()), {"message": "150 us"}, 3, "gloo", 10**6)
    assert plan_seconds(plan, scenario.network.capacity) == seconds
    # A ring of three sends 4/3 of the payload over each link; the slowest is the first's, of 10 Mbit/s.
    assert 4 / 3 * 1e6 / (10 * MBIT) < seconds < 1.2 * 4 / 3 * 1e6 / (10 * MBIT)


def test_the_hosts_time_makes_a_small_all_reduce_take_as_long_as_measured():
    conf = {"uplink": "1 Gbit/s", "downlink": "1 Gbit/s", "last_mile": "1 ms"}
    small = Timing(1024, 40e-3, 0.0)
    message = message_seconds(conf, 3, "gloo", small)
    [again] = beside(conf, {"message": f"{message!r} s"}, 3, "gloo", [small])
    assert again.predicted == pytest.approx(40e-3)
    assert again.error == pytest.approx(0)
    # Eight messages one after the other, of 2 ms and of what the hosts take, and next to nothing for the bytes.
    assert message == pytest.approx(3e-3, rel=0.01)


def test_hosts_take_no_time_where_the_links_alone_take_longer_than_measured():
    conf = {"uplink": "1 Gbit/s", "downlink": "1 Gbit/s", "last_mile": "1 ms"}
    assert message_seconds(conf, 3, "gloo", Timing(1024, 1e-3, 0.0)) == pytest.approx(0, abs=1e-9)


def test_files_that_are_there_are_replaced_only_when_asked(tmp_path):
    paths = [tmp_path / "network" / "a.yaml", tmp_path / "devices" / "a.yaml"]
    check_free(paths, overwrite=False)
    write(paths[1], "old\n")
    with pytest.raises(ConfError, match=re.escape(f"{paths[1]} is there already; overwrite=true replaces it")):
        check_free(paths, overwrite=False)
    check_free(paths, overwrite=True)
    write(paths[1], "new\n")
    assert paths[1].read_text() == "new\n"
    assert [path.name for path in paths[1].parent.iterdir()] == ["a.yaml"]  # nothing half written is left


def test_a_folder_that_is_a_file_is_told_of(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfError, match="out must be a folder that can be written to"):
        check_free([tmp_path / "out" / "network" / "a.yaml"], overwrite=False)
