"""What a protocol leaves of a link: each effect off and on, and each alone."""

import numpy as np
import pytest
from random_networks import pure, star

from bench.build import build
from bench.errors import ConfError
from bench.network import Paths, Ramp, Tier, Topology, Transport, download
from bench.network.collectives import (
    Butterfly,
    GlooRing,
    HalvingDoubling,
    Hierarchical,
    Ring,
    Tree,
    exchange,
    plan_seconds,
    reduce_scatter,
)

ONE, TWO = np.array([0]), np.array([1])


def seconds(nbytes=1e6, network=None, **effects):
    """One host sends to another; links of 1 MB/s, 10 ms one way."""
    network = network or star(2)
    return plan_seconds(exchange(Paths(network, Transport(**effects)), ONE, TWO, nbytes), network.capacity)


def test_without_effects_a_message_costs_latency_and_bytes_over_bandwidth():
    assert seconds() == pytest.approx(0.01 + 1.0)
    assert Transport().rate(np.array([0.01]), np.inf).tolist() == [np.inf]


def test_a_window_a_round_trip_is_the_most_that_a_connection_carries():
    # 5 kB each 20 ms: 0.25 MB/s, so 1 MB takes 4 s. A window of 50 kB would carry more than the link does.
    assert seconds(window=5e3) == pytest.approx(0.01 + 4.0)
    assert seconds(window=5e4) == pytest.approx(0.01 + 1.0)
    # Without distance there is nothing to wait for.
    assert seconds(network=star(2, last_mile=0.0), window=1.0) == pytest.approx(1.0)


def test_connections_carry_as_many_windows():
    assert seconds(window=5e3, connections=3) == pytest.approx(0.01 + 4.0 / 3)
    assert seconds(window=5e3, connections=100) == pytest.approx(0.01 + 1.0)  # the link is the limit
    assert seconds(connections=7) == seconds()


def test_loss_holds_a_connection_to_mathis_rate():
    # Mathis et al.: packet / round trip * sqrt(3/2) / sqrt(p); 1500 bytes of payload, 20 ms, 1 %: 918.6 kB/s; 4 %: half.
    packets = {"packet_bytes": 1500.0, "payload_bytes": 1500.0}
    assert seconds(**packets) == pytest.approx(0.01 + 1.0)
    assert seconds(**packets, loss=0.01) == pytest.approx(0.01 + 1e6 / (1500 / 0.02 * 1.5**0.5 / 0.1))
    assert seconds(**packets, loss=0.04) - 0.01 == pytest.approx(2 * (seconds(**packets, loss=0.01) - 0.01))
    assert seconds(**packets, loss=0.04, connections=2) == pytest.approx(seconds(**packets, loss=0.01))


def test_headers_take_their_part_of_a_link():
    # 1200 of 1500 bytes are ours: 1 MB needs 1.25 MB on the wire.
    headers = {"packet_bytes": 1500.0, "payload_bytes": 1200.0}
    assert seconds(**headers) == pytest.approx(0.01 + 1.25)
    (transfer,) = exchange(Paths(star(2), Transport(**headers)), ONE, TWO, 1e6)
    assert transfer.weights.tolist() == [1.25, 1.25]
    assert Transport(**headers).efficiency == 0.8
    assert Transport().efficiency == 1.0


def test_a_connections_own_rate_counts_its_headers_too():
    assert seconds(connection_rate=2.5e5) == pytest.approx(0.01 + 4.0)
    assert seconds(connection_rate=2.5e5, connections=2) == pytest.approx(0.01 + 2.0)
    assert seconds(connection_rate=2.5e5, packet_bytes=1500.0, payload_bytes=1200.0) == pytest.approx(0.01 + 5.0)
    # The less of what the network and the protocol grant.
    network = star(2, connection_rate=2e5)
    assert seconds(network=network) == pytest.approx(0.01 + 5.0)
    assert seconds(network=network, connection_rate=1e5) == pytest.approx(0.01 + 10.0)
    assert seconds(network=network, connection_rate=5e5) == pytest.approx(0.01 + 5.0)


