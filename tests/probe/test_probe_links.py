"""Ranks that are processes of this machine probe each other over loopback."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from bench.network.collectives.gloo import gloo_seconds
from bench.probe import links
from bench.probe.links import host_seconds, measure, spread
from bench.probe.ranks import Lost, Ranks, distributed, timed_all_reduces
from bench.progress import Progress

HERE = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "bench.probe"]


def forked(work, size, tmp_path):
    """What `work(ranks)` answers on each of `size` forked ranks, through JSON."""

    def one(rank):
        torch.set_num_threads(1)  # a fork has none of the threads that torch thinks it has
        store = distributed.FileStore(str(tmp_path / "store"), size)
        ranks = Ranks(store=store, rank=rank, size=size, patience_seconds=20)
        (tmp_path / f"{rank}.json").write_text(json.dumps(work(ranks)))
        ranks.close()

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=one, args=(rank,)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(40)
        process.kill()
    return [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(size)]


def test_three_ranks_agree_on_all_links_between_them(tmp_path):
    def work(ranks):
        found = measure(ranks, ["a", "b", "c"], 0.5, Progress("none"))
        names = ("latency", "latency_spread", "rate", "rate_spread", "uplink", "downlink")
        return {name: getattr(found, name).tolist() for name in names}

    first, *others = forked(work, 3, tmp_path)
    assert json.dumps(others) == json.dumps([first, first])  # NaN, too
    latency, rate = np.array(first["latency"]), np.array(first["rate"])
    off = ~np.eye(3, dtype=bool)
    assert np.isnan(latency[~off]).all() and np.isnan(rate[~off]).all()
    assert (latency == latency.T)[off].all()
    # Loopback: microseconds to milliseconds on a busy machine, and more than 0.1 Gbit/s.
    assert ((latency > 1e-6) & (latency < 0.05))[off].all()
    assert (rate[off] > 1e7).all()
    assert (np.array(first["uplink"]) >= np.nanmax(rate, axis=1)).all()
    assert (np.array(first["downlink"]) >= np.nanmax(rate, axis=0)).all()


def test_latency_is_half_a_round_trip_and_rates_are_without_it(monkeypatch):
    # 20 ms there and back; 1 MB/s out, 4 MB/s in.
    def rounds(ranks, direction, sizes, count):
        [nbytes] = sizes.values()
        return np.full((count, 1), 0.02 + nbytes / (4e6 if direction else 1e6) * (nbytes > 1))

    monkeypatch.setattr(links, "_rounds", rounds)
    found = links._pair(None, 1, target=0.5)
    assert found["ping"] == (pytest.approx(0.01), pytest.approx(0))
    assert found["out"] == (pytest.approx(1e6), pytest.approx(0))
    assert found["in"] == (pytest.approx(4e6), pytest.approx(0))


def test_to_all_at_once_each_peers_own_round_trip_is_taken_off(monkeypatch):
    # A line of 1 MB/s out and 4 MB/s in; peer 2 is 5 ms away, peer 1 is 50. Both are done together but for that.
    def rounds(ranks, direction, sizes, count):
        assert list(sizes) == [2, 1]  # nearest first
        seconds = sum(sizes.values()) / (4e6 if direction else 1e6)
        return np.tile([seconds + 0.01, seconds + 0.1], (count, 1))

    monkeypatch.setattr(links, "_rounds", rounds)
    crowd = {1: (0.75e6, 1e6, 0.05), 2: (0.5e6, 1e6, 0.005)}
    assert links._crowd(None, crowd, 0.5) == {"out": pytest.approx(1e6), "in": pytest.approx(4e6)}
    # One connection that lags makes all at once slower than one pair was: then that counts.
    assert links._crowd(None, {1: (3e6, 5e6, 0.05), 2: (1e6, 1e6, 0.005)}, 0.5) == {"out": 3e6, "in": 5e6}


def test_a_payload_grows_until_it_takes_a_round_but_not_beyond_64_mib(monkeypatch):
    asked = []

    def rounds(ranks, direction, sizes, count):
        asked.append(sizes[1])
        return np.full((count, 1), 1e-3 + sizes[1] / 1e12)

    monkeypatch.setattr(links, "_rounds", rounds)
    links._pair(None, 1, target=10.0)
    assert max(asked) == 2**26


def test_the_hosts_time_is_what_the_schedule_of_a_small_all_reduce_has_for_each_message(tmp_path):
    def work(ranks):
        message = host_seconds(ranks.group, repeats=20)
        seconds = timed_all_reduces(ranks.group, torch.zeros(256), 20)
        return {"message": message, "seconds": seconds.tolist()}

    found = forked(work, 3, tmp_path)
    assert len({answer["message"] for answer in found}) == 1
    assert found[0]["seconds"] == found[1]["seconds"] == found[2]["seconds"]
    # Three ranks: eight messages one after the other. Another 20 all-reduces take about as long, on a machine that others use.
    links = {"rates": np.full(3, np.inf), "latency": np.ones(3), "back": np.ones(3), "nbytes": 1024.0, "one_queue": False}
    assert gloo_seconds(**links) == 8
    median = float(np.median(found[0]["seconds"][1:]))
    assert median / 20 < 8 * found[0]["message"] < median * 20


def test_one_rank_alone_has_nobody_to_send_to(tmp_path):
    group = distributed.ProcessGroupGloo(distributed.FileStore(str(tmp_path / "store"), 1), 0, 1, timedelta(seconds=5))
    assert host_seconds(group) == 0.0
    with pytest.raises(ValueError, match="repeats must be >= 2, got 1"):
        host_seconds(group, repeats=1)


def test_those_who_wait_for_a_rank_that_failed_are_told(tmp_path):
    def work(ranks):
        try:
            if ranks.rank == 0:
                with ranks.telling("it"):
                    raise RuntimeError("[gloo/pair.cc:1] Connection closed by peer. And so on.")
            ranks.read("it")
        except Lost as error:
            return [str(error), ranks.first_to_tell()]

    answers = forked(work, 3, tmp_path)
    assert {message for message, _ in answers} == {"a rank or its connection was lost (it): Connection closed by peer"}
    assert sorted(told for _, told in answers) == [False, False, True]


def test_the_spread_is_the_distance_of_the_quartiles_over_the_median():
    assert spread(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == pytest.approx((4 - 2) / 3)


def probe(words, rank, size, port, folder):
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "RANK": str(rank)}
    environment = os.environ | places | {"LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *words], cwd=folder, env=environment, **pipes)


@pytest.mark.slow
def test_two_ranks_write_presets_once_and_a_run_uses_them(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["name=my_lab", "seconds=1", "json=true"]
    ranks = [probe(words, rank, 2, port, tmp_path) for rank in range(2)]
    (out, said), (nothing, _) = (rank.communicate(timeout=60) for rank in ranks)
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert nothing == ""
    found = json.loads(out.splitlines()[-1])
    assert found["paths"] == [f"my_conf/{group}/my_lab.yaml" for group in ("network", "transport", "devices")]
    assert found["network"] == yaml.safe_load((tmp_path / found["paths"][0]).read_text())
    assert [timing["nbytes"] for timing in found["all_reduces"]][:2] == [1024, 65536]

    again = probe(words, 0, 1, port, tmp_path)
    assert (
        again.communicate(timeout=60)[1]
        == "farbench: my_conf/devices/my_lab.yaml is there already; overwrite=true replaces it\n"
    )
    assert again.returncode == 1

    use = ["--config-dir", "my_conf", "network=my_lab", "transport=my_lab", "devices=my_lab", "workers=2", "train=false"]
    command = [
        sys.executable,
        "-m",
        "bench",
        *use,
        "collective.backend=gloo",
        "scenario=two_datacenters",
        "model@timed_as=nano",
    ]
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("scenario    two_datacenters, 2 workers, timed as nano")
