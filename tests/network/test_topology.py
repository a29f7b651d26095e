"""Hosts, islands, regions."""

import numpy as np
import pytest

from bench.network import Topology


def topology(**changes):
    return Topology(**({"uplink": 10.0, "downlink": 20.0, "last_mile": 0.01} | changes))


def test_each_host_has_its_own_way_out_and_in():
    network = topology().network(3, seed=0)
    assert network.capacity.tolist() == [10, 10, 10, 20, 20, 20]
    assert sorted(network.links(np.array([0]), np.array([2]))) == [0, 5]  # uplink of 0, downlink of 2


def test_islands_share_an_exit_and_only_what_leaves_uses_it():
    network = topology(island_size=2, exit_uplink=5.0, exit_downlink=6.0).network(4, seed=0)
    assert network.capacity.tolist() == [10] * 4 + [20] * 4 + [5, 5, 6, 6]
    assert sorted(network.links(np.array([0]), np.array([1]))) == [0, 5]
    # 1 → 2: uplink 1, downlink 4 + 2, exit of island 0 (8), entry of island 1 (8 + 2 + 1).
    assert sorted(network.links(np.array([1]), np.array([2]))) == [1, 6, 8, 11]


def test_islands_can_be_given_by_number():
    network = topology(islands=2, exit_uplink=5.0, exit_downlink=5.0).network(7, seed=0)
    assert network.island.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert topology(islands=3, exit_uplink=5.0, exit_downlink=5.0).network(4, seed=0).island.tolist() == [0, 0, 1, 2]
    assert topology(islands=3, exit_uplink=5.0, exit_downlink=5.0).network(2, seed=0).island.tolist() == [0, 1]


def test_latency_is_both_last_miles_and_the_distance_of_the_regions():
    matrix = [[0.001, 0.05], [0.07, 0.002]]
    network = topology(regions=["here", "there"], region_latency=matrix).network(4, seed=0)
    assert network.region.tolist() == [0, 0, 1, 1]
    pairs = np.array([[0, 1], [1, 2], [2, 1]])
    np.testing.assert_allclose(network.latency(pairs[:, 0], pairs[:, 1]), [0.021, 0.07, 0.09])


def test_classes_of_access_go_together():
    network = topology(uplink={1.0: 0.75, 9.0: 0.25}, downlink={10.0: 0.75, 90.0: 0.25}).network(8, seed=3)
    assert sorted(network.capacity[:8]) == [1] * 6 + [9] * 2
    np.testing.assert_array_equal(network.capacity[8:], 10 * network.capacity[:8])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uplink": 0.0}, "uplink must be above 0"),
        ({"downlink": {5.0: 0.5, 0.0: 0.5}}, "downlink must be above 0"),
        ({"island_size": 0, "exit_uplink": 1.0, "exit_downlink": 1.0}, "island_size must be >= 1, got 0"),
        ({"islands": 2}, "exit_uplink and exit_downlink must be given where islands is"),
        ({"islands": 2, "island_size": 2}, "islands must not be given beside island_size"),
        ({"regions": ["a", "b"], "region_latency": [[0.0]]}, "a row and a column for each of the 2 regions"),
    ],
)
def test_bad_networks_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        topology(**changes)