def test_regions_grant_each_pair_its_own_connection_rate():
    grants = [[np.inf, 5e5], [2.5e5, np.inf]]
    network = star(4, regions=["a", "b"], region_latency=[[0, 0], [0, 0]], connection_rate=grants)
    cap = Paths(network, Transport(connections=2)).cap(np.array([0, 0, 2]), np.array([1, 2, 0]))
    assert cap.tolist() == [np.inf, 1e6, 5e5]


def test_each_message_costs_the_hosts_their_time():
    assert seconds(message=0.5) == pytest.approx(0.51 + 1.0)
    # A ring's 2(n-1) = 6 steps have a message each.
    network = star(4)
    plans = [Ring().all_reduce(Paths(network, Transport(message=cost)), np.arange(4), 1e6) for cost in (0.0, 0.5)]
    without, with_it = (plan_seconds(plan, network.capacity) for plan in plans)
    assert with_it - without == pytest.approx(6 * 0.5)


def test_slow_start_begins_with_a_window_a_round_trip():
    # 10 kB each 20 ms on each of two connections: 1 MB/s, twice as much after each round trip.
    paths = Paths(star(2), Transport(initial_window=1e4, connections=2))
    (transfer,) = exchange(paths, ONE, TWO, 1e6)
    assert transfer.ramp == Ramp(start=1e6, doubling=0.02)
    assert exchange(pure(star(2)), ONE, TWO, 1e6)[0].ramp is None
    (transfer,) = exchange(Paths(star(2, last_mile=0.0), paths.transport), ONE, TWO, 1e6)
    assert transfer.ramp is None


def test_a_ring_starts_slowly_at_its_own_pace():
    # A ring of four moves 1.5 bytes over each link for each of 1 MB of payload: 60 ms of hops and 1.5 s at 1 MB/s. From the
    # first byte's arrival on, after 10 ms, that is a pace of 1.5 MB in 1.55 s. 100 B each 20 ms are 5 kB/s, at first; the mean
    # until a doubling is that over ln 2, and it doubles seven times before it would be above the pace.
    (transfer,) = Ring().all_reduce(Paths(star(4), Transport(initial_window=100)), np.arange(4), 1e6)
    slow = 100 / np.log(2) * (2**8 - 1)
    assert 100 / np.log(2) * 2**7 < 1.5e6 / 1.55 * 0.02 < 100 / np.log(2) * 2**8
    assert transfer.ramp is None
    assert transfer.latency == pytest.approx(0.06 + 8 * 0.02 - slow / (1.5e6 / 1.55))


def test_a_ring_of_two_on_unlimited_links_takes_its_slow_start():
    # Half of 6 kB each way, one hop of 10 ms. A round trip of 20 ms moves 1 kB / ln 2 on average, then 2 kB / ln 2.
    paths = Paths(star(2, uplink=np.inf, downlink=np.inf), Transport(initial_window=1e3))
    second = (3e3 - 1e3 / np.log(2)) / (2e3 / np.log(2))
    assert plan_seconds(reduce_scatter(paths, np.arange(2), 6e3), paths.network.capacity) == pytest.approx(
        0.01 + 0.02 * (1 + second)
    )


def test_a_ring_whose_slow_start_is_nothing_has_no_latency_below_none():
    # Four hosts near each other share a slow line, on which all wait; the ring's only distance is hidden behind it.
    network = Topology(
        uplink=np.inf,
        downlink=np.inf,
        last_mile=0.0,
        regions=["near", "far"],
        region_latency=[[0.0, 0.1], [0.1, 0.0]],
        region_rate=[[np.inf, 1e6], [1e6, 1e5]],
    ).network(8, seed=0)
    for nbytes in np.geomspace(1e6, 1e12, 61):
        (transfer,) = Ring().all_reduce(Paths(network, Transport(initial_window=14600.0)), np.arange(8), nbytes)
        assert transfer.latency >= 0


