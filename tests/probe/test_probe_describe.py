"""Measurements that are known become settings that say the same."""

import numpy as np
import pytest

from bench.build import build
from bench.errors import ConfError
from bench.network import Topology
from bench.probe.describe import network
from bench.probe.links import Links

MBIT = 1e6 / 8  # bytes/s


def links(machines, latency, rate, uplink=None, downlink=None):
    """What a probe would have found; latency in seconds, rates in Mbit/s."""
    n = len(machines)
    latency, rate = np.array(latency, float), np.array(rate, float) * MBIT
    for matrix in (latency, rate):
        np.fill_diagonal(matrix, np.nan)
    none = np.full(n, np.nan)
    up, down = (none if given is None else np.array(given, float) * MBIT for given in (uplink, downlink))
    return Links(tuple(machines), latency, np.zeros((n, n)), rate, np.zeros((n, n)), up, down)


def one_way(conf, workers):
    """Seconds between all pairs on the network that a conf describes, (n, n)."""
    made = build(conf, "network", Topology).network(workers, seed=3)
    rows = [[made.latency(np.array([i]), np.array([j]))[0] if i != j else 0.0 for j in range(workers)] for i in range(workers)]
    return np.array(rows)


def pairs(total):
    """A full matrix of one value."""
    return lambda n: np.full((n, n), total)


def test_two_hosts_have_the_two_directions_as_uplinks_and_downlinks():
    conf = network(links("ab", pairs(0.01)(2), [[0, 10], [40, 0]]))
    # 0 sends 10 and gets 40; each has half of the 10 ms.
    assert conf == {"uplink": ["10.0 Mbit/s", "40.0 Mbit/s"], "downlink": ["40.0 Mbit/s", "10.0 Mbit/s"]} | {
        "last_mile": ["5.00 ms", "5.00 ms"]
    }


def test_hosts_of_their_own_speed_and_distance_are_told_by_three_lists():
    # Host k is k + 1 ms away from the middle, sends k + 1 times 10 Mbit/s, and gets 100.
    n = 4
    latency = [[1e-3 * (i + 1 + j + 1) for j in range(n)] for i in range(n)]
    rate = [[10 * (i + 1)] * n for i in range(n)]
    conf = network(links("abcd", latency, rate, [10, 20, 30, 40], [90, 80, 70, 60]))
    assert conf["uplink"] == ["10.0 Mbit/s", "20.0 Mbit/s", "30.0 Mbit/s", "40.0 Mbit/s"]
    assert conf["downlink"] == ["90.0 Mbit/s", "80.0 Mbit/s", "70.0 Mbit/s", "60.0 Mbit/s"]
    assert conf["last_mile"] == ["1.00 ms", "2.00 ms", "3.00 ms", "4.00 ms"]
    assert conf.keys() == {"uplink", "downlink", "last_mile"}
    made = build(conf, "network", Topology).network(n, seed=1)  # a mixture would be dealt by the seed
    assert made.capacity[:4].tolist() == [10 * MBIT, 20 * MBIT, 30 * MBIT, 40 * MBIT]


def test_a_distant_pair_makes_each_host_a_region_and_keeps_every_latency():
    # Four hosts, 1 ms apart, but 0 and 1 are 50 ms: no four numbers add up to that.
    latency = np.full((4, 4), 1e-3)
    latency[0, 1] = latency[1, 0] = 50e-3
    conf = network(links("abcd", latency, pairs(100.0)(4)))
    assert conf["regions"] == ["host_0", "host_1", "host_2", "host_3"]
    assert conf["region_latency"][0] == ["0 s", "50.0 ms", "1.00 ms", "1.00 ms"]
    assert "pair_rate" not in conf
    off = ~np.eye(4, dtype=bool)
    assert one_way(conf, 4)[off] == pytest.approx(latency[off])


def test_a_slow_pair_gets_its_own_rate_in_its_direction_only():
    rate = np.full((3, 3), 100.0)
    rate[2, 0] = 7
    conf = network(links("abc", pairs(1e-3)(3), rate))
    assert conf["pair_rate"] == [["unlimited"] * 3, ["unlimited"] * 3, ["7.00 Mbit/s", "unlimited", "unlimited"]]
    assert conf["uplink"] == ["100 Mbit/s"] * 3
    off = ~np.eye(3, dtype=bool)
    assert one_way(conf, 3)[off] == pytest.approx(np.full(6, 1e-3))


def test_what_leaves_to_all_at_once_counts_where_it_is_more_than_one_pair_got():
    # Each pair is held to 10 by the downlink of 10, but 0 sends 30 to three at once.
    conf = network(links("abcd", pairs(1e-3)(4), pairs(10.0)(4), [30, 10, 10, 10], [10, 10, 10, 10]))
    assert conf["uplink"][0] == "30.0 Mbit/s"
    assert "pair_rate" not in conf  # 10 is what the downlinks explain


def test_ranks_of_one_machine_are_a_node_behind_its_exit():
    # Two machines of two ranks: 1000 Mbit/s and 0.1 ms inside, 10 Mbit/s up, 20 up of the second, and 5 ms between.
    near = np.kron(np.eye(2, dtype=bool), np.ones((2, 2), bool))
    latency = np.where(near, 1e-4, 5e-3)
    rate = np.where(near, 1000.0, np.array([[10.0], [10.0], [20.0], [20.0]]))
    conf = network(links(["a", "a", "b", "b"], latency, rate))
    assert (conf["uplink"], conf["downlink"], conf["last_mile"]) == ("1.00 Gbit/s", "1.00 Gbit/s", "50.0 us")
    [tier] = conf["tiers"]
    # The exits' part: (5 - 0.1) / 2 ms each.
    assert tier == {"name": "node", "size": [2, 2], "latency": "2.45 ms"} | {
        "uplink": ["10.0 Mbit/s", "20.0 Mbit/s"],
        "downlink": ["20.0 Mbit/s", "10.0 Mbit/s"],
    }
    off = ~np.eye(4, dtype=bool)
    assert one_way(conf, 4)[off] == pytest.approx(latency[off])


def test_machines_of_several_ranks_at_unequal_distances_keep_them_too():
    near = np.kron(np.eye(3, dtype=bool), np.ones((2, 2), bool))
    latency = np.where(near, 1e-4, 5e-3)
    latency[:2, 4:] = latency[4:, :2] = 30e-3
    conf = network(links([*"aabbcc"], latency, pairs(100.0)(6)))
    off = ~np.eye(6, dtype=bool)
    assert one_way(conf, 6)[off] == pytest.approx(latency[off])


def test_ranks_of_one_machine_alone_have_the_median_pairs_link():
    rate = np.full((3, 3), 100.0)
    rate[0, 1] = 900
    conf = network(links("aaa", pairs(4e-5)(3), rate))
    assert conf == {"uplink": "100 Mbit/s", "downlink": "100 Mbit/s", "last_mile": "20.0 us"}


def test_ranks_of_a_machine_that_are_not_in_a_row_are_refused():
    with pytest.raises(ConfError, match="ranks of one machine must have numbers in a row"):
        network(links("aba", pairs(1e-3)(3), pairs(1.0)(3)))
