"""Hosts, tiers, regions: which links there are, what they carry, and which of them a flow crosses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import one_way, random_network, way

from bench.build import build
from bench.errors import ConfError
from bench.network import Tier, Topology


def topology(**changes):
    return Topology(**({"uplink": 10.0, "downlink": 20.0, "last_mile": 0.01} | changes))


def tier(**changes):
    return Tier(**({"name": "island", "uplink": 5.0, "downlink": 6.0} | changes))


def route(network, source, target):
    """The links of one flow, by the code."""
    sections = network.routes(np.array([source]), np.array([target]))
    return sorted(int(link) for _, links in sections for link in links)


def test_each_host_has_its_own_way_out_and_in():
    network = topology().network(3, seed=0)
    assert network.capacity.tolist() == [10, 10, 10, 20, 20, 20]
    assert route(network, 0, 2) == [0, 5]  # uplink of 0, downlink of 2


def test_a_list_gives_each_host_its_own_and_begins_anew_where_it_is_short():
    network = topology(uplink=[10.0, 30.0], last_mile=[0.01, 0.02, 0.04]).network(3, seed=0)
    assert network.capacity.tolist() == [10, 30, 10, 20, 20, 20]
    assert network.latency(np.array([0]), np.array([2])).tolist() == [0.05]  # 0.01 + 0.04


def test_a_list_is_read_from_conf_with_its_units():
    conf = {"uplink": ["80 bit/s", "240 bit/s"], "downlink": "160 bit/s", "last_mile": ["10 ms", "20 ms"]}
    network = build(conf, "network", Topology).network(2, seed=0)
    assert network.capacity.tolist() == [10, 30, 20, 20]
    assert network.last_mile.tolist() == [0.01, 0.02]


def test_a_list_of_more_hosts_than_there_are_and_a_list_of_lists_are_refused():
    with pytest.raises(ValueError, match="uplink must be at most as long as there are workers, 1, got 2 quantities"):
        topology(uplink=[1.0, 2.0]).network(1, seed=0)
    for bad in ([], [[1.0]]):
        with pytest.raises(ValueError, match="downlink must list quantities"):
            topology(downlink=bad)


def test_islands_share_an_exit_and_only_what_leaves_uses_it():
    network = topology(tiers=[tier(size=2)]).network(4, seed=0)
    assert network.capacity.tolist() == [10] * 4 + [20] * 4 + [5, 5, 6, 6]
    assert route(network, 0, 1) == [0, 5]
    # 1 → 2: uplink 1, downlink 4 + 2, exit of island 0 (8), entry of island 1 (8 + 2 + 1).
    assert route(network, 1, 2) == [1, 6, 8, 11]


def test_groups_can_be_given_by_number():
    def group(groups, workers):
        return topology(tiers=[tier(groups=groups)]).network(workers, seed=0).tiers[0].group.tolist()

    assert group(2, 7) == [0, 0, 0, 0, 1, 1, 1]
    assert group(3, 4) == [0, 0, 1, 2]
    assert group(3, 2) == [0, 1]  # no more groups than members


def test_the_last_of_several_sizes_repeats():
    def group(size, workers):
        return topology(tiers=[tier(size=size)]).network(workers, seed=0).tiers[0].group.tolist()

    assert group([3, 1, 2], 9) == [0, 0, 0, 1, 2, 2, 3, 3, 4]
    assert group([3, 1, 2], 4) == [0, 0, 0, 1]
    assert group([5], 3) == [0, 0, 0]


def test_the_exits_of_a_tier_can_be_listed_and_the_list_begins_anew():
    network = topology(tiers=[tier(size=1, uplink=[5.0, 7.0])]).network(3, seed=0)
    assert network.capacity[6:].tolist() == [5, 7, 5, 6, 6, 6]


def test_a_tier_groups_the_groups_below_it():
    # Nodes of two hosts, racks of two nodes: 7 hosts, nodes {01} {23} {45} {6}, racks {0123} {456}.
    network = topology(tiers=[tier(name="node", size=2), tier(name="rack", size=2)]).network(7, seed=0)
    node, rack = network.tiers
    assert (node.group.tolist(), node.first) == ([0, 0, 1, 1, 2, 2, 3], 14)
    assert (rack.group.tolist(), rack.first) == ([0, 0, 0, 0, 1, 1, 1], 22)
    # 3 → 6: uplink 3, exits of node 1 (14 + 1) and rack 0 (22), entries of rack 1 (22 + 2 + 1) and node 3 (14 + 4 + 3),
    # downlink 7 + 6.
    assert route(network, 3, 6) == sorted([3, 15, 22, 25, 21, 13])
    # 1 → 2 stays in its rack.
    assert route(network, 1, 2) == sorted([1, 14, 14 + 4 + 1, 7 + 2])


def test_oversubscription_divides_what_the_members_have_together():
    # Nodes of 2 hosts of 10 up and 20 down, halved: 10 and 20; the last one has one host: 5 and 10. Racks of two nodes,
    # divided by 4: (10 + 10) / 4 = 5, (5) / 4; down (20 + 20) / 4 = 10, 10 / 4.
    tiers = [
        Tier(name="node", size=2, oversubscription=2),
        Tier(name="rack", size=2, oversubscription=4),
    ]
    network = topology(tiers=tiers).network(5, seed=0)
    assert network.capacity[10:].tolist() == [10, 10, 5, 20, 20, 10, 5, 1.25, 10, 2.5]


def test_each_exit_crossed_adds_its_latency():
    tiers = [tier(name="node", size=2, latency=0.001), tier(name="rack", size=2, latency=0.1)]
    network = topology(tiers=tiers).network(8, seed=0)
    # In a node: both last miles. In a rack: out of a node and into one. Across: also out of a rack and into one.
    seconds = network.latency(np.zeros(3, int), np.array([1, 2, 4]))
    np.testing.assert_allclose(seconds, [0.02, 0.022, 0.222])


def test_latency_is_both_last_miles_and_the_distance_of_the_regions():
    matrix = [[0.001, 0.05], [0.07, 0.002]]
    network = topology(regions=["here", "there"], region_latency=matrix).network(4, seed=0)
    assert network.region.tolist() == [0, 0, 1, 1]
    pairs = np.array([[0, 1], [1, 2], [2, 1]])
    np.testing.assert_allclose(network.latency(pairs[:, 0], pairs[:, 1]), [0.021, 0.07, 0.09])


def test_all_traffic_between_two_regions_shares_their_link():
    rates = [[np.inf, 3.0], [4.0, np.inf]]
    network = topology(regions=["a", "b"], region_latency=[[0, 0], [0, 0]], region_rate=rates).network(4, seed=0)
    assert network.capacity[8:].tolist() == [3, 4]
    assert route(network, 0, 1) == [0, 5]
    assert route(network, 1, 2) == [1, 6, 8]
    assert route(network, 3, 0) == [3, 4, 9]


def test_a_region_may_have_a_link_for_its_own_traffic():
    network = topology(regions=["a"], region_latency=[[0.0]], region_rate=[[7.0]]).network(2, seed=0)
    assert (route(network, 0, 1), network.capacity[4]) == ([0, 3, 4], 7)


def test_one_connection_reaches_what_its_regions_allow():
    rates = [[9.0, 1.0], [2.0, 8.0]]
    network = topology(regions=["a", "b"], region_latency=[[0, 0], [0, 0]], connection_rate=rates).network(4, seed=0)
    source, target = np.array([0, 0, 3, 2]), np.array([1, 2, 1, 3])
    assert network.connection_rate(source, target).tolist() == [9, 1, 2, 8]
    assert topology(connection_rate=3.0).network(4, seed=0).connection_rate(source, target) == 3.0
    assert topology().network(4, seed=0).connection_rate(source, target) == np.inf


def test_regions_take_equal_blocks_of_the_outermost_groups():
    # Sites of 2 hosts: 5 of them for 6 … 10 hosts; three regions get sites 0 1 | 2 3 | 4.
    network = topology(tiers=[tier(size=2)], regions=["a", "b", "c"], region_latency=np.zeros((3, 3)).tolist()).network(
        10, seed=0
    )
    assert network.region.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_what_comes_from_outside_enters_through_every_tier():
    tiers = [tier(name="node", size=2), tier(name="rack", size=2)]
    network = topology(tiers=tiers).network(7, seed=0)
    # To 6: entry of rack 1, entry of node 3, its own downlink; numbers as above.
    assert sorted(network.way_in(6).tolist()) == sorted([25, 21, 13])


def test_classes_of_access_go_together():
    network = topology(uplink={1.0: 0.75, 9.0: 0.25}, downlink={10.0: 0.75, 90.0: 0.25}).network(8, seed=3)
    assert sorted(network.capacity[:8]) == [1] * 6 + [9] * 2
    np.testing.assert_array_equal(network.capacity[8:], 10 * network.capacity[:8])


def test_the_seed_deals_a_mixture():
    def dealt(seed):
        return topology(last_mile={0.001: 0.5, 0.1: 0.5}).network(64, seed=seed).last_mile.tolist()

    assert dealt(1) == dealt(1) != dealt(2)
    assert sorted(dealt(1)) == sorted(dealt(2))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10**6))
def test_routes_and_latencies_are_those_looked_up_one_by_one(workers, seed):
    network = random_network(np.random.default_rng(seed), workers)
    source, target = np.repeat(np.arange(workers), workers), np.tile(np.arange(workers), workers)
    source, target = source[source != target], target[source != target]
    crossed = [[] for _ in source]
    for flows, links in network.routes(source, target):
        for flow, link in zip(np.arange(len(source))[flows], links, strict=True):
            crossed[flow].append(int(link))
    for flow, (a, b) in enumerate(zip(source, target, strict=True)):
        assert sorted(crossed[flow]) == sorted(way(network, a, b))
        assert set(network.way_in(b)) >= {link for link in way(network, a, b) if network.workers <= link} - {
            *network.region_link.ravel(),
            *(t.first + t.group[a] for t in network.tiers),
        }
    if len(source):
        np.testing.assert_allclose(
            network.latency(source, target), [one_way(network, a, b) for a, b in zip(source, target, strict=True)]
        )


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 40),
    st.lists(st.one_of(st.integers(1, 5), st.lists(st.integers(1, 5), min_size=1, max_size=4)), max_size=3),
    st.lists(st.floats(0.5, 8), min_size=3, max_size=3),
)
def test_nothing_of_a_hierarchy_is_lost_or_counted_twice(workers, sizes, ratios):
    tiers = [Tier(name=str(at), size=size, oversubscription=ratios[at]) for at, size in enumerate(sizes)]
    spread = {10.0: 0.5, 30.0: 0.5}
    network = topology(uplink=spread, tiers=tiers).network(workers, seed=1)
    # Each tier has all of the links below it, divided; so over all tiers, the hosts' links divided by every ratio.
    total, below = network.capacity[:workers].sum(), [[host] for host in range(workers)]
    for made, wanted in zip(network.tiers, tiers, strict=True):
        total /= wanted.oversubscription
        assert network.capacity[made.first : made.first + made.groups].sum() == pytest.approx(total)
        # Its groups, taken off the front of what lies below, one after the other.
        sizes, groups = [wanted.size] if isinstance(wanted.size, int) else list(wanted.size), []
        while below:
            size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
            groups.append([host for group in below[:size] for host in group])
            below = below[size:]
        assert [np.flatnonzero(made.group == number).tolist() for number in range(made.groups)] == groups
        below = groups
    assert sorted(host for group in below for host in group) == list(range(workers))


BAD_TIERS = [
    ({"size": 0}, "size must be >= 1, got 0"),
    ({"size": [4, 0]}, r"size must be >= 1, got \[4, 0\]"),
    ({"size": []}, r"size must be >= 1, got \[\]"),
    ({"size": ()}, r"size must be >= 1, got \(\)"),
    ({"size": -3}, "size must be >= 1, got -3"),
    ({"size": 2.0}, "size must be >= 1, got 2.0"),
    ({"size": True}, "size must be >= 1, got True"),
    ({"groups": 0}, "groups must be >= 1, got 0"),
    ({"groups": [2]}, r"groups must be >= 1, got \[2\]"),
    ({"size": None}, "size or groups must be given, and not both, got None and None"),
    ({"size": 2, "groups": 2}, "size or groups must be given, and not both, got 2 and 2"),
    ({"downlink": None}, "uplink and downlink must be given, or oversubscription"),
    ({"uplink": None, "downlink": None}, "uplink and downlink must be given, or oversubscription"),
    ({"oversubscription": 2.0}, "uplink and downlink must be given, or oversubscription"),
    ({"uplink": 0.0}, "uplink must be above 0 bit/s, got 0"),
    ({"downlink": float("nan")}, "downlink must be above 0 bit/s, got nan"),
    ({"uplink": None, "downlink": None, "oversubscription": 0.0}, "oversubscription must be above 0 and finite, got 0"),
    ({"uplink": None, "downlink": None, "oversubscription": np.inf}, "oversubscription must be above 0 and finite, got inf"),
    ({"latency": -0.1}, "latency must be >= 0 s and finite, got -0.1"),
    ({"latency": float("nan")}, "latency must be >= 0 s and finite, got nan"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_TIERS)
def test_bad_tiers_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        tier(**({"size": 2} if "groups" not in changes else {}) | changes)


TWO = {"regions": ["a", "b"], "region_latency": [[0.0, 0.0], [0.0, 0.0]]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uplink": 0.0}, "uplink must be above 0 bit/s, got 0"),
        ({"uplink": -1.0}, "uplink must be above 0 bit/s, got -1"),
        ({"downlink": {5.0: 0.5, 0.0: 0.5}}, "downlink must be above 0 bit/s, got 0"),
        ({"last_mile": -0.001}, "last_mile must be >= 0 s and finite, got -0.001"),
        ({"last_mile": {0.0: 0.5, np.inf: 0.5}}, "last_mile must be >= 0 s and finite, got inf"),
        ({"tiers": [tier(size=2), tier(size=2)]}, "tiers must have names of their own, got island, island"),
        ({"regions": ["a", "b"]}, "region_latency must be given where there are regions"),
        ({"regions": [], "region_latency": []}, "regions must not be empty"),
        ({"regions": ["a", "a"], "region_latency": [[0, 0], [0, 0]]}, "regions must have names of their own, got a, a"),
        ({"regions": ["a", "b"], "region_latency": [[0.0]]}, r"region_latency must have a row and a column for each of the 2"),
        (TWO | {"region_latency": 0.1}, r"region_latency must have a row and a column .* got rows of one value"),
        (TWO | {"region_latency": [[0.0, 0.0], [0.0]]}, r"region_latency must have .* got rows of \[2, 1\]"),
        (TWO | {"region_latency": [[0.0, -1.0], [0.0, 0.0]]}, "region_latency must be >= 0 s and finite, got -1"),
        (TWO | {"region_rate": [[1.0, 0.0], [1.0, 1.0]]}, "region_rate must be above 0 bit/s, got 0"),
        (TWO | {"connection_rate": [[1.0, -2.0], [1.0, 1.0]]}, "connection_rate must be above 0 bit/s, got -2"),
        ({"connection_rate": 0.0}, "connection_rate must be above 0 bit/s, got 0"),
        ({"region_latency": [[0.0]]}, "region_latency must not be given .* where there are no regions"),
        ({"region_rate": [[1.0]]}, "region_rate must not be given .* where there are no regions"),
        ({"connection_rate": [[1.0]]}, "connection_rate must not be given .* where there are no regions"),
    ],
)
def test_bad_networks_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        topology(**changes)


@pytest.mark.parametrize("shares", [{}, {1.0: 0.5}, {1.0: 1.5, 2.0: -0.5}, {1.0: "half", 2.0: 0.5}])
def test_shares_of_a_mixture_must_make_a_whole(shares):
    with pytest.raises(ValueError, match="^uplink must have (numbers as )?shares"):
        topology(uplink=shares).network(4, seed=0)


HOME = {"uplink": "10 Mbit/s", "downlink": "20 Mbit/s", "last_mile": "5 ms"}
ISLAND = {"name": "island", "size": 2, "uplink": "1 Mbit/s", "downlink": "1 Mbit/s"}
PAIR = {"regions": ["a", "b"], "region_latency": [["0 ms", "1 ms"], ["1 ms", "0 ms"]]}


def test_a_network_is_built_as_conf_writes_it():
    conf = HOME | PAIR | {"tiers": [ISLAND | {"size": [2, 1], "latency": "1 ms"}], "connection_rate": "8 Mbit/s"}
    made = build(conf | {"uplink": {"8 Mbit/s": 0.5, "unlimited": 0.5}}, "network", Topology)
    assert made.tiers[0] == Tier(name="island", size=[2, 1], uplink=125e3, downlink=125e3, latency=0.001)
    assert (made.uplink, made.connection_rate) == ({1e6: 0.5, np.inf: 0.5}, 1e6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uplink": 10}, "network.uplink must be a data rate with its unit, such as '100 Mbit/s', got 10"),
        ({"uplink": "10"}, "network.uplink must be a data rate with its unit, such as '100 Mbit/s', got '10'"),
        ({"server": ["1 Mbit/s"]}, "network.server must be one quantity and not a list, got ['1 Mbit/s']"),
        ({"uplink": "0 Mbit/s"}, "network.uplink must be above 0 bit/s, got 0"),
        ({"downlink": "-1 Mbit/s"}, "network.downlink must be >= 0 and finite, got '-1 Mbit/s'"),
        ({"last_mile": "5 MB"}, "network.last_mile must be a time with its unit, such as '25 ms', got '5 MB'"),
        ({"last_mile": None}, "network.last_mile must be given, got null"),
        ({"islands": 2}, "network.islands is not a setting of network"),
        ({"tiers": "node"}, "network.tiers must be a list, got 'node'"),
        ({"tiers": 8}, "network.tiers must be a list, got 8"),
        ({"tiers": ISLAND}, "network.tiers must be a list, got {"),
        ({"tiers": ["node"]}, "network.tiers[0] must hold settings, got 'node'"),
        ({"tiers": [ISLAND | {"size": "2"}]}, "network.tiers[0].size must be a whole number or a list, got '2'"),
        ({"tiers": [ISLAND | {"size": 2.0}]}, "network.tiers[0].size must be a whole number or a list, got 2.0"),
        ({"tiers": [ISLAND | {"size": [2, "4"]}]}, "network.tiers[0].size[1] must be a whole number, got '4'"),
        ({"tiers": [ISLAND | {"size": []}]}, "network.tiers[0].size must be >= 1, got []"),
        ({"tiers": [ISLAND | {"size": 0}]}, "network.tiers[0].size must be >= 1, got 0"),
        ({"tiers": [ISLAND, ISLAND | {"uplink": 5}]}, "network.tiers[1].uplink must be a data rate with its unit"),
        ({"tiers": [ISLAND | {"uplink": "5 Mbps"}]}, "network.tiers[0].uplink must be a data rate with its unit"),
        ({"tiers": [ISLAND | {"upload": "5 Mbit/s"}]}, "network.tiers[0].upload is not a setting of network.tiers[0]"),
        ({"tiers": [{"size": 2}]}, "network.tiers[0].name is missing"),
        ({"tiers": [ISLAND | {"oversubscription": "2"}]}, "network.tiers[0].oversubscription must be a number, got '2'"),
        ({"tiers": [ISLAND | {"latency": 0.1}]}, "network.tiers[0].latency must be a time with its unit"),
        ({"tiers": [ISLAND | {"latency": {"1 ms": 1}}]}, "network.tiers[0].latency must be one quantity and not a mixture"),
        ({"tiers": [ISLAND | {"name": 5}]}, "network.tiers[0].name must be a text, got 5"),
        (PAIR | {"regions": "ab"}, "network.regions must be a list, got 'ab'"),
        (PAIR | {"regions": ["a", 1]}, "network.regions[1] must be a text, got 1"),
        (PAIR | {"region_latency": "1 ms"}, "network.region_latency must have a row and a column for each of the 2 regions"),
        (PAIR | {"region_latency": [["0 ms", 1], ["1 ms", "0 ms"]]}, "network.region_latency must be a time with its unit"),
        (PAIR | {"region_latency": [["0 ms"], ["1 ms"]]}, "network.region_latency must have a row and a column for each of"),
        (PAIR | {"region_latency": ["0 ms", "1 ms"]}, "network.region_latency must have a row and a column for each of"),
        (PAIR | {"region_latency": [[["0 ms"], "0 ms"], ["0 ms", "0 ms"]]}, "network.region_latency must be one number for"),
        ({"connection_rate": [["1 Mbit/s"]]}, "network.connection_rate must not be given for pairs of regions where there are"),
    ],
)
def test_a_slip_in_conf_is_told_with_field_rule_and_value(changes, message):
    with pytest.raises(ConfError) as caught:
        build(HOME | changes, "network", Topology)
    assert str(caught.value).startswith(message)