@pytest.mark.parametrize("collective", [Ring(), GlooRing(), HalvingDoubling(), Butterfly()], ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("hosts", [2, 3, 8])
def test_faster_links_never_cost_time_where_connections_start_slowly(collective, hosts):
    # The faster the links, the more of a schedule's time is waiting, in which windows grow.
    for nbytes in (1e5, 1e7, 1e9):
        prices = []
        for rate in np.geomspace(1e6, 1e11, 26):
            network = star(hosts, uplink=float(rate), downlink=float(rate), last_mile=0.02)
            paths = Paths(network, Transport(initial_window=9e4, connections=16, window=3e6))
            prices.append(plan_seconds(collective.all_reduce(paths, np.arange(hosts), nbytes), network.capacity))
        assert (np.diff(prices) <= 0.01 * np.array(prices[1:])).all()


def test_slow_start_is_that_of_the_farthest_flow():
    network = star(3)
    network.last_mile[2] = 0.095
    (transfer,) = exchange(Paths(network, Transport(initial_window=1e4)), np.array([0, 0]), np.array([1, 2]), 1e6)
    assert transfer.ramp == Ramp(start=5e4, doubling=pytest.approx(0.2))


def test_an_activity_has_as_many_shares_of_a_link_as_connections():
    (transfer,) = exchange(Paths(star(2), Transport(connections=5)), ONE, TWO, 1e6)
    assert transfer.share == 5
    # A ring's flow carries 1.5 bytes for each byte of payload: at the same rate / share its flows keep a connection's part.
    (transfer,) = Ring().all_reduce(Paths(star(4), Transport(connections=3)), np.arange(4), 1e6)
    assert transfer.share == pytest.approx(3 / 1.5)


def test_flows_between_the_same_two_hosts_share_what_the_pair_has():
    # Of two hosts each sends half a payload up one tree and half down the other: a payload, on the pair's one connection.
    paths = Paths(star(2, uplink=np.inf, downlink=np.inf), Transport(window=2e3))
    (transfer,) = Tree(chunk=1e-6).all_reduce(paths, np.arange(2), 1e6)
    assert transfer.cap == pytest.approx(2e3 / 0.02) and transfer.share == 1


def test_what_comes_from_outside_has_the_transports_limits():
    network = star(2)
    # A request and its answer over a last mile of 5 ms; a window of 2 kB over that round trip of 10 ms: 0.2 MB/s.
    transfer = download(Paths(network, Transport(window=2e3)), 1, 1e6)
    assert plan_seconds((transfer,), network.capacity) == pytest.approx(0.01 + 5.0)
    transfer = download(Paths(network, Transport(packet_bytes=1500, payload_bytes=1200)), 1, 1e6)
    assert plan_seconds((transfer,), network.capacity) == pytest.approx(0.01 + 1.25)
    transfer = download(Paths(network, Transport(message=1.0)), 1, 1e6)
    assert plan_seconds((transfer,), network.capacity) == pytest.approx(2.01 + 1.0)
    # 1 kB each 10 ms at first.
    assert download(Paths(network, Transport(initial_window=1e3)), 1, 1e6).ramp == Ramp(start=1e5, doubling=0.01)
    assert download(pure(network), 1, 1e6).ramp is None
    # It comes in through each tier.
    tiers = [Tier(name="node", size=1, uplink=1e6, downlink=1e5, latency=0.02)]
    assert download(pure(star(2, tiers=tiers)), 1, 1e6).latency == pytest.approx(2 * 0.025)


def test_unlimited_links_with_a_window_take_the_windows_time():
    network = Topology(uplink=np.inf, downlink=np.inf, last_mile=0.005).network(2, seed=0)
    assert seconds(network=network) == pytest.approx(0.01)
    assert seconds(network=network, window=1e4) == pytest.approx(0.01 + 2.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"connections": 0}, "connections must be >= 1, got 0"),
        ({"loss": -0.1}, "loss must be >= 0 and below 1, got -0.1"),
        ({"loss": 1.0}, "loss must be >= 0 and below 1, got 1"),
        ({"loss": float("nan")}, "loss must be >= 0 and below 1, got nan"),
        ({"loss": 0.1}, "payload_bytes must be given where loss is 0.1"),
        ({"window": 0.0}, "window must be above 0, got 0"),
        ({"initial_window": -1.0}, "initial_window must be above 0, got -1"),
        ({"connection_rate": 0.0}, "connection_rate must be above 0, got 0"),
        ({"packet_bytes": 1500.0}, "packet_bytes and payload_bytes must be given together"),
        ({"payload_bytes": 1500.0}, "packet_bytes and payload_bytes must be given together"),
        ({"packet_bytes": 1500.0, "payload_bytes": 1501.0}, "payload_bytes must be <= packet_bytes = 1500, got 1501"),
        ({"packet_bytes": 1500.0, "payload_bytes": 0.0}, "payload_bytes must be above 0, got 0"),
        ({"message": -0.001}, "message must be >= 0 s and finite, got -0.001"),
        ({"message": float("nan")}, "message must be >= 0 s and finite, got nan"),
    ],
)
def test_bad_transports_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Transport(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"connections": "4"}, "transport.connections must be a whole number, got '4'"),
        ({"connections": 0}, "transport.connections must be >= 1, got 0"),
        ({"window": 3}, "transport.window must be a size with its unit, such as '24 GiB', got 3"),
        ({"window": ["3 MiB"]}, "transport.window must be one quantity and not a list, got ['3 MiB']"),
        ({"window": "3 MiB/s"}, "transport.window must be a size with its unit"),
        ({"loss": "1 %"}, "transport.loss must be a number, got '1 %'"),
        ({"message": "-1 ms"}, "transport.message must be >= 0 and finite, got '-1 ms'"),
        ({"one_queue": 1}, "transport.one_queue must be true or false, got 1"),
        ({"windows": "3 MiB"}, "transport.windows is not a setting of transport; did you mean 'window'?"),
    ],
)
def test_a_slip_in_conf_is_told_with_field_rule_and_value(settings, message):
    with pytest.raises(ConfError) as caught:
        build(settings, "transport", Transport)
    assert str(caught.value).startswith(message)


def test_each_phase_of_a_hierarchy_starts_slowly():
    # Islands {0, 1} and {2, 3}: half an all-reduce inside, one of half the payload around {0, 2} and {1, 3}, and half a one.
    tiers = [Tier(name="island", size=2, uplink=np.inf, downlink=np.inf)]
    paths = Paths(star(4, tiers=tiers), Transport(initial_window=1e3))
    capacity = paths.network.capacity
    inside = plan_seconds(reduce_scatter(paths, np.array([0, 1]), 1e6), capacity)
    between = plan_seconds(Ring().all_reduce(paths, np.array([0, 2]), 5e5), capacity)
    price = plan_seconds(Hierarchical().all_reduce(paths, np.arange(4), 1e6), capacity)
    assert price == pytest.approx(inside + between + inside)
    swift = Paths(paths.network, Transport())
    assert price > plan_seconds(Hierarchical().all_reduce(swift, np.arange(4), 1e6), capacity) + 3 * 0.02


def test_a_round_trip_is_as_long_as_there_and_back():
    # Regions 10 ms apart one way and 90 the other: a window of 10 kB a round trip of 100 ms, each way.
    network = star(2, last_mile=0.0, regions=["a", "b"], region_latency=[[0.0, 0.01], [0.09, 0.0]])
    paths = Paths(network, Transport(window=1e4))
    assert paths.cap(np.array([0, 1]), np.array([1, 0])).tolist() == pytest.approx([1e5, 1e5])
